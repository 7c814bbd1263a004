"""Envelopes whose record nobody can read: taken out of all queues, kept as they are, and put back once one can.

They stop nothing and are not lost: a newer version may know them, or a person. The scheduler looks at them now and
then.
"""

from __future__ import annotations

from collections.abc import Sequence

from softbounce.store import keys
from softbounce.store.call import Call, Operation, every
from softbounce.store.scripts import script

__all__ = ["count_aside", "put_back", "set_aside"]

ASIDE_LIMIT = 500


def set_aside(shard: int, ids: Sequence[bytes], *, process: str = "-") -> Operation[int]:
    """Take envelopes out of all queues of a shard; tells how many were in one until now.

    :param process: the one that claimed them.
    """
    return _aside("on", shard, ids, process)


def put_back(shard: int, ids: Sequence[bytes]) -> Operation[int]:
    """Put envelopes that can be read again where they belong, and forget those that are gone; how many were."""
    return _aside("off", shard, ids, "-")


def count_aside(shards: int) -> Operation[int]:
    """How many are set aside."""
    calls = [Call.read(shard, b"ZCARD", keys.key(shard, "aside")) for shard in range(shards)]
    return Operation(calls, lambda answers: sum(every(answers)))


def _aside(how: str, shard: int, ids: Sequence[bytes], process: str) -> Operation[int]:
    names = (*keys.of(shard, "aside", "e", "due", "exp", "held"), keys.claims(shard, process), keys.key(shard, "clock"))
    parts = [ids[start : start + ASIDE_LIMIT] for start in range(0, len(ids), ASIDE_LIMIT)]
    return Operation(
        [Call(shard, script("aside"), names, (how, *part)) for part in parts], lambda answers: sum(every(answers))
    )
