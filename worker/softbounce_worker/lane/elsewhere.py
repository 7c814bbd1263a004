"""How many lanes have work beside those that this process knows of, as far as it has seen: its share hangs on that."""

from __future__ import annotations

from collections.abc import Container

from softbounce.site import organisation_of

__all__ = ["Elsewhere"]


class Elsewhere:
    """The lanes with work that other processes have, or nobody, as far as they were seen.

    :ivar lists: how many ready lists may have work, whoever has them.
    :ivar left: the shards whose lists this round has not seen to the end yet, each with a cursor.
    :ivar lanes: the lanes that the last round found, without our own.
    :ivar organisations: whose limits bind those.
    """

    def __init__(self, shards: int) -> None:
        self.lists = 0
        self.left = dict.fromkeys(range(shards), 0)
        self.lanes: set[str] = set()
        self.organisations: set[str] = set()
        self._shards = shards
        self._found: set[str] = set()
        self._names = 0
        self._lanes_a_list = 1.0

    def find(self, lane: str) -> None:
        """A list of this lane has work."""
        self._names += 1
        self._found.add(lane)

    def go_on(self, shard: int, cursor: int, ours: Container[str]) -> None:
        """One more step was made in a shard; 0: it was the last one."""
        self.left[shard] = cursor
        if cursor == 0:
            del self.left[shard]
        if not self.left:
            self._lanes_a_list = len(self._found) / self._names if self._names else 1.0
            self.lanes = {lane for lane in self._found if lane not in ours}
            self.organisations = {organisation_of(lane) for lane in self.lanes}
            self._found, self._names = set(), 0
            self.left = dict.fromkeys(range(self._shards), 0)

    def with_work(self, busy: int) -> int:
        """How many lanes have work in all, where so many of ours do: as last seen, or more by the number of lists."""
        return max(busy + len(self.lanes), round(self.lists * self._lanes_a_list))
