"""Of which sites and domains a "no such user" turned out not to be believed, and what had been believed by then.

Whoever has the lane notes it; the scheduler takes back what those bounces said of their addresses, and forgets the note
then: so neither who dies in between nor a change of the lane's owner loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from softbounce.envelope import Record
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = ["Amendment", "Unbelieved", "Whom", "amend", "forget_unbelieved", "note_unbelieved", "read_unbelieved"]

MOST = 2_000
LONGEST_DOMAIN = 255
AMENDED = 1


class Whom(NamedTuple):
    """Who is not believed: a lane's site about a domain's addresses, or, where that is empty, about any."""

    lane: str
    domain: str


class _Times(msgspec.Struct, frozen=True, array_like=True):
    since_ms: int
    until_ms: int


class Unbelieved(NamedTuple):
    """One note, and the times between which denials were believed in vain.

    :ivar field: its name in the store, and its octets there.
    """

    whom: Whom
    since_ms: int
    until_ms: int
    field: bytes
    octets: bytes


class Amendment(NamedTuple):
    """What is to be remembered of an envelope that bounced; its record has the version that was seen."""

    record: Record
    event: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Times).decode


def note_unbelieved(whom: Whom, since_ms: int, until_ms: int) -> Operation[bool]:
    """Note it. False: too many are noted, and the scheduler is away for long."""
    field = f"{whom.lane}\n{whom.domain}"
    call = Call(HOME, script("keep"), keys.of(HOME, "unbelieved"), (field, _encode(_Times(since_ms, until_ms)), MOST))
    return Operation((call,), lambda answers: first(answers) == 1)


def read_unbelieved() -> Operation[list[Unbelieved]]:
    """All notes."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "unbelieved"))

    def read(answers: list[StoreAnswer]) -> list[Unbelieved]:
        flat = first(answers)
        return [_note(field, octets) for field, octets in zip(flat[::2], flat[1::2], strict=True)]

    return Operation((call,), read)


def _note(field: bytes, octets: bytes) -> Unbelieved:
    """A note as it is stored; of one that cannot be one nothing is taken back, and it is forgotten."""
    try:
        lane, domain = field.decode().split("\n")
        times = _decode(octets)
        if keys.is_lane(lane) and len(domain) <= LONGEST_DOMAIN:
            return Unbelieved(Whom(lane, domain), times.since_ms, times.until_ms, field, octets)
    except (ValueError, msgspec.DecodeError):
        pass
    ignore("unbelieved", field)
    return Unbelieved(Whom("", ""), 0, 0, field, octets)


def forget_unbelieved(notes: Sequence[Unbelieved]) -> Operation[int]:
    """Forget these, if they are as they were seen."""
    fields: list[bytes] = []
    for one in notes:
        fields += (one.field, one.octets)
    return Operation((Call(HOME, script("forget"), keys.of(HOME, "unbelieved"), fields),), first)


def amend(shard: int, amendments: Sequence[Amendment], *, keep_events: int) -> Operation[int]:
    """Change what is remembered of a shard's envelopes that bounced; how many were as they were seen."""
    arguments: list[bytes | int] = [keep_events]
    for one in amendments:
        arguments += (one.record.id, one.record.version, one.record.pack(), one.event)
    call = Call(shard, script("amend"), keys.of(shard, "e", "totals", "events"), arguments)
    return Operation((call,), lambda answers: sum(one == AMENDED for one in first(answers)))
