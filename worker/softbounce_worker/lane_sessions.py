"""The sessions of a lane: opened as far as there is work for them and room in the process, and ended with the lane.

Knows no envelopes. That no session could be had is told to :mod:`.outcomes`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from .opening import Failed
from .session import Session

if TYPE_CHECKING:
    from .engine import DeliveryEngine
    from .lane import Lane

__all__ = ["LaneSessions"]

BETWEEN_REFUSALS = 5.0
log = structlog.get_logger("softbounce.worker")


class LaneSessions:
    """What is open, or being opened.

    :ivar idle: sessions that wait for work.
    :ivar opening: how many are being opened.
    """

    def __init__(self, lane: Lane, engine: DeliveryEngine) -> None:
        self.idle: set[Session] = set()
        self.opening = 0
        self._lane = lane
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Session] = set()
        self._no_more_before = 0.0

    def __len__(self) -> int:
        """How many are open or being opened."""
        return len(self._tasks)

    @property
    def any_is_open(self) -> bool:
        """Whether one is past its opening."""
        return bool(self._open)

    def provide(self, waiting: int, width: int) -> None:
        """For so many envelopes that wait: wake those that are idle, and open new ones up to a number of all."""
        for session in list(self.idle)[:waiting]:
            session.wake()
        missing = waiting - len(self.idle) - self.opening
        if self._engine.loop.time() < self._no_more_before:
            width = min(width, 1)  # one is always tried: without any, nothing would ever be
        while missing > 0 and len(self._tasks) < width and self._engine.may_open():
            self.opening += 1
            missing -= 1
            task = self._engine.loop.create_task(self._carry())
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        if missing > 0 and len(self._tasks) < width:
            self._engine.make_room()

    def open_fewer(self) -> None:
        """The host takes no more of them for now."""
        self._no_more_before = self._engine.loop.time() + BETWEEN_REFUSALS

    def wake_idle(self) -> None:
        """It is time to go."""
        for session in list(self.idle):
            session.wake()

    def abort(self) -> list[asyncio.Task[None]]:
        """End all at once; their tasks, to be waited for."""
        for session in list(self._open):
            session.abort()
        for task in list(self._tasks):
            task.cancel()
        return list(self._tasks)

    async def _carry(self) -> None:
        """Open one session and let it carry work until it ends."""
        is_opening = True
        try:
            dialled = await self._engine.open_session(self._lane)
            self.opening -= 1
            is_opening = False
            if isinstance(dialled, Failed):
                self._lane.outcomes.no_session(dialled)
                return
            session = Session(self._lane, dialled, self._engine.timeouts)
            self._open.add(session)
            try:
                await session.run()
            finally:
                self._open.discard(session)
        finally:
            if is_opening:
                self.opening -= 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_failed", lane=self._lane.name, exc_info=error)
            self.open_fewer()
        self._lane.pump()
        self._engine.use_room()
