"""The policies that the store keeps: read many at a time, and written as they are fetched. Never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from softbounce.errors import StoreError
from softbounce.store.shards import AsyncShards
from softbounce.store.sts_policies import StsPolicy, keep_policies, read_policies

__all__ = ["KeptPolicies"]

GATHERS = 0.002
"""Seconds in which others may join in: ten thousand new domains would make as many calls."""
AT_ONCE = 500
log = structlog.get_logger("softbounce.worker")


class KeptPolicies:
    """What other processes found, and this one before it was restarted. A store in trouble keeps nothing."""

    def __init__(self, store: AsyncShards) -> None:
        self._store = store
        self._wanted: dict[str, asyncio.Future[StsPolicy | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, domain: str) -> StsPolicy | None:
        """The policy of a domain, expired or not."""
        if domain not in self._wanted:
            self._wanted[domain] = asyncio.get_running_loop().create_future()
        found = self._wanted[domain]
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(found)

    async def _read(self) -> None:
        while self._wanted:
            await asyncio.sleep(GATHERS)
            some = {domain: self._wanted.pop(domain) for domain in list(self._wanted)[:AT_ONCE]}
            found = await self._read_some(list(some))
            for future, policy in zip(some.values(), found, strict=True):
                if not future.done():
                    future.set_result(policy)
        self._reading = None

    async def _read_some(self, domains: Sequence[str]) -> list[StsPolicy | None]:
        try:
            return await self._store.run(read_policies(domains))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return [None] * len(domains)

    async def keep(self, domain: str, policy: StsPolicy) -> None:
        """Keep one."""
        try:
            await self._store.run(keep_policies({domain: policy}))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
