"""TLS to mail hosts: what is asked for, what a host does, and whether mail goes by TLS, in clear, or waits."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest
from certificates import Authority, server_context
from delivery import BODY, PATIENT, POLICY, Begin, in_loop
from mx import CLOSE, EHLO_PLAIN, HANG, RESET, Mx, Script, Sleep
from softbounce_playground import Zone
from softbounce_playground.tls import self_signed_context
from softbounce_worker.session.dialling import Timeouts

from softbounce import Outgoing, Shown, ShownTls
from softbounce.settings import LaneRule, Settings, TlsMode, TlsRule

NAME = "mx1.a.test"
BRIEF = Timeouts(**{**{name: getattr(PATIENT, name) for name in Timeouts.__dataclass_fields__}, "starttls": 0.4})
HURRIED = Timeouts(**{**{name: getattr(PATIENT, name) for name in Timeouts.__dataclass_fields__}, "idle": 0.05})
CLEAR, TLS = "delivered in clear", "delivered by TLS"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of these tests."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def tls_settings(*rules: TlsRule) -> Settings:
    """The settings of these tests with these rules."""
    return Settings(policies={"default": POLICY}, tls=rules)


def tls_of(shown: Shown) -> ShownTls:
    """How the last attempt was protected."""
    tls = shown.attempts[-1].tls
    assert tls is not None
    return tls


def good(authority: Authority) -> Mx:
    """A host as it should be."""
    return Mx(tls=server_context(authority.sign(NAME)))


def breaking(**script: object) -> Callable[[Authority], Mx]:
    """A host that does something else at a point: ``_`` stands for a blank."""
    points: Script = {point.replace("_", " "): act for point, act in script.items()}  # type: ignore[misc]
    return lambda authority: Mx(points, tls=server_context(authority.sign(NAME)))


def old(authority: Authority) -> Mx:
    """A host that speaks TLS 1.0 only."""
    certificate = authority.sign(NAME)
    return Mx(tls=server_context(certificate, newest=ssl.TLSVersion.TLSv1, ciphers="ALL:@SECLEVEL=0"))


def small(authority: Authority) -> Mx:
    """A host with a key as short as it was usual once, and no forward secrecy."""
    certificate = authority.sign(NAME, small=True, signs_itself=True)
    context = server_context(certificate, newest=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA:@SECLEVEL=0")
    return Mx(tls=context)


def long_winded(authority: Authority) -> Mx:
    """A host whose chain of certificates has a quarter of a megabyte."""
    certificate = authority.sign(NAME)
    chain = certificate.with_suffix(".chain")
    text = certificate.read_text()
    chain.write_text(text + text[text.index("-----BEGIN CERT") :] * 500)
    return Mx(tls=server_context(chain))


def inquisitive(newest: ssl.TLSVersion) -> Callable[[Authority], Mx]:
    """A host that wants a certificate of ours; in TLS 1.3 it says so when all is done."""

    def host(authority: Authority) -> Mx:
        context = server_context(authority.sign(NAME), newest=newest)
        context.load_verify_locations(cadata=authority.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        return Mx(tls=context)

    return host


HOSTS: dict[str, Callable[[Authority], Mx]] = {
    "good": good,
    "no STARTTLS": lambda _: Mx(),
    "hangs up on EHLO": breaking(EHLO=CLOSE),
    "HELO only": breaking(EHLO="502 5.5.1 what"),
    "self-signed": lambda authority: Mx(tls=server_context(authority.sign(NAME, signs_itself=True))),
    "expired": lambda authority: Mx(tls=server_context(authority.sign(NAME, days=-1))),
    "wrong name": lambda authority: Mx(tls=server_context(authority.sign("mx2.a.test"))),
    "short key": small,
    "TLS 1.0": old,
    "long chain": long_winded,
    "wants ours": inquisitive(ssl.TLSVersion.TLSv1_2),
    "wants ours, 1.3": inquisitive(ssl.TLSVersion.TLSv1_3),
    "hangs before the 220": breaking(STARTTLS=HANG),
    "hangs in the handshake": breaking(handshake=HANG),
    "injects octets": breaking(STARTTLS=("220 go ahead", "250 injected")),
    "refuses by 454": breaking(STARTTLS="454 4.7.0 not now"),
    "refuses by 554": breaking(STARTTLS="554 5.7.3 never"),
    "says 250": breaking(STARTTLS="250 sure"),
    "garbage": breaking(handshake=b"220 in clear again\r\n" * 20),
    "resets": breaking(handshake=RESET),
    "closes": breaking(handshake=CLOSE),
    "closes over TLS": breaking(EHLO_over_TLS=CLOSE),
}

TABLE: dict[str, tuple[str, str, str]] = {
    # the host: what becomes of opportunistic, required, verified mail
    "good": (TLS, TLS, TLS),
    "no STARTTLS": (CLEAR, "does not offer STARTTLS", "does not offer STARTTLS"),
    "hangs up on EHLO": (CLEAR, "EHLO: connection closed", "EHLO: connection closed"),
    "HELO only": (CLEAR, "does not offer STARTTLS", "does not offer STARTTLS"),
    "self-signed": (TLS, TLS, "its certificate is not trusted: self-signed certificate"),
    "expired": (TLS, TLS, "its certificate is not trusted: certificate has expired"),
    "wrong name": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "short key": (TLS, TLS, "TLS handshake: its certificate is not trusted: "),
    "TLS 1.0": (CLEAR, "TLS handshake: ", "TLS handshake: "),
    "long chain": (CLEAR, "TLS handshake: excessive message size", "TLS handshake: excessive message size"),
    "wants ours": (CLEAR, "TLS handshake: ", "TLS handshake: "),
    "wants ours, 1.3": (CLEAR, "EHLO over TLS: ", "EHLO over TLS: "),
    "hangs before the 220": (CLEAR, "no answer in time", "no answer in time"),
    "hangs in the handshake": (CLEAR, "TLS handshake: no answer in time", "TLS handshake: no answer in time"),
    "injects octets": (CLEAR, "octets in clear behind the 220", "octets in clear behind the 220"),
    "refuses by 454": (CLEAR, "refuses STARTTLS: 454 4.7.0 not now", "refuses STARTTLS: 454 4.7.0 not now"),
    "refuses by 554": (CLEAR, "refuses STARTTLS: 554 5.7.3 never", "refuses STARTTLS: 554 5.7.3 never"),
    "says 250": (CLEAR, "neither 220 nor a refusal", "neither 220 nor a refusal"),
    "garbage": (CLEAR, "TLS handshake: wrong version number", "TLS handshake: wrong version number"),
    "resets": (CLEAR, "TLS handshake: connection closed", "TLS handshake: connection closed"),
    "closes": (CLEAR, "TLS handshake: connection closed", "TLS handshake: connection closed"),
    "closes over TLS": (CLEAR, "EHLO over TLS: connection closed", "EHLO over TLS: connection closed"),
}
MODES: tuple[TlsMode, ...] = ("none", "opportunistic", "required", "verified")


def test_the_table_has_every_host() -> None:
    """None is left out."""
    assert HOSTS.keys() == TABLE.keys()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TABLE)
@in_loop
async def test_issue12_L02_L03_L04_L05_L06_L07_L08_A27_F25_what_becomes_of_mail(
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
        assert host.count("STARTTLS") == 1
        assert host.connections == 4
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
        shown = await mail.settled(ids[0][0])
        assert "certificate is not trusted" in shown[0].attempts[-1].text
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
