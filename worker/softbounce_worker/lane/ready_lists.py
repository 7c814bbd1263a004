"""The ready lists that one lane claims from: which may have entries, how many as far as known, and whose turn it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.turns import WeightOf, parts_of

__all__ = ["Entries", "ListName", "ReadyLists", "split"]

LOOKED_AT = 64
ROUNDED = 1e-9
"""Lists that are looked at for one claim."""


class ListName(NamedTuple):
    """Where a ready list is."""

    shard: int
    stream: str
    lane: str
    share: int = 0


class Entries(NamedTuple):
    """How many entries a list had: so many at least, or no more than that."""

    number: int
    is_all: bool

    @property
    def most(self) -> float:
        """How many it had at most."""
        return self.number if self.is_all else math.inf


def split(want: int, drawn: Mapping[ListName, Entries], weight_of: WeightOf) -> list[int]:
    """How many to claim from each of these lists, of about so many in all: by their shares.

    From none more than it is known to have: what one leaves is the others'. From each one at least.
    """
    parts = parts_of([(name.stream, name.share) for name in drawn], weight_of)
    numbers = [0] * len(parts)
    entries = list(drawn.values())
    left, whole = want, 1.0
    for at in sorted(range(len(parts)), key=lambda at: entries[at].most / parts[at]):
        number = max(1, math.ceil(left * parts[at] / whole - ROUNDED))
        numbers[at] = int(min(number, entries[at].most))
        left, whole = max(0, left - numbers[at]), max(whole - parts[at], parts[at] * ROUNDED)
    return numbers


class ReadyLists:
    """The lists that may have entries, and no others: one that turned out to be empty is not kept.

    :ivar entries: how many all of them have, or more by now.
    :ivar pressing: those that are claimed from first: nothing of their shares waits in hand, while others' mail does.
    """

    __slots__ = ("_lists", "entries", "pressing")

    def __init__(self) -> None:
        self.entries = 0
        self._lists: dict[ListName, Entries] = EMPTY
        self.pressing: dict[ListName, None] = EMPTY

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

    def press(self, name: ListName) -> None:
        """It is claimed from first."""
        if self.pressing is EMPTY:
            self.pressing = {}
        self.pressing[name] = None

    def take(self, names: Iterable[ListName]) -> None:
        """Take some of them: they have entries, and nobody claims from there for now."""
        for name in names:
            self._pop(name)

    def draw(self, most: int, waits: Callable[[str], bool], *, pressing_only: bool = False) -> dict[ListName, Entries]:
        """Take those whose turn it is, all of one shard: whoever draws them notes them again, if entries are left.

        Answers how many entries each has, as far as is known.

        :param waits: whether what was claimed of a lane waits still: then nothing more is, for now.
        :param pressing_only: of the others there is enough in hand.
        """
        drawn: dict[ListName, Entries] = {}
        names = list(islice(self.pressing, LOOKED_AT))
        if not pressing_only:
            names += [name for name in islice(self._lists, LOOKED_AT) if name not in self.pressing]
        for name in names:
            if len(drawn) < most and name.shard == next(iter(drawn), name).shard and not waits(name.lane):
                drawn[name] = self._pop(name)
        return drawn

    def _pop(self, name: ListName) -> Entries:
        entries = self._lists.pop(name)
        self.entries -= entries.number
        if self.pressing:
            self.pressing.pop(name, None)
        if not self._lists:
            self._lists = self.pressing = EMPTY
        return entries
