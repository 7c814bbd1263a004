"""What the scheduler knows between two looks at the store: settings, processes, where domains go.

All of it may be stale: every move compares before it changes anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterable, Mapping

import structlog

from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record
from softbounce.routing import USUAL, lane_for, road_by_header
from softbounce.settings import BUILT_IN, Settings
from softbounce.standing import NO_HOLDS, StandingHold, StandingHolds
from softbounce.store import membership
from softbounce.store.clock import StoreTime, note_time
from softbounce.store.clock_watch import ClockWatch, signature, steady_seconds
from softbounce.store.held_streams import StreamHold
from softbounce.store.membership import Leases
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import Site, read_sites
from softbounce.store.standing_holds import read_standing

__all__ = ["LATE_WORKERS_MS", "StoreView"]

CACHED_SITES = 50_000
CACHED_SITE_AGE = 60.0
PROCESSES_AGE = 1.0
LATE_WORKERS_MS = 12_000
"""After a hold began or ended, in which a worker may not know: it looks every five seconds, and is told besides."""
NOTE_TIME_EVERY = 10.0
"""Seconds. Who starts anew takes a minute more or less than what was noted for no step."""
log = structlog.get_logger("softbounce.scheduler")


class StoreView:
    """The scheduler's view of the world.

    :param waits: the strategies that our own configuration names.
    :ivar clocks: of the shards' servers.
    :ivar holds: the streams that are held as a whole, or were of late.
    :ivar standing: the holds of other things that stand.
    """

    def __init__(self, store: AsyncShards, shards: int, *, waits: Container[str] = frozenset()) -> None:
        self.store = store
        self.shards = shards
        self.settings: Settings = BUILT_IN
        self.leases = Leases(StoreTime(0), {}, {})
        self.clocks = [ClockWatch() for _ in range(shards)]
        self.holds: dict[str, StreamHold] = {}
        self.standing: StandingHolds = NO_HOLDS
        self._waits = waits
        self._noted_at = [-math.inf] * shards
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

    async def read_standing(self) -> dict[str, StandingHold]:
        """Read the standing holds anew, those among them whose mail is being released."""
        holds = await self.store.run(read_standing())
        self.standing = StandingHolds(holds)
        return holds

    def earliest_ms(self, shard: int) -> int:
        """A shard's time, or the one that is believed where that is earlier; 0: nothing is known yet."""
        return self.clocks[shard].earliest_ms(steady_seconds())

    async def believes(self, shard: int, told: StoreTime, asked_at: float) -> bool:
        """Take note of a shard's time, which was asked for at a moment of :func:`steady_seconds`.

        A time that is sure is noted now and then.

        :returns: False: do nothing by this time, and ask again.
        """
        clock = self.clocks[shard]
        doubted_at, off = clock.doubted_at, clock.off_seconds
        if not clock.look(told, asked_at, steady_seconds()):
            return False
        if clock.doubted_at != doubted_at:
            word = "store_clock_believed" if clock.is_sure else "store_clock_stepped"
            server_at = from_epoch_ms(told.now_ms).isoformat()
            off = off if clock.is_sure else clock.off_seconds
            log.error(word, shard=shard, server_at=server_at, off_seconds=round(off))
        if clock.is_sure and time.monotonic() - self._noted_at[shard] > NOTE_TIME_EVERY:
            self._noted_at[shard] = time.monotonic()
            await self.store.run(note_time(shard, told.now_ms, signature(told.now_ms, asked_at)))
        return True

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
        """The lane of each: where it waits in ``?domain``, that of the domain's site, once a worker has found out.

        Or that of the road which its routes name, as far as its header tells; whoever reads more of it corrects that.
        """
        headers = [(record.lane, record.stream, record.id) for record in records]
        unknown = {name[1:] for name, _, _ in headers if name.startswith("?")}
        sites = await self.sites(shard, unknown) if unknown else {}
        return [self._lane_by(*header, sites) if header[0].startswith("?") else header[0] for header in headers]

    def _lane_by(self, name: str, stream: str, identity: bytes, sites: Mapping[str, Site]) -> str:
        domain = name[1:]
        choice = road_by_header(self.settings, domain=domain, stream=stream) or USUAL
        site = sites.get(domain)
        if site is None and not choice.road.is_relay:
            return name
        return lane_for(self.settings, choice.road, "" if site is None else site.lane, identity)

    async def sites(self, shard: int, domains: set[str]) -> dict[str, Site]:
        """Where these domains' mail goes, for those where it is known."""
        now = time.monotonic()
        known = {domain: self._sites.get(domain) for domain in domains}
        ask = [domain for domain, entry in known.items() if entry is None or now - entry[0] > CACHED_SITE_AGE]
        if ask:
            if len(self._sites) > CACHED_SITES:
                self._sites.clear()
            for domain, site in zip(ask, await self.store.run(read_sites(shard, ask)), strict=True):
                if site is not None:  # a domain not known yet is asked for again: a worker will learn it soon
                    self._sites[domain] = (now, site)
                known[domain] = (now, site)
        return {domain: entry[1] for domain, entry in known.items() if entry is not None and entry[1] is not None}
