"""What a router makes of denials, against real DNS packets: believed, put off, forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dnsserver import DnsServer, Zone
from softbounce_worker.route import Route, Router, RouteSettings
from structlog.testing import capture_logs

from softbounce.reply import Trouble, TroubleKind

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS = "127.77.0.1"
ALL = [f"d{number}.test" for number in range(30)]
GOOD: Zone = {domain: {"A": [ADDRESS]} for domain in ALL}


class Clock:
    """Monotonic seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


class Acquaintances:
    """Who knows domains from before: a set."""

    def __init__(self, domains: Iterable[str]) -> None:
        self.domains = set(domains)

    async def knows(self, domain: str) -> bool:
        """Whether this one is among them."""
        return domain in self.domains

    async def learn(self, domain: str, site: None) -> None:
        """It is not any more."""
        assert site is None
        self.domains.remove(domain)


class Asked:
    """A router beside its name server and its clock.

    :ivar known: domains that mail went to before.
    """

    def __init__(self, server: DnsServer, *known: str, share: float = 0.5) -> None:
        self.clock = Clock()
        self.known = Acquaintances(known)
        settings = RouteSettings(
            nameservers=(server.nameserver,), own_hostname="own.test", allow_private=True, nxdomain_storm=share
        )
        self.router = Router(settings, known=self.known, clock=self.clock)

    async def all(self, domains: Iterable[str]) -> list[Route | Trouble]:
        """Where their mail goes, looked up at once."""
        return await asyncio.gather(*(self.router.route(domain) for domain in domains))

    async def whether_denied(self, domains: Iterable[str]) -> list[bool]:
        """Whose denial is believed."""
        return [isinstance(one, Trouble) and one.permanent for one in await self.all(domains)]


def test_F21_a_burst_of_denials_is_not_believed_and_not_kept() -> None:
    """Of thirty at once none is believed, each says why; when the server is right again all soon have routes."""

    async def run() -> None:
        async with DnsServer({}, negative_ttl=3600) as server:
            asked = Asked(server)
            with capture_logs() as logs:
                results = await asked.all(ALL)
                for result in results:
                    assert isinstance(result, Trouble)
                    soft = (TroubleKind.DNS_TEMPORARY, False, "4.4.3")
                    assert (result.kind, result.permanent, result.enhanced) == soft
                    assert "domains looked up: too many at once to be believed yet" in result.text
                server.zone.update(GOOD)
                asked.clock.now += 5.1
                assert all(isinstance(result, Route) for result in await asked.all(ALL))
            assert [line["event"] for line in logs] == ["nxdomain_storm_began", "nxdomain_storm_ended"]
            assert logs[1]["disbelieved"] == len(ALL)

    asyncio.run(run())


def test_F21_what_was_believed_before_a_storm_is_looked_up_anew() -> None:
    """A denial that was believed, and would be kept for an hour, is forgotten when a storm begins."""

    async def run() -> None:
        async with DnsServer({}, negative_ttl=3600) as server:
            asked = Asked(server)
            assert await asked.whether_denied(ALL[:1]) == [True]
            await asked.all(ALL[1:])
            server.zone.update(GOOD)
            asked.clock.now += 5.1
            assert isinstance(await asked.router.route(ALL[0]), Route)

    asyncio.run(run())


def test_F21_hosts_without_addresses_are_denials_too() -> None:
    """Where the MX records are still known and no host's address is, nothing is believed either."""

    async def run() -> None:
        zone: Zone = {domain: {"MX": [f"10 mx.{domain}."]} for domain in ALL}
        async with DnsServer(zone) as server:
            assert not any(await Asked(server).whether_denied(ALL))

    asyncio.run(run())


def test_F21_a_domain_that_mail_went_to_before_is_doubted_for_five_minutes() -> None:
    """Then its denial is believed, and it is unknown: the next one is the truth at once."""

    async def run() -> None:
        async with DnsServer({}) as server:
            asked = Asked(server, "gone.test")
            first = await asked.router.route("gone.test")
            assert isinstance(first, Trouble)
            assert first.text == (
                "the name servers say that the domain gone.test does not exist, "
                "but mail went there before: it is believed when they have said so for 5 min"
            )
            asked.clock.now += 299
            assert await asked.whether_denied(["gone.test"]) == [False]
            asked.clock.now += 6
            assert await asked.whether_denied(["gone.test"]) == [True]
            assert asked.known.domains == set()

    asyncio.run(run())


def test_what_is_no_domain_was_not_denied_by_anybody() -> None:
    """Names that DNS cannot hold, and null MX, begin no storm."""

    async def run() -> None:
        zone: Zone = {domain: {"MX": ["0 ."]} for domain in ALL}
        async with DnsServer(zone) as server:
            asked = Asked(server)
            assert all(await asked.whether_denied([*ALL, *(f"{'x' * 64}{number}.test" for number in range(30))]))
            assert await asked.whether_denied(["typo.test"]) == [True]

    asyncio.run(run())


def test_the_guard_can_be_switched_off() -> None:
    """With a share of 0 every denial is believed, at once."""

    async def run() -> None:
        async with DnsServer({}) as server:
            assert all(await Asked(server, *ALL, share=0.0).whether_denied(ALL))

    asyncio.run(run())
