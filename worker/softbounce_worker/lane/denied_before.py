"""Notes what was believed before a site's denials turned out to be too many, so that it is taken back.

The scheduler does that, by the event log: what the note says is whose denials, and of which time.
"""

from __future__ import annotations

import asyncio

import structlog

from softbounce.errors import StoreError
from softbounce.store.unbelieved import Whom, note_unbelieved
from softbounce_worker.lane.denials import LONGEST, WINDOW
from softbounce_worker.process import WorkerProcess

__all__ = ["LONGEST_MS", "note_believed"]

LONGEST_MS = round(LONGEST * 1000)
WINDOW_MS = round(WINDOW * 1000)
STILL_COMING_MS = 10_000
"""What was believed before the turn may reach the store so much later."""
PAUSE = 1.0
log = structlog.get_logger("softbounce.worker")


def note_believed(process: WorkerProcess, whom: Whom, turned_ms: int) -> None:
    """Note that denials are not believed from then on: those of the run before it were, in vain.

    :param turned_ms: when that was noticed, by the store's clock.
    """
    process.spawn(_note(process, whom, turned_ms))


async def _note(process: WorkerProcess, whom: Whom, turned_ms: int) -> None:
    while not process.is_lost:
        try:
            noted = await process.store.run(note_unbelieved(whom, turned_ms - WINDOW_MS, turned_ms + STILL_COMING_MS))
        except StoreError:  # the flights say so; the next owner of the lane notes it too
            if process.is_ending:
                return
            await asyncio.sleep(PAUSE)
        else:
            if not noted:
                log.error("too_many_denials_noted", lane=whom.lane, domain=whom.domain)
            return
