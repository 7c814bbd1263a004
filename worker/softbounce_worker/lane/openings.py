"""The sessions of a lane that are being opened: which may stand in a moment, and which host has been silent for long.

One counts as on its way for a moment only. Where nothing comes from a host for longer, another is opened beside it; a
few at most, one a second. Who has been silent longest goes first, and each that goes makes the next be left alone for
longer, until a session is had.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.at_work import LOOK
from softbounce_worker.session.dialling import Opening
from softbounce_worker.work import Wants

__all__ = ["Openings"]

PATIENCE = 5.0
"""Seconds for which a silent one is left alone at least; doubled with each that goes, until a session is had."""
NOBODY = Counter[Wants]()
CHALLENGERS, MOST_CHALLENGERS = 4, 8
"""So many are opened beside silent ones, for a single message and for many."""


class Openings:
    """What is being opened."""

    __slots__ = ("_loop", "_patience", "_tasks")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[Opening, asyncio.Task[None]] = EMPTY  # in the order of their beginning
        self._patience = PATIENCE

    def __len__(self) -> int:
        """How many."""
        return len(self._tasks)

    @property
    def coming(self) -> int:
        """How many may stand in a moment."""
        return sum(not opening.is_silent for opening in self._tasks)

    @property
    def any_dials(self) -> bool:
        """Whether one has its place, and is on its way or silent."""
        return not all(opening.waits for opening in self._tasks)

    @property
    def on_their_way(self) -> Counter[Wants]:
        """Those, by what the mail wants that they are for."""
        return Counter(opening.wants for opening in self._tasks if not opening.is_silent) if self._tasks else NOBODY

    @property
    def longest_silent(self) -> Opening | None:
        """The one that began first of those that are silent."""
        return next((opening for opening in self._tasks if opening.is_silent), None)

    def may_challenge(self, waiting: int) -> bool:
        """Whether one more may be opened beside those that are silent, where so many wait."""
        silent = [opening for opening in self._tasks if opening.is_silent]
        most = max(CHALLENGERS, min(waiting, MOST_CHALLENGERS))
        return not (silent and (self.coming or sum(opening.is_challenger for opening in silent) >= most))

    def begin(self, opening: Opening, task: asyncio.Task[None]) -> None:
        """It is being opened."""
        if self._tasks is EMPTY:
            self._tasks = {}
        self._tasks[opening] = task

    def end(self, opening: Opening) -> None:
        """It is opened, or there is none."""
        del self._tasks[opening]

    def had(self, opening: Opening, now: float) -> None:
        """A session was had."""
        self._patience = max(PATIENCE, 2 * (now - opening.began_at))

    def note_silence(self, failed: Callable[[str], object]) -> None:
        """Some have heard nothing for too long: *failed* is told of their addresses, so that others come first."""
        now = self._loop.time()
        for opening in self._tasks:
            if not (opening.is_silent or opening.waits) and now - opening.silent_since >= LOOK:
                opening.is_silent = True
                if opening.address is not None:
                    failed(opening.address)

    def give_up(self, opening: Opening) -> None:
        """Its place is needed; where it was left alone for long enough."""
        if self._loop.time() - opening.began_at >= self._patience:
            self._patience *= 2
            self._tasks[opening].cancel()

    def drop_silent(self) -> None:
        """Nothing waits for them, nor for those that have not begun to dial."""
        for opening, task in self._tasks.items():
            if opening.is_silent or opening.waits:
                task.cancel()

    def take_no_room(self) -> None:
        """There are none."""
        self._tasks = EMPTY

    def cancel(self) -> None:
        """End all."""
        for task in self._tasks.values():
            task.cancel()
