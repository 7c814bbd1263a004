"""How long a call that many can share waits for others to join in: not at all, as long as few come."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Gathering"]

EACH = 0.01
"""Seconds: as long as fewer than one in so many come, none of them waits."""
IN_A_ROW = 5
"""So many may come at once all the same, if few did before."""
REMEMBERED = 100
"""So many of a burst count, until fewer have come for a while."""


class Gathering:
    """The pace of one kind of call.

    :param seconds: from one call to the next, in a burst.
    :param now: the time, in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._now = now
        self._went_at = self._burst_until = float("-inf")

    @property
    def left(self) -> float:
        """For how many seconds the next call waits still."""
        now = self._now()
        return max(0.0, self._went_at + self._seconds - now) if now < self._burst_until else 0.0

    def went(self, number: int) -> None:
        """A call begins, for so many who joined in."""
        now = self._went_at = self._now()
        quiet = max(self._burst_until, now - IN_A_ROW * EACH)
        self._burst_until = min(quiet + number * EACH, now + REMEMBERED * EACH)
