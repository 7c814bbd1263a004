"""Releases what is due to its lane, in bounded batches; then wakes whoever has the lane, or sends a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from softbounce.envelope import Record
from softbounce.store import keys, reading, releasing
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.lanes import offer_lanes, wake_lanes
from softbounce.store.nonsense import ignore
from softbounce.store.reading import read_header
from softbounce.store.releasing import Due

from .jobs import JOB_AGE_MS, JobSender
from .store_view import StoreView
from .unreadable import Aside

__all__ = ["Releaser"]

NOWHERE = ("", "", 0)
"""The list of what is not there any more: the script drops its entries."""
WAKE_LIMIT = 1000
"""Lanes in one call: the store serves others between two."""
log = structlog.get_logger("softbounce.scheduler")


class Releaser:
    """Moves due envelopes of one shard to their lanes."""

    def __init__(self, view: StoreView, job_sender: JobSender, shard: int) -> None:
        self._view = view
        self._job_sender = job_sender
        self._shard = shard
        self._turn = 0

    async def step(self) -> Due | None:
        """Release one batch. Answers what the store said; when anything was due, more may be by now.

        ``None``: it cannot be gone by, and is asked again.
        """
        asked_at = steady_seconds()
        held_ms = self._view.clocks[self._shard].held_ms(asked_at)
        due = await self._view.store.run(releasing.due(self._shard, held_ms=held_ms))
        if not await self._view.believes(self._shard, due.time, asked_at):
            return None
        if self._view.clocks[self._shard].held_ms(asked_at) != held_ms:
            return None
        await self._release(due)
        return due

    async def are_jobs_gone(self) -> bool:
        """Whether no job is anywhere, so that those that were sent need not be waited for."""
        return await self._job_sender.are_gone()

    async def _release(self, due: Due) -> None:
        if not due.headers:
            return
        aside = Aside(self._view.store, self._shard)
        lists = await self._lists(due.headers, aside)
        if gone := [(identity, 0) for identity, header in due.headers if not header]:
            lists[NOWHERE] = gone
        moved = await self._view.store.run(releasing.release(self._shard, lists))
        await aside.put()
        log.debug("released", shard=self._shard, envelopes=moved, lanes=len(lists))
        await self.wake(due.now_ms, {(self._shard, *place) for place in lists if place is not NOWHERE})

    async def wake(
        self, now_ms: int, lists: set[tuple[int, str, str, int]], *, repeat_after_ms: int = JOB_AGE_MS
    ) -> None:
        """Wake the owners of lanes that got work; send jobs for lanes that nobody has.

        :param repeat_after_ms: how old a job must be to be sent once more.
        """
        if not lists:
            return
        work: dict[str, str] = {}
        for shard, lane, stream, share in lists:
            text = f"{shard}|{keys.ready_name(lane, stream, share)}"
            work[lane] = f"{work[lane]}\n{text}" if lane in work else text
        lanes = list(work)
        for start in range(0, len(lanes), WAKE_LIMIT):
            part = {lane: work[lane] for lane in lanes[start : start + WAKE_LIMIT]}
            await self._wake_some(now_ms, part, repeat_after_ms)

    async def _wake_some(self, now_ms: int, work: Mapping[str, str], repeat_after_ms: int) -> None:
        processes = await self._view.processes()
        need = await self._view.store.run(wake_lanes(now_ms, work, processes, repeat_after_ms=repeat_after_ms))
        if not await self._job_sender.send(need, takers=len(processes)):
            # A store without memory refuses jobs, and must drain all the same: offer the lanes directly, in turn.
            self._turn += 1
            offers: dict[str, list[str]] = {process: [] for process in processes}
            for number, lane in enumerate(need if processes else (), self._turn):
                offers[processes[number % len(processes)]].append(lane)
            await self._view.store.run(offer_lanes(offers, unsent=need))

    async def _lists(
        self, headers: Sequence[tuple[bytes, bytes]], aside: Aside
    ) -> dict[tuple[str, str, int], list[tuple[bytes, int]]]:
        """The list of each, by lane, stream and share."""
        records = aside.readable(read_header(self._shard, identity, header) for identity, header in headers)
        lanes = await self._view.lanes(self._shard, records)
        lost = [record for record, lane in zip(records, lanes, strict=True) if not keys.is_lane(lane)]
        anew = await self._route_anew(lost, aside) if lost else {}
        lists: dict[tuple[str, str, int], list[tuple[bytes, int]]] = {}
        for record, lane in zip(records, lanes, strict=True):
            where = anew.get(record.id) if record.id in anew or not keys.is_lane(lane) else lane
            if where is not None:
                lists.setdefault((where, record.stream, record.share), []).append((record.id, record.version))
        return lists

    async def _route_anew(self, lost: Sequence[Record], aside: Aside) -> dict[bytes, str]:
        """Where envelopes go whose lane has a name that is none: to the beginning, to be resolved once more."""
        anew: dict[bytes, str] = {}
        for record in lost:
            ignore("name of a lane", record.lane)
        whole = await self._view.store.run(reading.read_all([record.id for record in lost]))
        for record in aside.readable(whole):
            lane = f"?{record.envelope.domain}"
            if keys.is_lane(lane):
                anew[record.id] = lane
            else:
                aside.add(record.id, "its domain is none")
        return anew
