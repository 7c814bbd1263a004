"""Replays the journals of dead processes of this volume, so that no 250 that they had read is forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from softbounce.settings import Settings
from softbounce.store import housekeeping, operations
from softbounce.store.operations import MoveResult
from softbounce.store.shards import AsyncShards

from .flusher import settle_stale
from .journal import open_dead, read_entries

__all__ = ["replay_dead"]

PART = 100
log = structlog.get_logger("softbounce.worker")


async def replay_dead(store: AsyncShards, folder: Path, settings: Settings, now_ms: int) -> int:
    """Commit what dead processes' journals hold, then remove them; tells how many results were still missing.

    :raises StoreError: the store went away; the journals that are left will be replayed by the next call.
    """
    missing = 0
    for process, path, file in open_dead(folder):
        try:
            entries = list(read_entries(file))
            for start in range(0, len(entries), PART):
                moves = [entry.move() for entry in entries[start : start + PART]]
                results = await store.run(
                    operations.move(moves, process=process, keep_events=settings.keep_events_max)
                )
                for move, result in zip(moves, results, strict=True):
                    if result == MoveResult.MOVED:
                        missing += 1
                    elif result == MoveResult.STALE:
                        missing += await settle_stale(store, move, settings, now_ms)
            if process in (await store.run(housekeeping.leases())).ends:
                await store.run(housekeeping.tell_replayed(process))
            path.unlink(missing_ok=True)
            log.info("journal_replayed", process=process, results=missing)
        finally:
            os.close(file)
    return missing
