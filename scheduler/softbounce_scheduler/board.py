"""What the scheduler knows between two looks at the store: settings, processes, where domains go.

All of it may be stale: every move compares before it changes anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterable

import structlog

from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record
from softbounce.settings import BUILT_IN, Settings
from softbounce.store import membership
from softbounce.store.clock import StoreTime, correct_clock, note_time
from softbounce.store.clock_watch import ClockWatch, Sight, Stray, signature, steady_seconds
from softbounce.store.keys import HOME
from softbounce.store.membership import Leases
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import Site, read_sites

__all__ = ["Board"]

KEPT_SITES = 50_000
SITE_AGE = 60.0
PROCESSES_AGE = 1.0
NOTE_TIME_EVERY = 10.0
"""Seconds; a step back of more than a minute is seen by it."""
SHORTEST_NEW_LEASE_MS = 10_000
"""After a correction; some process may have a longer lease than the scheduler knows of."""
log = structlog.get_logger("softbounce.scheduler")


class Board:
    """The scheduler's view of the world.

    :param lease_ms: the workers' lease.
    :param waits: the strategies that our own configuration names.
    :ivar clock_stepped_at: when the clock by which leases end was last seen to step, of :func:`time.monotonic`.
    """

    def __init__(self, store: AsyncShards, shards: int, lease_ms: int, *, waits: Container[str] = frozenset()) -> None:
        self.store = store
        self.shards = shards
        self.settings: Settings = BUILT_IN
        self.leases = Leases(StoreTime(0, 0), {}, {})
        self.clock_stepped_at = -math.inf
        self._lease_ms = lease_ms
        self._waits = waits
        self._noted_at = [-math.inf] * shards
        self._clocks = [ClockWatch() for _ in range(shards)]
        self._leases_read = 0.0
        self._sites: dict[str, tuple[float, Site | None]] = {}

    async def read_settings(self) -> bool:
        """Read the published settings. True: they are another version than before."""
        settings = await self.store.run(read_settings(waits=self._waits)) or BUILT_IN
        changed = settings.version != self.settings.version
        for wait in settings.waits_not_ours:
            if wait not in self.settings.waits_not_ours:
                log.warning("wait_not_ours", wait=wait)
        self.settings = settings
        return changed

    def may_promote(self, shard: int) -> bool:
        """Whether a shard's clock can be believed so far that mail is ended by it."""
        return not self._clocks[shard].is_far

    def latest_ms(self, shard: int) -> int:
        """The store's time as it runs on, by what was seen of it; 0: nothing yet."""
        return self._clocks[shard].time_ms(steady_seconds()) if self._clocks[shard].has_looked else 0

    def stray(self, shard: int) -> Stray | None:
        """After a step ahead, until it is mended: when a shard may have taken mail by its wrong clock."""
        return self._clocks[shard].stray

    def mended(self, shard: int) -> None:
        """What was taken then is dated anew."""
        self._clocks[shard].stray = None

    async def believes(self, shard: int, told: StoreTime, asked_at: float) -> bool:
        """Take note of a shard's time, which was asked for at a moment of :func:`steady_seconds`.

        :returns: False: do nothing by this time, and ask again; where its clock has stepped, it is corrected now.
        """
        watch = self._clocks[shard]
        was_far = watch.is_far
        sight = watch.look(told, asked_at, steady_seconds())
        if sight is Sight.UNSURE:
            return False
        if sight is not Sight.RUNS and shard == HOME:
            self.clock_stepped_at = time.monotonic()
        if watch.wanted_ms is None:
            if watch.is_far != was_far:
                log.error("store_clock_is_far" if watch.is_far else "store_clock_is_right", **_words(shard, told))
            if time.monotonic() - self._noted_at[shard] > NOTE_TIME_EVERY:
                self._noted_at[shard] = time.monotonic()
                at = steady_seconds()
                now_ms = watch.time_ms(at)
                await self.store.run(note_time(shard, now_ms, told.correction_ms, signature(now_ms, at)))
            return True
        lease_ms = max(self._lease_ms, SHORTEST_NEW_LEASE_MS)
        log.error("store_clock_stepped", **_words(shard, told), wanted_ms=watch.wanted_ms)
        await self.store.run(correct_clock(shard, told.correction_ms, watch.wanted_ms, lease_ms))
        self._noted_at[shard] = -math.inf
        return False

    async def processes(self) -> list[str]:
        """The worker processes, as of a moment ago."""
        if time.monotonic() - self._leases_read > PROCESSES_AGE:
            await self.read_leases()
        return list(self.leases.ends)

    async def read_leases(self) -> Leases:
        """Read all leases anew."""
        self.leases = await self.store.run(membership.leases())
        self._leases_read = time.monotonic()
        return self.leases

    async def lanes(self, shard: int, records: Iterable[Record]) -> list[str]:
        """The lane of each: where it waits in ``?domain``, that of the domain's site, once a worker has found out."""
        names = [record.lane for record in records]
        unknown = {name[1:] for name in names if name.startswith("?")}
        sites = await self.sites(shard, unknown) if unknown else {}
        found = {f"?{domain}": site.lane for domain, site in sites.items()}
        return [found.get(name, name) for name in names]

    async def sites(self, shard: int, domains: set[str]) -> dict[str, Site]:
        """Where these domains' mail goes, for those where it is known."""
        now = time.monotonic()
        known = {domain: self._sites.get(domain) for domain in domains}
        ask = [domain for domain, entry in known.items() if entry is None or now - entry[0] > SITE_AGE]
        if ask:
            if len(self._sites) > KEPT_SITES:
                self._sites.clear()
            for domain, site in zip(ask, await self.store.run(read_sites(shard, ask)), strict=True):
                if site is not None:  # a domain not known yet is asked for again: a worker will learn it soon
                    self._sites[domain] = (now, site)
                known[domain] = (now, site)
        return {domain: entry[1] for domain, entry in known.items() if entry is not None and entry[1] is not None}


def _words(shard: int, told: StoreTime) -> dict[str, object]:
    return {"shard": shard, "server_at": from_epoch_ms(told.server_ms).isoformat(), "correction_ms": told.correction_ms}
