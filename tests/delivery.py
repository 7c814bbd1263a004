"""The delivery side in one process, all of it real: store, playground, DNS, engine, flusher and journal.

What is left out is what only starts it: dramatiq and the scheduler's own process. A loop of three lines releases what
is due instead, and offers the lanes to the engine.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, Protocol, Self

from mx import Mx
from softbounce_config.process_settings import Login, Transcripts
from softbounce_playground import Command, Playground, Zone
from softbounce_worker.clock import StoreClock
from softbounce_worker.dkim.rules import SigningRule
from softbounce_worker.engine import DeliveryEngine
from softbounce_worker.lane.lane import Lane
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.results.journal import Journal
from softbounce_worker.route import Router, RouteSettings
from softbounce_worker.route.known_domains import KnownDomains
from softbounce_worker.session.dialling import DialSettings, Timeouts
from softbounce_worker.store_watch import StoreWatch

from softbounce import AsyncClient, Shown
from softbounce.envelope import Record
from softbounce.errors import StoreUnavailable, StoreUncertain
from softbounce.road import Road
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store import keys, membership, releasing
from softbounce.store.lanes import wake_lanes
from softbounce.store.membership import ProcessInfo
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import read_sites

__all__ = ["BODY", "PATIENT", "POLICY", "SENDER", "SETTINGS", "Begin", "Delivery", "in_loop", "lane_settings"]

SENDER = "app@sender.test"
BODY = b"From: app@sender.test\r\nTo: all@a.test\r\nSubject: x\r\n\r\nHello.\r\n"
POLICY = Policy(name="default", delays=(timedelta(hours=1),), jitter=0.0)
SETTINGS = Settings(policies={"default": POLICY})
PATIENT = Timeouts(connect=5, greeting=5, ehlo=5, mail=5, rcpt=5, data=5, block=5, end_of_data=5, idle=5)
SHARED = "127.88.7.1"
LONG = 60_000
P = ParamSpec("P")


def lane_settings(rule: LaneRule) -> Settings:
    """The settings of these tests, with one rule for all lanes."""
    return Settings(policies={"default": POLICY}, lane=(rule,))


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in a loop of its own.

    The standard library's: uvloop's close has been seen to wait for ever for a handle of a closed connection. Whole
    processes run on uvloop in tests/faults, and the connection's own tests on both.
    """

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        with asyncio.Runner() as runner:
            runner.run(test(*arguments, **named))

    return run


class OwnRoads:
    """What this process's own configuration would say: the roads of these settings, and passwords by user.

    :ivar settings: whose routes are ours.
    """

    def __init__(self, settings: Settings, logins: dict[str, str]) -> None:
        self.settings = settings
        self.logins = logins

    def __contains__(self, road: object) -> bool:
        return any(rule.road == road for rule in self.settings.route)

    def login(self, road: Road) -> Login | None:
        """As whom, with the password as it is now."""
        if road.user is None:
            return None
        if road.user not in self.logins:
            raise ValueError("password_file /none cannot be read: No such file or directory")
        return Login(user=road.user, password=self.logins[road.user])


