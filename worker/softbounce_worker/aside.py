"""What becomes of claimed envelopes of which nobody can make anything: they are tried later, or set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from softbounce_config.loops import pause_after

from softbounce import transitions
from softbounce.errors import StoreError
from softbounce.ids import format_id, shard_of
from softbounce.store import unreadable as unreadable_records
from softbounce.store.reading import Unreadable
from softbounce.store.shards import AsyncShards

from .work import Work

if TYPE_CHECKING:
    from .engine import DeliveryEngine

__all__ = ["put_off", "set_aside"]

TURNS = 8
log = structlog.get_logger("softbounce.worker")


def put_off(engine: DeliveryEngine, work: Work, error: Exception, *, may_be_taken: bool) -> None:
    """An envelope's attempt, or what was to be made of its outcome, ended in a fault of ours.

    It is tried again later, the later the oftener that happens. What its host may have is set aside instead: it must
    not be sent again as if nothing had been.
    """
    log.error("outcome_failed", envelope=format_id(work.record.id), may_be_taken=may_be_taken, exc_info=error)
    try:
        if not may_be_taken:
            engine.commit(
                work, transitions.reschedule(work.record, claim_wait=True, now_ms=engine.clock.now_of(work.record.id))
            )
            return
    except Exception:
        log.exception("outcome_failed", envelope=format_id(work.record.id), may_be_taken=may_be_taken)
    engine.let_go(work)
    engine.set_aside([Unreadable(work.record.id, "nothing could be made of its attempt")])


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
