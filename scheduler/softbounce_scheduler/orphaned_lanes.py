"""Finds lanes with work that nobody was told of, or that nobody has: wake-ups and jobs may be lost at any time.

A walk over the ready lists, of which each sweep takes a bounded part and the next one goes on; so a sweep costs the
same whatever the number of lanes. Only where jobs were lost, or processes came or went, does one sweep see to all of
them, in steps between which the store serves others.
"""

from __future__ import annotations

from collections.abc import Sequence

from softbounce.errors import StoreError
from softbounce.site import shown_of
from softbounce.store import keys
from softbounce.store.clock_watch import FAR
from softbounce.store.keys import ReadyName
from softbounce.store.lanes import LaneState, clear_list, count_sent, lane_states
from softbounce.store.nonsense import ignore
from softbounce.store.pruning import walk_lists

from .jobs import JOB_AGE_MS
from .release import Releaser
from .store_view import StoreView

__all__ = ["MOST_LISTS", "OrphanedLanes"]

STEP = 500
MOST_LISTS = 2000
"""Ready lists that one sweep looks at in all shards, about: a walk over 10,000 takes five sweeps."""
SENT_NOW_MS = 0
"""Jobs that were sent before are sent again, and those of this sweep are not."""


class OrphanedLanes:
    """The walk over all shards' ready lists."""

    def __init__(self, view: StoreView, releaser: Releaser) -> None:
        self._view = view
        self._releaser = releaser
        self._cursors = [0] * view.shards

    async def find(self, others_since_ms: int, *, are_others: bool) -> None:
        """Wake the owners of lanes with work once more, and send jobs for those without a living owner.

        :param others_since_ms: since when the processes that live are the same.
        :param are_others: they were not at the last sweep: who took jobs since may be gone.
        :raises StoreError: of the first shard that did not answer, when all others were seen to.
        """
        now_ms = self._view.leases.now_ms
        # Of the jobs that were sent before, some may be gone also where there was no work when others came or went.
        age_ms = min(JOB_AGE_MS, abs(now_ms - others_since_ms))
        is_whole = are_others or await self._are_jobs_lost()
        most = max(STEP, MOST_LISTS // self._view.shards)
        trouble: StoreError | None = None
        for shard in range(self._view.shards):
            try:
                if is_whole:
                    await self._walk_all(shard, now_ms)
                else:
                    await self._walk_on(shard, now_ms, age_ms, most)
            except StoreError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble

    async def _are_jobs_lost(self) -> bool:
        """Whether jobs were sent for lanes that nobody took since, and there is no job any more."""
        return await self._view.store.run(count_sent()) > 0 and await self._releaser.are_jobs_gone()

    async def _walk_all(self, shard: int, now_ms: int) -> None:
        cursor = await self._step(shard, 0, now_ms, SENT_NOW_MS)
        while cursor != 0:
            cursor = await self._step(shard, cursor, now_ms, SENT_NOW_MS)

    async def _walk_on(self, shard: int, now_ms: int, age_ms: int, most: int) -> None:
        for _ in range(0, most, STEP):
            self._cursors[shard] = await self._step(shard, self._cursors[shard], now_ms, age_ms)
            if self._cursors[shard] == 0:
                return

    async def _step(self, shard: int, cursor: int, now_ms: int, age_ms: int) -> int:
        """See to about :data:`STEP` lists; tells where to go on."""
        after, names = await self._view.store.run(walk_lists(shard, cursor, STEP))
        lists: list[ReadyName] = []
        for name in names:
            if (ready := keys.parse_ready_name(name)) is not None:
                lists.append(ready)
            else:
                ignore("name of a ready list", name)
                await self._view.store.run(clear_list(shard, name))  # a step each time that it is met
        await self._wake(shard, lists, now_ms, age_ms)
        return after

    async def _wake(self, shard: int, lists: Sequence[ReadyName], now_ms: int, age_ms: int) -> None:
        if not lists:
            return
        lanes = sorted({ready.lane for ready in lists})
        states = await self._view.store.run(lane_states(lanes))
        closed = {lane for lane, state in zip(lanes, states, strict=True) if self._is_closed(lane, state, now_ms)}
        work = {(shard, ready.lane, ready.stream, ready.share) for ready in lists if ready.lane not in closed}
        await self._releaser.wake(now_ms, work, repeat_after_ms=age_ms)

    def _is_closed(self, lane: str, state: LaneState, now_ms: int) -> bool:
        """Whether a lane is closed; not where it would be for longer than any is: the clock was set back since."""
        left_ms = state.closed_until_ms - now_ms
        if left_ms <= 0:
            return False
        longest = self._view.settings.lane_rule_for(shown_of(lane)).close_cap.total_seconds() + FAR
        return left_ms <= longest * 1000
