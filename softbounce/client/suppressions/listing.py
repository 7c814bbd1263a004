"""Lists suppressions: a walk over all of them in bounded steps, or those of one address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from softbounce.address import ascii_glob
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.suppressions.values import Suppression, kept_name, shown_entry
from softbounce.errors import InvalidAddress, InvalidArgument
from softbounce.settings import matches
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.suppressions import read_kept, read_names, walk_names
from softbounce.suppression import Entry, Source

__all__ = ["SuppressionPage", "Wanted", "read_suppressions", "wanted"]

STEP = 500
SOURCES = frozenset(Source)
LONGEST_PLACE = 40


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
    """About *limit* of those that fit: a page ends with the step of the walk that filled it. Expired ones are left out.

    Who sees one here is told of it by his next send.

    :param after: ``next`` of the page before.
    :raises InvalidArgument: ``after`` is none.
    """
    page = yield from _page(knowledge, which, after, limit)
    if page.suppressions:
        knowledge.are_suppressed = True
    return page


def _page(knowledge: Knowledge, which: Wanted, after: str | None, limit: int) -> Flow[SuppressionPage]:
    known = yield from knowledge.current()
    shard, cursor = _read_place(after)
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    found: list[Suppression] = []
    if which.address is not None:
        octets = yield from repeat(read_names([which.address], known.shards))
        entries = read_kept(octets[which.address]).entries if which.address in octets else ()
        found = [
            shown_entry(which.address, one)
            for one in entries
            if which.fits(which.address, one) and not one.is_over(now_ms)
        ]
        return SuppressionPage(tuple(found), None)
    while shard < known.shards and len(found) < limit:
        step = yield from repeat(walk_names(shard, cursor, min(STEP, max(limit, 10))))
        for name, kept in step.found.items():
            found += [
                shown_entry(name, one) for one in kept.entries if which.fits(name, one) and not one.is_over(now_ms)
            ]
        cursor = step.cursor
        shard += cursor == 0
    return SuppressionPage(tuple(found), f"{shard}.{cursor}" if shard < known.shards else None)


def _read_place(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    shard, dot, cursor = text[:LONGEST_PLACE].partition(".")
    if not (dot and shard.isdecimal() and cursor.isdecimal() and text.isascii() and len(text) < LONGEST_PLACE):
        raise InvalidArgument("after", "not the mark of a page; use `next` of the page before, as it is")
    return int(shard), int(cursor)


def _name(address: str) -> str:
    try:
        return kept_name(address)
    except InvalidAddress as error:
        raise InvalidArgument("address", error.reason) from None
