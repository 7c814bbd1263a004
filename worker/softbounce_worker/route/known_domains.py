"""Which domains mail went to before, as all shards of the store know it. Asks no name server."""

from __future__ import annotations

import asyncio
import time
from itertools import islice

import structlog

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import Site, learn_sites, read_sites

__all__ = ["KnownDomains"]

TELL_AGAIN = 86_400.0
"""Seconds. A domain that nobody tells of for a month is forgotten."""
TOLD = 50_000
AT_ONCE = 500
GATHERS = 0.01
"""Seconds from one call to the next, in which others may join in: ten thousand new domains would make as many calls."""
log = structlog.get_logger("softbounce.worker")


class KnownDomains:
    """The store's list of domains and their sites. A store in trouble is said so, and raises nothing here."""

    def __init__(self, store: AsyncShards, shards: int) -> None:
        self._store = store
        self._shards = shards
        self._told: dict[str, float] = {}
        self._untold: dict[str, Site | None] = {}
        self._telling = asyncio.Lock()
        self._told_at = 0.0
        self._next: asyncio.Task[None] | None = None

    async def knows(self, domain: str) -> bool:
        """Whether its mail had a site. Yes, where the store cannot tell: that puts a bounce off, and loses nothing."""
        try:
            (site,) = await self._store.run(read_sites(keys.HOME, [domain]))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return True
        return site is not None

    async def use(self, domain: str, site: Site) -> None:
        """Mail goes there still. All shards are told now and then, or they would forget the domain."""
        if time.monotonic() - self._told.get(domain, -TELL_AGAIN) >= TELL_AGAIN:
            await self.learn(domain, site)

    async def learn(self, domain: str, site: Site | None) -> None:
        """All shards learn where the domain's mail goes, so that the scheduler releases it straight there.

        Many who tell at the same time make one call.

        :param site: ``None``: nowhere any more.
        """
        self._untold[domain] = site
        if self._next is None:
            self._next = asyncio.create_task(self._tell())
        await asyncio.shield(self._next)

    async def _tell(self) -> None:
        """One call after the other. Who comes while one is under way waits for the next, all of them for the same."""
        async with self._telling:
            await asyncio.sleep(max(0.0, self._told_at + GATHERS - time.monotonic()))
            self._next, untold, self._untold = None, self._untold, {}
            while untold:
                await self._tell_of({domain: untold.pop(domain) for domain in list(islice(untold, AT_ONCE))})
            self._told_at = time.monotonic()

    async def _tell_of(self, some: dict[str, Site | None]) -> None:
        try:
            await self._store.run(learn_sites(some, shards=self._shards))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return
        for domain, site in some.items():
            self._note(domain, site)

    def _note(self, domain: str, site: Site | None) -> None:
        self._told.pop(domain, None)
        if site is not None:
            if len(self._told) >= TOLD:
                del self._told[next(iter(self._told))]
            self._told[domain] = time.monotonic()
