"""What comes back of mail that had left: the keys of return paths, what was reported, and what nobody understood."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from softbounce.duration import MILLISECOND
from softbounce.events import StoredEvent, encode_event
from softbounce.ids import shard_of
from softbounce.return_path import LIFETIME, ReturnKeys
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = [
    "CameBack",
    "UnreadReport",
    "came_back",
    "count_reports",
    "read_counts",
    "read_unread",
    "report",
    "return_keys",
    "shelve",
]

KEY_OCTETS = 32
KEEP_REPORTED = LIFETIME + timedelta(days=1)
MOST_REPORTED = 100_000
MOST_UNREAD = 100
HEAD_OCTETS = 16_384


class UnreadReport(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What came to a return path, and was not understood.

    :ivar id: of the envelope whose return path it was; empty: none is known.
    :ivar peer: the address that it came from.
    :ivar why: what is missing, in words.
    :ivar head: its first octets.
    """

    at_ms: int
    id: bytes
    peer: str
    why: str
    octets: int
    head: bytes


class CameBack(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """That an envelope came back, or was complained of, and how. What no longer says how has its kind and time.

    :ivar kind: ``returned`` or ``complained``.
    :ivar host: whose words they are; of a complaint: the address of ours that it names.
    """

    kind: str
    at_ms: int = 0
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    reason: str | None = None
    host: str | None = None
    suppress: bool = False
    why: str = ""


KINDS = ("returned", "complained")
TEXT_CHARACTERS = 200
_encode_how = msgspec.msgpack.Encoder().encode
_decode_how = msgspec.msgpack.Decoder(CameBack).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UnreadReport).decode


def return_keys() -> Operation[ReturnKeys]:
    """The keys that sign return paths, made where there are none. Another one signs after a path's lifetime."""
    call = Call(
        HOME,
        script("return_keys"),
        keys.of(HOME, "returns", "clock"),
        (secrets.token_bytes(KEY_OCTETS), LIFETIME // MILLISECOND),
    )

    def read(answers: list[StoreAnswer]) -> ReturnKeys:
        current, before = first(answers)
        return ReturnKeys(current=current, before=before)

    return Operation((call,), read)


def report(event: StoredEvent, *, keep_events: int) -> Operation[bool]:
    """Tell what was reported of an envelope, once for each kind of event. False: it was told before."""
    shard = shard_of(event.id)
    call = Call(
        shard,
        script("report"),
        keys.of(shard, "reported", "events", "totals", "clock", "came_back"),
        (
            keep_events,
            KEEP_REPORTED // MILLISECOND,
            MOST_REPORTED,
            event.id + event.kind.encode(),
            encode_event(event),
            _how(event),
        ),
    )
    return Operation((call,), lambda answers: first(answers)[0] == 1)


def _how(event: StoredEvent) -> bytes:
    return _encode_how(
        CameBack(
            kind=event.kind,
            code=event.code,
            enhanced=event.enhanced,
            text=event.text[:TEXT_CHARACTERS],
            reason=event.reason,
            host=event.host,
            suppress=event.suppress,
            why=event.why[:TEXT_CHARACTERS],
        )
    )


def came_back(identity: bytes) -> Operation[tuple[CameBack, ...]]:
    """What came back of an envelope, the first first."""
    shard = shard_of(identity)
    members = [identity + kind.encode() for kind in KINDS]
    calls = (
        Call.read(shard, b"ZMSCORE", keys.key(shard, "reported"), *members),
        Call.read(shard, b"HMGET", keys.key(shard, "came_back"), *members),
    )

    def read(answers: list[StoreAnswer]) -> tuple[CameBack, ...]:
        times, hows = every(answers)
        found = [
            msgspec.structs.replace(_read_how(kind, how), at_ms=int(float(at)))
            for kind, at, how in zip(KINDS, times, hows, strict=True)
            if at is not None
        ]
        return tuple(sorted(found, key=lambda one: one.at_ms))

    return Operation(calls, read)


def _read_how(kind: str, octets: bytes | None) -> CameBack:
    if octets is not None:
        try:
            return msgspec.structs.replace(_decode_how(octets), kind=kind)
        except msgspec.DecodeError:
            ignore("how an envelope came back", octets)
    return CameBack(kind=kind)


def count_reports(counts: Mapping[str, int]) -> Operation[int]:
    """Add to the counts of what came back."""
    arguments: list[str | int] = []
    for name, number in counts.items():
        arguments += (name, number)
    return Operation((Call(HOME, script("add"), keys.of(HOME, "reports"), arguments),), first)


def read_counts() -> Operation[dict[str, int]]:
    """How many of what came back so far."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "reports"))

    def read(answers: list[StoreAnswer]) -> dict[str, int]:
        flat = first(answers)
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return {name.decode(errors="replace"): int(number) for name, number in pairs if number.isdigit()}

    return Operation((call,), read)


def shelve(unread: UnreadReport) -> Operation[int]:
    """Keep what was not understood, its head, up to so many."""
    kept = msgspec.structs.replace(unread, head=unread.head[:HEAD_OCTETS])
    call = Call(HOME, script("shelve"), keys.of(HOME, "unread"), (MOST_UNREAD, _encode(kept)))
    return Operation((call,), first)


def read_unread() -> Operation[list[UnreadReport]]:
    """What was not understood, the newest first."""
    call = Call.read(HOME, b"LRANGE", keys.key(HOME, "unread"), 0, -1)

    def read(answers: list[StoreAnswer]) -> list[UnreadReport]:
        found: list[UnreadReport] = []
        for octets in first(answers):
            try:
                found.append(_decode(octets))
            except msgspec.DecodeError:
                ignore("unread report", octets)
        return found

    return Operation((call,), read)
