"""Routing against real DNS packets: which hosts, in which order, or why none."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import dns.resolver
import pytest
from dnsserver import DnsServer, Zone
from softbounce_config.process_settings import INTERFACES
from softbounce_worker.route import Host, Route, Router, RouteSettings
from softbounce_worker.route.own_addresses import OwnAddresses
from softbounce_worker.route.resolver import parse_nameserver
from structlog.testing import capture_logs

from softbounce.errors import ConfigError
from softbounce.reply import Trouble, TroubleKind

if TYPE_CHECKING:
    from collections.abc import Sequence

A1, A2, A3 = "127.77.0.1", "127.77.0.2", "127.77.0.3"


SHORT = timedelta(milliseconds=200)


class Clock:
    """Monotonic seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def router_on(server: DnsServer, clock: Clock | None = None, **settings: Any) -> Router:  # noqa: ANN401 (any setting)
    """A router that asks the test's server and may dial loopback."""
    given: dict[str, Any] = {
        "nameservers": (server.nameserver,),
        "own_hostname": "mail.own.test",
        "own_addresses": (),
        "allow_private": True,
        **settings,
    }
    return Router(RouteSettings(**given), clock=clock or Clock())


def ask(zone: Zone, domain: str = "d.test", **settings: Any) -> tuple[Route | Trouble, DnsServer]:  # noqa: ANN401
    """Route one domain in that zone; the server tells what it was asked."""

    async def run() -> tuple[Route | Trouble, DnsServer]:
        async with DnsServer(zone) as server:
            return await router_on(server, **settings).route(domain), server

    return asyncio.run(run())


def routed(zone: Zone, domain: str = "d.test", **settings: Any) -> Route:  # noqa: ANN401
    """The route, where there must be one."""
    result, _ = ask(zone, domain, **settings)
    assert isinstance(result, Route), result
    return result


def names(hosts: Sequence[Host]) -> list[str]:
    """The names of the hosts."""
    return [host.name for host in hosts]


def refused(zone: Zone, domain: str = "d.test", **settings: Any) -> tuple[TroubleKind, bool, str | None]:  # noqa: ANN401
    """What kind of trouble it is, whether permanent, and its code."""
    result, _ = ask(zone, domain, **settings)
    assert isinstance(result, Trouble), result
    assert result.text.isprintable()
    return result.kind, result.permanent, result.enhanced


TEMPORARY = (TroubleKind.DNS_TEMPORARY, False, "4.4.3")
NONE_BETTER = (TroubleKind.DNS_TEMPORARY, False, "4.4.4")
LOOP = (TroubleKind.MAIL_LOOP, True, "5.4.6")
NO_HOST = (TroubleKind.NO_MAIL_HOST, True, "5.4.4")


def test_D01_hosts_are_sorted_by_preference() -> None:
    """The lowest preference comes first, whatever order the server gives."""
    zone: Zone = {"d.test": {"MX": ["30 c.test.", "10 a.test.", "20 b.test."]}}
    zone |= {name: {"A": [A1]} for name in ("a.test", "b.test", "c.test")}
    route = routed(zone)
    assert names(route.hosts) == names(route.in_order(Random(1))) == ["a.test", "b.test", "c.test"]  # noqa: S311
    assert route.shown == "a.test+2"


def test_D02_equal_preferences_are_shuffled_with_each_call() -> None:
    """Each of four equal hosts comes first in 20 to 30 percent of the calls, and a better one always before them."""
    route = Route(
        site="s~1",
        shown="s",
        listed=(),
        hosts=tuple(
            Host(name=name, preference=10 if name != "best" else 5, addresses=(A1,)) for name in ("best", *"abcd")
        ),
        ttl=60,
    )
    random = Random(7)  # noqa: S311
    orders = [names(route.in_order(random)) for _ in range(4000)]
    assert {order[0] for order in orders} == {"best"}
    assert all(800 <= first <= 1200 for first in Counter(order[1] for order in orders).values())


def test_D03_D18_addresses_stay_in_the_resolvers_order_and_kinds_alternate() -> None:
    """Addresses of one host are tried as the server sent them, IPv4 and IPv6 in turn: neither delays the other."""
    zone: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A3, A1, A2], "AAAA": ["fd00::2", "fd00::1"]}}
    assert routed(zone).hosts[0].addresses == (A3, "fd00::2", A1, "fd00::1", A2)


