"""Names told by globs: which of them fit, in as much time as some fit, however many there are.

In a glob ``*`` is any text, ``?`` any character and ``[ab]`` one of them; case does not matter.

A service for thousands of customers has a table for each. Most globs are a name, or a star and the end of one from a
separator on (``*@example.com``, ``*.example.com``): they are found by that. The others are compared one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from heapq import merge
from typing import NamedTuple

__all__ = ["Globs", "matches", "one_name"]

WILD = re.compile(r"[*?\[]")
SEPARATOR = re.compile(r"[@.]")
BRACKETED = re.compile(r"\[([*?\[])\]")
"""A sign that stands for itself, as ``glob.escape`` writes it."""


def matches(glob: str | None, value: str | None) -> bool:
    """Whether *value* fits *glob*. No glob fits all; no value only ``*``."""
    if glob is None or glob == "*":
        return True
    return value is not None and _compiled(glob)(value.lower()) is not None


def one_name(glob: str) -> str | None:
    """The name that somebody writes where no glob is wanted, its own signs bare or as ``glob.escape`` has them.

    ``None``: it has a bare ``*`` or ``?``, which whoever writes it means as a glob. A bare ``[`` is part of the name.
    """
    bare = BRACKETED.sub("", glob)
    return None if "*" in bare or "?" in bare else BRACKETED.sub(r"\1", glob)


class _Column(NamedTuple):
    """Rows by the glob that they are found by: a name, or what a name ends with."""

    named: dict[str, list[int]]
    ended: dict[str, list[int]]


class Globs:
    """Rows of globs, in the order of their tables.

    :param rows: of each table a glob for each name that is asked about; ``None``: any.
    """

    def __init__(self, rows: Iterable[Sequence[str | None]]) -> None:
        self._more: list[list[tuple[int, str]]] = []
        """Of each row what is left to compare: the column, and the glob."""
        self._columns: dict[int, _Column] = {}
        self._others: list[int] = []
        for position, row in enumerate(rows):
            globs = [(column, glob.lower()) for column, glob in enumerate(row) if glob is not None and glob != "*"]
            self._place(globs).append(position)
            self._more.append(globs)

    def _place(self, globs: list[tuple[int, str]]) -> list[int]:
        """Where a row is found: by that of its globs which finds the fewest, which is taken from them."""
        places = [self._others]
        chosen = None
        for number, (column, glob) in enumerate(globs):
            if not WILD.search(glob):
                place = self._columns.setdefault(column, _Column({}, {})).named.setdefault(glob, [])
            elif glob[0] == "*" and SEPARATOR.match(glob, 1) and not WILD.search(glob, 1):
                place = self._columns.setdefault(column, _Column({}, {})).ended.setdefault(glob[1:], [])
            else:
                continue
            if chosen is None or len(place) < len(places[-1]):
                chosen = number
                places.append(place)
        if chosen is not None:
            del globs[chosen]
        return places[-1]

    def fitting(self, *names: str | None) -> Iterator[int]:
        """The positions of the rows of which every glob fits its name, in order.

        :param names: as many as a row has globs. ``None``: not known, only ``*`` fits it.
        """
        return (position for position in self._candidates(names) if self._fits(position, names))

    def first(self, *names: str | None) -> int | None:
        """The position of the first of them."""
        for position in self._candidates(names):
            if self._fits(position, names):
                return position
        return None

    def _fits(self, position: int, names: Sequence[str | None]) -> bool:
        return all(matches(glob, names[column]) for column, glob in self._more[position])

    def _candidates(self, names: Sequence[str | None]) -> Iterable[int]:
        found = [self._others] if self._others else []
        for column, known in self._columns.items():
            if (name := names[column]) is not None:
                name = name.lower()
                if name in known.named:
                    found.append(known.named[name])
                if known.ended:
                    found += [known.ended[end] for end in _ends(name) if end in known.ended]
        if len(found) < 2:  # noqa: PLR2004 - then there is nothing to merge
            return found[0] if found else ()
        return merge(*found)


@lru_cache(maxsize=4096)
def _ends(name: str) -> tuple[str, ...]:
    """What a name ends with, from each separator on."""
    return tuple(name[one.start() :] for one in SEPARATOR.finditer(name))


@lru_cache(maxsize=8192)
def _compiled(glob: str) -> Callable[[str], re.Match[str] | None]:
    """As the standard library reads it, which itself remembers but 256: to read one takes as long as 50 looks."""
    return re.compile(translate(glob.lower())).match
