"""Taking a message: the one script that stores it whole, with all its envelopes, once per key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import msgspec

from softbounce.counting import ACCEPTED, field_of
from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.quotas import Bucket, Room
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, StoreAnswer
from softbounce.store.scripts import script

__all__ = [
    "AcceptAnswer",
    "NewMessage",
    "OverQuota",
    "PuttingOff",
    "accept",
    "octets_for_lua",
    "read_accept",
    "read_over",
]

KEEP_MADE_KEYS = timedelta(minutes=15)


def octets_for_lua(octets: bytes) -> msgspec.Raw:
    """Octets as a script's ``cmsgpack`` reads them: it knows no type of their own for them, only strings."""
    return msgspec.Raw(b"\xda" + len(octets).to_bytes(2) + octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class PuttingOff:
    """What may make the envelopes of a message begin later, and be refused.

    :ivar spread_ms: how much later each begins; empty: all at once.
    :ivar quiet_ms: from when to when nothing begins, flat, in order.
    :ivar delays_ms: how long behind such a time each of them begins.
    :ivar places: for each where in its record ``at`` and the word for what put it off stand, and how long they are.
    :ivar words: these words, encoded: of the spread, of quiet hours, of each bucket.
    """

    spread_ms: Sequence[int] = ()
    quiet_ms: Sequence[int] = ()
    delays_ms: Sequence[int] = ()
    places: Sequence[int] = ()
    words: Sequence[bytes] = ()
    buckets: Sequence[Bucket] = ()
    rooms: Sequence[Room] = ()

    def pack(self) -> bytes:
        """As the script reads it."""
        return msgspec.msgpack.encode(
            (
                self.spread_ms,
                self.delays_ms,
                self.quiet_ms,
                self.places,
                [octets_for_lua(word) for word in self.words],
                [(one.share_ms, one.burst_ms, int(one.rule.over == "wait")) for one in self.buckets],
                [(octets_for_lua(one.digest), one.most) for one in self.rooms],
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that is ready to be stored: records with zero times, in the order of their numbers.

    :ivar window_ms: how long its envelopes live as things stand.
    :ivar look_ms: after how long their expiry is looked at for the first time; ``None``: when they expire.
    :ivar way: how it came in, one of :data:`softbounce.counting.WAYS`.
    :ivar is_key_made: its sender gave no key, and so can repeat it only while it still has the answer to its send.
    """

    message: bytes
    key: str
    digest: bytes
    not_before_ms: int
    window_ms: int
    records: Sequence[Record]
    chunks: Sequence[bytes]
    events: bytes
    is_key_made: bool = False
    look_ms: int | None = None
    putting_off: PuttingOff | None = None
    way: str = "python"


class AcceptAnswer(NamedTuple):
    """What became of an accept: ``stored``, ``known``, ``reused``, ``collision``, ``schema`` or ``over``."""

    outcome: str
    message: bytes
    recipients: int


class OverQuota(NamedTuple):
    """Which limit has no room.

    :ivar limit: its number: first the buckets, then the rooms.
    :ivar room_in_ms: when it has; -1: waiting does not help, or nobody can tell.
    """

    limit: int
    room_in_ms: int


def accept(new: NewMessage, *, shards: int, settings: Settings) -> Call:
    """The call that stores a message; read its answer with :func:`read_accept`."""
    shard = shard_of(new.message)
    putting_off = new.putting_off
    buckets = [] if putting_off is None else [keys.bucket(shard, one.digest) for one in putting_off.buckets]
    return Call(
        shard,
        script("accept"),
        (
            *keys.of(shard, "schema", "k", "kage", "e", "m", "due", "exp", "events"),
            keys.body(new.message),
            *keys.of(shard, "wake", "clock", "totals", "counted", "waiting", "metrics"),
            *buckets,
        ),
        (
            new.key,
            new.digest,
            new.message,
            new.not_before_ms,
            new.window_ms,
            (min(settings.keep_keys, KEEP_MADE_KEYS) if new.is_key_made else settings.keep_keys)
            // timedelta(milliseconds=1),
            settings.keep_events_max,
            len(new.records),
            new.events,
            f"{keys.SCHEMA_VERSION} {shards}",
            "m" if new.is_key_made else "",
            new.window_ms if new.look_ms is None else new.look_ms,
            b"" if putting_off is None else putting_off.pack(),
            field_of(ACCEPTED, new.way),
            *(record.pack() for record in new.records),
            *new.chunks,
        ),
    )


def read_accept(answer: StoreAnswer) -> AcceptAnswer:
    """Read the answer to :func:`accept`; an error is raised."""
    if isinstance(answer, StoreError):
        raise answer
    return AcceptAnswer(answer[0].decode(), answer[1], answer[2])


def read_over(answer: StoreAnswer) -> OverQuota:
    """What the answer ``over`` says."""
    return OverQuota(answer[2] - 1, answer[3])