def test_D05_domain_without_mx_is_its_own_host() -> None:
    """No MX, but an address: the implicit MX with preference 0."""
    route = routed({"d.test": {"A": [A1]}})
    assert route.hosts == (Host(name="d.test", preference=0, addresses=(A1,)),)
    assert route.shown == "d.test"


def test_D06_address_of_the_domain_is_not_used_beside_an_mx() -> None:
    """Where there is an MX, the domain's own address is never asked for."""
    result, server = ask({"d.test": {"MX": ["10 gone.test."], "A": [A1]}})
    assert isinstance(result, Trouble)
    assert "d.test/A" not in server.asked


def test_D07_domain_that_does_not_exist_is_permanent() -> None:
    """NXDOMAIN bounces at once with 5.4.4."""
    assert refused({}) == (TroubleKind.NO_SUCH_DOMAIN, True, "5.4.4")


@pytest.mark.parametrize("failure", ["servfail", "refused", "silent"])
def test_D08_failing_name_servers_are_temporary(failure: str) -> None:
    """SERVFAIL, REFUSED and silence mean try later, and never a look at the domain's own address."""
    result, server = ask({"d.test": failure}, timeout=SHORT)
    assert isinstance(result, Trouble)
    assert (result.kind, result.permanent, result.enhanced) == TEMPORARY
    assert "d.test/A" not in server.asked


def test_D09_one_temporary_failure_makes_the_whole_temporary() -> None:
    """Two hosts, one gone for good, one not known now: the mail waits."""
    zone: Zone = {"d.test": {"MX": ["10 gone.test.", "20 b.test."]}, "b.test": "servfail"}
    assert refused(zone) == TEMPORARY


def test_D09_hosts_that_do_not_exist_are_permanent() -> None:
    """Nothing but hosts that do not exist: the mail bounces."""
    assert refused({"d.test": {"MX": ["10 gone.test.", "20 lost.test."]}}) == NO_HOST
    assert refused({"d.test": {"TXT": ["x"]}}) == NO_HOST


def test_D09_usable_host_outweighs_the_failures_of_others() -> None:
    """A host that resolves is used, though a better one cannot be looked up now."""
    zone: Zone = {"d.test": {"MX": ["10 a.test.", "20 b.test."]}, "a.test": "servfail", "b.test": {"A": [A2]}}
    assert names(routed(zone).hosts) == ["b.test"]


