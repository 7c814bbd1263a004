"""From *ready* to *attempting*: a worker claims envelopes, reads their messages, and marks them before the dot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from softbounce.envelope import Flag, Record
from softbounce.ids import shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.reading import Unreadable, read_record
from softbounce.store.scripts import script

__all__ = ["NOT_LIVE", "Batch", "Claimed", "bodies", "body_call", "claim", "mark"]

MARK_LIMIT = 1000
NOT_LIVE = 0
"""What ``mark`` answers for each envelope in a shard that does not list the process."""
NO_FLAG = Flag(0)


class Batch(NamedTuple):
    """A claim in one shard: for each ready list its lane, stream, how many at most, and its share."""

    shard: int
    lists: Sequence[tuple[str, str, int] | tuple[str, str, int, int]]


class Claimed(NamedTuple):
    """What a claim took, and how many entries (stale ones included) each list still has.

    :ivar unreadable: what was taken and is to be set aside.
    """

    is_live: bool
    left: list[int]
    records: list[Record]
    unreadable: Sequence[Unreadable] = ()


def _records(shard: int, taken: StoreAnswer) -> list[Record | Unreadable]:
    return [read_record(shard, one, octets) for one, octets in zip(taken[1::3], taken[2::3], strict=True)]


def claim(process: str, token: bytes, batches: Sequence[Batch], *, repeats: bool = False) -> Operation[list[Claimed]]:
    """Claim the heads of ready lists under a token of the caller's; one answer a batch. Repeat it when uncertain."""
    calls = []
    for shard, lists in batches:
        names = [keys.ready_name(lane, stream, *share) for lane, stream, _, *share in lists]
        arguments: list[bytes | str | int] = [process, token, "1" if repeats else "0"]
        for (lane, _, count, *_), name in zip(lists, names, strict=True):
            arguments += (name, lane, count)
        calls.append(
            Call(
                shard,
                script("claim"),
                (
                    *keys.of(shard, "live", "e"),
                    keys.claims(shard, process),
                    keys.key(shard, "lanes"),
                    *(keys.ready(shard, name) for name in names),
                ),
                arguments,
            )
        )

    def read(answers: list[StoreAnswer]) -> list[Claimed]:
        return [
            Claimed(
                answer[0] == 1,
                answer[1],
                [one for one in found if isinstance(one, Record)],
                [one for one in found if isinstance(one, Unreadable)],
            )
            for (shard, _), answer in zip(batches, every(answers), strict=True)
            for found in [_records(shard, answer[2])]
        ]

    return Operation(calls, read)


def body_call(record: Record) -> Call:
    """Read a message's body as it is stored: octets, or a list of chunks."""
    key = keys.body(record.message)
    if record.envelope.body.chunks == 1:
        return Call.read(shard_of(record.id), b"GET", key)
    return Call.read(shard_of(record.id), b"LRANGE", key, 0, -1)


def bodies(records: Sequence[Record]) -> Operation[list[bytes | None]]:
    """The stored octets of each record's message; ``None`` where they are gone."""

    def read(answers: list[StoreAnswer]) -> list[bytes | None]:
        return [b"".join(answer) or None if isinstance(answer, list) else answer for answer in every(answers)]

    return Operation([body_call(record) for record in records], read)


def mark(
    process: str, claims: Sequence[tuple[bytes, bytes]], flag: Flag = Flag.MARKED, *, clear: Flag = NO_FLAG
) -> Operation[list[int]]:
    """Mark envelopes (id, token) before their final dot; or set and clear flags that tell how suspects are tried.

    One answer each. 1: go on, 2: cancelled, 3: no longer this token's, 0: the process is not live.
    """
    by_shard: dict[int, list[int]] = {}
    for position, (identity, _) in enumerate(claims):
        by_shard.setdefault(shard_of(identity), []).append(position)
    calls = []
    placed: list[list[int]] = []
    for shard, positions in by_shard.items():
        for start in range(0, len(positions), MARK_LIMIT):
            part = positions[start : start + MARK_LIMIT]
            arguments: list[bytes | str | int] = [process, flag.value, clear.value]
            for position in part:
                arguments += claims[position]
            calls.append(Call(shard, script("mark"), keys.of(shard, "live", "e"), arguments))
            placed.append(part)

    def read(answers: list[StoreAnswer]) -> list[int]:
        out = [0] * len(claims)
        for part, answer in zip(placed, every(answers), strict=True):
            for position, value in zip(part, answer, strict=True):
                out[position] = value
        return out

    return Operation(calls, read)
