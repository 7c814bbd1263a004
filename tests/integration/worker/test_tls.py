"""TLS to mail hosts: what is asked for, what a host does, and whether mail goes by TLS, in clear, or waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from certificates import Authority, server_context
from delivery import BODY, POLICY, Begin, in_loop
from mx import EHLO_PLAIN, HANG, RESET, Mx, Sleep
from softbounce_playground import Zone
from softbounce_playground.tls import self_signed_context
from tls_hosts import BRIEF, CLEAR, HOSTS, HURRIED, NAME, TABLE, TLS, good, tls_of, tls_settings

from softbounce import Outgoing
from softbounce.settings import LaneRule, Settings, TlsMode, TlsRule

MODES: tuple[TlsMode, ...] = ("none", "opportunistic", "required", "verified")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TABLE)
@in_loop
async def test_issue12_L02_L03_L04_L05_L07_F25_what_becomes_of_mail(
    begin: Begin, authority: Authority, name: str, mode: TlsMode
) -> None:
    """By what is asked for and what the host does: it goes by TLS, or in clear, or waits; and how and why is shown."""
    expected = (CLEAR, *TABLE[name])[MODES.index(mode)]
    rule = TlsRule(mode=mode, roots=authority.pem if mode == "verified" else None)
    host = HOSTS[name](authority)
    async with begin(settings=tls_settings(rule), timeouts=BRIEF) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        tls = tls_of(shown)
        assert tls.rule == "tls[0]"
        if expected in {CLEAR, TLS}:
            assert (shown.state, host.secure) == ("delivered", [expected == TLS])
            assert host.bodies[0].endswith(b"\r\n\r\nHello.\r\n")
            assert (tls.version is None, bool(tls.clear)) == (expected == CLEAR, expected == CLEAR)
            assert tls.verified == (NAME if mode == "verified" else None)
        else:
            assert (shown.state, host.bodies, host.count("MAIL")) == ("scheduled", [], 0)
            (attempt,) = shown.attempts
            assert (attempt.stage, attempt.verdict, attempt.charged) == ("starttls", "soft", False)
            assert expected in attempt.text
            assert attempt.enhanced in {"4.7.4", "4.7.5"}
            assert (tls.version, tls.clear) == (None, "")
            assert mail.closed_domains() == {"a.test"}


@in_loop
async def test_L01_after_TLS_nothing_counts_that_was_said_in_clear(begin: Begin, authority: Authority) -> None:
    """EHLO is said anew, and what the host offers then is all that it offers."""
    context = server_context(authority.sign(NAME))
    asked_for: list[object] = []
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    host = Mx({"EHLO over TLS": EHLO_PLAIN}, tls=context)
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.secure, host.groups) == ("delivered", [True], 0)
        (lines,) = host.lines
        verbs = [line.split()[0] for line in lines[:4]]
        assert verbs == [b"EHLO", b"STARTTLS", b"EHLO", b"MAIL"]
        assert b"SIZE" not in lines[3]
        assert asked_for == [NAME]
        assert tls_of(shown).words.startswith("TLSv1.3 TLS_AES_256_GCM_SHA384, certificate not verified (rule default")


@in_loop
async def test_S14_a_421_to_STARTTLS_is_obeyed(begin: Begin, authority: Authority) -> None:
    """It is no refusal of TLS alone: the next host has its turn, and nothing is remembered of TLS."""
    busy = Mx({"STARTTLS": "421 4.3.2 going down"}, tls=server_context(authority.sign(NAME)))
    other = good(authority)
    async with begin() as mail:
        await mail.host("a.test", busy, other)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, other.secure) == ("delivered", [True])
        assert [busy.count(verb) for verb in ("EHLO", "STARTTLS", "MAIL")] == [1, 1, 0]


@in_loop
async def test_L05_a_handshake_that_failed_is_remembered_for_a_while(begin: Begin, authority: Authority) -> None:
    """It costs the first session only: the next ones begin in clear, and the reason stays."""
    host = Mx({"handshake": RESET}, tls=server_context(authority.sign(NAME)))
    async with begin(timeouts=HURRIED) as mail:
        await mail.host("a.test", host)
        texts = []
        for number in range(3):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            texts.append(tls_of(shown).clear)
            await mail.until_true(lambda: not host.open)
        assert host.count("STARTTLS") == 2  # the second time plainly
        assert host.connections == 5
        assert len(set(texts)) == 1
        assert texts[0].startswith("TLS handshake: connection closed")


@pytest.mark.parametrize("mode", ["required", "verified"])
@in_loop
async def test_L03_the_next_host_is_asked_first(begin: Begin, authority: Authority, mode: TlsMode) -> None:
    """In the same attempt: one that gives less than is asked for is passed over, and is in nobody else's way."""
    rule = TlsRule(mode=mode, roots=authority.pem if mode == "verified" else None)
    poor, rich = Mx(), Mx(tls=server_context(authority.sign("mx2.a.test")))
    async with begin(settings=tls_settings(rule)) as mail:
        await mail.host("a.test", poor, rich)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts)) == ("delivered", 1)
        assert (rich.secure, poor.bodies, poor.connections) == ([True], [], 1)


