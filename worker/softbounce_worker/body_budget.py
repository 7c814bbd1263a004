"""How much of the messages' bodies a process holds in memory, and which lane may take how much of that.

Greedy lanes leave room for others: a lane that holds something gets no more than is still free. So one alone has half,
two have a third each, and a lane that comes later finds some. Where nothing at all is held, the largest message fits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

__all__ = ["BodyBudget", "Reservation"]

SMALL_PART = 256
"""A small message takes this part of the room at most."""


class BodyBudget:
    """The room of one process.

    :ivar held: octets that are taken.
    :param freed: called whenever there is more of it.
    """

    def __init__(self, octets: int, freed: Callable[[], object]) -> None:
        self.held = 0
        self._freed = freed
        self._octets = octets
        self._lanes: Counter[str] = Counter()

    def fits(self, lane: str, octets: int) -> bool:
        """Whether a lane may have that much more now."""
        free = self._octets - self.held
        return not self.held or self._lanes[lane] + octets <= free or (octets <= free and not self._lanes[lane])

    def is_little(self, lane: str, octets: int) -> bool:
        """Whether that is nothing that others need wait for: a small message of a lane that holds nothing."""
        return octets <= self._octets // SMALL_PART and not self.has_some(lane)

    def has_some(self, lane: str) -> bool:
        """Whether a lane holds something."""
        return lane in self._lanes

    def take(self, lane: str, octets: int) -> Reservation:
        """Take it; it is free again when nobody has the place any more."""
        self.held += octets
        self._lanes[lane] += octets
        return Reservation(self, lane, octets)

    def leave(self, lane: str, octets: int) -> None:
        """Called by a place that ends."""
        self.held -= octets
        self._lanes[lane] -= octets
        if not self._lanes[lane]:
            del self._lanes[lane]
        self._freed()


class Reservation:
    """So much room, for as long as this object is there: it lives and ends with the body."""

    __slots__ = ("_lane", "_octets", "_room")

    def __init__(self, room: BodyBudget, lane: str, octets: int) -> None:
        self._room = room
        self._lane = lane
        self._octets = octets

    def __del__(self) -> None:
        """The body is gone."""
        self._room.leave(self._lane, self._octets)
