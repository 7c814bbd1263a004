"""One worker process, from its first breath to its last: lease, journal, engine, jobs, and an orderly end."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import secrets
import signal
import time
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from softbounce_config.identity import host_label
from softbounce_config.loops import keep_going
from softbounce_config.parent import tell_parent, watch_parent

from softbounce.errors import StoreError
from softbounce.gate import GateRules
from softbounce.jobs import jobs_place
from softbounce.settings import BUILT_IN, Settings
from softbounce.standing import StandingHolds
from softbounce.store import keys, membership
from softbounce.store.held_streams import StreamHold, held_among, read_holds
from softbounce.store.membership import ProcessInfo
from softbounce.store.published import read_settings
from softbounce.store.returns import return_keys
from softbounce.store.shards import AsyncShards, Shards
from softbounce.store.standing_holds import read_standing
from softbounce.store.wake_ups import listen
from softbounce_worker.clock import StoreClock
from softbounce_worker.dkim.rules import SigningRule
from softbounce_worker.engine import DeliveryEngine
from softbounce_worker.jobs import JobTaker
from softbounce_worker.lane.roads import NO_ROADS, OwnRoads
from softbounce_worker.lease import LeaseKeeper
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.results.journal import Journal, take_up_again
from softbounce_worker.results.replay import replay, replay_dead
from softbounce_worker.route import Router, RouteSettings
from softbounce_worker.route.known_domains import KnownDomains
from softbounce_worker.session.dialling import DialSettings
from softbounce_worker.store_watch import StoreWatch

__all__ = ["LEASE_LOST", "WorkerSettings", "run_worker"]

LEASE_LOST = 75
REPLAY_EVERY = 2.0
SETTINGS_EVERY = 5.0
LAST_FLUSH = 5.0
"""Seconds."""
OTHER_FILES = 64
"""File descriptors for all but sessions: the store, jobs, the journal, DNS."""
GARBAGE = 700, 10, 200
"""How often it is looked for: seldom among what stays, or thousands of lanes are looked through again and again."""
log = structlog.get_logger("softbounce.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker process must be told; all else it reads from the store."""

    store_url: str
    jobs_url: str
    shards: int
    journal: Path
    limits: DialSettings
    route: RouteSettings
    sessions: int
    body_octets: int
    drain: timedelta
    lease: timedelta
    waits: Container[str] = frozenset()
    signing: tuple[SigningRule, ...] = ()
    own_roads: OwnRoads = NO_ROADS
    gate: GateRules | None = None


