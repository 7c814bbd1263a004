"""What went in and out, minute by minute, for a day: so that a screen can draw it without anything beside us.

Once a minute the scheduler notes how far the counters are (:mod:`softbounce.counting`), and how much waits. What
happened between two such notes is their difference: where nobody noted for a while, that of the whole while is known,
and nothing is lost or told twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from softbounce.counting import ACCEPTED, ATTEMPTS, ENDED, field_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.keys import HOME
from softbounce.store.metrics import read_counters
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script
from softbounce.verdict import VerdictWord

__all__ = ["A_DAY", "MINUTE_MS", "Totals", "TrafficNote", "note_traffic", "read_notes", "read_totals"]

MINUTE_MS = 60_000
A_DAY = 1_440
"""Minutes."""
MOST = 2**53
NOTE = struct.Struct(">7Q")


class Totals(NamedTuple):
    """What has been counted since the store began, and how many envelopes wait.

    :ivar delivered: late ones too.
    :ivar deferred: attempts that ended softly.
    """

    accepted: int
    delivered: int
    deferred: int
    bounced: int
    cancelled: int
    waiting: int


class TrafficNote(NamedTuple):
    """How far the counters were at a moment."""

    at_ms: int
    totals: Totals


def read_totals(shards: int) -> Operation[Totals]:
    """The totals of now."""
    counters = read_counters(shards)
    waiting = [Call.read(shard, b"ZCARD", keys.key(shard, "exp")) for shard in range(shards)]

    def read(answers: list[StoreAnswer]) -> Totals:
        counted = counters.read(answers[: len(counters.calls)])
        return _totals(counted, sum(every(answers[len(counters.calls) :])))

    return Operation((*counters.calls, *waiting), read)


def _totals(counters: Mapping[str, int], waiting: int) -> Totals:
    def count(*prefix: str) -> int:
        began = field_of(*prefix, "")
        return sum(number for name, number in counters.items() if name.startswith(began))

    return Totals(
        accepted=count(ACCEPTED),
        delivered=count(ENDED, "delivered") + count(ENDED, "delivered_late"),
        deferred=count(ATTEMPTS, VerdictWord.SOFT),
        bounced=count(ENDED, "bounced"),
        cancelled=count(ENDED, "cancelled"),
        waiting=waiting,
    )


def note_traffic(totals: Totals) -> Operation[int]:
    """Note the totals, unless somebody did in this minute; for how many ms it goes on."""
    noted = struct.pack(f">{len(totals)}Q", *totals)
    call = Call(HOME, script("traffic"), keys.of(HOME, "traffic", "clock"), (noted,))
    return Operation((call,), first)


def read_notes(minutes: Iterable[int], now_ms: int) -> Operation[list[TrafficNote]]:
    """What was noted when these minutes began, the oldest first; minutes that nobody noted are not among them.

    :param minutes: since 1970; not older than a day.
    """
    asked = sorted(minutes)
    fields = [minute % A_DAY for minute in asked] or [0]
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "traffic"), *fields)

    def read(answers: list[StoreAnswer]) -> list[TrafficNote]:
        return list(_notes(asked, first(answers), now_ms))

    return Operation((call,), read)


def _notes(asked: Sequence[int], values: Sequence[bytes | None], now_ms: int) -> Iterable[TrafficNote]:
    for minute, octets in zip(asked, values, strict=False):
        if octets is None:
            continue
        if len(octets) < NOTE.size:
            ignore("traffic", octets)
            continue
        at_ms, *numbers = NOTE.unpack_from(octets)
        if at_ms // MINUTE_MS == minute and at_ms <= now_ms and max(numbers) < MOST:
            yield TrafficNote(at_ms, Totals(*numbers))
