"""From *scheduled* to *ready*: what is due in a shard, and its move to the lists of its lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.clock import StoreTime
from softbounce.store.keys import ListPlace
from softbounce.store.scripts import script

__all__ = ["Due", "due", "release"]

RELEASE_LIMIT = 1000
Place = TypeVar("Place", bound=ListPlace)


class Due(NamedTuple):
    """What is due at the store's time, and when to look again (ms; ``None``: nothing is planned)."""

    time: StoreTime
    next_due_ms: int | None
    next_expiry_ms: int | None
    headers: list[tuple[bytes, bytes]]

    @property
    def now_ms(self) -> int:
        """The store's now."""
        return self.time.now_ms


def due(shard: int, limit: int = RELEASE_LIMIT, *, held_ms: tuple[int, int] | None = None) -> Operation[Due]:
    """What is due in a shard, with the headers that a release needs.

    :param held_ms: what is planned between these two times is not due, though they are past.
    """
    names = keys.of(shard, "due", "exp", "e", "clock")
    call = Call(shard, script("due"), names, (limit, *(held_ms or ("", ""))))

    def read(answers: list[StoreAnswer]) -> Due:
        time, next_due, next_expiry, *rest = first(answers)
        return Due(
            StoreTime(*time),
            None if next_due < 0 else next_due,
            None if next_expiry < 0 else next_expiry,
            list(zip(rest[::2], rest[1::2], strict=True)),
        )

    return Operation((call,), read)


def release(shard: int, lists: Mapping[Place, Sequence[tuple[bytes, int]]]) -> Operation[int]:
    """Move due envelopes to ready lists: (lane, stream, share) -> (id, version as seen). Tells how many were moved."""
    names = [keys.ready_name(*place) for place in lists]
    arguments: list[bytes | str | int] = [len(names)]
    for (lane, *_), name in zip(lists, names, strict=True):
        arguments += (name, lane)
    for number, entries in enumerate(lists.values(), 1):
        for identity, version in entries:
            arguments += (identity, version, number)
    call = Call(
        shard,
        script("release"),
        (
            *keys.of(shard, "e", "due", "lanes"),
            *(keys.ready(shard, name) for name in names),
        ),
        arguments,
    )
    return Operation((call,), first)
