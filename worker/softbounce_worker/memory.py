"""Remembers how far the store was seen, so that nothing is claimed from an older copy that took its place meanwhile.

A copy that was restored from a backup does not know what was delivered since; journals tell it the last minute only.
"""

from __future__ import annotations

from typing import Self

from softbounce.errors import StoreUnavailable
from softbounce.store import store_history
from softbounce.store.shards import AsyncShards
from softbounce.store.store_history import HistoryMark, HistoryMatch

__all__ = ["StoreMemory"]


class StoreMemory:
    """What this process saw of the store."""

    def __init__(self, store: AsyncShards, shards: int) -> None:
        self._store = store
        self._shards = shards
        self._seen = HistoryMark(shards)

    @classmethod
    async def of(cls, store: AsyncShards, shards: int) -> Self:
        """What it looks like now. :raises StoreError: the store went away."""
        memory = cls(store, shards)
        await memory.look()
        return memory

    async def look(self) -> bool:
        """Look how far the store goes now; False: less far than it was seen, and that is not forgotten.

        :raises StoreError: the store went away.
        """
        return self._seen.take(await self._store.run(store_history.look(self._shards))) is not HistoryMatch.COPY

    async def recognise(self) -> None:
        """See that a store that was away is the one it was.

        :raises StoreUnavailable: it is an older copy.
        """
        if not await self.look():
            raise StoreUnavailable(
                "an older copy has taken the store's place, and nothing is claimed from it: `softbounce up --hold-all` "
                "holds its mail, and reports what may be duplicated"
            )
