"""Carries out one fault, and mends what it broke when its time is over. What died is left to its keepers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import redis
from clusters import Server
from redis.backoff import NoBackoff
from redis.retry import Retry

from torture.house import LEASE, House
from torture.processes import Living
from torture.proxy import Loss, Proxy
from torture.schedule import LONG_PAUSE, Fault, Kind

__all__ = ["Faults"]

T = TypeVar("T")
MOST_LOSSES = 12
LONGEST_DELAY = 0.8
FAILOVER = 6.0
"""Seconds that sentinels take for one, about."""
STEPS = (3600, -3600, 5 * 86_400, -600)
"""Seconds by which a clock is set ahead."""


class Faults:
    """What can be done to a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._wrong_clocks: set[str] = set()
        self._primary_lock = asyncio.Lock()
        self._doing: dict[Kind, Callable[[Fault], Awaitable[str]]] = {
            Kind.KILL_WORKER: lambda fault: self._strike(fault, signal.SIGKILL, "worker"),
            Kind.KILL_WORKERS: lambda _: self._strike_all(signal.SIGKILL, "worker"),
            Kind.KILL_SCHEDULER: lambda fault: self._strike(fault, signal.SIGKILL, "scheduler"),
            Kind.KILL_STORE: lambda fault: self._strike(fault, signal.SIGKILL, "store"),
            Kind.KILL_APP: lambda fault: self._strike(fault, signal.SIGKILL, "app"),
            Kind.KILL_GATEWAY: lambda fault: self._strike(fault, signal.SIGKILL, "gateway"),
            Kind.KILL_RELAY: lambda fault: self._strike(fault, signal.SIGKILL, "relay"),
            Kind.KILL_RECEIVER: lambda fault: self._strike(fault, signal.SIGKILL, "receiver"),
            Kind.PAUSE_GATEWAY: lambda fault: self._pause(fault, "gateway"),
            Kind.KILL_UP: lambda fault: self._strike(fault, signal.SIGKILL, "up"),
            Kind.KILL_ALL: lambda _: self._strike_all(signal.SIGKILL),
            Kind.END_WORKER: lambda fault: self._strike(fault, signal.SIGTERM, "worker"),
            Kind.PAUSE_WORKER: lambda fault: self._pause(fault, "worker"),
            Kind.PAUSE_WORKERS: self._pause_workers,
            Kind.PAUSE_LONG: self._pause_long,
            Kind.PAUSE_SCHEDULER: lambda fault: self._pause(fault, "scheduler"),
            Kind.PAUSE_STORE: lambda fault: self._pause(fault, "store"),
            Kind.PAUSE_APP: lambda fault: self._pause(fault, "app"),
            Kind.CUT: self._cut,
            Kind.REFUSE: self._refuse,
            Kind.LOSE_REQUESTS: lambda fault: self._lose(fault, Loss.REQUEST),
            Kind.LOSE_REPLIES: lambda fault: self._lose(fault, Loss.REPLY),
            Kind.HALVE_REPLIES: lambda fault: self._lose(fault, Loss.HALF_REPLY),
            Kind.SWALLOW: self._swallow,
            Kind.SLOW: self._slow,
            Kind.FLUSH_JOBS: self._flush_jobs,
            Kind.TWO_SCHEDULERS: self._two_schedulers,
            Kind.FULL_WORKER_DISK: lambda fault: self._fill(fault, "b"),
            Kind.FULL_STORE_DISK: lambda fault: self._fill(fault, "store"),
            Kind.STEP_STORE_CLOCK: lambda fault: self._step(fault, "store"),
            Kind.STEP_WORKER_CLOCK: lambda fault: self._step(fault, "b"),
            Kind.SWITCH_PRIMARY: lambda fault: self._lose_primary(fault, self._ask_to_switch),
            Kind.KILL_PRIMARY: lambda fault: self._lose_primary(fault, self._kill_for_a_while),
            Kind.PAUSE_PRIMARY: lambda fault: self._lose_primary(fault, self._pause_for_a_while),
        }

    async def inflict(self, fault: Fault) -> str:
        """Carry it out. Returns what was hit; empty: there was nothing to hit."""
        return await self._doing[fault.kind](fault)

    # -- processes --------------------------------------------------------------------------------------------------

    async def _strike(self, fault: Fault, number: signal.Signals, *roles: str) -> str:
        victims = self._house.living(*roles)
        if not victims:
            return ""
        victim = _picked(victims, fault)
        return _named(victim) if self._house.signal(victim, number) else ""

    async def _strike_all(self, number: signal.Signals, *roles: str) -> str:
        return ", ".join(_named(one) for one in self._house.living(*roles) if self._house.signal(one, number))

    async def _pause(self, fault: Fault, *roles: str) -> str:
        victims = self._house.living(*roles)
        return await self._pause_these([_picked(victims, fault)], _beyond_lease(fault)) if victims else ""

    async def _pause_workers(self, fault: Fault) -> str:
        return await self._pause_these(self._house.living("worker"), _beyond_lease(fault))

    async def _pause_long(self, fault: Fault) -> str:
        """So long that its marked claims are closed as uncertain although its journal cannot be read."""
        victims = self._house.living("worker")
        return await self._pause_these([_picked(victims, fault)], LONG_PAUSE - 10 * fault.size) if victims else ""

    async def _pause_these(self, victims: Sequence[Living], seconds: float) -> str:
        stopped = [one for one in victims if self._house.signal(one, signal.SIGSTOP)]
        await asyncio.sleep(seconds)
        for one in stopped:
            self._house.signal(one, signal.SIGCONT)
        return f"{', '.join(map(_named, stopped))} for {seconds:.1f} s" if stopped else ""

    async def _two_schedulers(self, fault: Fault) -> str:
        seconds = 4 + 6 * fault.size
        return f"for {seconds:.1f} s" if await self._house.second_scheduler(seconds) else ""

    # -- the way to the store ---------------------------------------------------------------------------------------

    async def _cut(self, fault: Fault) -> str:
        name = self._way(fault)
        self._proxy(name).cut()
        return name

    async def _refuse(self, fault: Fault) -> str:
        name = self._way(fault)
        seconds = 1 + LEASE * 3 * fault.size
        await self._proxy(name).close()
        await asyncio.sleep(seconds)
        await self._proxy(name).open()
        return f"{name} for {seconds:.1f} s"

    async def _lose(self, fault: Fault, loss: Loss) -> str:
        name = self._way(fault)
        number = 1 + round(MOST_LOSSES * fault.size)
        self._proxy(name).losses += [loss] * number
        return f"{name}, {number} of them"

    async def _swallow(self, fault: Fault) -> str:
        name = self._way(fault)
        seconds = LEASE * (0.5 + 2.5 * fault.size)
        self._proxy(name).swallows = True
        await asyncio.sleep(seconds)
        self._proxy(name).swallows = False
        self._proxy(name).cut()  # octets are missing in the middle: TCP would have ended it too
        return f"{name} for {seconds:.1f} s"

    async def _slow(self, fault: Fault) -> str:
        name = self._way(fault)
        self._proxy(name).delay = delay = LONGEST_DELAY * fault.size
        await asyncio.sleep(5)
        self._proxy(name).delay = 0.0
        return f"{name} by {delay * 1000:.0f} ms"

    def _way(self, fault: Fault) -> str:
        return _picked(list(self._house.proxies), fault)

    def _proxy(self, name: str) -> Proxy:
        return self._house.proxies[name]

    # -- the servers that sentinels watch --------------------------------------------------------------------------

    async def _lose_primary(self, fault: Fault, lose: Callable[[Fault, Server], Awaitable[object]]) -> str:
        """Lose the primary, while it has both of its replicas: of more at once nothing is promised."""
        watched = self._house.watched
        if watched is None or self._primary_lock.locked():
            return ""
        async with self._primary_lock:
            try:
                await asyncio.to_thread(watched.settle)
                primary = await asyncio.to_thread(watched.primary)
            except (AssertionError, StopIteration, redis.RedisError, OSError):
                return ""
            await lose(fault, primary)
        return f"port {primary.port}"

    async def _ask_to_switch(self, fault: Fault, primary: Server) -> None:
        del fault, primary
        watched = self._house.watched
        assert watched is not None
        with suppress(redis.RedisError):
            await asyncio.to_thread(watched.sentinels[0].ask, "SENTINEL", "FAILOVER", watched.SERVICE)
        await asyncio.sleep(FAILOVER)

    async def _kill_for_a_while(self, fault: Fault, primary: Server) -> None:
        await asyncio.to_thread(primary.kill)
        await asyncio.sleep(FAILOVER * (0.5 + 2 * fault.size))
        primary.start()

    async def _pause_for_a_while(self, fault: Fault, primary: Server) -> None:
        primary.signal(signal.SIGSTOP)
        await asyncio.sleep(FAILOVER * (0.5 + 2 * fault.size))
        primary.signal(signal.SIGCONT)

    # -- the store and the disks ------------------------------------------------------------------------------------

    async def _flush_jobs(self, fault: Fault) -> str:
        del fault
        try:
            await asyncio.to_thread(_flush, f"{self._house.store_url}?db=1")
        except redis.RedisError:
            return ""
        return "database 1"

    async def _fill(self, fault: Fault, name: str) -> str:
        volume = self._house.volumes.get(name)
        if volume is None:
            return ""
        seconds = 2 + 4 * fault.size
        await asyncio.to_thread(volume.fill)
        await asyncio.sleep(seconds)
        volume.empty()
        return f"{name} for {seconds:.1f} s"

    async def _step(self, fault: Fault, name: str) -> str:
        clock = self._house.clocks.get(name)
        if clock is None or name in self._wrong_clocks:
            return ""
        step = STEPS[min(int(fault.pick * len(STEPS)), len(STEPS) - 1)]
        seconds = 3 + 9 * fault.size
        self._wrong_clocks.add(name)
        clock.set(step)
        await asyncio.sleep(seconds)
        clock.set(0)
        self._wrong_clocks.discard(name)
        return f"{name} by {step} s for {seconds:.1f} s"


def _beyond_lease(fault: Fault) -> float:
    return LEASE * (1.3 + 1.7 * fault.size)


def _flush(url: str) -> None:
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=2) as client:
        client.flushdb()


def _picked(victims: Sequence[T], fault: Fault) -> T:
    return victims[min(int(fault.pick * len(victims)), len(victims) - 1)]


def _named(one: Living) -> str:
    return f"{one.role} {one.pid} of {one.part}"
