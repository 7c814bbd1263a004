"""What a domain or a sender asks of TLS, where mail takes a route: a smarthost is none of the domain's own hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from certificates import Authority, load, server_context, tlsa
from delivery import BODY, SENDER, Begin, Delivery, in_loop
from mx import Mx
from policies import PolicyHost, policy_text
from ports import free_ports
from smarthost import Lmtp
from softbounce_playground import Zone
from tls_hosts import tls_of

from softbounce import Shown
from softbounce.road import Road, RouteRule
from softbounce.settings import Policy, Settings, TlsMode, TlsRule
from softbounce.store.tls_results import read_results

NAME, RELAY = "mx1.a.test", "relay.test"
HERE = "127.88.9.1"
ONCE = Policy(name="default", max_attempts=1)
PROMISES = "250-relay.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 REQUIRETLS"
Start = Callable[..., AbstractAsyncContextManager[tuple[Delivery, PolicyHost]]]


@pytest.fixture
def start(begin: Begin, authority: Authority) -> Start:
    """Begin a delivery side with one route, beside a host of policies."""

    @asynccontextmanager
    async def run(road: Road, mode: TlsMode = "opportunistic") -> AsyncIterator[tuple[Delivery, PolicyHost]]:
        settings = Settings(
            policies={"default": ONCE},
            tls=(TlsRule(mode=mode, roots=authority.pem),),
            route=(RouteRule(domain="a.test", road=road),),
        )
        async with PolicyHost(authority) as host, begin(settings=settings, policy_port=host.port) as mail:
            mail.playground.zone[RELAY] = Zone(a={RELAY: [HERE]})
            yield mail, host

    return run


async def sign_zone(mail: Delivery, records: Sequence[str]) -> None:
    """The domain's zone is signed, and says this of its host's certificate."""
    plain = mail.playground.zone["a.test"]
    where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
    mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, tlsa={where: records}, is_signed=True, ttl_seconds=5)


async def send(mail: Delivery) -> Shown:
    """Send what every host on the way has to protect, and wait until it is settled."""
    receipt = await mail.client.send(sender=SENDER, recipients=["r@a.test"], message=BODY, require_tls=True)
    (shown,) = await mail.settled(*receipt.envelopes.values())
    return shown


@in_loop
async def test_L14_a_domains_policy_says_nothing_of_a_smarthost_and_is_not_asked(
    start: Start, authority: Authority
) -> None:
    """It does not name that host, nor does its certificate bear any name that it names. No result is counted."""
    port = free_ports(1)[0]
    async with start(Road(host=RELAY, port=port)) as (mail, policies):
        await mail.listen(Mx(), HERE, port)
        await mail.host("a.test", Mx(tls=server_context(authority.sign(NAME))))
        policies.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].host, tls_of(shown).version) == ("delivered", RELAY, None)
        assert policies.requests == []
        await mail.engine._tally.flush()
        assert await mail.store.run(read_results()) == {}


@in_loop
async def test_L16_what_DNS_says_of_a_domains_hosts_says_nothing_of_a_smarthost(
    start: Start, authority: Authority
) -> None:
    """Its certificate need not be the one that is told of there."""
    port = free_ports(1)[0]
    async with start(Road(host=RELAY, port=port)) as (mail, _):
        relay = Mx(tls=server_context(authority.sign(RELAY, signs_itself=True)))
        await mail.listen(relay, HERE, port)
        await mail.host("a.test", Mx())
        await sign_zone(mail, [tlsa(load(authority.sign(NAME)))])
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].host, tls_of(shown).by) == ("delivered", RELAY, "")


@pytest.mark.parametrize(("proof", "why"), [("MTA-STS", "self-signed"), ("DANE", "DANE")])
@in_loop
async def test_L14_both_bind_on_a_road_of_our_own_to_the_domains_own_hosts(
    start: Start, authority: Authority, proof: str, why: str
) -> None:
    """Another name of ours changes nothing of what they have to prove."""
    async with start(Road(hostname="other.sender.test")) as (mail, policies):
        host = Mx(tls=server_context(authority.sign(NAME, signs_itself=True)))
        await mail.host("a.test", host)
        if proof == "MTA-STS":
            policies.publish(mail, "a.test", policy_text(NAME))
        else:
            await sign_zone(mail, [tlsa(load(authority.sign(NAME)))])
        (shown,) = await mail.deliver("r@a.test")
        last = shown.attempts[-1]
        assert (shown.state, last.stage, why in last.text, host.bodies) == ("scheduled", "starttls", True, [])
        assert b"EHLO other.sender.test" in host.commands


PROBLEMS: dict[str, tuple[Callable[[Authority], Mx], str, str]] = {
    "proven and promised": (
        lambda it: Mx({"EHLO over TLS": PROMISES}, tls=server_context(it.sign(RELAY))),
        "delivered",
        "",
    ),
    "promised only": (
        lambda it: Mx({"EHLO over TLS": PROMISES}, tls=server_context(it.sign(RELAY, signs_itself=True))),
        "scheduled",
        "self-signed",
    ),
    "proven only": (lambda it: Mx(tls=server_context(it.sign(RELAY))), "bounced", "REQUIRETLS"),
}


@pytest.mark.parametrize("name", PROBLEMS)
@in_loop
async def test_L17_a_smarthost_has_to_prove_its_own_name_and_to_promise_the_same(
    start: Start, authority: Authority, name: str
) -> None:
    """Which host it is needs no proof: it is the one that the operator named."""
    make, state, why = PROBLEMS[name]
    port = free_ports(1)[0]
    async with start(Road(host=RELAY, port=port)) as (mail, _):
        host = make(authority)
        await mail.listen(host, HERE, port)
        shown = await send(mail)
        last = shown.attempts[-1]
        assert (shown.state, last.host, why in last.text) == (state, RELAY, True)


@in_loop
async def test_L17_a_socket_that_does_not_promise_it_gets_no_such_mail(start: Start, tmp_path: Path) -> None:
    """It stays on this machine, but nobody knows where it goes from there."""
    path = tmp_path / "s"
    async with start(Road(protocol="lmtp", socket=str(path))) as (mail, _):
        server = await Lmtp().listen_at(path)
        shown = await send(mail)
        assert (shown.state, shown.attempts[-1].enhanced) == ("bounced", "5.7.30")
        (other,) = await mail.deliver("r@a.test")
        assert (other.state, len(server.bodies)) == ("delivered", 1)
        await server.close()
