"""Replays journals, so that no 250 is forgotten: dead processes', and our own to a store that changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog

from softbounce.envelope import State
from softbounce.settings import Settings
from softbounce.store import membership, moving, reading
from softbounce.store.moving import Move, MoveResult
from softbounce.store.shards import AsyncShards
from softbounce_worker.results.flusher import obey_asked, settle_stale
from softbounce_worker.results.journal import dead_journals
from softbounce_worker.results.late import tell_of_gone

__all__ = ["replay", "replay_dead"]

PART = 100
log = structlog.get_logger("softbounce.worker")


async def replay_dead(store: AsyncShards, folder: Path, settings: Settings, now_ms: int) -> int:
    """Commit what dead processes' journals hold, then remove them; tells how many results were still missing.

    A journal with entries of another version's making is set aside, and nobody is told that it was replayed.

    :raises StoreError: the store went away; the journals that are left will be replayed by the next call.
    """
    missing = 0
    for journal in dead_journals(folder):
        is_done = False
        try:
            found = await replay(store, journal.moves(), settings, now_ms, process=journal.process)
            if journal.unread:
                log.error("journal_unreadable", process=journal.process, entries=journal.unread)
            elif journal.is_last() and journal.process in (await store.run(membership.leases())).ends:
                await store.run(membership.tell_replayed(journal.process))
            is_done = True
            missing += found
            log.info("journal_replayed", process=journal.process, results=found)
        finally:
            journal.close(forget=is_done)
    return missing


async def replay(store: AsyncShards, moves: Iterable[Move], settings: Settings, now_ms: int, *, process: str) -> int:
    """Commit results that may or may not be in the store; tells how many were missing.

    :raises StoreError: the store went away meanwhile; repeat it all.
    """
    missing = 0
    part: list[Move] = []
    for move in moves:
        part.append(move)
        if len(part) == PART:
            missing += await _repeat(store, part, settings, now_ms, process)
            part = []
    return missing + (await _repeat(store, part, settings, now_ms, process) if part else 0)


async def _repeat(store: AsyncShards, moves: list[Move], settings: Settings, now_ms: int, process: str) -> int:
    results = await store.run(moving.move(moves, process=process, keep_events=settings.keep_events_max))
    missing = results.count(MoveResult.MOVED)
    asked = [move for move, result in zip(moves, results, strict=True) if result == MoveResult.ASKED]
    obeyed = [one for move in asked if (one := await obey_asked(store, move, settings, now_ms)) is not None]
    if obeyed:  # of whom more is asked in between, the sweep returns
        told = await store.run(moving.move(obeyed, process=process, keep_events=settings.keep_events_max))
        missing += told.count(MoveResult.MOVED)
    stale = [
        move
        for move, result in zip(moves, results, strict=True)
        if result == MoveResult.STALE and move.record.state is State.DELIVERED
    ]
    gone = [move for move, result in zip(moves, results, strict=True) if result == MoveResult.GONE]
    missing += await tell_of_gone(store, gone, settings)
    # Most of what a journal holds was committed long ago: one look at all of them, or a replay takes minutes.
    for move, record in zip(stale, await store.run(reading.fetch([move.record.id for move in stale])), strict=True):
        if record is not None and record.state is not State.DELIVERED:
            missing += await settle_stale(store, move, settings, now_ms)
    return missing