class WorkerService:
    """The process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.stopping = asyncio.Event()
        self._exit = 0
        self._not_ours: list[str] = []
        self.name = f"{host_label()}-{os.getpid()}-{secrets.token_hex(4)}"

    def stop(self) -> None:
        """End in good order."""
        self.stopping.set()

    async def run(self) -> int:
        """Work until told to stop; the exit code."""
        told = self._settings
        loop = asyncio.get_running_loop()
        store = AsyncShards(told.store_url)
        plain_store = Shards(told.store_url, timeout=max(1.0, told.lease.total_seconds() / 3), patience=0.5)
        clock = StoreClock(store, told.shards)
        await clock.begin()
        process = WorkerProcess(self.name, store, told.shards, clock, own_gate=told.gate)
        journal = Journal(told.journal, self.name)
        lease_ms = told.lease // timedelta(milliseconds=1)
        process.settings = await self._settings_for(process) or BUILT_IN
        process.holds, process.standing = await _read_holds(store)
        started_ms = clock.now_ms(keys.HOME)
        info = ProcessInfo(pid=os.getpid(), host=host_label(), started_ms=started_ms)
        take_up_again(told.journal)
        await replay_dead(store, told.journal, process.settings, started_ms)
        watch = await StoreWatch.of(store, told.shards)
        place = jobs_place(plain_store, told.jobs_url)  # before the lease begins: its connection is there by then
        given_at = time.monotonic()
        await store.run(membership.enlist(self.name, info, shards=told.shards, lease_ms=lease_ms))
        flusher = Flusher(process, journal)
        engine = DeliveryEngine(
            process,
            flusher=flusher,
            router=Router(told.route, known=KnownDomains(store, told.shards)),
            watch=watch,
            limits=told.limits,
            capacity=_capacity(told.sessions),
            lease_seconds=told.lease.total_seconds(),
            body_octets=told.body_octets,
            signing=told.signing,
            own_roads=told.own_roads,
        )

        def lost() -> None:
            loop.call_soon_threadsafe(process.lose_lease)

        lease = LeaseKeeper(plain_store, self.name, told.lease.total_seconds(), given_at=given_at, lost=lost)
        lease.start()
        watch.remind = lambda: self._remind(process, journal)
        engine.is_live = lambda: lease.is_fresh and not process.is_lost
        process.lost = lambda: self._lost(lease)
        jobs = JobTaker(place, engine)
        engine.send_hints_by(lambda lane: loop.run_in_executor(None, jobs.send_or_keep, lane))
        running = [
            loop.create_task(clock.follow()),
            loop.create_task(flusher.run()),
            loop.create_task(engine.run()),
            loop.create_task(self._listen(engine, watch)),
            loop.create_task(self._tick(lease)),
            loop.create_task(self._replays(process)),
        ]
        gc.collect()
        gc.set_threshold(*GARBAGE)
        gc.freeze()  # what is there by now stays: looking through it again and again would halt everything for 50 ms
        jobs.start()
        tell_parent(f"ready worker {self.name}", self.stop)
        stopping = loop.create_task(self.stopping.wait())
        done, _ = await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            log.error("worker_failed", exc_info=task.exception())
            self._exit = 1
        log.info("worker_stopping", process=self.name)
        await loop.run_in_executor(None, jobs.stop)
        await self._end(engine, flusher, journal)
        lease.stop()
        for _ in range(3):  # a cancellation can get lost in a library's own timeouts
            for task in running:
                task.cancel()
            if not (await asyncio.wait(running, timeout=1.0))[1]:
                break
        plain_store.close()
        await store.close()
        return self._exit

    def _lost(self, lease: LeaseKeeper) -> None:
        """The lease is gone, if only in one shard: end, so that a successor goes on under a new name."""
        lease.stop()
        self._exit = LEASE_LOST
        self.stop()

    async def _end(self, engine: DeliveryEngine, flusher: Flusher, journal: Journal) -> None:
        """Finish, hand back, and be forgotten; whatever fails here lapses with the lease."""
        clean, store = False, engine.process.store
        seconds = self._settings.drain.total_seconds() if self._exit == 0 else 5.0
        try:
            await engine.drain(seconds)
            async with asyncio.timeout(LAST_FLUSH):
                await flusher.drained()
            # Whoever lost its lease may have met a store that was restored: its successor tells the journal once more.
            # Where claims are left, the journal's replay is what the sweep waits for before it closes the marked ones.
            clean = self._exit != LEASE_LOST and await self._holds_nothing(store)
            if clean:
                await store.run(membership.forget_process(self.name, shards=self._settings.shards))
        except (StoreError, TimeoutError) as error:
            log.warning("worker_end_incomplete", error=str(error))
        journal.close(forget=clean)

    async def _remind(self, process: WorkerProcess, journal: Journal) -> None:
        """Tell a store that turned out to be another one what was done lately."""
        moves = (entry.move() for entry in journal.recent())
        now_ms = process.clock.now_ms(keys.HOME)
        await replay(process.store, moves, process.settings, now_ms, process=process.name)

    async def _holds_nothing(self, store: AsyncShards) -> bool:
        for shard in range(self._settings.shards):
            _, total, claims = await store.run(membership.lapse(self.name, shard, only_list=True))
            if total and claims:
                return False
        return True

    async def _published(self, store: AsyncShards) -> Settings | None:
        """The published settings, told of once; what our own configuration does not name is not imported."""
        settings = await store.run(read_settings(waits=self._settings.waits))
        not_ours = [] if settings is None else settings.waits_not_ours
        for wait in not_ours:
            if wait not in self._not_ours:
                log.warning("wait_not_ours", wait=wait)
        self._not_ours = not_ours
        return settings

    async def _settings_for(self, process: WorkerProcess) -> Settings | None:
        """The published settings; what signs return paths is there before mail leaves with them."""
        settings = await self._published(process.store)
        if settings is not None and settings.returns:
            process.return_keys = await process.store.run(return_keys())
        return settings

    async def _listen(self, engine: DeliveryEngine, watch: StoreWatch) -> None:
        process = engine.process
        if process.gate is not None:
            process.tell_of_gate()
        mine, news = keys.to_process(self.name), keys.key(keys.HOME, "news")
        changed = asyncio.Event()

        def hear(channel: bytes, text: bytes) -> None:
            if channel == mine:
                engine.hear(text)
            else:
                changed.set()

        async def follow() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTINGS_EVERY):
                    await changed.wait()
            changed.clear()
            await watch.look()
            settings = await self._settings_for(process)
            if settings is not None and settings != process.settings:
                engine.apply(settings)
            engine.hold(*await _read_holds(process.store))

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(process.store, [mine, news], hear))
            group.create_task(keep_going("settings", follow, log))

    async def _tick(self, lease: LeaseKeeper) -> None:
        while True:
            lease.ticked_at = time.monotonic()
            await asyncio.sleep(0.5)

    async def _replays(self, process: WorkerProcess) -> None:
        """Look for journals that dead siblings left on this volume."""

        async def look() -> None:
            await asyncio.sleep(REPLAY_EVERY)
            try:
                now_ms = process.clock.now_ms(keys.HOME)
                await replay_dead(process.store, self._settings.journal, process.settings, now_ms)
            except OSError as error:
                log.warning("replay_trouble", error=str(error))

        await keep_going("replays", look, log)


async def _read_holds(store: AsyncShards) -> tuple[dict[str, StreamHold], StandingHolds]:
    """The streams that a brake holds, and what else stands."""
    return held_among(await store.run(read_holds())), StandingHolds(await store.run(read_standing()))


def _capacity(sessions: int) -> int:
    """How many sessions the system's limit of open files leaves room for."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = sessions if most == resource.RLIM_INFINITY else max(1, most - OTHER_FILES)
    if room < sessions:
        log.warning("few_file_descriptors", limit=most, sessions=room, wanted=sessions)
    return min(sessions, room)


async def run_worker(settings: WorkerSettings) -> int:
    """Run one worker process until SIGTERM, SIGINT or its parent's end; the exit code."""
    service = WorkerService(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    watch_parent(loop, service.stopping.set)
    return await service.run()