class Delivery:
    """Everything from an accepted message to its verdict, within ``async with``.

    :ivar playground: the mail hosts with good manners, and DNS.
    """

    def __init__(
        self,
        store_url: str,
        folder: Path,
        *,
        settings: Settings = SETTINGS,
        timeouts: Timeouts = PATIENT,
        body_octets: int = 1_000_000,
        signing: Sequence[SigningRule] = (),
        transcripts: Transcripts = "failed",
        logins: Mapping[str, str] | None = None,
        policy_port: int = 1,
        tlsrpt: Path | None = None,
        nameserver: str = "",
    ) -> None:
        self._tlsrpt = tlsrpt
        self._nameserver = nameserver
        self._signing = signing
        self._policy_port = policy_port
        self._transcripts: Transcripts = transcripts
        self.own_roads = OwnRoads(settings, dict(logins or {}))
        self.playground = Playground()
        self._store_url = store_url
        self._folder = folder
        self._settings = settings
        self._timeouts = timeouts
        self._body_octets = body_octets
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._addresses = 0

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        await enter(self.playground)
        self.transcript: list[Command] = []
        self.playground.ledger.transcript = self.transcript
        self.client = await enter(AsyncClient(self._store_url))
        self.store = AsyncShards(self._store_url)
        self._stack.push_async_callback(self.store.close)
        clock = StoreClock(self.store, 1)
        await clock.begin()
        self.process = WorkerProcess("worker-under-test", self.store, 1, clock)
        self.process.settings = self._settings
        info = ProcessInfo(pid=1, host="here", started_ms=0)
        await self.store.run(membership.enlist(self.process.name, info, shards=1, lease_ms=LONG))
        self.journal = Journal(self._folder, self.process.name)
        self._stack.callback(self.journal.close, forget=True)
        self.flusher = Flusher(self.process, self.journal)
        self.watch = StoreWatch(self.store, 1)
        route = RouteSettings(
            nameservers=(self._nameserver or self.playground.nameserver,),
            own_hostname="client.test",
            allow_private=True,
            policy_port=self._policy_port,
        )
        self.engine = DeliveryEngine(
            self.process,
            flusher=self.flusher,
            router=Router(route, known=KnownDomains(self.store, 1)),
            watch=self.watch,
            limits=DialSettings(
                hostname="client.test",
                port=self.playground.smtp_port,
                timeouts=self._timeouts,
                tlsrpt=self._tlsrpt,
                transcripts=self._transcripts,
            ),
            capacity=500,
            lease_seconds=10.0,
            body_octets=self._body_octets,
            signing=self._signing,
            own_roads=self.own_roads,
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(run()) for run in (self.flusher.run, self.engine.run, self._release)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.abort()
        await self._stack.aclose()
        failed = [task.exception() for task in self._tasks if not task.cancelled() and task.exception() is not None]
        assert not failed, failed

    # -- what a test does -------------------------------------------------------------------------------------------

    async def host(self, domain: str, *hosts: Mx, preferences: Sequence[int] = (10, 20, 30)) -> None:
        """Give a domain these hosts as its MX, best first."""
        mx: list[tuple[int, str]] = []
        addresses: dict[str, str] = {}
        for number, host in enumerate(hosts):
            name = f"mx{number + 1}.{domain}"
            self._addresses += 1
            addresses[name] = f"127.88.0.{self._addresses}"
            mx.append((preferences[number], name))
            await host.listen(addresses[name], self.playground.smtp_port)
            self._stack.push_async_callback(host.close)
        self.playground.zone[domain] = Zone(mx=mx, a=addresses)

    async def listen(self, host: Mx, address: str, port: int = 0) -> int:
        """Begin a host somewhere; its port, one that is free where none is wanted."""
        if not port:
            with socket.create_server((address, 0)) as free:
                port = free.getsockname()[1]
        await host.listen(address, port)
        self._stack.push_async_callback(host.close)
        return port

    async def share(self, host: Mx, number: int, *, organisation: str = "") -> list[str]:
        """So many domains whose mail goes to one host, each by an MX name of its own."""
        await host.listen(SHARED, self.playground.smtp_port)
        self._stack.push_async_callback(host.close)
        domains = [f"customer{one}.test" for one in range(number)]
        for one, domain in enumerate(domains):
            name = f"mx{one}.{organisation or domain}"
            self.playground.zone[domain] = Zone(mx=[(10, name)], a={name: SHARED})
        if organisation:
            names = [f"mx{one}.{organisation}" for one in range(number)]
            self.playground.zone[organisation] = Zone(a=dict.fromkeys(names, SHARED))
        return domains

    async def send(self, *recipients: str, message: bytes = BODY, sender: str = SENDER) -> list[str]:
        """Accept a message; the ids of its envelopes, in the order of the recipients."""
        receipt = await self.client.send(sender=sender, recipients=recipients, message=message)
        return [receipt.envelopes[recipient] for recipient in recipients]

    async def show(self, *ids: str) -> list[Shown]:
        """The envelopes as they stand."""
        return [await self.client.show(one) for one in ids]

    async def settled(self, *ids: str, seconds: float = 8.0) -> list[Shown]:
        """The envelopes, once each has ended or waits for its next attempt."""

        async def all_are() -> bool:
            return all(
                one.state in {"delivered", "bounced", "cancelled", "held"}
                or (one.state == "scheduled" and one.attempts)
                for one in await self.show(*ids)
            )

        await self.until(all_are, seconds)
        return await self.show(*ids)

    async def deliver(self, *recipients: str, message: bytes = BODY, sender: str = SENDER) -> list[Shown]:
        """Send, and wait until all are settled."""
        return await self.settled(*await self.send(*recipients, message=message, sender=sender))

    async def tried(self, *ids: str, any_of: Sequence[str] = (), seconds: float = 8.0) -> list[Shown]:
        """The envelopes, once each has an attempt and is not being attempted; with *any_of*: once one of those has."""

        async def are() -> bool:
            shown = [bool(one.attempts) and one.state != "attempting" for one in await self.show(*(any_of or ids))]
            return any(shown) if any_of else all(shown)

        await self.until(are, seconds)
        return await self.show(*(any_of or ids))

    def lane_of(self, domain: str) -> Lane:
        """The lane by which a domain's mail goes now."""
        return next(lane for lane in self.engine.lanes.values() if lane.leads(domain, self.engine.loop.time()))

    def closed_domains(self) -> set[str]:
        """The recipient domains that are closed at their sites, or feel their way."""
        troubles = [lane.trouble.machine for lane in self.engine.lanes.values()]
        return {name for trouble in troubles for name, one in trouble.domains.items() if one.gate.failures}

    def closed_senders(self) -> set[str]:
        """The sender domains that a lane is closed for."""
        troubles = [lane.trouble.machine.senders.known for lane in self.engine.lanes.values()]
        return {name for known in troubles for name, one in known.items() if one.is_closed}

    async def wait(self, seconds: float) -> None:
        """Let others act; for what must *not* happen."""
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 8.0) -> None:
        """Wait for a condition that others bring about; fail when it does not come.

        Asking shares their loop and their processor: it has a third of them at most.
        """
        end = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            if await condition():
                return
            now = time.monotonic()
            if now > end:
                raise AssertionError(f"not within {seconds:g} s")
            await asyncio.sleep(max(0.01, 2 * (now - began)))

    async def until_true(self, condition: Callable[[], bool], seconds: float = 8.0) -> None:
        """The same for a plain condition."""

        async def holds() -> bool:
            return condition()

        await self.until(holds, seconds)

    async def commands(self) -> list[str]:
        """Every command line that the playground's hosts got."""
        return [line.octets.decode() for line in self.transcript]

    async def pause_flusher(self) -> None:
        """From now on no result reaches the store."""
        flusher = self._tasks.pop(0)
        flusher.cancel()
        await asyncio.wait([flusher])

    def resume_flusher(self) -> None:
        """All that waited does."""
        self._tasks.insert(0, asyncio.get_running_loop().create_task(self.flusher.run()))

    def release_no_more(self) -> None:
        """From now on nobody releases what is due, nor offers lanes."""
        self._tasks.pop().cancel()

    def release_again(self) -> None:
        """All that waited is."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._release()))

    # -- what the scheduler would do --------------------------------------------------------------------------------

    async def _release(self) -> None:
        while True:
            with suppress(StoreUnavailable, StoreUncertain):  # a store that was taken away: the next time, as ever
                await self._release_what_is_due()
            await asyncio.sleep(0.02)

    async def _lane_by_site(self, lane: str) -> str:
        """A domain's mail goes straight to the lane of its site, where that is known."""
        if not lane.startswith("?"):
            return lane
        (site,) = await self.store.run(read_sites(0, [lane[1:]]))
        return site.lane if site is not None else lane

    async def _release_what_is_due(self) -> None:
        due = await self.store.run(releasing.due(0))
        lists: dict[tuple[str, str, int], list[tuple[bytes, int]]] = {}
        for identity, header in due.headers:
            record = Record.unpack(identity, header)
            lane = await self._lane_by_site(record.lane)
            lists.setdefault((lane, record.stream, record.share), []).append((identity, record.version))
        if lists:
            await self.store.run(releasing.release(0, lists))
        texts: dict[str, list[str]] = {}
        for place in lists:
            texts.setdefault(place[0], []).append(f"0|{keys.ready_name(*place)}")
        work = {lane: "\n".join(lines) for lane, lines in texts.items()}
        process = self.process.name
        need = await self.store.run(wake_lanes(due.now_ms, work, [process], repeat_after_ms=-1)) if work else []
        for lane, text in work.items():
            if lane in need:
                self.engine.offer(lane)
            else:
                self.engine.hear(text.encode())


class Begin(Protocol):
    """Makes a delivery side on an empty store, to be entered."""

    def __call__(
        self,
        *,
        settings: Settings = SETTINGS,
        timeouts: Timeouts = PATIENT,
        body_octets: int = 1_000_000,
        signing: Sequence[SigningRule] = (),
        transcripts: Transcripts = "failed",
        logins: Mapping[str, str] | None = None,
        policy_port: int = 1,
        tlsrpt: Path | None = None,
    ) -> Delivery:
        """Not begun yet."""
        ...
