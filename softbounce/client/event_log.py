"""Reading the event log, and the cursor that says how far a reader has come.

The log is one stream a shard, an entry of it a batch of events. A cursor holds, for each shard, the entry that was
read last, its running number, and how many of its events were read. By the number, and not by the id, a reader
learns whether anything was trimmed before he came: a quiet week trims all that he has read, and costs him nothing.

Order is promised for one envelope, so within a shard; shards are merged by time as far as they were read.

While a primary is replaced both servers take writes for a moment, and what the new one has of it may lie before the
entry that was read last on the old one. A log only grows at its end: where that entry is in the log, so is all that was
read before it, and nothing else. Where it is not, though older ones are kept, the log is another server's, and is read
again from a while before: what it has in common with the old one is told twice.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.duration import from_epoch_ms
from softbounce.errors import EventsLost, InvalidArgument, SchemaMismatch, StoreError
from softbounce.events import Event, StoredEvent, decode_events
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.event_log import AGAIN_MS

__all__ = [
    "Cursor",
    "LatestEvents",
    "LogMoved",
    "LogPosition",
    "LoggedEvent",
    "end_of_log",
    "read_cursor",
    "read_events",
    "read_latest",
    "read_log",
    "write_cursor",
]

PAGE_ENTRIES = 200
LAYOUT = 1
LONGEST_CURSOR = 65_536
NO_STREAM = "no such key"


class LogPosition(msgspec.Struct, array_like=True, frozen=True):
    """How far a shard's log was read: the last entry's id in its two parts, and its running number.

    :ivar events: how many of the entry's events were read; 0: all.
    """

    ms: int = 0
    sequence: int = 0
    number: int = 0
    events: int = 0


Cursor = tuple[LogPosition, ...]
"""A place for each shard; shards beyond its end were not read yet."""


class LoggedEvent(NamedTuple):
    """An event where it stands in the log.

    :ivar place: behind it in its shard; of an event it never changes.
    :ivar places: the cursor behind it.
    """

    shard: int
    place: LogPosition
    places: Cursor
    stored: StoredEvent


class LogMoved(Exception):
    """Another server's log stands where the one was that was read.

    :ivar places: from where on it is to be read: from a while before.
    """

    def __init__(self, places: Cursor) -> None:
        super().__init__()
        self.places = places


class LatestEvents(NamedTuple):
    """Events, the newest first.

    :ivar before_ms: asks for those behind; ``None``: there are none.
    """

    events: list[Event]
    before_ms: int | None


class _Written(msgspec.Struct, array_like=True, frozen=True):
    layout: int
    places: tuple[LogPosition, ...]


class _Log(NamedTuple):
    """A step of reading a shard's log: entries from the place on, its own among them, and what is kept of it."""

    entries: list[tuple[tuple[int, int], list[StoredEvent]]]
    added: int
    kept: int
    oldest: tuple[int, int] | None
    last: tuple[int, int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Written).decode


def write_cursor(cursor: Cursor) -> str:
    """The cursor as callers get it: opaque, and fit for a URL."""
    return base64.urlsafe_b64encode(_encode(_Written(LAYOUT, cursor))).decode().rstrip("=")


