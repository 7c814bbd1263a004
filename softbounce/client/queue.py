"""What is in the queue: counts by state, lane and stream, and pages of envelopes.

Both walk all records in bounded steps while mail goes on moving, so a count is a picture with a little blur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from softbounce.client.flow import Flow, repeat
from softbounce.client.held_streams import HeldStream, read_held_streams
from softbounce.client.knowledge import Knowledge
from softbounce.client.selection import WORDS, Selection, site_of_lane
from softbounce.client.shown import Shown, rfc3339, shown_of_record
from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record, State
from softbounce.errors import InvalidArgument
from softbounce.ids import ENVELOPE_OCTETS, format_id
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.clock import ask_time, read_time, time_of
from softbounce.store.reading import Read, Unreadable, count_step, read_record, walk_held
from softbounce.store.unreadable import count_aside

__all__ = ["Page", "QueueCounts", "QueueRow", "count_queue", "read_page", "scan"]

STEP_RECORDS = 500
PLACE = re.compile(r"([0-9]{1,6})\.([0-9]{1,20})(?:\.((?:[0-9a-f]{2}){0,64}))?")
STATES = frozenset(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """So many envelopes in one state, lane and stream.

    :ivar site: ``None`` while the domain (the lane's name behind its ``?``) is not resolved.
    :ivar oldest_at: when the oldest of them was accepted.
    """

    state: str
    lane: str
    site: str | None
    stream: str
    count: int
    oldest_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "state": self.state,
            "lane": self.lane,
            "site": self.site,
            "stream": self.stream,
            "count": self.count,
            "oldest_at": rfc3339(self.oldest_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """How many envelopes there are.

    :ivar at: the store's now.
    :ivar rows: the largest first.
    :ivar held_for: held envelopes by why they are held; empty where not only held ones were asked for.
    :ivar unreadable: envelopes that are set aside because their records cannot be read, whatever was asked for.
    :ivar held_streams: the streams that a brake holds as a whole, of those that were asked for.
    """

    at: datetime
    rows: tuple[QueueRow, ...]
    held_for: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0
    held_streams: tuple[HeldStream, ...] = ()

    @property
    def total(self) -> int:
        """All of them."""
        return sum(row.count for row in self.rows)

    @property
    def states(self) -> dict[str, int]:
        """By state, every state included."""
        counts = dict.fromkeys(WORDS, 0)
        for row in self.rows:
            counts[row.state] += row.count
        return counts

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "at": rfc3339(self.at),
            "total": self.total,
            "states": self.states,
            "held_for": dict(self.held_for),
            "unreadable": self.unreadable,
            "held_streams": [one.to_dict() for one in self.held_streams],
            "lanes": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of envelopes, in no order.

    :ivar next: ask for the next page with it; ``None``: this was the last.
    :ivar unreadable: ids of envelopes on the way whose record cannot be read, whatever was asked for.
    """

    envelopes: tuple[Shown, ...]
    next: str | None
    unreadable: tuple[str, ...] = ()


class _Counting:
    """A count while the walk goes on."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, str, str], tuple[int, int]] = {}
        self.held_for: Counter[str] = Counter()
        self.unreadable = 0

    def add(self, place: tuple[int, str, str], number: int, oldest_ms: int) -> None:
        """So many in one state, lane and stream."""
        count, oldest = self.found.get(place, (0, oldest_ms))
        self.found[place] = (count + number, min(oldest, oldest_ms))

    def add_record(self, record: Record, selection: Selection, now_ms: int) -> None:
        """One more, if it fits."""
        if not selection.fits(record, now_ms):
            return
        self.add((record.state, record.lane, record.stream), 1, record.created_ms)
        if selection.is_of_held:
            self.held_for[record.envelope.held_why or ""] += 1


def count_queue(knowledge: Knowledge, selection: Selection) -> Flow[QueueCounts]:
    """Count what fits."""
    known = yield from knowledge.current()
    counting = _Counting()
    accepted = selection.accepted((yield from repeat(read_time(keys.HOME))).now_ms)
    for shard in range(known.shards):
        cursor = "0"
        while True:
            if not selection.asks_payload:
                cursor, tallies = yield from repeat(count_step(shard, cursor, accepted=accepted))
                for tally in tallies:
                    if tally.state not in STATES:
                        counting.unreadable += tally.number
                    elif selection.fits_place(tally.state, tally.lane, tally.stream):
                        counting.add((tally.state, tally.lane, tally.stream), tally.number, tally.oldest_ms)
            else:
                cursor, now_ms, records = yield from scan(shard, cursor, selection)
                for record in records:
                    if isinstance(record, Unreadable):
                        counting.unreadable += 1
                    else:
                        counting.add_record(record, selection, now_ms)
            if cursor == "0":
                break
    now = from_epoch_ms((yield from repeat(read_time(keys.HOME))).now_ms)
    rows = [_row(place, count, oldest_ms) for place, (count, oldest_ms) in counting.found.items()]
    rows.sort(key=lambda row: (-row.count, row.state, row.lane, row.stream))
    return QueueCounts(
        at=now,
        rows=tuple(rows),
        held_for=dict(counting.held_for.most_common()),
        unreadable=max(counting.unreadable, (yield from repeat(count_aside(known.shards)))),
        held_streams=tuple((yield from read_held_streams(selection.stream))),
    )


def _row(place: tuple[int, str, str], count: int, oldest_ms: int) -> QueueRow:
    state, lane, stream = place
    return QueueRow(
        state=State(state).word,
        lane=lane,
        site=site_of_lane(lane),
        stream=stream,
        count=count,
        oldest_at=from_epoch_ms(oldest_ms),
    )


def read_page(
    knowledge: Knowledge, selection: Selection, after: str | None, limit: int, *, steps: int | None = None
) -> Flow[Page]:
    """At most *limit* of the envelopes that fit. Where a step of the walk has more, the next page begins in it anew.

    :param steps: it ends after so many in any case; ``None``: where it is filled.
    :param after: ``next`` of the page before.
    :raises InvalidArgument: ``after`` is none.
    """
    known = yield from knowledge.current()
    shard, cursor, last = _read_place(after)
    envelopes: list[Shown] = []
    unreadable: list[str] = []
    while shard < known.shards:
        begun = cursor
        cursor, now_ms, records = yield from scan(shard, cursor, selection)
        made = [
            (record.id, _shown(record, known.settings, now_ms, selection))
            for record in sorted(records, key=lambda one: one.id)
            if record.id > last
        ]
        room = limit - len(envelopes)
        fitting = [place for place, (_, shown) in enumerate(made) if isinstance(shown, Shown)]
        is_cut = len(fitting) > room
        for _, shown in made[: fitting[room]] if is_cut else made:
            if isinstance(shown, str):
                unreadable.append(shown)
            elif shown is not None:
                envelopes.append(shown)
        if is_cut:
            here = f"{shard}.{begun}.{made[fitting[room] - 1][0].hex()}"
            return Page(envelopes=tuple(envelopes), next=here, unreadable=tuple(unreadable))
        last = b""
        if cursor == "0":
            shard += 1
        if len(envelopes) >= limit:
            break
        if steps is not None:
            steps -= 1
            if steps <= 0:
                break
    return Page(
        envelopes=tuple(envelopes),
        next=f"{shard}.{cursor}" if shard < known.shards else None,
        unreadable=tuple(unreadable),
    )


def _shown(record: Record | Unreadable, settings: Settings, now_ms: int, selection: Selection) -> Shown | str | None:
    """An envelope as it is shown; ``None``: it was not asked for; its id, where nothing can be made of it."""
    try:
        if isinstance(record, Record):
            return shown_of_record(record, settings, now_ms) if selection.fits(record, now_ms) else None
    except (ValueError, OverflowError, LookupError):  # a time beyond the calendar, a word that is none
        pass
    return format_id(record.id) if len(record.id) == ENVELOPE_OCTETS else record.id[:32].hex()


def _read_place(text: str | None) -> tuple[int, str, bytes]:
    """Where a page begins: the shard, the step of its walk, and the id there that was shown last; empty: none."""
    if text is None:
        return 0, "0", b""
    found = PLACE.fullmatch(text)
    if found is None:
        raise InvalidArgument("after", "not the mark of a page; use `next` of the page before, as it is")
    return int(found[1]), found[2], bytes.fromhex(found[3] or "")


def scan(
    shard: int, cursor: str, selection: Selection, read: Read = read_record
) -> Flow[tuple[str, int, Sequence[Record | Unreadable]]]:
    """One step of a walk over all records that can fit: the next cursor, the store's now, some of a shard's records.

    What is stored among them and cannot be read is among them too, whatever is asked for.

    :param read: how: wholly, or unopened, for whoever asks more than their headers of few.
    """
    if selection.is_of_held:
        told, entries, behind = yield from repeat(walk_held(shard, cursor, STEP_RECORDS, read))
        return behind, told.now_ms, [record for _, record in entries if record is not None]
    scan = Call.read(shard, b"HSCAN", keys.key(shard, "e"), cursor, b"COUNT", STEP_RECORDS)
    operation: Operation[list[StoreAnswer]] = Operation((scan, ask_time(shard)), every)
    (after, flat), time = yield from repeat(operation)
    records = [read(shard, identity, octets) for identity, octets in zip(flat[::2], flat[1::2], strict=True)]
    return after.decode(), time_of(time).now_ms, records
