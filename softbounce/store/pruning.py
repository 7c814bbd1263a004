"""Walks the hashes of small facts, so that what nobody needs any more can be forgotten.

What is old is decided elsewhere. A fact is forgotten only if it is still as it was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.scripts import script

__all__ = ["FactPage", "forget_facts", "tidy_lists", "walk_facts", "walk_lists"]

HEADS = 500
"""Stale entries of one list that are dropped at a time."""


class FactPage(NamedTuple):
    """One step of a walk: it is over when the cursor is ``0``. *total*: how many facts there are in all."""

    cursor: int
    total: int
    found: Mapping[bytes, bytes]


def walk_facts(shard: int, name: str, cursor: int, size: int) -> Operation[FactPage]:
    """About so many fields of a hash, with their values."""
    key = keys.key(shard, name)
    calls = (Call.read(shard, b"HSCAN", key, cursor, b"COUNT", size), Call.read(shard, b"HLEN", key))

    def read(answers: list[StoreAnswer]) -> FactPage:
        (after, flat), total = every(answers)
        found: dict[bytes, bytes] = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        return FactPage(int(after), total, found)

    return Operation(calls, read)


def forget_facts(shard: int, name: str, facts: Mapping[bytes, bytes]) -> Operation[int]:
    """Forget those that are still as they were seen; tells how many."""
    arguments = [one for fact in facts.items() for one in fact]
    return Operation((Call(shard, script("forget"), (keys.key(shard, name),), arguments),), first)


def walk_lists(shard: int, cursor: int, size: int) -> Operation[tuple[int, list[bytes]]]:
    """The names of about so many ready lists; the walk is over when the cursor is ``0``."""
    call = Call.read(shard, b"SSCAN", keys.key(shard, "lanes"), cursor, b"COUNT", size)
    return Operation((call,), lambda answers: (int(first(answers)[0]), list(first(answers)[1])))


def tidy_lists(shard: int, names: Sequence[bytes]) -> Operation[int]:
    """Drop what is stale from the heads of ready lists; tells how many entries."""
    lists = (keys.ready_of(shard, name) for name in names)
    return Operation((Call(shard, script("tidy"), (*keys.of(shard, "e", "lanes"), *lists), (HEADS, *names)),), first)
