"""Lets a few waiting sessions go on in each turn of the loop, so that it is soon back at what arrived meanwhile.

Each turn the loop first takes in all that the hosts said, and what they said to a final dot stands in the journal then.
Without this, hundreds of sessions would each do their next step before the loop looks again, and a kill would forget
every 250 that came meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["A_TURN", "Turnstile"]

A_TURN = 16
"""So many sessions take a step in one turn of the loop."""


class Turnstile:
    """What sessions wait at."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._places = A_TURN
        self._loop = asyncio.get_running_loop()

    def admit(self, waiter: asyncio.Future[None]) -> None:
        """Let this one go on, in this turn of the loop or in a later one."""
        if waiter.done():
            return
        if self._places == A_TURN:
            self._loop.call_soon(self._turn)
        if self._places:
            self._places -= 1
            waiter.set_result(None)
        else:
            self._waiting.append(waiter)

    def _turn(self) -> None:
        self._places = A_TURN
        for _ in range(min(A_TURN, len(self._waiting))):
            self.admit(self._waiting.popleft())
        if self._waiting and self._places == A_TURN:  # those had been cancelled
            self._loop.call_soon(self._turn)
