"""Tells the store, once a second, what only this process knows: how long hosts take, and how many sessions it has.

Everything else that `/metrics` shows of mail is counted by the scripts that move it. So a worker that is killed takes
no count with it, but for the durations of its last second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from softbounce_config.loops import keep_going

from softbounce.errors import StoreError, StoreUncertain
from softbounce.store.metrics import add_counts, tell_sessions
from softbounce_worker.process import WorkerProcess
from softbounce_worker.session.stage_times import StageTimes

__all__ = ["Gauges"]

EVERY = 1.0
log = structlog.get_logger("softbounce.worker")


class Gauges:
    """Those of one process.

    :param sessions: how many there are just now.
    """

    def __init__(self, process: WorkerProcess, stages: StageTimes, sessions: Callable[[], int]) -> None:
        self._process = process
        self._stages = stages
        self._sessions = sessions
        self._told = 0

    async def run(self) -> None:
        """Tell it until cancelled."""
        await keep_going("gauges", self._step, log)

    async def _step(self) -> None:
        await asyncio.sleep(EVERY)
        await self._tell(self._sessions())

    async def close(self) -> None:
        """Tell the last of it."""
        try:
            await self._tell(0)
        except StoreError as error:
            log.warning("store_trouble", error=str(error))

    async def _tell(self, sessions: int) -> None:
        """Write it down.

        :raises StoreError: the store went away. What it did not take is told the next time; what it may have taken is
            not, for nobody may count it twice.
        """
        seen = self._stages.take()
        try:
            if seen:
                await self._process.store.run(add_counts(seen))
        except StoreUncertain:
            raise
        except StoreError:
            self._stages.put_back(seen)
            raise
        if sessions != self._told:
            await self._process.store.run(tell_sessions(self._process.name, sessions))
            self._told = sessions
