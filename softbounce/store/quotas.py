"""Taking from quotas before many messages are accepted, and counting no more what was not: ``quotas.lua`` says how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from softbounce.ids import shard_of
from softbounce.quotas import Bucket, Room
from softbounce.store import keys
from softbounce.store.accepting import OverQuota, octets_for_lua
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.scripts import script

__all__ = ["RESERVED_MS", "Refusal", "Reservation", "recount", "reserve", "unreserve"]

RESERVED_MS = 60_000
"""For so long what was reserved may be accepted."""


class Reservation(NamedTuple):
    """What a message needs of quotas that refuse: buckets that let wait are no matter of it."""

    key: str
    message: bytes
    recipients: int
    buckets: Sequence[Bucket]
    rooms: Sequence[Room]


class Refusal(NamedTuple):
    """Which of the reservations has no room, and for which of its limits."""

    at: int
    over: OverQuota


def reserve(wanted: Sequence[Reservation], *, take: bool) -> Operation[Refusal | None]:
    """Take for all of them that are in one shard, or for none; without *take* only look whether there is room."""
    by_shard: dict[int, list[int]] = {}
    for at, one in enumerate(wanted):
        by_shard.setdefault(shard_of(one.message), []).append(at)
    calls = [_reserve_call(shard, [wanted[at] for at in places], take=take) for shard, places in by_shard.items()]

    def read(answers: list[StoreAnswer]) -> Refusal | None:
        for places, (refused, limit, room_in_ms) in zip(by_shard.values(), every(answers), strict=True):
            if refused:
                return Refusal(places[refused - 1], OverQuota(limit - 1, room_in_ms))
        return None

    return Operation(calls, read)


def _reserve_call(shard: int, wanted: Sequence[Reservation], *, take: bool) -> Call:
    names: dict[bytes, int] = {}
    packed: list[bytes] = []
    for one in wanted:
        buckets = [
            (names.setdefault(bucket.digest, len(names) + 1), bucket.share_ms, bucket.burst_ms, 0)
            for bucket in one.buckets
        ]
        rooms = [(octets_for_lua(room.digest), room.most) for room in one.rooms]
        named = octets_for_lua(one.key.encode()), octets_for_lua(one.message)
        packed.append(msgspec.msgpack.encode((*named, one.recipients, buckets, rooms)))
    return Call(
        shard,
        script("reserve"),
        (*keys.of(shard, "k", "counted", "waiting", "clock"), *(keys.bucket(shard, digest) for digest in names)),
        ("take" if take else "look", *packed),
    )


def unreserve(messages: Sequence[bytes]) -> Operation[None]:
    """Count these no more, as far as they were not accepted."""
    by_shard: dict[int, list[bytes]] = {}
    for message in messages:
        by_shard.setdefault(shard_of(message), []).append(message)
    calls = [_recount_call(shard, "0", 0, some) for shard, some in by_shard.items()]

    def read(answers: list[StoreAnswer]) -> None:
        every(answers)

    return Operation(calls, read)


def recount(shard: int, cursor: str, size: int) -> Operation[tuple[str, int]]:
    """One bounded step of a walk over what is counted: the next step's cursor, and how much is counted no more."""

    def read(answers: list[StoreAnswer]) -> tuple[str, int]:
        after, ended = first(answers)
        return after.decode(), ended

    return Operation((_recount_call(shard, cursor, size, ()),), read)


def _recount_call(shard: int, cursor: str, size: int, messages: Sequence[bytes]) -> Call:
    names = keys.of(shard, "counted", "waiting", "m", "clock")
    return Call(shard, script("recount"), names, (cursor, size, RESERVED_MS, *messages))
