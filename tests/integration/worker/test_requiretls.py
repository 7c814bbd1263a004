"""REQUIRETLS and `TLS-Required: No` (RFC 8689): what the sender of a message asks, beside domain and operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from certificates import Authority, load, server_context, tlsa
from delivery import BODY, POLICY, SENDER, Begin, Delivery, in_loop
from mx import Mx
from policies import PolicyHost, policy_text
from softbounce_playground import Zone
from tls_hosts import HURRIED, tls_of

from softbounce import InvalidMessage, Shown
from softbounce.settings import Settings, TlsMode, TlsRule

NAME = "mx1.a.test"
PROMISES = "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 REQUIRETLS"
NO = b"TLS-Required: No\r\n" + BODY
OTHER = "00" * 32
Start = Callable[..., AbstractAsyncContextManager[tuple[Delivery, PolicyHost]]]


@pytest.fixture
def start(begin: Begin, authority: Authority) -> Start:
    """Begin a delivery side beside a host of policies."""

    @asynccontextmanager
    async def run(mode: TlsMode = "opportunistic") -> AsyncIterator[tuple[Delivery, PolicyHost]]:
        settings = Settings(policies={"default": POLICY}, tls=(TlsRule(mode=mode, roots=authority.pem),))
        async with (
            PolicyHost(authority) as host,
            begin(settings=settings, timeouts=HURRIED, policy_port=host.port) as mail,
        ):
            yield mail, host

    return run


async def sign_zone(mail: Delivery, records: Sequence[str] = ()) -> None:
    """The domain's zone is signed, and says this of its first host's certificate."""
    plain = mail.playground.zone["a.test"]
    where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
    mail.playground.zone["a.test"] = Zone(
        mx=plain.mx, a=plain.a, tlsa={where: records} if records else {}, is_signed=True, ttl_seconds=5
    )


async def deliver(mail: Delivery, *recipients: str, require_tls: bool = True, message: bytes = BODY) -> list[Shown]:
    """Send it so, and wait until it is settled."""
    receipt = await mail.client.send(sender=SENDER, recipients=recipients, message=message, require_tls=require_tls)
    return await mail.settled(*receipt.envelopes.values())


def host(
    authority: Authority, *, promises: bool = True, signs_itself: bool = False, name: str = NAME
) -> tuple[Mx, str]:
    """A host, and the record that means its certificate."""
    path = authority.sign(name, signs_itself=signs_itself)
    script = {"EHLO over TLS": PROMISES} if promises else None
    return Mx(script, tls=server_context(path)), tlsa(load(path))


@pytest.mark.parametrize("proof", ["DANE", "DNSSEC and an authority", "MTA-STS"])
@in_loop
async def test_L17_it_goes_where_the_host_is_proven_and_promises_the_same(
    start: Start, authority: Authority, proof: str
) -> None:
    """By whichever means: and MAIL says REQUIRETLS, for that mail only."""
    mx, record = host(authority, signs_itself=proof == "DANE")
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        if proof == "MTA-STS":
            policies.publish(mail, "a.test", policy_text(NAME))
        else:
            await sign_zone(mail, [record] if proof == "DANE" else [])
        (shown,) = await deliver(mail, "r@a.test")
        assert (shown.state, tls_of(shown).verified) == ("delivered", NAME)
        assert tls_of(shown).rule.endswith("+ REQUIRETLS")
        assert sum(line.endswith(b" REQUIRETLS") for line in mx.commands) == 1
        await mail.deliver("s@a.test")
        assert sum(line.endswith(b" REQUIRETLS") for line in mx.commands) == 1


@pytest.mark.parametrize("proof", ["DANE", "MTA-STS"])
@in_loop
async def test_L17_a_host_that_does_not_promise_it_gets_nothing(start: Start, authority: Authority, proof: str) -> None:
    """It bounces with 5.7.30, as no host of the site does; other mail goes there."""
    mx, record = host(authority, promises=False)
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        if proof == "DANE":
            await sign_zone(mail, [record])
        else:
            policies.publish(mail, "a.test", policy_text(NAME))
        (other,) = await mail.deliver("s@a.test")
        (shown,) = await deliver(mail, "r@a.test")
        assert (other.state, shown.state, mx.count("MAIL")) == ("delivered", "bounced", 1)
        assert shown.bounce is not None
        assert (shown.bounce.enhanced, shown.bounce.cause) == ("5.7.30", "rejected")


@in_loop
async def test_L17_the_next_host_may_promise_it(start: Start, authority: Authority) -> None:
    """In the same attempt."""
    first, _ = host(authority, promises=False)
    second, _ = host(authority, name="mx2.a.test")
    async with start() as (mail, policies):
        await mail.host("a.test", first, second)
        policies.publish(mail, "a.test", policy_text(NAME, "mx2.a.test"))
        (shown,) = await deliver(mail, "r@a.test")
        assert (shown.state, shown.attempts[-1].host, first.count("MAIL")) == ("delivered", "mx2.a.test", 0)


@in_loop
async def test_L17_what_is_offered_in_clear_is_no_promise(start: Start, authority: Authority) -> None:
    """The keyword counts over TLS only, whoever wrote it into the first offer."""
    mx = Mx({"EHLO": "250-mx.test\r\n250-STARTTLS\r\n250 REQUIRETLS", "EHLO over TLS": "250 mx.test"})
    mx._tls = server_context(authority.sign(NAME))
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        policies.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await deliver(mail, "r@a.test")
        assert (shown.state, mx.count("MAIL")) == ("bounced", 0)


@pytest.mark.parametrize("mode", ["opportunistic", "verified", "none"])
@in_loop
async def test_L17_where_nothing_proves_the_domains_hosts_it_bounces(
    start: Start, authority: Authority, mode: TlsMode
) -> None:
    """Neither DNSSEC nor a policy: whoever forges the MX record has a certificate for his own host."""
    mx, _ = host(authority)
    async with start(mode) as (mail, _):
        await mail.host("a.test", mx)
        (shown,) = await deliver(mail, "r@a.test")
        assert (shown.state, mx.connections) == ("bounced", 0)
        assert shown.bounce is not None
        assert shown.bounce.enhanced == "5.7.30"
        assert mail.closed_domains() == set()
        assert (await mail.deliver("s@a.test"))[0].state == "delivered"


@pytest.mark.parametrize("what", ["no STARTTLS", "self-signed"])
@in_loop
async def test_L17_a_host_that_cannot_be_proven_now_is_waited_for(
    start: Start, authority: Authority, what: str
) -> None:
    """An expired certificate is mended tomorrow: it is a soft bounce as long as its window lasts."""
    mx = Mx() if what == "no STARTTLS" else host(authority, signs_itself=True)[0]
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        policies.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await deliver(mail, "r@a.test")
        assert (shown.state, mx.count("MAIL"), shown.attempts[0].charged) == ("scheduled", 0, False)


@in_loop
async def test_L17_TLS_required_no_lets_no_policy_of_the_domain_stop_it(start: Start, authority: Authority) -> None:
    """A report about broken TLS has to arrive though TLS is broken (RFC 8460 §3, RFC 8689 §5)."""
    mx, _ = host(authority, signs_itself=True)
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        await sign_zone(mail, [f"3 1 1 {OTHER}"])
        policies.publish(mail, "a.test", policy_text("mx.elsewhere.test"))
        assert (await mail.deliver("r@a.test"))[0].state == "scheduled"
        assert mail.closed_domains() == {"a.test"}
        (shown,) = await mail.deliver("s@a.test", message=NO)
        assert (shown.state, tls_of(shown).rule, mx.secure) == ("delivered", "tls[0] + TLS-Required: No", [True])
        assert b"TLS-Required: No" in mx.bodies[0]


@in_loop
async def test_L17_TLS_required_no_takes_nothing_from_what_the_operator_asks(start: Start) -> None:
    """He knows what his mail is."""
    mx = Mx()
    async with start("required") as (mail, _):
        await mail.host("a.test", mx)
        assert (await mail.deliver("s@a.test", message=NO))[0].state == "scheduled"


@pytest.mark.parametrize(
    "header", [b"TLS-Required: Yes", b"TLS-Required: no, really", b"TLS-Required: No\r\nTLS-Required: No"]
)
@in_loop
async def test_L17_another_value_counts_for_nothing(start: Start, header: bytes) -> None:
    """As RFC 8689 §5 has it."""
    mx = Mx()
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        policies.publish(mail, "a.test", policy_text(NAME))
        assert (await mail.deliver("s@a.test", message=header + b"\r\n" + BODY))[0].state == "scheduled"


@in_loop
async def test_L17_REQUIRETLS_counts_more_than_the_header(start: Start, authority: Authority) -> None:
    """Where both are given (RFC 8689 §4.1)."""
    mx, _ = host(authority, promises=False)
    async with start() as (mail, policies):
        await mail.host("a.test", mx)
        policies.publish(mail, "a.test", policy_text(NAME))
        assert (await deliver(mail, "r@a.test", message=NO))[0].state == "bounced"


@in_loop
async def test_L17_what_is_no_yes_or_no_is_refused(start: Start) -> None:
    """At once, and nothing is stored."""
    async with start() as (mail, _):
        with pytest.raises(InvalidMessage, match="require_tls"):
            await mail.client.send(sender=SENDER, recipients=["r@a.test"], message=BODY, require_tls="yes")  # type: ignore[arg-type]