@in_loop
async def test_issue12_a_domain_whose_demand_is_not_met_is_in_nobody_elses_way(
    begin: Begin, authority: Authority
) -> None:
    """Two domains at one host: the mail of one waits for a certificate, that of the other flows meanwhile."""
    host = Mx(tls=server_context(authority.sign(NAME, signs_itself=True)))
    async with begin(settings=tls_settings(TlsRule(mode="verified", domain="b.test"))) as mail:
        await mail.host("a.test", host)
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        ids = [await mail.send(f"r{number}@b.test", f"r{number}@a.test") for number in range(20)]
        shown = await mail.settled(*(one for pair in ids for one in pair[1:]))
        assert [one.state for one in shown] == ["delivered"] * 20
        shown = await mail.tried(any_of=[pair[0] for pair in ids])  # those that came later wait with their domain
        assert "certificate is not trusted" in next(one.attempts[-1].text for one in shown if one.attempts)
        assert mail.closed_domains() == {"b.test"}
        assert not any(b"b.test" in line for line in host.commands)
        assert host.count("STARTTLS") < 6
        assert not next(iter(mail.engine.lanes.values())).is_probing


@in_loop
async def test_issue12_a_host_that_gives_one_domain_too_little_stays_first_for_others(
    begin: Begin, authority: Authority
) -> None:
    """It takes their mail as ever: that it has no TLS is not what it is called down for."""
    first, second = Mx(), good(authority)
    async with begin(settings=tls_settings(TlsRule(mode="required", domain="b.test")), timeouts=HURRIED) as mail:
        await mail.host("a.test", first, second)
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME), (20, "mx2.a.test")])
        assert (await mail.deliver("r@b.test"))[0].attempts[-1].host == "mx2.a.test"
        await mail.until_true(lambda: not (first.open or second.open))
        assert (await mail.deliver("r@a.test"))[0].attempts[-1].host == NAME


@in_loop
async def test_issue12_a_session_carries_no_mail_that_asks_for_more_than_it_was_opened_with(
    begin: Begin, authority: Authority
) -> None:
    """Nor does one that idles; but what asks for less goes by one that was opened with more."""
    host = good(authority)
    rules = tls_settings(
        TlsRule(mode="verified", domain="b.test", roots=authority.pem), TlsRule(mode="none", domain="c.test")
    )
    async with begin(settings=rules) as mail:
        await mail.host("a.test", host)
        for domain in ("b.test", "c.test"):
            mail.playground.zone[domain] = Zone(mx=[(10, NAME)])
        (clear,) = await mail.deliver("r@c.test")
        (any_tls,) = await mail.deliver("r@a.test")
        (verified,) = await mail.deliver("r@b.test")
        assert [one.state for one in (clear, any_tls, verified)] == ["delivered"] * 3
        assert [tls_of(one).verified for one in (clear, any_tls, verified)] == [None, None, NAME]
        assert host.secure == [False, True, True]
        assert host.connections == 3
        assert [host.count(f"RCPT TO:<r@{domain}.test>") for domain in "abc"] == [1, 1, 1]


@in_loop
async def test_issue12_what_asks_for_less_goes_by_a_session_that_was_opened_with_more(
    begin: Begin, authority: Authority
) -> None:
    """One session does for both, and each attempt says by which rule its mail went."""
    host = good(authority)
    async with begin(settings=tls_settings(TlsRule(mode="verified", domain="b.test", roots=authority.pem))) as mail:
        await mail.host("a.test", host)
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        (verified,) = await mail.deliver("r@b.test")
        (other,) = await mail.deliver("r@a.test")
        assert [tls_of(one).rule for one in (verified, other)] == ["tls[0]", "default"]
        assert (host.connections, host.secure) == (1, [True, True])


