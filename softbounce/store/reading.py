"""Reading records: by id, all in turn, or counted; those whose expiry is to be looked at, and when to look next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from softbounce.envelope import Record
from softbounce.ids import ENVELOPE_OCTETS, shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.clock import StoreTime
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = [
    "Entry",
    "LaneTally",
    "Read",
    "Unreadable",
    "count_step",
    "fetch",
    "look",
    "read_all",
    "read_header",
    "read_record",
    "read_unopened",
    "rescore",
    "walk",
    "walk_aside",
    "walk_held",
]


class Unreadable(NamedTuple):
    """What is stored in a record's place and is none."""

    id: bytes
    why: str


def read_record(shard: int, identity: bytes, octets: bytes) -> Record | Unreadable:
    """A whole record of a shard, payload included."""
    record = read_unopened(shard, identity, octets)
    try:
        if isinstance(record, Record):
            record.envelope  # noqa: B018 - reads it
    except ValueError as error:
        return Unreadable(identity, str(error))
    return record


def read_unopened(shard: int, identity: bytes, octets: bytes) -> Record | Unreadable:
    """A whole record of a shard, whose payload is read by whoever asks for it first; nobody knows whether it can be."""
    try:
        if len(identity) != ENVELOPE_OCTETS or shard_of(identity) != shard:
            raise ValueError("its id is no envelope's of this shard")  # noqa: TRY301 - one end for all that is wrong
        return Record.unpack(identity, octets)
    except ValueError as error:
        return Unreadable(identity, str(error))


Read: TypeAlias = Callable[[int, bytes, bytes], Record | Unreadable]
"""How a record is read, or what is stored in its place: :func:`read_record`, or :func:`read_unopened`."""
Entry: TypeAlias = tuple[bytes, Record | Unreadable | None]
"""An envelope's id in a queue, and what is stored under it."""


def fetch(identities: Sequence[bytes]) -> Operation[list[Record | None]]:
    """The records with these ids; ``None`` where there is none (any more), or none that can be read."""
    operation = read_all(identities)
    return Operation(operation.calls, lambda answers: [_known(one) for one in operation.read(answers)])


def read_header(shard: int, identity: bytes, header: bytes) -> Record | Unreadable | None:
    """A record of a shard without its payload; ``None``: there is none."""
    return read_unopened(shard, identity, header) if header else None


def read_all(identities: Sequence[bytes]) -> Operation[list[Record | Unreadable | None]]:
    """What is stored under these ids, be it a record or not."""
    calls = [Call.read(shard_of(one), b"HGET", keys.key(shard_of(one), "e"), one) for one in identities]

    def read(answers: list[StoreAnswer]) -> list[Record | Unreadable | None]:
        return [
            None if octets is None else read_record(shard_of(identity), identity, octets)
            for identity, octets in zip(identities, every(answers), strict=True)
        ]

    return Operation(calls, read)


def _known(record: Record | Unreadable | None) -> Record | None:
    if isinstance(record, Unreadable):
        ignore("record", record.id)
        return None
    return record


def look(shard: int, limit: int) -> Operation[tuple[StoreTime, list[Entry]]]:
    """Records whose expiry is to be looked at now, with the store's time."""
    operation = _look(shard, "exp", ("due", "0", limit))

    def read(answers: list[StoreAnswer]) -> tuple[StoreTime, list[Entry]]:
        now, entries, _ = operation.read(answers)
        return now, entries

    return Operation(operation.calls, read)


def walk(shard: int, cursor: str, size: int) -> Operation[tuple[StoreTime, list[Entry], str]]:
    """One step of a walk over all live envelopes of a shard; it is over when the cursor comes back as ``"0"``."""
    return _look(shard, "exp", ("walk", cursor, size))


def walk_held(
    shard: int, cursor: str, size: int, read: Read = read_record
) -> Operation[tuple[StoreTime, list[Entry], str]]:
    """The same over those that are held: where these are few, few are read."""
    return _look(shard, "held", ("walk", cursor, size), read)


def walk_aside(shard: int, cursor: str, size: int) -> Operation[tuple[StoreTime, list[Entry], str]]:
    """The same over those that are set aside."""
    return _look(shard, "aside", ("walk", cursor, size))


def _look(
    shard: int, queue: str, how: tuple[str, str, int], one: Read = read_record
) -> Operation[tuple[StoreTime, list[Entry], str]]:
    call = Call(shard, script("look"), keys.of(shard, queue, "e", "clock"), how)

    def read(answers: list[StoreAnswer]) -> tuple[StoreTime, list[Entry], str]:
        time, cursor, *rest = first(answers)
        entries = [
            (identity, one(shard, identity, octets) if octets else None)
            for identity, octets in zip(rest[::2], rest[1::2], strict=True)
        ]
        return StoreTime(*time), entries, cursor.decode()

    return Operation((call,), read)


def rescore(shard: int, scores: Iterable[tuple[bytes, int | None]]) -> Operation[int]:
    """Set when to look at an expiry next; ``None`` drops an entry that has no envelope."""
    arguments: list[bytes | str | int] = []
    for identity, score in scores:
        arguments += (identity, "" if score is None else score)
    return Operation((Call(shard, script("rescore"), (keys.key(shard, "exp"),), arguments),), first)


class LaneTally(NamedTuple):
    """One line of a count: a state's number, lane, stream; how many, and the oldest's creation, ms.

    State 0: what is stored there is no record.
    """

    state: int
    lane: str
    stream: str
    number: int
    oldest_ms: int


def count_step(
    shard: int, cursor: str, size: int = 2000, *, accepted: tuple[int, int] = (-1, 2**53)
) -> Operation[tuple[str, list[LaneTally]]]:
    """One bounded step of a walk over all records of a shard; the walk is over at cursor ``"0"``.

    :param accepted: only what was accepted behind the first and until the second instant, ms.
    """
    call = Call(shard, script("count"), (keys.key(shard, "e"),), (cursor, size, *accepted))

    def read(answers: list[StoreAnswer]) -> tuple[str, list[LaneTally]]:
        after, flat = first(answers)
        tallies = []
        for name, number, oldest in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            state, rest = name.decode(errors="backslashreplace").split("|", 1)
            lane, stream = rest.rsplit("|", 1)
            tallies.append(LaneTally(int(state), lane, stream, number, oldest))
        return after.decode() if isinstance(after, bytes) else str(after), tallies

    return Operation((call,), read)