def test_D09_one_kind_of_address_is_enough() -> None:
    """A server that fails on AAAA alone does not hide the A records."""

    async def run() -> Route | Trouble:
        async with DnsServer({"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A1]}}) as server:
            fill = server._fill

            def fail_on_aaaa(reply: Any, name: str, kind: Any) -> bool:  # noqa: ANN401
                if kind.name == "AAAA":
                    reply.set_rcode(2)
                    return True
                return fill(reply, name, kind)

            server._fill = fail_on_aaaa  # type: ignore[method-assign]
            return await router_on(server).route("d.test")

    result = asyncio.run(run())
    assert isinstance(result, Route)
    assert result.hosts[0].addresses == (A1,)


@pytest.mark.parametrize("bare", [False, True])
def test_D10_D12_aliases_are_followed(bare: bool) -> None:
    """An alias at the domain leads to the target's MX, one at a host to its address, told at once or in turn."""

    async def run() -> Route | Trouble:
        zone: Zone = {
            "d.test": {"CNAME": ["e.test."]},
            "e.test": {"MX": ["10 a.test."]},
            "a.test": {"CNAME": ["b.test."]},
            "b.test": {"A": [A1]},
        }
        async with DnsServer(zone, bare_aliases=bare) as server:
            return await router_on(server).route("d.test")

    with capture_logs() as logs:
        result = asyncio.run(run())
    assert isinstance(result, Route)
    assert result.hosts == (Host(name="a.test", preference=10, addresses=(A1,)),)
    assert {(entry["event"], entry["host"]) for entry in logs} == {("mail_host_alias_followed", "a.test")}


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("length", [2, 30])
def test_D11_loops_and_long_chains_of_aliases_end(bare: bool, length: int) -> None:
    """A loop or a chain of more than 16 aliases ends in a temporary failure, with a bounded number of queries."""

    async def run() -> tuple[Route | Trouble, int]:
        zone: Zone = {f"d{number}.test": {"CNAME": [f"d{(number + 1) % length}.test."]} for number in range(length)}
        async with DnsServer(zone, bare_aliases=bare) as server:
            return await router_on(server).route("d0.test"), server.asked.total()

    result, queries = asyncio.run(run())
    assert isinstance(result, Trouble)
    assert (result.kind, result.permanent) == (TroubleKind.DNS_TEMPORARY, False)
    assert queries <= 20


def test_D13_null_mx_is_permanent_and_nothing_more_is_asked() -> None:
    """A single ``MX 0 .`` says that the domain takes no mail."""
    result, server = ask({"d.test": {"MX": ["0 ."], "A": [A1]}})
    assert isinstance(result, Trouble)
    assert (result.kind, result.permanent, result.enhanced) == (TroubleKind.NULL_MX, True, "5.1.10")
    assert set(server.asked) == {"d.test/MX"}


def test_D14_null_mx_beside_a_host_is_left_out() -> None:
    """A ``.`` among other hosts is a mistake, and the hosts are used."""
    zone: Zone = {"d.test": {"MX": ["0 .", "10 a.test."]}, "a.test": {"A": [A1]}}
    assert names(routed(zone).hosts) == ["a.test"]


def test_D16_only_hosts_better_than_ourselves_are_used() -> None:
    """Our own name cuts off itself and every higher or equal preference, in any case of letters."""
    zone: Zone = {
        "d.test": {"MX": ["10 a.test.", "20 MAIL.own.test.", "20 b.test.", "30 c.test."]},
        **{name: {"A": [A1]} for name in ("a.test", "b.test", "c.test", "mail.own.test")},
    }
    route = routed(zone)
    assert names(route.hosts) == ["a.test"]
    assert route.shown == "a.test+3"  # the site is the full set


def test_D16_being_the_best_host_ourselves_is_a_loop() -> None:
    """Mail for a domain whose best host we are should have ended here: permanent, 5.4.6."""
    zone: Zone = {"d.test": {"MX": ["10 mail.own.test.", "20 b.test."]}, "b.test": {"A": [A1]}}
    assert refused(zone) == LOOP
    assert refused({"mail.own.test": {"A": [A1]}}, "mail.own.test") == LOOP


def test_D17_own_addresses_are_ourselves_too() -> None:
    """A foreign name with one of our addresses cuts the list as our own name does."""
    zone: Zone = {
        "d.test": {"MX": ["10 a.test.", "20 b.test.", "30 c.test."]},
        "a.test": {"A": [A1]},
        "b.test": {"A": [A2], "AAAA": ["fd00::1"]},
        "c.test": {"A": [A3]},
    }
    assert names(routed(zone, own_addresses=("fd00:0::1",)).hosts) == ["a.test"]
    assert refused(zone, own_addresses=(A1,)) == LOOP


def test_D17_the_machines_own_addresses_are_found_out_unless_told_otherwise() -> None:
    """A foreign name with an address of one of our interfaces is ourselves; loopback is everybody's."""
    own = address_of_this_machine()
    zone: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [own]}}
    assert refused(zone, own_addresses=(INTERFACES,)) == LOOP
    result, _ = ask(zone)
    assert isinstance(result, Route) or result.kind is TroubleKind.ADDRESS_REFUSED
    loopback: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A1], "AAAA": ["::1"]}}
    assert names(routed(loopback, own_addresses=(INTERFACES,)).hosts) == ["a.test"]


