"""Sets envelopes aside of which nobody can make anything: they leave all queues, and keep their records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from softbounce_config.loops import pause_after

from softbounce.errors import StoreError
from softbounce.ids import format_id, shard_of
from softbounce.store import unreadable as unreadable_records
from softbounce.store.reading import Unreadable
from softbounce.store.shards import AsyncShards
from softbounce_worker.work import Work

__all__ = ["log_failed", "set_aside"]

TURNS = 8
log = structlog.get_logger("softbounce.worker")


def log_failed(work: Work, error: Exception, *, may_be_taken: bool) -> None:
    """Say that nothing came of an attempt, by a fault of ours."""
    log.error("outcome_failed", envelope=format_id(work.record.id), may_be_taken=may_be_taken, exc_info=error)


async def set_aside(store: AsyncShards, process: str, unreadable: Sequence[Unreadable]) -> None:
    """Set them aside; where the store is away for long, that is done when this process's claims are looked through."""
    shards: dict[int, list[bytes]] = {}
    for one in unreadable:
        log.error("envelope_set_aside", envelope=format_id(one.id), why=one.why)
        shards.setdefault(shard_of(one.id), []).append(one.id)
    for turn in range(TURNS):
        try:
            for shard, ids in shards.items():
                await store.run(unreadable_records.set_aside(shard, ids, process=process))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            await asyncio.sleep(pause_after(turn))
        else:
            return
