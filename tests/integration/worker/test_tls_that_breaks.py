"""Hosts where TLS breaks at what not all of them can: it is taken more plainly, and only then not at all."""

from __future__ import annotations

import ssl
from datetime import timedelta
from itertools import count

import msgspec
import pytest
from certificates import Authority, server_context
from delivery import Begin, in_loop
from mx import CLOSE, HANG, RESET, Mx, Script
from softbounce_playground import Zone
from tls_hosts import BRIEF, HURRIED, NAME, tells_no_name, tls_of, tls_settings

from softbounce.settings import LaneRule, Policy, TlsMode, TlsRule

AT_ONCE = Policy(name="default", delays=(timedelta(milliseconds=50),), jitter=0.0)
CLOSES_BRIEFLY = LaneRule(close_first=timedelta(milliseconds=300))
STARTTLS_FIRST = "530 5.7.0 Must issue a STARTTLS command first"


@pytest.mark.parametrize("mode", ["opportunistic", "required", "verified"])
@in_loop
async def test_issue12_a_host_that_breaks_at_a_session_from_before_gets_none(
    begin: Begin, authority: Authority, mode: TlsMode
) -> None:
    """It is called anew with a full handshake, in the same attempt; and from then on none is offered there."""
    rule = TlsRule(mode=mode, roots=authority.pem if mode == "verified" else None)
    host = Mx({"resumed": RESET}, tls=server_context(authority.sign(NAME)))
    async with begin(settings=tls_settings(rule), timeouts=HURRIED) as mail:
        await mail.host("a.test", host)
        for number in range(4):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert (shown.state, tls_of(shown).version) == ("delivered", "TLSv1.3")
            await mail.until_true(lambda: not host.open)
        assert (host.secure, host.resumed, host.connections) == ([True] * 4, 1, 5)


@pytest.mark.parametrize("mode", ["opportunistic", "required"])
@in_loop
async def test_issue12_a_plainer_handshake_is_the_first_one_for_a_while(
    begin: Begin, authority: Authority, mode: TlsMode
) -> None:
    """Without the host's name and what is newer than TLS 1.2: it costs one connection, and TLS is resumed as ever."""
    host = tells_no_name(authority)
    async with begin(settings=tls_settings(TlsRule(mode=mode)), timeouts=HURRIED) as mail:
        await mail.host("a.test", host)
        for number in range(3):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert (shown.state, tls_of(shown).version) == ("delivered", "TLSv1.2")
            await mail.until_true(lambda: not host.open)
        assert (host.secure, host.resumed, host.connections) == ([True] * 3, 2, 4)


@in_loop
async def test_issue12_after_a_handshake_that_hung_the_next_is_a_plain_one(begin: Begin, authority: Authority) -> None:
    """There are hosts that wait for ever for the rest of what they think is not whole."""
    host = Mx({"handshake": HANG}, tls=server_context(authority.sign(NAME)))
    async with begin(settings=tls_settings(TlsRule(mode="required")), timeouts=BRIEF) as mail:
        await mail.host("a.test", host)
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        (waits,) = await mail.deliver("r@a.test")
        assert (waits.state, host.count("STARTTLS")) == ("scheduled", 1)
        host.say("handshake", None)
        (shown,) = await mail.deliver("r@b.test")
        assert (shown.state, tls_of(shown).version) == ("delivered", "TLSv1.2")


@pytest.mark.parametrize("reply", [{"MAIL": STARTTLS_FIRST}, {"RCPT": "550 5.7.10 Encryption required"}])
@in_loop
async def test_issue12_a_host_that_takes_nothing_in_clear_bounces_nothing_while_TLS_is_broken(
    begin: Begin, authority: Authority, reply: Script
) -> None:
    """A refusal for want of TLS is no word on the mail: it is deferred, TLS has its turn again, and then it goes."""
    host = Mx({"handshake": RESET, **reply}, tls=server_context(authority.sign(NAME)))
    settings = msgspec.structs.replace(tls_settings(policy=AT_ONCE), lane=(CLOSES_BRIEFLY,))
    async with begin(settings=settings) as mail:
        await mail.host("a.test", host)
        (waiting,) = await mail.send("r@a.test")
        (shown,) = await mail.tried(waiting)
        attempt = shown.attempts[0]
        assert (attempt.verdict, attempt.rule) == ("soft", "builtin:tls-failed")
        assert attempt.text.startswith("TLS handshake: connection closed")
        assert "; and in clear: 5" in attempt.text
        assert mail.closed_domains() == ({"a.test"} if "MAIL" in reply else set())
        for point in ("handshake", *reply):
            host.say(point, None)
        await mail.until_true(lambda: any(host.secure))
        (shown,) = await mail.settled(waiting)
        assert (shown.state, tls_of(shown).version) == ("delivered", "TLSv1.3")


