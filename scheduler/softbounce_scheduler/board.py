"""What the scheduler knows between two looks at the store: settings, processes, where domains go.

All of it may be stale: every move compares before it changes anything.
"""

from __future__ import annotations

import time

import structlog

from softbounce.settings import BUILT_IN, Settings
from softbounce.store import membership
from softbounce.store.clock_watch import ClockWatch, steady_seconds
from softbounce.store.membership import Leases
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import Site, read_sites

__all__ = ["Board"]

KEPT_SITES = 50_000
SITE_AGE = 60.0
PROCESSES_AGE = 1.0
log = structlog.get_logger("softbounce.scheduler")


class Board:
    """The scheduler's view of the world."""

    def __init__(self, store: AsyncShards, shards: int) -> None:
        self.store = store
        self.shards = shards
        self.settings: Settings = BUILT_IN
        self.leases = Leases(0, {}, {})
        self._clock = ClockWatch()
        self._leases_read = 0.0
        self._sites: dict[str, tuple[float, Site | None]] = {}

    async def read_settings(self) -> bool:
        """Read the published settings. True: they are another version than before."""
        settings = await self.store.run(read_settings()) or BUILT_IN
        changed = settings.version != self.settings.version
        self.settings = settings
        return changed

    @property
    def may_promote(self) -> bool:
        """Whether the store's clock can be believed so far that mail is ended by it."""
        return not self._clock.is_far

    def note_clock(self, now_ms: int) -> bool:
        """Take note of what the store's clock says now; whether it stepped."""
        was_far = self._clock.is_far
        has_stepped = self._clock.look(now_ms, steady_seconds())
        if self._clock.is_far != was_far:
            log.error("store_clock_is_back" if was_far else "store_clock_stepped", now_ms=now_ms)
        return has_stepped

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
