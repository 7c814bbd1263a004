"""Notes once a minute how much mail went in and out (:mod:`softbounce.store.traffic`). Two that do so are harmless."""

from __future__ import annotations

import asyncio

from softbounce.store.traffic import MINUTE_MS, note_traffic, read_totals

from .store_view import StoreView

__all__ = ["TrafficNotes"]


class TrafficNotes:
    """Those of a store."""

    def __init__(self, view: StoreView) -> None:
        self._view = view

    async def step(self) -> None:
        """Note this minute, and wait for the next."""
        await asyncio.sleep(await self.note() / 1000)

    async def note(self) -> int:
        """Note this minute; in how many ms the next one begins."""
        store = self._view.store
        totals = await store.run(read_totals(self._view.shards))
        return min(MINUTE_MS, await store.run(note_traffic(totals)))