def read_cursor(text: str | None) -> Cursor:
    """Read a cursor back; ``None`` is the beginning of what is kept.

    :raises InvalidArgument: it is none.
    """
    if text is None:
        return ()
    try:
        octets = base64.b64decode(
            text[:LONGEST_CURSOR].encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
        written = _decode(octets)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        written = _Written(0, ())
    if written.layout != LAYOUT or any(min(msgspec.structs.astuple(place)) < 0 for place in written.places):
        raise InvalidArgument("after", "not a cursor; use the `cursor` of an event, as it is")
    return written.places


def read_events(knowledge: Knowledge, cursor: Cursor) -> Flow[tuple[list[Event], Cursor, bool]]:
    """The next events behind a cursor, the cursor behind them, and whether there may be more now.

    :raises EventsLost: events between the cursor and the oldest kept one were trimmed.
    """
    while True:
        try:
            logged, behind, has_more = yield from read_log(knowledge, cursor)
        except LogMoved as moved:
            cursor = moved.places
            continue
        return [_event(one.stored, one.place, one.places) for one in logged], behind, has_more


def read_log(
    knowledge: Knowledge, cursor: Cursor, *, entries: int = PAGE_ENTRIES
) -> Flow[tuple[list[LoggedEvent], Cursor, bool]]:
    """The same, each event as it is stored and with its place.

    :param entries: of a shard's log at most; each is a batch of events.
    :raises EventsLost: events between the cursor and the oldest kept one were trimmed.
    :raises LogMoved: another server has the log.
    """
    known = yield from knowledge.current()
    if len(cursor) > known.shards:
        shards = f"{known.shards} shard{'' if known.shards == 1 else 's'}"
        raise InvalidArgument("after", f"not a cursor of this store, which has {shards}")
    wanted = [*cursor, *[LogPosition()] * (known.shards - len(cursor))]
    logs = yield from repeat(_step(wanted, entries))
    if any(_is_moved(place, log) for place, log in zip(wanted, logs, strict=True)):
        raise LogMoved((yield from _places_before(wanted, logs)))
    starts = [_start(place, log) for place, log in zip(wanted, logs, strict=True)]
    if list(cursor) != starts[: len(cursor)]:
        raise EventsLost(write_cursor(tuple(starts)))
    events: list[LoggedEvent] = []
    places = starts
    runs = [_run(shard, places[shard], log) for shard, log in enumerate(logs)]
    for _, shard, place, stored in heapq.merge(*runs, key=lambda step: step[0]):
        places[shard] = place
        events.append(LoggedEvent(shard, place, tuple(places), stored))
    return events, tuple(places), any(len(log.entries) > entries for log in logs)


def end_of_log(knowledge: Knowledge) -> Flow[Cursor]:
    """The cursor behind all that there is now."""
    known = yield from knowledge.current()
    names = [keys.key(shard, "events") for shard in range(known.shards)]
    calls = [Call.read(shard, b"XINFO", b"STREAM", name) for shard, name in enumerate(names)]
    logs: list[_Log] = yield from repeat(Operation(calls, lambda answers: [_log([], facts) for facts in answers]))
    return tuple(LogPosition(*log.last, log.added) for log in logs)


def read_latest(knowledge: Knowledge, before_ms: int | None, *, entries: int = PAGE_ENTRIES) -> Flow[LatestEvents]:
    """The latest events, the newest first: for whoever looks, not for whoever follows. Their cursors are empty.

    :param before_ms: only what the log has from before then; ``None``: up to now.
    :param entries: of a shard's log at most; each is a batch of events.
    """
    known = yield from knowledge.current()
    newest = b"+" if before_ms is None else f"({max(before_ms, 0)}-0"
    calls = [
        Call.read(shard, b"XREVRANGE", keys.key(shard, "events"), newest, b"-", b"COUNT", entries)
        for shard in range(known.shards)
    ]
    logs = yield from repeat(Operation(calls, lambda answers: [_decoded(one) for one in every(answers)]))
    # Where a shard has more, what the others have from before its oldest entry has to wait for the page behind.
    full = [log[-1][0][0] for log in logs if len(log) >= entries]
    oldest_ms = max(full, default=None)
    found = [(identity[0], list(reversed(events))) for log in logs for identity, events in log]
    kept = [one for one in found if oldest_ms is None or one[0] > oldest_ms]
    if found and not kept:
        kept = found
    elif oldest_ms is not None:
        oldest_ms += 1
    kept.sort(key=lambda one: -one[0])
    return LatestEvents([_event(stored, LogPosition(ms), ()) for ms, events in kept for stored in events], oldest_ms)


def _is_moved(place: LogPosition, log: _Log) -> bool:
    """Whether a place is one of another log: its entry would be kept, and is not there, or not by its number."""
    identity = (place.ms, place.sequence)
    if log.entries and log.entries[0][0] == identity:
        is_whole = log.entries[-1][0] == log.last
        return is_whole and log.added - len(log.entries) + 1 != place.number
    return log.oldest is not None and log.oldest < identity < (log.last[0] + AGAIN_MS, 0)


def _places_before(wanted: Sequence[LogPosition], logs: Sequence[_Log]) -> Flow[Cursor]:
    """The same places, but a while before in each log that is another one than was read."""
    places: list[LogPosition] = []
    for shard, (place, log) in enumerate(zip(wanted, logs, strict=True)):
        places.append((yield from _place_before(shard, place.ms, log)) if _is_moved(place, log) else place)
    return tuple(places)


def _place_before(shard: int, ms: int, log: _Log) -> Flow[LogPosition]:
    """The last place a while before a time, counted from the end; the oldest one, where there is none."""
    number, end = log.added, f"{log.last[0]}-{log.last[1]}"
    while True:
        call = Call.read(shard, b"XREVRANGE", keys.key(shard, "events"), end, b"-", b"COUNT", PAGE_ENTRIES)
        page = yield from repeat(Operation((call,), lambda answers: [_identity(one[0]) for one in first(answers)]))
        for identity in page:
            if identity[0] < ms - AGAIN_MS:
                return LogPosition(*identity, number)
            number -= 1
        if len(page) < PAGE_ENTRIES:
            return LogPosition(number=number)
        end = f"({page[-1][0]}-{page[-1][1]}"


def _start(place: LogPosition, log: _Log) -> LogPosition:
    """Where reading goes on: at the place itself, or before the oldest kept entry where the place lies behind a gap.

    The number of the oldest kept entry is how many were ever added, less those kept, plus one.
    """
    oldest = log.added - log.kept + 1
    is_of_this_log = (place.ms, place.sequence) <= log.last and place.number <= log.added
    wanted = place.number if place.events else place.number + 1
    if is_of_this_log and oldest <= wanted:
        return place
    return LogPosition(number=oldest - 1)


def _run(shard: int, place: LogPosition, log: _Log) -> Iterator[tuple[int, int, LogPosition, StoredEvent]]:
    """The events of a shard's entries behind a place, each with the place behind it."""
    number = place.number
    for identity, events in log.entries:
        is_of_place = identity == (place.ms, place.sequence)
        number += not is_of_place
        for position in range((place.events or len(events)) if is_of_place else 0, len(events)):
            read = (position + 1) % len(events)
            yield identity[0], shard, LogPosition(*identity, number, read), events[position]


def _event(stored: StoredEvent, place: LogPosition, places: Cursor) -> Event:
    return Event.of(
        stored,
        cursor=write_cursor(places) if places else "",
        at=from_epoch_ms(place.ms),
        next_attempt_at=None if stored.next_ms is None else from_epoch_ms(stored.next_ms),
    )


def _step(places: list[LogPosition], most: int) -> Operation[list[_Log]]:
    calls: list[Call] = []
    for shard, place in enumerate(places):
        name = keys.key(shard, "events")
        # What is kept is asked last, so that a trim between the two shows as a gap and never hides one.
        start = f"{place.ms}-{place.sequence}"
        calls.append(Call.read(shard, b"XRANGE", name, start, b"+", b"COUNT", most + 1))
        calls.append(Call.read(shard, b"XINFO", b"STREAM", name))
    return Operation(
        calls,
        lambda answers: [_log(entries, facts) for entries, facts in zip(answers[::2], answers[1::2], strict=True)],
    )


def _log(entries: StoreAnswer, facts: StoreAnswer) -> _Log:
    if isinstance(entries, StoreError):
        raise entries
    if isinstance(facts, StoreError):
        if NO_STREAM in str(facts):
            return _Log([], 0, 0, None, (0, 0))
        raise facts
    names = dict(zip(facts[::2], facts[1::2], strict=True))
    oldest = names[b"first-entry"]
    return _Log(
        _decoded(entries),
        names[b"entries-added"],
        names[b"length"],
        _identity(oldest[0]) if oldest else None,
        _identity(names[b"last-generated-id"]),
    )


def _decoded(entries: StoreAnswer) -> list[tuple[tuple[int, int], list[StoredEvent]]]:
    try:
        return [(_identity(identity), decode_events(values[1])) for identity, values in entries]
    except (msgspec.DecodeError, ValueError) as error:
        raise SchemaMismatch(f"the event log cannot be read by this softbounce: {error}") from error


def _identity(octets: bytes) -> tuple[int, int]:
    ms, _, sequence = octets.partition(b"-")
    return int(ms), int(sequence)
