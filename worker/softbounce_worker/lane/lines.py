"""Brings forward what waits in a line (:mod:`softbounce.store.lines`), in bounded steps between which others go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from softbounce.errors import StoreError
from softbounce.store.lines import BROUGHT_TOGETHER, bring
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger

__all__ = ["Lines"]

PAUSE = 0.05
"""Seconds between two steps: the scheduler and the lane keep up, and where the sender closes again few came in vain."""
AGAIN = 1.0
log = structlog.get_logger("softbounce.worker")


class Lines:
    """The lines that this process brings forward.

    :param ledger: what it handed over before has to be in its line first.
    """

    __slots__ = ("_ledger", "_process")

    def __init__(self, process: WorkerProcess, ledger: ClaimLedger) -> None:
        self._process = process
        self._ledger = ledger

    def bring_all(self, line: str, *, goes_on: Callable[[], bool], done: Callable[[], object]) -> None:
        """Bring all of them now, as long as they may go.

        :param goes_on: asked before each step.
        :param done: called when none is left.
        """
        self._process.spawn(self._bring_all(line, goes_on, done))

    async def _bring_all(self, line: str, goes_on: Callable[[], bool], done: Callable[[], object]) -> None:
        process = self._process
        await self._ledger.landed()
        for shard in range(process.shards):
            left = 1
            while left:
                if process.begins_nothing or not goes_on():
                    return
                try:
                    left = (await process.store.run(bring(shard, line))).left
                except StoreError as error:
                    log.warning("store_trouble", error=str(error))
                    await asyncio.sleep(AGAIN)
                    continue
                if left:
                    await asyncio.sleep(PAUSE)
        done()

    def bring_one(self, line: str, seconds: float = 0.0) -> None:
        """Bring the first, of the first shard that has one, in so many seconds."""
        self._process.spawn(self._bring_one(line, round(1000 * max(0.0, seconds))))

    async def _bring_one(self, line: str, in_ms: int) -> None:
        process = self._process
        await self._ledger.landed()
        try:
            for shard in range(process.shards):
                left = BROUGHT_TOGETHER
                while left and not process.begins_nothing:
                    brought = await process.store.run(bring(shard, line, 1, in_ms))
                    if brought.number:
                        return
                    left = brought.left
        except StoreError as error:
            log.warning("store_trouble", error=str(error))  # others come by their own time
