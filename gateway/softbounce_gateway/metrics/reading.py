"""One reading of the store, shared by all who scrape within a second: a few round trips, whatever is in the queue."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog

from softbounce.errors import StoreError
from softbounce.store.alerts import read_alerts
from softbounce.store.call import first
from softbounce.store.health import read_checkups
from softbounce.store.keys import HOME
from softbounce.store.metrics import Heads, Presence, read_counters, read_heads, read_presence
from softbounce.store.published import schema
from softbounce.store.shards import AsyncShards
from softbounce.store.webhooks import MOST_RECEIVERS, lag_ms, read_receivers
from softbounce_gateway.metrics.families import Reading

__all__ = ["Metrics"]

LASTS_SECONDS = 1.0
READ_SECONDS = 5.0
"""For all of a reading. A scrape waits for ten seconds by default, and then tells nothing, not even that it is away."""
log = structlog.get_logger("softbounce.http")


@dataclass(slots=True)
class Metrics:
    """The last reading.

    :ivar webhooks: the names of our configuration. Of others those are shown that some process tells just now: one that
        was taken out of the configuration is nobody's worry.
    :ivar alerts: the names of the ``[[alert]]`` tables of our configuration.
    :ivar has_health: what looks found is shown; not where nobody looks any more.
    """

    store: AsyncShards
    webhooks: frozenset[str] = frozenset()
    alerts: frozenset[str] = frozenset()
    has_health: bool = True
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _at: float = -LASTS_SECONDS
    _last: Reading = field(default_factory=Reading)

    async def now(self) -> Reading:
        """What was read within the last second. Of a store that is away nothing is told but that."""
        async with self._lock:
            if time.monotonic() - self._at >= LASTS_SECONDS:
                try:
                    async with asyncio.timeout(READ_SECONDS):
                        self._last = await self._read()
                except (StoreError, TimeoutError) as error:
                    log.warning("store_trouble", error=str(error) or f"no answer within {READ_SECONDS:g} s")
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
        receivers = await store.run(read_receivers())
        return Reading(
            counters=await store.run(read_counters(shards)),
            presence=presence,
            heads=heads,
            checkups=tuple((await self.store.run(read_checkups())).values()) if self.has_health else (),
            untold=await self._untold(),
            webhook_lags={
                name: lag_ms(receiver, until_ms, presence.now_ms) / 1000
                for name, (until_ms, receiver) in sorted(receivers.items())[:MOST_RECEIVERS]
                if name in self.webhooks or until_ms > presence.now_ms
            },
        )

    async def _untold(self) -> dict[str, int]:
        if not self.alerts:
            return {}
        books = await self.store.run(read_alerts())
        return {name: books[name].failures if name in books else 0 for name in sorted(self.alerts)}
