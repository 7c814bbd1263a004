"""The scheduler as a service: one task a shard, one for sweeps, one that hears wake-ups. Two at once are harmless."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog
from softbounce_config.loops import keep_going

from softbounce.errors import SchemaMismatch, StoreError
from softbounce.jobs import JobsPlace
from softbounce.store import keys
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.nonsense import ignore
from softbounce.store.shards import AsyncShards
from softbounce.store.wake_ups import listen

from .acting import Acting
from .expiry import Expiry
from .jobs import JobSender
from .notices.following import Noticing
from .release import Releaser
from .scrub import Scrub
from .standing_holds import StandingHoldsKeeper
from .store_view import StoreView
from .stream_brake import StreamBrake
from .suppressing import Suppressing
from .sweep import SLOW_ANSWER, Sweeper
from .taking_back import TakingBack
from .traffic import TrafficNotes

__all__ = ["Scheduler"]

LONGEST_SLEEP = 1.0
"""Seconds between two looks at a shard's clock: so long a step may go unseen."""
log = structlog.get_logger("softbounce.scheduler")


class Scheduler:
    """Decides when. :meth:`run` goes on until it is cancelled.

    :param lease: the workers' lease, for how long nobody lapses after the store was away.
    :param waits: the strategies that our own configuration names.
    :param hostname: ours, for the notices that it writes.
    """

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        store: AsyncShards,
        jobs: JobsPlace,
        *,
        shards: int,
        sweep: timedelta,
        lease: timedelta,
        waits: Container[str] = frozenset(),
        hostname: str = "localhost",
    ) -> None:
        self._store = store
        self._shards = shards
        self._sweep = sweep.total_seconds()
        lease_ms = lease // timedelta(milliseconds=1)
        self._view = StoreView(store, shards, waits=waits)
        self._job_sender = JobSender(jobs)
        self._releasers = [Releaser(self._view, self._job_sender, shard) for shard in range(shards)]
        self._expiries = [Expiry(self._view, shard) for shard in range(shards)]
        self._brake = StreamBrake(self._view, self._expiries)
        self._standing = StandingHoldsKeeper(self._view, self._expiries)
        self._sweeper = Sweeper(self._view, self._releasers[0], lease_ms)
        self._taking_back = TakingBack(self._view)
        self._suppressing = Suppressing(self._view)
        self._noticing = Noticing(self._view, hostname)
        self._acting = Acting(store)
        self._traffic = TrafficNotes(self._view)
        self._woken = [asyncio.Event() for _ in range(shards)]
        self._reload = asyncio.Event()
        self._applied = 0
        self._scrub = Scrub(self._view, self._sweeper)

    async def run(self) -> None:
        """Run all tasks until cancelled."""
        await self._view.read_settings()
        await self._view.read_standing()
        self._applied = self._view.settings.version
        await self._sweeper.forgetter.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(keep_going("sweeps", self._sweep_once, log, trouble=self._store_trouble))
                group.create_task(keep_going("reloads", self._reload_once, log))
                group.create_task(keep_going("scrub", self._scrub.step, log))
                group.create_task(keep_going("mending", self._mend_once, log))
                group.create_task(keep_going("brake", self._brake.step, log))
                group.create_task(keep_going("taking back", self._taking_back.step, log))
                group.create_task(keep_going("suppressions", self._suppressing.step, log))
                group.create_task(keep_going("notices", self._noticing.step, log))
                group.create_task(keep_going("actions", self._acting.step, log))
                group.create_task(keep_going("traffic", self._traffic.step, log))
                group.create_task(keep_going("stream holds", self._brake.walk, log))
                group.create_task(keep_going("standing holds", self._standing.step, log))
                for shard in range(self._shards):
                    step = partial(self._look_at, shard)
                    group.create_task(keep_going(f"shard {shard}", step, log, trouble=self._store_trouble))
        finally:
            self._job_sender.close()

    async def _listen(self) -> None:
        channels = [keys.key(shard, "wake") for shard in range(self._shards)]
        news = keys.key(keys.HOME, "news")

        def hear(channel: bytes, _text: bytes) -> None:
            if channel == news:
                self._reload.set()
                self._brake.wake()
                self._standing.wake()
                self._acting.wake()
            else:
                self._woken[channels.index(channel)].set()

        await listen(self._store, [*channels, news], hear)

    def _store_trouble(self, error: StoreError) -> None:
        if not isinstance(error, SchemaMismatch):  # that is an answer: the store was there
            self._sweeper.store_was_away()

    async def _look_at(self, shard: int) -> None:
        """Release and promote what is due in one shard, and wait until more is."""
        woken = self._woken[shard]
        woken.clear()
        due = await self._releasers[shard].step()
        if due is None:
            return
        next_expiry_ms = due.next_expiry_ms if self._view.clocks[shard].is_sure else None
        is_expiry_due = next_expiry_ms is not None and next_expiry_ms <= due.now_ms
        if is_expiry_due:
            await self._expiries[shard].step()
        if due.headers or is_expiry_due:
            return  # what came meanwhile woke nobody: the queue was not empty
        times = [time for time in (due.next_due_ms, next_expiry_ms) if time is not None]
        wait = LONGEST_SLEEP if not times else min(LONGEST_SLEEP, (min(times) - due.now_ms) / 1000)
        if wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait + 0.001):
                    await woken.wait()

    async def _sweep_once(self) -> None:
        await asyncio.sleep(min(self._sweep, self._sweeper.seconds_to_lease_end))
        asked_at = time.monotonic()
        try:
            if await self._view.read_settings():
                self._reload.set()
        except StoreError as error:  # what was published before holds on; where the store is away, the sweep says so
            ignore("published settings", str(error))
        if time.monotonic() - asked_at > SLOW_ANSWER:
            self._sweeper.store_was_away()
        await self._sweeper.sweep()

    async def _reload_once(self) -> None:
        """After new settings were published, walk what is queued."""
        await self._reload.wait()
        self._reload.clear()
        try:
            await self._view.read_settings()
            version = self._view.settings.version
            if version == self._applied:
                return
            changed = sum([await expiry.replan() for expiry in self._expiries])
        except SchemaMismatch as error:
            ignore("published settings", str(error))
            return
        except Exception:
            self._reload.set()  # once more
            raise
        self._applied = version
        for woken in self._woken:
            woken.set()
        log.info("settings_applied", version=version, envelopes_changed=changed)

    async def _mend_once(self) -> None:
        """After a shard's clock was set back, walk what is dated by it."""
        await asyncio.sleep(LONGEST_SLEEP)
        for shard, (clock, expiry) in enumerate(zip(self._view.clocks, self._expiries, strict=True)):
            since = clock.mend_at
            if since is None or steady_seconds() < since:
                continue
            changed = await expiry.mend()
            if clock.mend_at == since:
                clock.mend_at = None
            log.info("times_mended", shard=shard, envelopes=changed)
