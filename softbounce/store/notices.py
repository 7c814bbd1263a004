"""How far the event logs were followed for notices, and what of a message a notice returns.

What was done by an entry is done once by its key, so a place that is noted late costs a second look, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from softbounce.envelope import Record
from softbounce.ids import shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.clock import ask_time, time_of
from softbounce.store.event_log import Place, read_place
from softbounce.store.scripts import script

__all__ = [
    "BEGINS_MS",
    "forget_places",
    "note_places",
    "read_counts",
    "read_places",
    "read_stored",
]

BEGINS_MS = 600_000
"""Where nobody followed a log yet: so far back it is read. What came in while the scheduler began is not left out."""
COUNTS = "hourly"
MOST_OCTETS = 1 << 20


def read_places(shards: int) -> Operation[dict[int, Place]]:
    """How far each log was followed; where nobody did, a while back from now."""
    names = [str(shard).encode() for shard in range(shards)]
    noted = Call.read(keys.HOME, b"HMGET", keys.key(keys.HOME, "noticed"), *names)

    def read(answers: list[StoreAnswer]) -> dict[int, Place]:
        found, *_ = every(answers[:1])
        times = [time_of(answer).now_ms for answer in answers[1:]]
        return {
            shard: read_place(one, now_ms) or Place.at(now_ms - BEGINS_MS)
            for shard, (one, now_ms) in enumerate(zip(found, times, strict=True))
        }

    return Operation([noted, *(ask_time(shard) for shard in range(shards))], read)


def read_counts() -> Operation[bytes]:
    """How many notices each address got in the hour that is counted, as it was written down; empty: nobody did."""
    call = Call.read(keys.HOME, b"HGET", keys.key(keys.HOME, "noticed"), COUNTS)

    def read(answers: list[StoreAnswer]) -> bytes:
        found = first(answers)
        return found if isinstance(found, bytes) and len(found) <= MOST_OCTETS else b""

    return Operation((call,), read)


def note_places(places: Mapping[int, Place], counts: bytes = b"") -> Operation[StoreAnswer]:
    """Write down how far these shards' logs were followed, and how many notices each address got by then."""
    arguments: list[bytes | str] = [COUNTS, counts]
    for shard, place in places.items():
        arguments += (str(shard), b"%s %d" % (place.entry, place.number))
    return Operation((Call(keys.HOME, script("put"), (keys.key(keys.HOME, "noticed"),), arguments),), every)


def forget_places(shards: int) -> Operation[StoreAnswer]:
    """Nobody follows the logs any more: who begins again does so anew."""
    arguments: list[bytes | str] = [COUNTS, b""]
    for shard in range(shards):
        arguments += (str(shard), b"")
    return Operation((Call(keys.HOME, script("put"), (keys.key(keys.HOME, "noticed"),), arguments),), every)


def read_stored(wanted: Sequence[tuple[Record, bool]]) -> Operation[list[bytes | None]]:
    """What is stored of these records' messages: all of it, or its beginning only; ``None``: it is gone."""
    calls = []
    for record, is_whole in wanted:
        key, shard = keys.body(record.message), shard_of(record.id)
        if record.envelope.body.chunks == 1:
            calls.append(Call.read(shard, b"GET", key))
        else:
            calls.append(Call.read(shard, b"LRANGE", key, 0, -1 if is_whole else 0))

    def read(answers: list[StoreAnswer]) -> list[bytes | None]:
        return [b"".join(answer) or None if isinstance(answer, list) else answer for answer in every(answers)]

    return Operation(calls, read)
