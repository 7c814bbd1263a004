"""Domains that nobody answers for: they wait, and nobody waits for them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from dnsserver import DnsServer, Zone
from softbounce_worker.route import Route, Router, RouteSettings, resolver

SILENT = 450
"""More than twice the places that there are."""
SOON = 2.0
"""Seconds, on a machine that has other things to do; with the usual timeout it was 10."""


class Clock:
    """Monotonic seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


async def seconds_to_route(router: Router, name: str) -> float:
    """How long a domain takes that has an answer."""
    began = time.perf_counter()
    result = await router.route(name)
    assert isinstance(result, Route), result
    return time.perf_counter() - began


def test_issue10_F_silent_names_keep_nobody_waiting() -> None:
    """While hundreds of domains wait for silent name servers others are looked up soon, each time."""
    zone: Zone = {f"silent{n}.test": "silent" for n in range(SILENT)}
    zone |= {f"good{n}.test": {"A": ["127.77.0.1"]} for n in range(8)}

    async def run() -> tuple[float, float]:
        async with DnsServer(zone) as server:
            clock = Clock()
            settings = RouteSettings(
                nameservers=(server.nameserver,),
                own_hostname="mail.own.test",
                allow_private=True,
                timeout=timedelta(seconds=2.5),
                nxdomain_storm=0,
            )
            router = Router(settings, clock=clock)
            times: list[float] = []
            for part in (range(4), range(4, 8)):
                waiting = [asyncio.create_task(router.route(f"silent{n}.test")) for n in range(SILENT)]
                await asyncio.sleep(0.2)
                times.append(max([await seconds_to_route(router, f"good{n}.test") for n in part]))
                await asyncio.wait(waiting)
                assert not any(isinstance(task.result(), Route) for task in waiting)
                clock.now += 31
            return times[0], times[1]

    first, again = asyncio.run(run())
    assert first < SOON
    assert again < SOON


def test_issue10_F_a_name_that_was_silent_once_is_found_again() -> None:
    """A domain whose name servers were silent is routed when they answer, and is then like any other."""

    async def run() -> None:
        async with DnsServer({"d.test": "silent"}) as server:
            clock = Clock()
            settings = RouteSettings(
                nameservers=(server.nameserver,),
                own_hostname="mail.own.test",
                allow_private=True,
                timeout=timedelta(seconds=1),
            )
            router = Router(settings, clock=clock)
            assert not isinstance(await router.route("d.test"), Route)
            server.zone["d.test"] = {"A": ["127.77.0.1"]}
            clock.now += 6
            assert await seconds_to_route(router, "d.test") < SOON
            assert len(router._resolver._slow) == 0

    asyncio.run(run())


class SlowServer(DnsServer):
    """Each answer takes longer than is prompt: a name server that has to find out itself, or a busy machine."""

    async def answer(self, octets: bytes, *, max_octets: int) -> bytes | None:
        """The octets of the reply, after a while."""
        await asyncio.sleep(0.3)
        return await super().answer(octets, max_octets=max_octets)


def test_issue11_where_all_answers_take_long_all_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many more domains than there are places for slow questions: each is found, and none is told that it was not."""
    monkeypatch.setattr(resolver, "PROMPT_SECONDS", 0.1)
    monkeypatch.setattr(resolver, "QUERIES", 20)
    monkeypatch.setattr(resolver, "STRAGGLERS", 20)
    names = [f"slow{n}.test" for n in range(80)]
    zone: Zone = {name: {"A": ["127.77.0.1"]} for name in names}

    async def run() -> None:
        async with SlowServer(zone) as server:
            settings = RouteSettings(
                nameservers=(server.nameserver,),
                own_hostname="mail.own.test",
                allow_private=True,
                timeout=timedelta(seconds=5),
            )
            router = Router(settings)
            results = await asyncio.gather(*(router.route(name) for name in names))
            assert [result for result in results if not isinstance(result, Route)] == []

    asyncio.run(run())