@in_loop
async def test_issue12_a_reload_that_asks_for_more_binds_what_waits_and_what_stands(
    begin: Begin, authority: Authority
) -> None:
    """A session that was opened with less carries nothing more."""
    host = good(authority)
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("r1@a.test")
        mail.engine.apply(tls_settings(TlsRule(mode="required")))
        (shown,) = await mail.deliver("r2@a.test")
        assert (shown.state, tls_of(shown).rule) == ("delivered", "tls[0]")
        assert host.connections == 2


@in_loop
async def test_issue12_a_flood_that_asks_for_less_leaves_a_place(begin: Begin, authority: Authority) -> None:
    """Its sessions are never enough for it: one of them goes all the same for mail that none may carry."""

    def flood(number: int) -> Iterator[Outgoing]:
        for one in range(number):
            yield {"sender": "app@sender.test", "recipients": [f"r{one}@a.test"], "message": BODY}

    host = good(authority)
    rule = TlsRule(mode="verified", domain="b.test", roots=authority.pem)
    settings = msgspec.structs.replace(tls_settings(rule), lane=(LaneRule(connections=2, messages_per_connection=0),))
    async with begin(settings=settings, timeouts=HURRIED) as mail:
        await mail.host("a.test", host)
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        await mail.deliver("r@b.test")  # so that its lane is known, and it comes to its turn
        await mail.until_true(lambda: not host.open)
        host.say("dot", (Sleep(0.2), "250 2.0.0 taken"))
        await mail.client.send_many(flood(20))
        await mail.until_true(lambda: len(host.bodies) >= 5)
        (waiting,) = await mail.send("r@b.test")
        await mail.client.send_many(flood(100))
        (shown,) = await mail.settled(waiting)
        assert (shown.state, tls_of(shown).verified) == ("delivered", NAME)
        assert len(host.bodies) < 80


@in_loop
async def test_issue12_what_comes_back_is_asked_what_binds_by_then(begin: Begin) -> None:
    """It was begun while clear text would do, and its session broke off untried: the next one has to do more."""
    host = Mx({"MAIL": ["250 2.1.0 ok", HANG]})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("r1@a.test")
        (late,) = await mail.send("r2@a.test")
        await mail.until_true(lambda: host.count("MAIL") == 2)
        mail.process.settings = tls_settings(TlsRule(mode="required"))
        mail.engine.apply(mail.process.settings)
        for session in list(mail.lane_of("a.test").sessions._open):
            session.abort()
        (shown,) = await mail.settled(late)
        assert (shown.state, len(host.bodies), host.count("MAIL")) == ("scheduled", 1, 2)
        assert shown.attempts[-1].text == "the host does not offer STARTTLS"


@in_loop
async def test_issue12_a_session_is_resumed(begin: Begin, authority: Authority) -> None:
    """The next session at the same address, and asking for the same, does without a full handshake."""
    host = good(authority)
    async with begin(timeouts=HURRIED) as mail:
        await mail.host("a.test", host)
        for number in range(3):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert tls_of(shown).version == "TLSv1.3"
            await mail.until_true(lambda: not host.open)
        assert (host.connections, host.resumed, host.secure) == (3, 2, [True] * 3)


@in_loop
async def test_issue12_who_waits_for_TLS_ends_with_its_window_and_that_reason(
    begin: Begin, authority: Authority
) -> None:
    """A demand that is never met is a soft bounce that turns hard, and says what was missing."""
    del authority
    policy = msgspec.structs.replace(POLICY, window=timedelta(seconds=1))
    rules = Settings(policies={"default": policy}, tls=(TlsRule(mode="required"),))
    async with begin(settings=rules) as mail:
        await mail.host("a.test", Mx())
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == "scheduled"
        assert shown.attempts[0].text == "the host does not offer STARTTLS"


@in_loop
async def test_issue12_the_playgrounds_hosts_speak_TLS(begin: Begin) -> None:
    """With a certificate that they made themselves; and mail of any size and kind goes by it."""
    async with begin() as mail:
        mail.playground.tls = self_signed_context()
        (shown,) = await mail.deliver("accept@a.test", message=BODY + b"x" * 70 + b"\r\n" * 200_000)
        (refused,) = await mail.deliver("reject@a.test")
        (clear,) = await mail.deliver("accept@nostarttls.test")
        (busy,) = await mail.deliver("accept@c454at-starttls.test")
        assert [one.state for one in (shown, refused, clear, busy)] == [
            "delivered",
            "bounced",
            "delivered",
            "delivered",
        ]
        assert [tls_of(one).version for one in (shown, refused, clear, busy)] == ["TLSv1.3", "TLSv1.3", None, None]
        assert tls_of(busy).clear.startswith("the host refuses STARTTLS: 454")
        assert not mail.playground.ledger.violations
