"""Forgets what ended: by age and size, and where a store's memory is short whatever its age, so that mail is taken.

The most harmless gives way first: bodies that are kept so that what ended can be sent again, the oldest first; then
ended envelopes, then events, then keys of ended messages. What is live is never forgotten: where live mail alone fills
the memory, the store refuses new mail, and drains.
"""

from __future__ import annotations

import time

import structlog

from softbounce.store import retention
from softbounce.store.kept_bodies import Freed, free_bodies, oldest_kept
from softbounce.store.memory import Memory, read_memory
from softbounce.store.retention import GIVES_WAY, Gives, Trimmed

from .store_view import StoreView

__all__ = ["Forgetter"]

SHORT = 0.9
"""From this share of the memory on, what ended gives way ..."""
ENOUGH = 0.8
"""... until no more than this is used."""
PAST_FULL = 20
"""Steps, where a server does not tell how much it uses but only when it is full: a little more than what was needed."""
BODIES = "bodies"
LONGEST = 1.0
"""Seconds a shard and sweep; the next one goes on."""
SAID_AGAIN = 3600.0
log = structlog.get_logger("softbounce.scheduler")


class Forgetter:
    """Trims all shards."""

    def __init__(self, view: StoreView) -> None:
        self._view = view
        self._gave_way: dict[int, dict[str, int]] = {}
        self._said_at: dict[int, float] = {}

    async def begin(self) -> None:
        """Say that bodies are kept: what ends before the first sweep may be sent again as well."""
        for shard in range(self._view.shards):
            await self._free(shard)

    async def forget(self) -> None:
        """One sweep: bounded steps of each shard."""
        for shard in range(self._view.shards):
            until = time.monotonic() + LONGEST
            while (await self._trim(shard, "")).is_more and time.monotonic() < until:
                pass  # what is too old by the million, after a change of settings, goes in many sweeps
            while (await self._free(shard)).is_more and time.monotonic() < until:
                pass
            memory = await self._view.store.run(read_memory(shard))
            if memory.share >= SHORT:
                await self._make_room(shard, memory)
            elif shard in self._said_at:
                log.warning(
                    "store_memory_enough", shard=shard, **_words(memory), gave_way=self._gave_way.pop(shard, {})
                )
                del self._said_at[shard]

    async def _make_room(self, shard: int, memory: Memory) -> None:
        """Forget what ended, the most harmless first, until there is enough room or nothing is left to forget."""
        gave_way = self._gave_way.setdefault(shard, dict.fromkeys((BODIES, *GIVES_WAY), 0))
        until = time.monotonic() + LONGEST
        steps_left = PAST_FULL
        for gives in (BODIES, *GIVES_WAY):
            is_more = True
            while is_more and time.monotonic() < until:
                is_more = await self._give_way(shard, gives, gave_way)
                memory = await self._view.store.run(read_memory(shard))
                steps_left -= not memory.is_full
                if memory.share <= ENOUGH and (memory.most or steps_left <= 0):
                    break
            else:
                continue
            break
        if time.monotonic() - self._said_at.get(shard, -SAID_AGAIN) >= SAID_AGAIN:
            self._said_at[shard] = time.monotonic()
            log.error("store_memory_short", shard=shard, **_words(memory), gave_way=gave_way)

    async def _give_way(self, shard: int, gives: str, gave_way: dict[str, int]) -> bool:
        """One step of what gives way; whether there is more of it."""
        if gives == BODIES:
            freed = await self._free(shard, gives_way=True)
            gave_way[BODIES] += freed.bodies
            return freed.is_more
        trimmed = await self._trim(shard, gives)  # type: ignore[arg-type]  # one of GIVES_WAY
        gave_way["finished"] += trimmed.finished
        gave_way["events"] += trimmed.events
        gave_way["keys"] += trimmed.keys
        return trimmed.is_more and trimmed.number > 0

    async def _free(self, shard: int, *, gives_way: bool = False) -> Freed:
        """Free some of the bodies whose time is over, or whatever their age, and say that the others are kept."""
        store, settings = self._view.store, self._view.settings
        freed = await store.run(free_bodies(shard, settings, gives_way=gives_way))
        if not freed.goes:
            return freed
        oldest = await store.run(oldest_kept(shard, freed.goes))
        return await store.run(free_bodies(shard, settings, oldest, gives_way=gives_way))

    async def _trim(self, shard: int, gives: Gives) -> Trimmed:
        return await self._view.store.run(retention.trim(shard, self._view.settings, gives=gives))


def _words(memory: Memory) -> dict[str, object]:
    return {"used_octets": memory.used, "most_octets": memory.most or None, "is_full": memory.is_full}
