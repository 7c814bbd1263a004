"""Holds all mail of a store that was restored from a backup, before anything could send it.

Every step may be repeated: what is held already stays so, and where it was killed the next run goes on. From the first
step to the last the store lets no worker process in, and those that were in it may claim and send nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from softbounce_config import Config

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.errors import StoreUncertain
from softbounce.ids import format_id
from softbounce.settings import BUILT_IN, Settings
from softbounce.store import keys, membership, reading, store_history
from softbounce.store.call import Call, every
from softbounce.store.moving import Move, MoveResult, move
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.restored_store.guard import Guard, history_end_ms
from softbounce_gateway.restored_store.report import make_report
from softbounce_gateway.terminal import complain, say

__all__ = ["hold_all"]

STEP = 500
TURNS = 20
PROGRESS_SECONDS = 2.0


async def hold_all(store: AsyncShards, config: Config, guard: Guard, *, as_json: bool) -> None:
    """Hold all mail of a store, tell what may be duplicated, and take the store as it is from then on.

    Killed at any point, it leaves a store that no worker and no other ``up`` works with, until it was run again.

    :param guard: has read how far the store was seen.
    :raises StartFailed: an envelope could not be held.
    :raises StoreError: the store went away.
    """
    shards = config.store.shards
    end_ms = history_end_ms(await store.run(store_history.look(shards)), guard.known)
    begun = await store.run(store_history.begin_holding(guard.identity, shards, end_ms))
    until_ms = begun[keys.HOME].until_ms
    settings = await store.run(read_settings(waits=config.settings().waits))
    hold = HoldAll(
        store,
        BUILT_IN if settings is None else settings,
        until_ms=until_ms,
        began_ms=min(one.holding_ms for one in begun),
        progress=complain if as_json else say,
    )
    held = await hold.run(shards)
    report = await make_report(store, shards, until_ms)
    if not held and report.since_ms:  # all of it was held by an earlier run, whose own events are the newest now
        report.until_ms = report.since_ms
    if as_json:
        say(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        for line in report.lines():
            say(line)
    await guard.accept(store)


class HoldAll:
    """One run through all live envelopes.

    :param until_ms: where the store's history ends.
    :param began_ms: what was accepted later is not of the backup, and is left alone.
    :param progress: told now and then how far it is.
    """

    def __init__(
        self, store: AsyncShards, settings: Settings, *, until_ms: int, began_ms: int, progress: Callable[[str], None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._until_ms = until_ms
        self._began_ms = began_ms
        self._progress = progress

    async def run(self, shards: int) -> int:
        """Hold everything; tells how many were not held before.

        :raises StartFailed: an envelope changes all the time.
        :raises StoreError: the store went away; run it again.
        """
        processes = sorted(await self._store.run(membership.members(shards)))
        await self._lapse(processes, shards)
        total = await self._count(shards)
        now = asyncio.get_running_loop().time
        said, seen, held = now(), 0, 0
        for shard in range(shards):
            cursor = "0"
            while True:
                told, entries, cursor = await self._store.run(reading.walk(shard, cursor, STEP))
                held += await self._hold([record for _, record in entries if isinstance(record, Record)], told.now_ms)
                seen += len(entries)
                if now() - said >= PROGRESS_SECONDS:
                    said = now()
                    self._progress(f"holding all mail: {min(seen, total):,} of {total:,} envelopes")
                if cursor == "0":
                    break
        await self._lapse(processes, shards)  # lets go of the claims that are none any more
        for process in processes:
            await self._store.run(membership.forget_process(process, shards=shards))
        return held

    async def _lapse(self, processes: Sequence[str], shards: int) -> None:
        """Forbid these to claim and to send a dot: those that still run, somewhere, end when they hear of it."""
        for process in processes:
            for shard in range(shards):
                await self._store.run(membership.lapse(process, shard, 1))

    async def _count(self, shards: int) -> int:
        calls = [Call.read(shard, b"ZCARD", keys.key(shard, "exp")) for shard in range(shards)]
        return sum(every(await self._store.call(calls)))

    async def _hold(self, records: Sequence[Record], now_ms: int) -> int:
        """Hold some; those that changed meanwhile are looked at again. Tells how many were moved."""
        moved = 0
        for _ in range(TURNS):
            moves = []
            for record in records:
                if record.created_ms > self._began_ms:
                    continue
                version = record.version
                change = transitions.hold_restored(record, self._settings, until_ms=self._until_ms, now_ms=now_ms)
                if change is not None:
                    moves.append(Move(record=change.record, version=version, event=change.event, ahead=change.ahead))
            if not moves:
                return moved
            try:
                results = await self._store.run(move(moves, keep_events=self._settings.keep_events_max))
            except StoreUncertain:
                results = [MoveResult.STALE] * len(moves)  # where it had been taken, the next look shows it
            moved += results.count(MoveResult.MOVED)
            again = [
                one.record.id
                for one, result in zip(moves, results, strict=True)
                if result not in {MoveResult.MOVED, MoveResult.GONE}
            ]
            found = await self._store.run(reading.fetch(again))
            records = [record for record in found if record is not None]
        raise StartFailed(
            f"envelope {format_id(records[0].id)} changed {TURNS} times while it was to be held: is a worker or a "
            "scheduler of another machine at work? End it, and run this again",
            exit_code=3,
        )
