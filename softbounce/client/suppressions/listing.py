"""Lists suppressions: a walk over all of them in bounded steps, or those of one address."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from softbounce.address import ascii_glob
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.suppressions.values import Suppression, name_by_hand, shown_entry
from softbounce.errors import InvalidAddress, InvalidArgument
from softbounce.globs import matches
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.suppressions import read_kept, read_names, walk_names
from softbounce.suppression import Entry, Kept, Source

__all__ = ["SuppressionPage", "Wanted", "read_suppressions", "wanted"]

STEP = 500
SOURCES = frozenset(Source)
PLACE = re.compile(r"([0-9]{1,6})\.([0-9]{1,20})(?:\.([A-Za-z0-9_-]{0,2000})\.([0-9]{1,6}))?", re.ASCII)


class SuppressionPage(NamedTuple):
    """Suppressions in no order; ``next`` asks for the page behind, ``None``: this was the last."""

    suppressions: tuple[Suppression, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which suppressions: every condition that is given must fit. ``domain`` and ``stream`` are globs."""

    address: str | None = None
    domain: str | None = None
    stream: str | None = None
    source: str | None = None

    def fits(self, name: str, entry: Entry) -> bool:
        """Whether one does."""
        return (
            (self.domain is None or matches(ascii_glob(self.domain), name.rpartition("@")[2]))
            and (self.stream is None or matches(self.stream, entry.stream))
            and (self.source is None or self.source == entry.source)
        )


def wanted(
    *, address: str | None = None, domain: str | None = None, stream: str | None = None, source: str | None = None
) -> Wanted:
    """Which suppressions, from words.

    :raises InvalidArgument: there is no such source, or the address is none.
    """
    if source is not None and source not in SOURCES:
        raise InvalidArgument("source", f"{source[:64]!r} is none; sources are {', '.join(Source)}")
    name = None if address is None else _name(address)
    return Wanted(address=name, domain=domain, stream=stream, source=source)


def read_suppressions(knowledge: Knowledge, which: Wanted, after: str | None, limit: int) -> Flow[SuppressionPage]:
    """At most *limit* of those that fit. Expired ones are left out.

    Where a step of the walk has more, the next page begins in it anew. Who sees one here is told of it by his next
    send.

    :param after: ``next`` of the page before.
    :raises InvalidArgument: ``after`` is none.
    """
    page = yield from _page(knowledge, which, after, limit)
    if page.suppressions:
        knowledge.are_suppressed = True
    return page


class _Place(NamedTuple):
    """Where a page begins: the shard, the step of its walk, the name there, and how many of its entries were shown."""

    shard: int = 0
    cursor: int = 0
    name: str = ""
    shown: int = 0

    def __str__(self) -> str:
        behind = (
            f".{urlsafe_b64encode(self.name.encode()).decode().rstrip('=')}.{self.shown}"
            if self.name or self.shown
            else ""
        )
        return f"{self.shard}.{self.cursor}{behind}"


def _page(knowledge: Knowledge, which: Wanted, after: str | None, limit: int) -> Flow[SuppressionPage]:
    known = yield from knowledge.current()
    place = _read_place(after)
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    found: list[Suppression] = []
    kept: Mapping[str, Kept]
    while place.shard < known.shards and len(found) < limit:
        if which.address is not None:
            octets = yield from repeat(read_names([which.address], known.shards))
            kept, behind = {name: read_kept(one) for name, one in octets.items()}, _Place(known.shards)
        else:
            step = yield from repeat(walk_names(place.shard, place.cursor, STEP))
            kept, behind = step.found, _Place(place.shard + (step.cursor == 0), step.cursor)
        for name in sorted(one for one in kept if one >= place.name):
            fitting = [one for one in kept[name].entries if which.fits(name, one) and not one.is_over(now_ms)]
            shown = place.shown if name == place.name else 0
            room = limit - len(found)
            found += [shown_entry(name, one) for one in fitting[shown : shown + room]]
            if len(fitting) > shown + room:
                return SuppressionPage(tuple(found), str(place._replace(name=name, shown=shown + room)))
        place = behind
    return SuppressionPage(tuple(found), str(place) if place.shard < known.shards else None)


def _read_place(text: str | None) -> _Place:
    if text is None:
        return _Place()
    found = PLACE.fullmatch(text)
    try:
        if found is not None:
            name = urlsafe_b64decode(f"{found[3] or ''}===").decode()
            return _Place(int(found[1]), int(found[2]), name, int(found[4] or 0))
    except ValueError:
        pass
    raise InvalidArgument("after", "not the mark of a page; use `next` of the page before, as it is")


def _name(address: str) -> str:
    try:
        return name_by_hand(address)
    except InvalidAddress as error:
        raise InvalidArgument("address", error.reason) from None
