"""Whether this is still the store that was met, so that nothing is claimed from an older copy that took its place.

A copy that was restored from a backup does not know what was delivered since; journals tell it the last minute only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

import structlog

from softbounce.errors import StoreUnavailable
from softbounce.store import store_history
from softbounce.store.shards import AsyncShards
from softbounce.store.store_history import HistoryMark, HistoryMatch

__all__ = ["StoreWatch"]

log = structlog.get_logger("softbounce.worker")


class StoreWatch:
    """What this process saw of the store.

    :ivar remind: tells a store that turned out to be another server what this process did lately.
    """

    def __init__(self, store: AsyncShards, shards: int) -> None:
        self.remind: Callable[[], Awaitable[None]] | None = None
        self._store = store
        self._shards = shards
        self._seen = HistoryMark(shards)
        self._server = store.server

    @classmethod
    async def of(cls, store: AsyncShards, shards: int) -> Self:
        """What it looks like now. :raises StoreError: the store went away."""
        watch = cls(store, shards)
        await watch.look()
        watch._server = store.server
        return watch

    @property
    def has_met(self) -> bool:
        """Whether the server that answered last is the one that was met."""
        return self._store.server == self._server

    async def meet(self) -> None:
        """Before new claims: a store that was restored or failed over is told our latest results again.

        :raises StoreError: it went away, or is an older copy; meet it again.
        """
        server = self._store.server
        if server == self._server:
            return
        if self._server and self.remind is not None:
            log.warning("store_is_another")
            await self.recognise()
            await self.remind()
        self._server = server

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
