"""Judges envelopes one by one, so that one of which nobody can make anything costs a line and itself, not the others.

Such an envelope is set aside (:mod:`softbounce.store.unreadable`): it is in no queue any more, and its record stays.
The slow walk (:mod:`.scrub`) looks at it again: what a newer version wrote, or a fault of ours could not judge, comes
back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from softbounce.envelope import Record
from softbounce.ids import ENVELOPE_OCTETS, format_id
from softbounce.store.reading import Unreadable
from softbounce.store.shards import AsyncShards
from softbounce.store.unreadable import set_aside

__all__ = ["Aside"]

T = TypeVar("T")
log = structlog.get_logger("softbounce.scheduler")


class Aside:
    """Those of one step that are to be set aside."""

    def __init__(self, store: AsyncShards, shard: int, process: str = "-") -> None:
        self._store = store
        self._shard = shard
        self._process = process
        self._ids: list[bytes] = []

    def readable(self, found: Iterable[Record | Unreadable | None]) -> list[Record]:
        """The records among what was found."""
        records = []
        for one in found:
            if isinstance(one, Record):
                records.append(one)
            elif one is not None:
                self.add(one.id, one.why)
        return records

    def judged(self, records: Iterable[Record], judge: Callable[[Record], T]) -> list[tuple[Record, T]]:
        """Each with what the judge says of it."""
        done = []
        for record in records:
            try:
                done.append((record, judge(record)))
            except Exception as error:  # noqa: BLE001 - what is stored there may be anything
                self.add(record.id, f"{type(error).__name__}: {error}", is_ours=True)
        return done

    def add(self, identity: bytes, why: str, *, is_ours: bool = False) -> None:
        """One more that is to be set aside."""
        self._ids.append(identity)
        log.error("envelope_set_aside", envelope=name_of(identity), shard=self._shard, why=why, exc_info=is_ours)

    async def put(self) -> None:
        """Set them aside."""
        ids, self._ids = self._ids, []
        if ids:
            await self._store.run(set_aside(self._shard, ids, process=self._process))


def name_of(identity: bytes) -> str:
    """An envelope's id as people see it; what is none in hexadecimal."""
    return format_id(identity) if len(identity) == ENVELOPE_OCTETS else identity[:32].hex()
