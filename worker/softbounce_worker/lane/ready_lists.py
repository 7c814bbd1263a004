"""The ready lists that one lane claims from: which may have entries, how many as far as known, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

__all__ = ["ListName", "ReadyLists"]

LOOKED_AT = 64
"""Lists that are looked at for one claim."""


class ListName(NamedTuple):
    """Where a ready list is."""

    shard: int
    stream: str
    lane: str


class ReadyLists:
    """The lists that may have entries, and no others: one that turned out to be empty is not kept.

    :ivar entries: how many all of them have, or more by now.
    """

    def __init__(self) -> None:
        self.entries = 0
        self._lists: dict[ListName, int] = {}

    def __len__(self) -> int:
        """How many lists may have entries."""
        return len(self._lists)

    def __iter__(self) -> Iterator[ListName]:
        """Those lists."""
        return iter(self._lists)

    def note(self, name: ListName, entries: int = 1) -> None:
        """A list may have entries, so many at least; its turn comes behind those of others."""
        more = entries - self._lists.get(name, 0)
        if more > 0:
            self._lists[name] = entries
            self.entries += more

    def draw(self, most: int, waits: Callable[[str], bool]) -> list[ListName]:
        """Take those whose turn it is, all of one shard: whoever draws them notes them again, if entries are left.

        :param waits: whether what was claimed of a lane waits still: then nothing more is, for now.
        """
        drawn: list[ListName] = []
        for name in list(islice(self._lists, LOOKED_AT)):
            if len(drawn) < most and name.shard == (drawn or [name])[0].shard and not waits(name.lane):
                self.entries -= self._lists.pop(name)
                drawn.append(name)
        return drawn