def address_of_this_machine() -> str:
    """One that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = asking.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::", "127.0.0.1", "::1", "fe80::1"])  # noqa: S104
def test_D17_no_address_but_the_machines_own_is_taken_for_one(address: str) -> None:
    """Whatever the system says of an address that it has no way to."""
    assert not OwnAddresses([INTERFACES]).holds(address)
    assert not OwnAddresses([INTERFACES]).holds("::ffff:127.0.0.1")
    assert OwnAddresses([address, INTERFACES]).holds(address)


def test_D17_better_host_that_cannot_be_found_now_is_no_loop() -> None:
    """We are a backup and the better host has no address now: temporary, 4.4.4."""
    zone: Zone = {"d.test": {"MX": ["10 a.test.", "20 b.test."]}, "a.test": "servfail", "b.test": {"A": [A2]}}
    assert refused(zone, own_addresses=(A2,)) == NONE_BETTER
    zone = {"d.test": {"MX": ["10 gone.test.", "20 mail.own.test."]}}
    assert refused(zone) == NONE_BETTER


def test_D19_address_literal_is_its_own_host() -> None:
    """An address literal is dialled as it stands, asks nobody, and obeys the address policy."""
    result, server = ask({}, "[127.77.0.1]")
    assert isinstance(result, Route)
    assert result.hosts == (Host(name="[127.77.0.1]", preference=0, addresses=(A1,)),)
    assert not server.asked
    assert routed({}, "[IPv6:fd00::1]").hosts[0].addresses == ("fd00::1",)
    assert refused({}, "[127.77.0.1]", allow_private=False) == (TroubleKind.ADDRESS_REFUSED, True, "5.4.4")
    assert refused({}, "[127.77.0.1]", own_addresses=(A1,)) == LOOP


def test_D20_truncated_answers_come_over_tcp() -> None:
    """Sixty MX records do not fit into a datagram and arrive all the same."""
    zone: Zone = {"d.test": {"MX": [f"{number} a-host-with-a-long-name-{number}.test." for number in range(60)]}}
    zone |= {f"a-host-with-a-long-name-{number}.test": {"A": [A1]} for number in range(60)}
    result, server = ask(zone)
    assert isinstance(result, Route)
    assert server.asked_by_tcp["d.test/MX"] == 1


def test_A10_hosts_addresses_and_queries_are_bounded() -> None:
    """Of hundreds of hosts the twenty best are asked for, of fifty addresses eight are kept."""
    zone: Zone = {"d.test": {"MX": [f"{number} h{number}.test." for number in range(300, 0, -1)]}}
    zone |= {
        f"h{number}.test": {"A": [f"127.78.{number % 256}.{last}" for last in range(1, 51)]} for number in range(301)
    }
    result, server = ask(zone)
    assert isinstance(result, Route)
    assert names(result.hosts) == [f"h{number}.test" for number in range(1, 21)]
    assert {len(host.addresses) for host in result.hosts} == {8}
    assert result.shown == "h1.test+299"
    assert server.asked.total() - server.asked_by_tcp.total() <= 41


def test_A10_query_budget_ends_what_an_attackers_zone_asks_for() -> None:
    """Twenty hosts with long chains of aliases cost no more queries than the budget."""
    zone: Zone = {"d.test": {"MX": [f"10 h{number}-0.test." for number in range(20)]}}
    zone |= {
        f"h{number}-{hop}.test": {"CNAME": [f"h{number}-{hop + 1}.test."]} for number in range(20) for hop in range(16)
    }

    async def run() -> tuple[Route | Trouble, int]:
        async with DnsServer(zone, bare_aliases=True) as server:
            return await router_on(server).route("d.test"), server.asked.total()

    result, queries = asyncio.run(run())
    assert isinstance(result, Trouble)
    assert not result.permanent
    assert queries <= 64


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_A08_hosts_with_forbidden_addresses_are_refused(address: str) -> None:
    """Private and metadata addresses are dropped; with none left the domain is refused for good, in words."""
    zone: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [address]}}
    result, _ = ask(zone, allow_private=False)
    assert isinstance(result, Trouble)
    assert (result.kind, result.permanent, result.enhanced) == (TroubleKind.ADDRESS_REFUSED, True, "5.4.4")
    assert address in result.text


def test_A08_forbidden_addresses_hide_behind_no_allowed_one() -> None:
    """Of a host with both kinds only the allowed addresses are dialled."""
    zone: Zone = {
        "d.test": {"MX": ["10 a.test."]},
        "a.test": {"A": ["127.0.0.1", "8.8.8.8"], "AAAA": ["::ffff:7f00:1"]},
    }
    assert routed(zone, allow_private=False).hosts[0].addresses == ("8.8.8.8",)


def test_hosts_that_no_host_can_be_named_are_not_asked_for() -> None:
    """A name with escapes or control characters in it reaches neither DNS nor TLS nor a log."""
    zone: Zone = {"d.test": {"MX": ["10 a\\010b.test.", "20 192.0.2.1.", "30 c.test."]}, "c.test": {"A": [A3]}}
    result, server = ask(zone)
    assert isinstance(result, Route)
    assert names(result.hosts) == ["c.test"]
    assert not any("\\" in asked for asked in server.asked)


@pytest.mark.parametrize(
    "name", ["a.a|b", "a|0|x", "a\\010b.test", "a\\032b.test", "192.0.2.1", "*.test", "+x.test", "-a.test", "a/b"]
)
def test_issue10_01_what_is_no_host_name_takes_no_part_in_a_site(name: str) -> None:
    """Its id and the name shown are those of the hosts, as if the other record were not there."""
    zone: Zone = {"d.test": {"MX": [f"5 {name}.", "10 c.test."]}, "c.test": {"A": [A3]}}
    alone: Zone = {"d.test": {"MX": ["10 c.test."]}, "c.test": {"A": [A3]}}
    found, expected = routed(zone), routed(alone)
    assert (found.site, found.shown, names(found.hosts)) == (expected.site, expected.shown, ["c.test"])


def test_issue10_01_a_domain_whose_mx_names_no_host_has_none() -> None:
    """That is no null MX, and no mail goes to its own address instead."""
    assert refused({"d.test": {"MX": ["5 a|b.", "6 192.0.2.1."], "A": [A1]}}) == (
        TroubleKind.NO_MAIL_HOST,
        True,
        "5.4.4",
    )


def test_D22_u_labels_are_asked_for_as_a_labels() -> None:
    """DNS is asked in A-labels."""
    result, server = ask({"xn--bcher-kva.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A1]}}, "bücher.test")
    assert isinstance(result, Route)
    assert server.asked["xn--bcher-kva.test/MX"] == 1


@pytest.mark.parametrize("domain", ["", "a..test", "a b.test", "x" * 64 + ".test", "a@b.test"])
def test_what_is_no_domain_is_permanent(domain: str) -> None:
    """A domain that DNS cannot hold is answered without asking."""
    assert refused({}, domain) == (TroubleKind.NO_SUCH_DOMAIN, True, "5.1.2")


@pytest.mark.parametrize(
    ("ttl", "kept"),
    [
        pytest.param(0, 5, id="floor"),
        pytest.param(300, 300, id="as_the_server_says"),
        pytest.param(86_400, 3600, id="ceiling"),
    ],
)
def test_D21_answers_are_kept_by_ttl_within_bounds(ttl: int, kept: int) -> None:
    """A route holds for its TTL, at least 5 seconds and at most an hour, and is then looked up anew."""

    async def run() -> None:
        zone: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A1]}}
        async with DnsServer(zone, ttl=ttl, negative_ttl=86_400) as server:
            clock = Clock()
            router = router_on(server, clock)
            first = await router.route("d.test")
            assert isinstance(first, Route)
            assert first.ttl == kept
            server.zone["a.test"] = {"A": [A2]}
            clock.now += kept - 0.01
            assert await router.route("d.test") is first
            assert server.asked["d.test/MX"] == 1
            clock.now += 0.02
            moved = await router.route("d.test")
            assert isinstance(moved, Route)
            assert moved.hosts[0].addresses == (A2,)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("zone", "negative_ttl", "kept"),
    [
        pytest.param({}, 60, 60, id="nxdomain"),
        pytest.param({}, None, 5, id="nxdomain_without_soa"),
        pytest.param({"d.test": {"TXT": ["x"]}}, 60, 60, id="no_records"),
        pytest.param({"d.test": "servfail"}, 60, 5, id="failure"),
    ],
)
def test_D21_negative_answers_are_kept_too(zone: Zone, negative_ttl: int | None, kept: int) -> None:
    """That a name does not exist is kept as its zone says, a failure for 5 seconds."""

    async def run() -> None:
        async with DnsServer(zone, negative_ttl=negative_ttl) as server:
            clock = Clock()
            router = router_on(server, clock)
            assert isinstance(await router.route("d.test"), Trouble)
            server.zone["d.test"] = {"A": [A1]}
            clock.now += kept - 0.01
            assert isinstance(await router.route("d.test"), Trouble)
            clock.now += 0.02
            assert isinstance(await router.route("d.test"), Route)

    asyncio.run(run())


def test_concurrent_look_ups_share_one_query() -> None:
    """A hundred callers at once cost what one costs, and one that gives up takes the answer from nobody."""

    async def run() -> None:
        async with DnsServer({"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": [A1]}}) as server:
            server.gate = asyncio.Event()
            router = router_on(server)
            callers = [asyncio.create_task(router.route("d.test")) for _ in range(100)]
            await server.was_asked.wait()
            callers[0].cancel()
            server.gate.set()
            results = await asyncio.gather(*callers[1:])
            assert all(isinstance(result, Route) for result in results)
            assert set(server.asked.values()) == {1}

    asyncio.run(run())


def test_silent_name_server_costs_its_share_of_the_time() -> None:
    """A second name server is asked where the first says nothing."""

    async def run() -> Route | Trouble:
        async with DnsServer({"d.test": "silent"}) as silent, DnsServer({"d.test": {"A": [A1]}}) as good:
            return await router_on(silent, nameservers=(silent.nameserver, good.nameserver), timeout=SHORT).route(
                "d.test"
            )

    assert isinstance(asyncio.run(run()), Route)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param("192.0.2.53", ("192.0.2.53", 53), id="ipv4"),
        pytest.param("127.0.0.1:5300", ("127.0.0.1", 5300), id="ipv4_port"),
        pytest.param("::1", ("::1", 53), id="ipv6"),
        pytest.param("[::1]", ("::1", 53), id="ipv6_brackets"),
        pytest.param("[::1]:5300", ("::1", 5300), id="ipv6_port"),
    ],
)
def test_name_servers_are_read_with_and_without_port(text: str, parsed: tuple[str, int]) -> None:
    """Every form that the config knows."""
    assert parse_nameserver(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "dns.test:53", "1.2.3:53"]
)
def test_what_is_no_name_server_is_a_config_error(text: str) -> None:
    """The error tells the key and the right forms."""
    with pytest.raises(ConfigError, match=r"dns\.nameservers"):
        parse_nameserver(text)


def test_one_resolution_has_an_end_though_questions_queue() -> None:
    """Where all places are taken, the whole takes three times the time for one answer and is then temporary."""

    async def run() -> Route | Trouble:
        async with DnsServer({"d.test": {"A": [A1]}}) as server:
            router = router_on(server, timeout=SHORT / 4)
            router._resolver._places = asyncio.Semaphore(0)
            return await router.route("d.test")

    result = asyncio.run(run())
    assert isinstance(result, Trouble)
    assert (result.kind, result.permanent, result.enhanced) == TEMPORARY


def test_system_without_name_servers_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither configured nor known to the system: said at the start, with the key."""

    def none(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", none)
    with pytest.raises(ConfigError, match=r"dns\.nameservers"):
        Router(RouteSettings(own_hostname="mail.own.test"))


def test_A09_a_name_that_changes_its_address_is_judged_anew_and_never_dialled_by_name() -> None:
    """Rebinding: what is dialled is the address that was checked, and the next look checks again."""
    clock = Clock()

    async def run() -> tuple[Route | Trouble, Route | Trouble]:
        zone: Zone = {"d.test": {"MX": ["10 a.test."]}, "a.test": {"A": ["93.184.216.34"]}}
        async with DnsServer(zone, ttl=0) as server:
            router = router_on(server, clock, allow_private=False)
            first = await router.route("d.test")
            zone["a.test"] = {"A": ["127.0.0.1", "169.254.169.254"]}
            clock.now += 3600
            return first, await router.route("d.test")

    first, second = asyncio.run(run())
    assert isinstance(first, Route)
    assert first.hosts[0].addresses == ("93.184.216.34",)
    assert isinstance(second, Trouble)
    assert second.kind is TroubleKind.ADDRESS_REFUSED


def test_A09_questions_cannot_be_foreseen() -> None:
    """Whoever forges an answer has to guess its number and its port: both change with each question (RFC 5452 §4)."""
    seen: set[tuple[int, int]] = set()

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            seen.add((int.from_bytes(data[:2]), addr[1]))

    async def run() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        host, port = transport.get_extra_info("sockname")
        settings = RouteSettings(
            nameservers=(f"{host}:{port}",), own_hostname="mail.own.test", timeout=timedelta(milliseconds=100)
        )
        router = Router(settings)
        await asyncio.gather(*(router.route(f"d{number}.test") for number in range(30)))
        transport.close()

    asyncio.run(run())
    numbers, ports = {number for number, _ in seen}, {port for _, port in seen}
    assert len(numbers) >= 28
    assert len(ports) >= 28
    assert max(numbers) - min(numbers) > 1000
