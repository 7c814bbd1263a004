"""Late 250s whose envelopes are gone from the store: the event is told all the same, once for each envelope.

A journal holds mostly what was committed long ago, and what ended may be forgotten at any time. So a 250 without a
record is news only where the envelope ended otherwise after an uncertain attempt, which the trim noted, or where the
log goes back that far and tells of no delivery, as in a copy of the store that was restored.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from softbounce import transitions
from softbounce.envelope import State
from softbounce.ids import format_id, shard_of
from softbounce.settings import Settings
from softbounce.store.late_delivery import read_log, tell_late
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards

__all__ = ["tell_of_gone"]

SLACK_MS = 600_000
"""By which the worker's times may differ from those in the log."""
log = structlog.get_logger("softbounce.worker")


async def tell_of_gone(store: AsyncShards, moves: Sequence[Move], settings: Settings) -> int:
    """Tell of the 250s among results that found no record; how many were news.

    :raises StoreError: the store went away; repeat it.
    """
    late: dict[int, dict[bytes, Move]] = {}
    for move in moves:
        if move.record.state is State.DELIVERED and move.record.envelope.attempts:
            late.setdefault(shard_of(move.record.id), {})[move.record.id] = move
    told = 0
    for shard, by_id in late.items():
        noted = await _tell(store, shard, list(by_id.values()), settings, only_noted=True)
        left = [move for move in by_id.values() if move.record.id not in noted]
        unheard = await _untold(store, shard, left) if left else []
        told += len(noted) + len(await _tell(store, shard, unheard, settings, only_noted=False) if unheard else ())
    return told


async def _tell(
    store: AsyncShards, shard: int, moves: Sequence[Move], settings: Settings, *, only_noted: bool
) -> set[bytes]:
    events = [(move.record.id, transitions.late_event(move.record)) for move in moves]
    answers = await store.run(tell_late(shard, events, only_noted=only_noted, keep_events=settings.keep_events_max))
    told = {identity for (identity, _), is_told in zip(events, answers, strict=True) if is_told}
    for identity in told:
        log.warning("delivered_late", envelope=format_id(identity), record="forgotten")
    return told


async def _untold(store: AsyncShards, shard: int, moves: Sequence[Move]) -> list[Move]:
    """Those of which the log would tell that they were delivered, and does not."""
    ended = {move.record.id: move.record.envelope.attempts[-1].ended_ms for move in moves}
    after = b"%d-0" % max(0, min(ended.values()) - SLACK_MS)
    delivered: set[bytes] = set()
    while True:
        page = await store.run(read_log(shard, after))
        delivered |= page.delivered
        after = page.after
        if not after:
            break
    oldest_ms = page.oldest_ms
    if oldest_ms is None:
        return []
    return [move for move in moves if move.record.id not in delivered and ended[move.record.id] - SLACK_MS >= oldest_ms]
