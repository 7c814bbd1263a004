"""Bodies that are kept for a while after their messages ended undelivered, so that these can be sent again.

The script ``move`` keeps them, as long as a scheduler says that it will free them: without one nobody would. The oldest
go first, by age and octets, and all of them before anything else where memory is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from softbounce.ids import MESSAGE_OCTETS, shard_of
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["Freed", "free_bodies", "oldest_kept"]

LASTS = timedelta(minutes=10)
"""So long bodies are kept after the last word of a scheduler."""
STEP, SMALL_STEP = 500, 50
"""The small one where memory is short: no more goes than has to."""


class Freed(NamedTuple):
    """What a step freed: bodies; the octets of those that are kept still; and how many of these are to go now."""

    bodies: int
    octets: int
    goes: int

    @property
    def is_more(self) -> bool:
        """Whether another step has something to do, as this one had."""
        return self.goes > 0 and self.bodies > 0


def oldest_kept(shard: int, number: int) -> Operation[list[bytes]]:
    """The messages whose bodies are kept for longest, so many of them."""
    call = Call.read(shard, b"ZRANGE", keys.key(shard, "kept"), 0, number - 1)
    return Operation((call,), first)


def free_bodies(
    shard: int, settings: Settings, messages: Sequence[bytes] = (), *, gives_way: bool = False
) -> Operation[Freed]:
    """Free the bodies of these messages as far as they are to go, and say for how long such are kept.

    :param messages: the oldest first.
    :param gives_way: they go whatever their age, because memory is short.
    """
    keep_ms = settings.keep_bodies // timedelta(milliseconds=1)
    call = Call(
        shard,
        script("unkeep"),
        (*keys.of(shard, "kept", "kept_octets", "m", "totals", "clock"), *(_body(shard, one) for one in messages)),
        (
            keep_ms,
            settings.keep_bodies_max_octets,
            LASTS // timedelta(milliseconds=1) if keep_ms and settings.keep_bodies_max_octets else 0,
            "1" if gives_way else "",
            SMALL_STEP if gives_way else STEP,
            *messages,
        ),
    )

    def read(answers: list[StoreAnswer]) -> Freed:
        return Freed(*first(answers))

    return Operation((call,), read)


def _body(shard: int, message: bytes) -> bytes:
    """The key of a message's body; of what is no message of this shard one that nothing has."""
    is_one = len(message) == MESSAGE_OCTETS and shard_of(message) == shard
    return keys.body(message if is_one else shard.to_bytes(2))