@in_loop
async def test_issue12_a_host_that_takes_nothing_in_clear_is_not_asked_for_each_message(
    begin: Begin, authority: Authority
) -> None:
    """Its domain waits, uncharged, as with any other demand that is not met."""
    host = Mx({"handshake": RESET, "MAIL": STARTTLS_FIRST}, tls=server_context(authority.sign(NAME)))
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = [(await mail.send(f"r{number}@a.test"))[0] for number in range(60)]
        await mail.until_true(lambda: mail.closed_domains() == {"a.test"})
        await mail.wait(0.5)
        shown = await mail.show(*ids)
        assert sum(one.charged for envelope in shown for one in envelope.attempts) < 20
        assert host.connections < 60


@in_loop
async def test_issue12_where_one_host_is_without_TLS_and_takes_nothing_in_clear_the_next_is_asked(
    begin: Begin, authority: Authority
) -> None:
    """In the same attempt."""
    first = Mx({"MAIL": STARTTLS_FIRST})
    second = Mx(tls=server_context(authority.sign("mx2.a.test")))
    async with begin() as mail:
        await mail.host("a.test", first, second)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts), second.secure) == ("delivered", 1, [True])


@in_loop
async def test_issue12_who_asks_for_clear_text_hears_that_it_is_refused(begin: Begin, authority: Authority) -> None:
    """It was the operator's word, and the host's is final."""
    host = Mx({"MAIL": STARTTLS_FIRST}, tls=server_context(authority.sign(NAME)))
    async with begin(settings=tls_settings(TlsRule(mode="none"))) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[0].rule) == ("bounced", "builtin:tls-needed")


@pytest.mark.parametrize("point", ["body over TLS", "dot over TLS"])
@in_loop
async def test_issue12_mail_that_is_lost_over_TLS_again_and_again_goes_in_clear(
    begin: Begin, authority: Authority, point: str
) -> None:
    """Twice by TLS, then in clear, and why is shown; other mail for the host goes by TLS as ever."""
    host = Mx({point: CLOSE}, tls=server_context(authority.sign(NAME)))
    async with begin(settings=tls_settings(policy=AT_ONCE)) as mail:
        await mail.host("a.test", host)
        (unlucky,) = await mail.send("r1@a.test")
        await mail.until_true(lambda: False in host.secure)
        (shown,) = await mail.settled(unlucky)
        versions = [one.tls.version for one in shown.attempts if one.tls]
        assert (shown.state, versions) == ("delivered", ["TLSv1.3", "TLSv1.3", None])
        assert tls_of(shown).clear == "TLS broke off in the middle of this mail before"
        host.say(point, None)
        (other,) = await mail.deliver("r2@a.test")
        assert tls_of(other).version == "TLSv1.3"


@in_loop
async def test_issue12_mail_that_asks_for_TLS_never_goes_in_clear_however_often_it_is_lost(
    begin: Begin, authority: Authority
) -> None:
    """It waits for a host that keeps TLS up."""
    host = Mx({"body over TLS": CLOSE}, tls=server_context(authority.sign(NAME)))
    async with begin(settings=tls_settings(TlsRule(mode="required"), policy=AT_ONCE)) as mail:
        await mail.host("a.test", host)
        (unlucky,) = await mail.send("r@a.test")
        await mail.until_true(lambda: host.count("DATA") >= 4)
        host.say("body over TLS", None)
        await mail.until_true(lambda: bool(host.bodies))
        assert host.secure == [True]
        (shown,) = await mail.settled(unlucky)
        assert all(one.tls and one.tls.version for one in shown.attempts)


@in_loop
async def test_issue12_a_reset_in_one_handshake_is_no_end_of_TLS(begin: Begin, authority: Authority) -> None:
    """Connections break for many reasons: the next handshake, at once, is by TLS too."""
    context, handshakes = server_context(authority.sign(NAME)), count(1)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if next(handshakes) == 1 else None
    host = Mx(tls=context)
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.secure, host.connections) == ("delivered", [True], 2)


@in_loop
async def test_issue12_a_proven_host_is_not_called_plainly(begin: Begin, authority: Authority) -> None:
    """Who can break a handshake must not choose the version of the next one."""
    rule = TlsRule(mode="verified", roots=authority.pem)
    host = tells_no_name(authority)
    async with begin(settings=tls_settings(rule)) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.connections, host.count("STARTTLS")) == ("scheduled", 1, 1)
