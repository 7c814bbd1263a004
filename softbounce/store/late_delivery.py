"""What is said of a 250 that came when its envelope was forgotten already: an event, once.

The trim notes whose end a late 250 would contradict. For all others the log itself knows whether a delivery was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from softbounce.counting import ended
from softbounce.errors import StoreError
from softbounce.events import decode_events
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["LogPage", "read_log", "tell", "tell_late"]

DELIVERED_KINDS = frozenset(("delivered", "delivered_late"))
PAGE_ENTRIES = 200


def tell_late(
    shard: int, events: Sequence[tuple[bytes, bytes]], *, only_noted: bool, keep_events: int
) -> Operation[list[bool]]:
    """Write events of late 250s (envelope id, event) into the log; whether each was.

    :param only_noted: only for envelopes that the trim noted; it is noted no more then, so that a repeat tells nothing.
    """
    return _tell(shard, events, only_noted=only_noted, counter=ended("delivered_late")[0], keep_events=keep_events)


def tell(shard: int, events: Sequence[tuple[bytes, bytes]], *, keep_events: int) -> Operation[list[bool]]:
    """Write events (envelope id, event) into the log, of envelopes that do not change by them."""
    return _tell(shard, events, only_noted=False, counter="", keep_events=keep_events)


def _tell(
    shard: int, events: Sequence[tuple[bytes, bytes]], *, only_noted: bool, counter: str, keep_events: int
) -> Operation[list[bool]]:
    arguments: list[bytes | str | int] = [keep_events, "1" if only_noted else "", counter]
    for identity, event in events:
        arguments += (identity, event)
    call = Call(shard, script("late"), keys.of(shard, "late", "events", "totals", "metrics"), arguments)
    return Operation((call,), lambda answers: [one == 1 for one in first(answers)])


class LogPage(NamedTuple):
    """A part of a shard's log.

    :ivar oldest_ms: from when on it is whole; ``None``: there is none.
    :ivar delivered: of which envelopes these entries say that they were delivered.
    :ivar after: behind which entry to read on; empty: that was all.
    """

    oldest_ms: int | None
    delivered: frozenset[bytes]
    after: bytes


def read_log(shard: int, after: bytes) -> Operation[LogPage]:
    """Which envelopes were delivered, by the log's next entries behind *after* (an entry's id)."""
    name = keys.key(shard, "events")
    calls = (
        Call.read(shard, b"XRANGE", name, b"(" + after, b"+", b"COUNT", PAGE_ENTRIES),
        # What is kept is asked last: what was trimmed meanwhile is not taken for what was never there.
        Call.read(shard, b"XINFO", b"STREAM", name),
    )

    def read(answers: list[StoreAnswer]) -> LogPage:
        entries = first(answers)
        delivered: set[bytes] = set()
        for _, fields in entries:
            try:
                events = decode_events(fields[1])
            except msgspec.DecodeError:
                continue
            delivered.update(event.id for event in events if event.kind in DELIVERED_KINDS)
        is_over = len(entries) < PAGE_ENTRIES
        return LogPage(_whole_since_ms(answers[1]), frozenset(delivered), b"" if is_over else entries[-1][0])

    return Operation(calls, read)


def _whole_since_ms(facts: StoreAnswer) -> int | None:
    if isinstance(facts, StoreError):
        if "no such key" in str(facts):
            return None
        raise facts
    known = dict(zip(facts[::2], facts[1::2], strict=True))
    if known[b"length"] == known[b"entries-added"]:
        return 0
    return int(known[b"first-entry"][0].partition(b"-")[0]) if known[b"first-entry"] else None
