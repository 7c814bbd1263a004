"""The ready lists that one lane claims from: which may have entries, how many as far as known, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from softbounce_worker.empty import EMPTY

__all__ = ["Entries", "ListName", "ReadyLists"]

LOOKED_AT = 64
"""Lists that are looked at for one claim."""


class ListName(NamedTuple):
    """Where a ready list is."""

    shard: int
    stream: str
    lane: str


class Entries(NamedTuple):
    """How many entries a list had: so many at least, or no more than that."""

    number: int
    is_all: bool


class ReadyLists:
    """The lists that may have entries, and no others: one that turned out to be empty is not kept.

    :ivar entries: how many all of them have, or more by now.
    """

    __slots__ = ("_lists", "entries")

    def __init__(self) -> None:
        self.entries = 0
        self._lists: dict[ListName, Entries] = EMPTY

    def __len__(self) -> int:
        """How many lists may have entries."""
        return len(self._lists)

    def __iter__(self) -> Iterator[ListName]:
        """Those lists."""
        return iter(self._lists)

    def note(self, name: ListName, entries: int = 0) -> None:
        """A list has so many entries, or some; its turn comes behind those of others."""
        before = self._lists.get(name, Entries(0, is_all=True))
        number = max(entries, before.number, 1)
        if self._lists is EMPTY:
            self._lists = {}
        self._lists[name] = Entries(number, is_all=before.is_all and entries > 0)
        self.entries += number - before.number

    def take(self, names: Iterable[ListName]) -> None:
        """Take some of them: they have entries, and nobody claims from there for now."""
        for name in names:
            self.entries -= self._lists.pop(name).number
        if not self._lists:
            self._lists = EMPTY

    def draw(self, most: int, waits: Callable[[str], bool]) -> dict[ListName, Entries]:
        """Take those whose turn it is, all of one shard: whoever draws them notes them again, if entries are left.

        Answers how many entries each has, as far as is known.

        :param waits: whether what was claimed of a lane waits still: then nothing more is, for now.
        """
        drawn: dict[ListName, Entries] = {}
        for name in list(islice(self._lists, LOOKED_AT)):
            if len(drawn) < most and name.shard == next(iter(drawn), name).shard and not waits(name.lane):
                drawn[name] = self._lists.pop(name)
                self.entries -= drawn[name].number
        if not self._lists:
            self._lists = EMPTY
        return drawn
