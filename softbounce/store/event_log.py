"""The event logs of shards, read on from where they were read before.

An entry has the running number of its last event, so who follows a log learns whether anything was trimmed before he
came. A log only grows at its end: while the entry that was read last is in it, nothing stands before it that was not
read. Where it is not there, it was trimmed, or the log is another server's by now, who took writes for a moment while
the one before still did. Then the log is read again from a while before: what is done twice by that is done once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every

__all__ = ["AGAIN_MS", "UNKNOWN", "LogEntry", "Page", "Place", "read_on", "read_place"]

AGAIN_MS = 60_000
"""So long two servers may both take writes, while one replaces the other."""
UNKNOWN = -1
PLACE = re.compile(rb"([0-9]{1,19}-[0-9]{1,19})(?: (-?[0-9]{1,19}))?")
FIXARRAY, ARRAY16, ARRAY32 = 0x90, 0xDC, 0xDD


class Place(NamedTuple):
    """How far a shard's log was followed.

    :ivar entry: behind which entry, by its id.
    :ivar number: of its last event; -1: it is not known.
    :ivar is_read: whether that entry was read; else it is a time to begin at.
    """

    entry: bytes
    number: int = UNKNOWN
    is_read: bool = True

    @classmethod
    def at(cls, ms: int) -> Place:
        """Before what was written from then on."""
        return cls(b"%d-0" % max(0, ms), is_read=False)


class LogEntry(NamedTuple):
    """An entry of the log: its id, its events as they are stored, and the number of the last of them."""

    id: bytes
    octets: bytes
    number: int

    @property
    def at_ms(self) -> int:
        """When it was written, by the store's clock."""
        return _ms(self.id)

    @property
    def before(self) -> int:
        """The number of the event before its first one."""
        return self.number - _count(self.octets)


class Page(NamedTuple):
    """The next entries of a shard's log, the place behind them, and whether there may be more now."""

    entries: list[LogEntry]
    behind: Place
    has_more: bool


def read_place(octets: bytes | None, now_ms: int) -> Place | None:
    """A place as it was noted: the entry's id, and its number where that is known; ``None``: it is none.

    Nor is one in a time to come: nothing would ever be behind it.
    """
    found = PLACE.fullmatch(octets or b"")
    if found is None or _ms(found[1]) > now_ms + AGAIN_MS:
        return None
    return Place(found[1], int(found[2] or UNKNOWN))


def read_on(places: Mapping[int, Place], most: int) -> Operation[dict[int, Page]]:
    """The next entries of these shards' logs.

    :param most: of each.
    """
    calls = [
        Call.read(
            shard,
            b"XRANGE",
            keys.key(shard, "events"),
            place.entry if place.is_read else b"(" + place.entry,
            b"+",
            b"COUNT",
            most + place.is_read,
        )
        for shard, place in places.items()
    ]

    def read(answers: list[StoreAnswer]) -> dict[int, Page]:
        return {
            shard: _page(place, [_entry(*one) for one in answer], most)
            for (shard, place), answer in zip(places.items(), every(answers), strict=True)
        }

    return Operation(calls, read)


def _page(place: Place, entries: list[LogEntry], most: int) -> Page:
    if place.is_read:
        if not entries or entries[0].id != place.entry or place.number not in (UNKNOWN, entries[0].number):
            return Page([], Place.at(_ms(place.entry) - AGAIN_MS)._replace(number=place.number), has_more=True)
        del entries[0]
    behind = Place(entries[-1].id, entries[-1].number) if entries else place
    return Page(entries, behind, len(entries) == most)


def _entry(identity: bytes, fields: Sequence[bytes]) -> LogEntry:
    said = dict(zip(fields[::2], fields[1::2], strict=False))
    number = said.get(b"n", b"")
    return LogEntry(identity, said.get(b"b", b""), int(number) if number.isdigit() and len(number) < 20 else UNKNOWN)  # noqa: PLR2004


def _ms(identity: bytes) -> int:
    return int(identity.partition(b"-")[0])


def _count(octets: bytes) -> int:
    """How many events an entry has, by the head of its msgpack array."""
    head = octets[:1]
    if not head:
        return 0
    if head[0] & 0xF0 == FIXARRAY:
        return head[0] & 0x0F
    length = {ARRAY16: 2, ARRAY32: 4}.get(head[0], 0)
    return int.from_bytes(octets[1 : 1 + length])
