"""One reading of the store, shared by all who scrape within a second: three round trips, whatever is in the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from softbounce.errors import StoreError
from softbounce.store.call import first
from softbounce.store.keys import HOME
from softbounce.store.metrics import Heads, Presence, read_counters, read_heads, read_presence
from softbounce.store.published import schema
from softbounce.store.shards import AsyncShards
from softbounce_gateway.metrics.families import Reading

__all__ = ["Metrics"]

LASTS_SECONDS = 1.0
log = structlog.get_logger("softbounce.http")


async def nobody(_store: AsyncShards) -> Mapping[str, float]:
    """Where there are no webhooks."""
    return {}


@dataclass(slots=True)
class Metrics:
    """The last reading.

    :ivar webhook_lags: asked for how many seconds each webhook is behind, by the name of its endpoint.
    """

    store: AsyncShards
    webhook_lags: Callable[[AsyncShards], Awaitable[Mapping[str, float]]] = nobody
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _at: float = -LASTS_SECONDS
    _last: Reading = field(default_factory=Reading)

    async def now(self) -> Reading:
        """What was read within the last second. Of a store that is away nothing is told but that."""
        async with self._lock:
            if time.monotonic() - self._at >= LASTS_SECONDS:
                try:
                    self._last = await self._read()
                except StoreError as error:
                    log.warning("store_trouble", error=str(error))
                    self._last = Reading()
                self._at = time.monotonic()
            return self._last

    async def _read(self) -> Reading:
        store = self.store
        _, shards = first(await store.call([schema(HOME, shards=0)]))
        shards = max(1, shards)
        presence: Presence = await store.run(read_presence(shards))
        processes = sorted(presence.members)
        heads: Heads = await store.run(read_heads(shards, processes, presence.now_ms))
        return Reading(
            counters=await store.run(read_counters(shards)),
            presence=presence,
            heads=heads,
            webhook_lags=await self.webhook_lags(store),
        )
