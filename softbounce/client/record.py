"""Reading one envelope's record, with the store's clock beside it."""

from __future__ import annotations

from softbounce.client.flow import Flow, repeat
from softbounce.envelope import Record
from softbounce.errors import NotFound, SchemaMismatch
from softbounce.ids import format_id, parse_id, shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.clock import ask_time, time_of

__all__ = ["find_record", "may_have_come_back", "unpack"]


def find_record(identity: str) -> Flow[tuple[Record, int]]:
    """The record with this id, and the store's now, ms.

    :raises NotFound: there is none (any more).
    """
    octets = parse_id(identity)
    shard = shard_of(octets)
    calls = (Call.read(shard, b"HGET", keys.key(shard, "e"), octets), ask_time(shard))
    operation: Operation[list[StoreAnswer]] = Operation(calls, every)
    stored, time = yield from repeat(operation)
    if stored is None:
        raise NotFound(f"no envelope has the id {format_id(octets)}, or it ended longer ago than the store remembers")
    return unpack(octets, stored), time_of(time).now_ms


def may_have_come_back(record: Record) -> bool:
    """Whether there may be a report of it: it left, as far as anybody knows."""
    return record.state.is_final or record.uncertain > 0


def unpack(identity: bytes, octets: bytes) -> Record:
    """Decode a record.

    :raises SchemaMismatch: another version of softbounce wrote it.
    """
    try:
        record = Record.unpack(identity, octets)
        record.envelope  # noqa: B018 - reads it
    except ValueError as error:
        raise SchemaMismatch(f"the record of envelope {format_id(identity)} cannot be read: {error}") from error
    return record
