"""Who is connected: how many at one time, and how many from one address. Costs the same however many are there."""

from __future__ import annotations

from collections import Counter

from softbounce_gateway.submission.replies import BUSY_421, TOO_MANY_FROM_YOU_421

__all__ = ["Crowd"]

CROWDED = 0.8
"""From this share of the connections on nobody may be silent for long."""


class Crowd:
    """The connections.

    :param most: at one time, over all listeners.
    :param most_from_one: of these from one address.
    """

    def __init__(self, most: int, most_from_one: int) -> None:
        self._most = most
        self._most_from_one = most_from_one
        self._total = 0
        self._from: Counter[str] = Counter()

    @property
    def is_crowded(self) -> bool:
        """Whether there is hardly room for others."""
        return self._total >= self._most * CROWDED

    def enter(self, address: str) -> str | None:
        """One more; the reply to it where there is no room, and then it is not counted."""
        if self._total >= self._most:
            return BUSY_421
        if self._from[address] >= self._most_from_one:
            return TOO_MANY_FROM_YOU_421
        self._total += 1
        self._from[address] += 1
        return None

    def leave(self, address: str) -> None:
        """One less."""
        self._total -= 1
        self._from[address] -= 1
        if not self._from[address]:
            del self._from[address]
