"""DANE for SMTP (RFC 7672): TLSA records with the AD bit, and what becomes of mail by them, beside other demands."""

from __future__ import annotations

from base64 import b64decode, encodebytes
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from certificates import Authority, load, server_context, tlsa
from delivery import POLICY, Begin, Delivery, in_loop
from mx import HANG, Mx, Script
from policies import PolicyHost, policy_text
from softbounce_playground import Zone
from softbounce_worker.session.dialling import Timeouts
from tls_hosts import BRIEF, HURRIED, tls_of

from softbounce.settings import Settings, TlsMode, TlsRule

NAME = "mx1.a.test"
Start = Callable[..., AbstractAsyncContextManager[tuple[Delivery, PolicyHost]]]


@pytest.fixture
def start(begin: Begin, authority: Authority) -> Start:
    """Begin a delivery side beside a host of policies."""

    @asynccontextmanager
    async def run(
        mode: TlsMode = "opportunistic", timeouts: Timeouts = BRIEF, **rule: object
    ) -> AsyncIterator[tuple[Delivery, PolicyHost]]:
        rules = (TlsRule(mode=mode, roots=authority.pem, **rule),)  # type: ignore[arg-type] # as each test has it
        settings = Settings(policies={"default": POLICY}, tls=rules)
        async with (
            PolicyHost(authority) as host,
            begin(settings=settings, timeouts=timeouts, policy_port=host.port) as mail,
        ):
            yield mail, host

    return run


async def sign_zone(mail: Delivery, host: Mx, records: Sequence[str], domain: str = "a.test") -> None:
    """A domain whose zone is signed, and what it says of its host's certificate; none: nothing."""
    await mail.host(domain, host)
    plain = mail.playground.zone[domain]
    where = f"_{mail.playground.smtp_port}._tcp.mx1.{domain}"
    mail.playground.zone[domain] = Zone(
        mx=plain.mx, a=plain.a, tlsa={where: records} if records else {}, is_signed=True, ttl_seconds=5
    )


# -- what becomes of mail: each demand, each host ---------------------------------------------------------------------

CLEAR, TLS, WAITS = "delivered in clear", "delivered by TLS", "deferred"
Certificate = Callable[[Authority], Path]
CERTIFICATES: dict[str, Certificate] = {
    "good": lambda it: it.sign(NAME),
    "self-signed": lambda it: it.sign(NAME, signs_itself=True),
    "expired": lambda it: it.sign(NAME, days=-1),
    "wrong name": lambda it: it.sign("mx.elsewhere.test"),
}
SCRIPTS: dict[str, Script] = {
    "hang": {"handshake": HANG},
    "injected octets": {"STARTTLS": ("220 go ahead", "250 injected")},
}
TABLE: dict[str, tuple[str, ...]] = {
    # none, opportunistic, required, verified, MTA-STS, DANE-EE, DANE-TA, both (MTA-STS, and DANE-EE)
    "good": (CLEAR, TLS, TLS, TLS, TLS, TLS, TLS, TLS),
    "stripped STARTTLS": (CLEAR, CLEAR, *[WAITS] * 6),
    "self-signed": (CLEAR, TLS, TLS, WAITS, WAITS, TLS, WAITS, TLS),
    "expired": (CLEAR, TLS, TLS, WAITS, WAITS, TLS, WAITS, TLS),
    "wrong name": (CLEAR, TLS, TLS, WAITS, WAITS, TLS, WAITS, TLS),
    "hang": (CLEAR, CLEAR, *[WAITS] * 6),
    "injected octets": (CLEAR, CLEAR, *[WAITS] * 6),
}
DEMANDS = ("none", "opportunistic", "required", "verified", "MTA-STS enforce", "DANE-EE", "DANE-TA", "both")
REASONS = {
    "stripped STARTTLS": ("the host does not offer STARTTLS",) * 3,
    "self-signed": ("self-signed certificate", "", "does not lead to what its TLSA records mean"),
    "expired": ("certificate has expired", "", "does not lead to what its TLSA records mean"),
    "wrong name": ("Hostname mismatch", "", "its certificate is for another name"),
    "hang": ("no answer in time",) * 3,
    "injected octets": ("octets in clear behind the 220",) * 3,
}


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("name", TABLE)
@in_loop
async def test_issue12_L08_L11_L14_L15_what_becomes_of_mail_by_demand_and_host(
    start: Start, authority: Authority, name: str, demand: str
) -> None:
    """The table in docs/tls.md: it goes by TLS, in clear, or waits with the reason, and nothing was said of it."""
    below = authority.under()
    certificate = CERTIFICATES.get(name, CERTIFICATES["good"])(below)
    host = Mx(SCRIPTS.get(name), tls=None if name == "stripped STARTTLS" else server_context(certificate))
    mode: TlsMode = demand if demand in {"none", "required", "verified"} else "opportunistic"  # type: ignore[assignment]
    async with start(mode) as (mail, policies):
        records = []
        if demand in {"DANE-EE", "both"}:
            records = [tlsa(load(certificate))]
        elif demand == "DANE-TA":
            records = [tlsa(below.certificate, 2, 0)]
        await sign_zone(mail, host, records)
        if demand in {"MTA-STS enforce", "both"}:
            policies.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await mail.deliver("r@a.test")
        expected, tls = TABLE[name][DEMANDS.index(demand)], tls_of(shown)
        if expected == WAITS:
            (attempt,) = shown.attempts
            assert (shown.state, host.bodies, host.count("MAIL")) == ("scheduled", [], 0)
            assert (attempt.stage, attempt.verdict, attempt.charged) == ("starttls", "soft", False)
            assert REASONS[name][2 if demand == "DANE-TA" else 0] in attempt.text
            assert mail.closed_domains() == {"a.test"}
        else:
            assert (shown.state, host.secure) == ("delivered", [expected == TLS])
            by = {"DANE-EE": "DANE-EE", "both": "DANE-EE", "DANE-TA": "DANE-TA"}.get(demand, "")
            proves = bool(by) or demand in {"verified", "MTA-STS enforce"}
            assert (tls.verified, tls.by) == (NAME if proves else None, by)
            assert not by or f"certificate verified for {NAME} by {by}" in tls.words


# -- which records count ----------------------------------------------------------------------------------------------

Records = Callable[[Authority, Path], list[str]]
OTHER = "00" * 32
MATCHED: dict[str, tuple[Records, str]] = {
    "3 0 0": (lambda _, path: [tlsa(load(path), 3, 0, 0)], "DANE-EE"),
    "3 0 1": (lambda _, path: [tlsa(load(path), 3, 0, 1)], "DANE-EE"),
    "3 0 2": (lambda _, path: [tlsa(load(path), 3, 0, 2)], "DANE-EE"),
    "3 1 0": (lambda _, path: [tlsa(load(path), 3, 1, 0)], "DANE-EE"),
    "3 1 1": (lambda _, path: [tlsa(load(path), 3, 1, 1)], "DANE-EE"),
    "3 1 2": (lambda _, path: [tlsa(load(path), 3, 1, 2)], "DANE-EE"),
    "2 0 0": (lambda it, _: [tlsa(it.certificate, 2, 0, 0)], "DANE-TA"),
    "2 0 1": (lambda it, _: [tlsa(it.certificate, 2, 0, 1)], "DANE-TA"),
    "2 1 1": (lambda it, _: [tlsa(it.certificate, 2, 1, 1)], "DANE-TA"),
    "2 1 2": (lambda it, _: [tlsa(it.certificate, 2, 1, 2)], "DANE-TA"),
    "2 1 1 of the one above": (lambda it, _: [tlsa(it.shows[1], 2, 1, 1)], "DANE-TA"),
    "the old and the new one": (lambda _, path: [f"3 1 1 {OTHER}", tlsa(load(path))], "DANE-EE"),
    "beside one of PKIX": (lambda _, path: [f"1 1 1 {OTHER}", tlsa(load(path))], "DANE-EE"),
    "beside unknown ones": (lambda _, path: [f"3 7 1 {OTHER}", f"9 1 1 {OTHER}", tlsa(load(path))], "DANE-EE"),
}
MISSED: dict[str, Records] = {
    "3 1 1 of another key": lambda _, __: [f"3 1 1 {OTHER}"],
    "2 1 1 of the host itself": lambda _, path: [tlsa(load(path), 2, 1, 1)],
    "3 1 1 of who signed it": lambda it, _: [tlsa(it.certificate, 3, 1, 1)],
    "a weaker digest beside a stronger that is wrong": lambda _, path: [
        tlsa(load(path), 3, 1, 1),
        f"3 1 2 {OTHER * 2}",
    ],
}
UNUSABLE: dict[str, Records] = {
    "PKIX-EE": lambda _, path: [tlsa(load(path), 1)],
    "PKIX-TA": lambda it, _: [tlsa(it.certificate, 0)],
    "unknown usage": lambda _, __: [f"255 1 1 {OTHER}"],
    "unknown selector": lambda _, __: [f"3 2 1 {OTHER}"],
    "unknown digest": lambda _, __: [f"3 1 3 {OTHER}"],
}


@pytest.mark.parametrize("name", MATCHED)
@in_loop
async def test_L11_records_that_mean_the_certificate(start: Start, authority: Authority, name: str) -> None:
    """Each kind that RFC 7672 knows; others beside them do not disturb."""
    records, by = MATCHED[name]
    below = authority.under()
    path = below.sign(NAME)
    async with start() as (mail, _):
        await sign_zone(mail, Mx(tls=server_context(path)), records(below, path))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).by, tls_of(shown).verified) == ("delivered", by, NAME)


@pytest.mark.parametrize("name", MISSED)
@in_loop
async def test_L11_records_that_mean_another(start: Start, authority: Authority, name: str) -> None:
    """The host is skipped; another of the site takes the mail in the same attempt, or it waits."""
    below = authority.under()
    path = below.sign(NAME)
    host = Mx(tls=server_context(path))
    async with start() as (mail, _):
        await sign_zone(mail, host, MISSED[name](below, path))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.count("MAIL")) == ("scheduled", 0)
        assert "its certificate is not the one that its TLSA records mean" in shown.attempts[0].text


@pytest.mark.parametrize("name", UNUSABLE)
@in_loop
async def test_L11_records_that_cannot_be_used_ask_for_encryption_by_whomever(
    start: Start, authority: Authority, name: str
) -> None:
    """TLS without a proof; and without TLS nothing."""
    path = authority.sign("elsewhere.test", signs_itself=True)
    good, poor = Mx(tls=server_context(path)), Mx()
    async with start() as (mail, _):
        await sign_zone(mail, good, UNUSABLE[name](authority, path))
        await sign_zone(mail, poor, UNUSABLE[name](authority, path), "b.test")
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, good.secure, tls_of(shown).verified) == ("delivered", [True], None)
        (shown,) = await mail.deliver("r@b.test")
        assert (shown.state, poor.count("MAIL"), shown.attempts[0].text) == (
            "scheduled",
            0,
            "the host does not offer STARTTLS",
        )


@in_loop
async def test_L11_the_next_host_is_asked_in_the_same_attempt(start: Start, authority: Authority) -> None:
    """A host whose certificate is another than its records mean is in nobody's way."""
    first, second = authority.sign(NAME), authority.sign("mx2.a.test")
    hosts = Mx(tls=server_context(first)), Mx(tls=server_context(second))
    async with start() as (mail, _):
        await mail.host("a.test", *hosts)
        plain, port = mail.playground.zone["a.test"], mail.playground.smtp_port
        records = {f"_{port}._tcp.{NAME}": f"3 1 1 {OTHER}", f"_{port}._tcp.mx2.a.test": tlsa(load(second))}
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, tlsa=records, is_signed=True)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].host, len(shown.attempts)) == ("delivered", "mx2.a.test", 1)


# -- by whose word ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["all of it", "the domain", "the host", "the records"])
@in_loop
async def test_L09_what_DNSSEC_does_not_prove_asks_for_nothing(start: Start, what: str) -> None:
    """Without the AD bit at one of the three steps DANE is off, and mail goes as without."""
    host = Mx()
    async with start() as (mail, _):
        await host.listen("127.88.0.99", mail.playground.smtp_port)
        mail._stack.push_async_callback(host.close)
        where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
        zone = mail.playground.zone
        zone["a.test"] = Zone(mx=[(10, NAME)], is_signed=what not in {"all of it", "the domain"})
        zone[NAME] = Zone(a={NAME: "127.88.0.99"}, is_signed=what not in {"all of it", "the host"})
        zone[where] = Zone(tlsa={where: f"3 1 1 {OTHER}"}, is_signed=what not in {"all of it", "the records"})
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.secure) == ("delivered", [False])
        asked = (where, "TLSA") in mail.playground.queries
        assert asked == (what == "the records")


@pytest.mark.parametrize("error", ["servfail", "refused", "timeout"])
@in_loop
async def test_L10_records_that_cannot_be_looked_up_are_no_sign_that_there_are_none(
    start: Start, authority: Authority, error: str
) -> None:
    """Bogus is SERVFAIL: the host is skipped, the mail waits, and nothing was said of it."""
    host = Mx(tls=server_context(authority.sign(NAME)))
    async with start() as (mail, _):
        await sign_zone(mail, host, [])
        where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
        mail.playground.zone[where] = Zone(error=error)  # type: ignore[arg-type] # one of them
        (shown,) = await mail.settled(*await mail.send("r@a.test"), seconds=15)
        assert (shown.state, host.connections) == ("scheduled", 0)
        assert shown.attempts[0].text.startswith(f"DANE: the TLSA records of {NAME}: ")
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        (shown,) = await mail.deliver("r@b.test")
        assert (shown.state, tls_of(shown).version is not None) == ("delivered", True)


@in_loop
async def test_L09_a_host_in_an_unsigned_zone_is_not_asked_for_records(start: Start) -> None:
    """Name servers of such often fail to answer, which would be taken for an attack (RFC 7672 §2.2.2)."""
    async with start() as (mail, _):
        host = Mx()
        await mail.host("a.test", host)
        plain = mail.playground.zone["a.test"]
        mail.playground.zone[NAME] = Zone(a=plain.a)
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, is_signed=True)
        where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
        mail.playground.zone[where] = Zone(error="servfail")
        assert (await mail.deliver("r@a.test"))[0].state == "delivered"


@in_loop
async def test_L11_a_host_that_is_an_alias_is_asked_for_where_that_leads_first(
    start: Start, authority: Authority
) -> None:
    """And then by its own name (RFC 7672 §2.2.2); the certificate of a DANE-TA may be for either."""
    path = authority.under()
    context = server_context(path.sign("real.b.test"))
    asked_for: list[object] = []
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    host = Mx(tls=context)
    async with start() as (mail, _):
        port, zone = mail.playground.smtp_port, mail.playground.zone
        await host.listen("127.88.0.98", port)
        mail._stack.push_async_callback(host.close)
        zone["a.test"] = Zone(mx=[(10, NAME)], is_signed=True)
        zone[NAME] = Zone(cname="real.b.test", is_signed=True)
        records = {f"_{port}._tcp.real.b.test": tlsa(path.certificate, 2)}
        zone["b.test"] = Zone(a={"real.b.test": "127.88.0.98"}, tlsa=records, is_signed=True)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).by, asked_for) == ("delivered", "DANE-TA", ["real.b.test"])


# -- beside others ----------------------------------------------------------------------------------------------------


@in_loop
async def test_L15_a_policy_of_the_domain_does_not_save_what_DANE_refuses(start: Start, authority: Authority) -> None:
    """Both are published, the certificate is from an authority, and it is not the one that DNS means."""
    host = Mx(tls=server_context(authority.sign(NAME)))
    async with start() as (mail, policies):
        await sign_zone(mail, host, [f"3 1 1 {OTHER}"])
        policies.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, host.count("MAIL")) == ("scheduled", 0)
        assert shown.attempts[0].text.startswith("DANE: ")


@in_loop
async def test_L15_what_DANE_proves_needs_no_policys_leave(start: Start, authority: Authority) -> None:
    """A broken policy, self-signed certificate and all: DNS says which hosts are the domain's, and what they show."""
    path = authority.sign("whoever.test", signs_itself=True)
    host = Mx(tls=server_context(path))
    async with start() as (mail, policies):
        await sign_zone(mail, host, [tlsa(load(path))])
        policies.publish(mail, "a.test", policy_text("mx.elsewhere.test"))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).by) == ("delivered", "DANE-EE")


@in_loop
async def test_issue12_DANE_takes_nothing_away_from_what_the_operator_asks(start: Start, authority: Authority) -> None:
    """`verified` wants an authority's word too."""
    path = authority.sign(NAME, signs_itself=True)
    async with start("verified") as (mail, _):
        await sign_zone(mail, Mx(tls=server_context(path)), [tlsa(load(path))])
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, "self-signed certificate" in shown.attempts[0].text) == ("scheduled", True)


@pytest.mark.parametrize("rule", [{"mode": "none"}, {"dane": False}], ids=["no TLS", "no DANE"])
@in_loop
async def test_issue12_the_operator_may_switch_DANE_off(start: Start, rule: dict[str, object]) -> None:
    """For some domains, or for all."""
    async with start(**rule) as (mail, _):
        host = Mx()
        await sign_zone(mail, host, [f"3 1 1 {OTHER}"])
        assert (await mail.deliver("r@a.test"))[0].state == "delivered"


@in_loop
async def test_issue12_a_session_that_DANE_proved_carries_no_mail_that_wants_an_authority(
    start: Start, authority: Authority
) -> None:
    """Two domains at one host: one that is signed, and one that is not and has a policy. Each has its own proof."""
    path = authority.sign(NAME)
    host = Mx(tls=server_context(path))
    async with start() as (mail, policies):
        await sign_zone(mail, host, [tlsa(load(path))])
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        policies.publish(mail, "b.test", policy_text(NAME))
        mail.playground.zone["c.test"] = Zone(mx=[(10, NAME)])
        shown = [(await mail.deliver(f"r@{domain}"))[0] for domain in ("a.test", "b.test", "c.test")]
        assert [tls_of(one).by for one in shown[:2]] == ["DANE-EE", ""]
        assert [one.state for one in shown] == ["delivered"] * 3
        assert host.connections == 2


@in_loop
async def test_issue12_a_domain_that_DANE_refuses_is_in_nobody_elses_way(start: Start, authority: Authority) -> None:
    """An unsigned domain at the same host goes on at full pace."""
    host = Mx(tls=server_context(authority.sign(NAME)))
    async with start() as (mail, _):
        await sign_zone(mail, host, [f"3 1 1 {OTHER}"])
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        ids = [await mail.send(f"r{one}@a.test", f"r{one}@b.test") for one in range(20)]
        shown = await mail.settled(*(one[1] for one in ids))
        assert [one.state for one in shown] == ["delivered"] * 20
        assert mail.closed_domains() == {"a.test"}


@pytest.mark.parametrize("usage", ["DANE-EE", "DANE-TA"])
@in_loop
async def test_issue12_a_session_that_is_resumed_proves_it_again(
    start: Start, authority: Authority, usage: str
) -> None:
    """By the certificates of the first handshake, and the records of now: those that changed refuse it."""
    below = authority.under()
    path = below.sign(NAME)
    host = Mx(tls=server_context(path))
    record = tlsa(load(path)) if usage == "DANE-EE" else tlsa(below.certificate, 2)
    async with start(timeouts=HURRIED) as (mail, _):
        await sign_zone(mail, host, [record])
        for number in range(2):
            (shown,) = await mail.deliver(f"r{number}@a.test")
            assert (shown.state, tls_of(shown).by) == ("delivered", usage), shown.attempts[0].text
            await mail.until_true(lambda: not host.open)
        assert host.resumed == 1
        plain = mail.playground.zone["a.test"]
        where = f"_{mail.playground.smtp_port}._tcp.{NAME}"
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, tlsa={where: f"3 1 1 {OTHER}"}, is_signed=True)
        mail.engine._resolution._router._resolver._answers.drop_where(lambda _: True)
        (shown,) = await mail.deliver("r3@a.test")
        assert (shown.state, shown.attempts[0].text[:6]) == ("scheduled", "DANE: ")


@pytest.mark.parametrize("is_meant", [True, False])
@in_loop
async def test_issue12_L11_a_certificate_that_no_library_reads_is_compared_all_the_same(
    start: Start, authority: Authority, is_meant: bool
) -> None:
    """Of a version that is none: where DNS means it, it is taken; else the next host is asked. No lane closes."""
    first, second = authority.sign(NAME), authority.sign("mx2.a.test")
    key = tlsa(load(first))
    secret, begin, text = first.read_text().partition("-----BEGIN CERTIFICATE-----\n")
    octets = b64decode(text.partition("-----END")[0]).replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020103"))
    first.write_text(f"{secret}{begin}{encodebytes(octets).decode()}-----END CERTIFICATE-----\n")
    hosts = Mx(tls=server_context(first)), Mx(tls=server_context(second))
    async with start() as (mail, _):
        await mail.host("a.test", *hosts)
        plain, port = mail.playground.zone["a.test"], mail.playground.smtp_port
        record = key if is_meant else f"3 1 1 {OTHER}"
        records = {f"_{port}._tcp.{NAME}": record, f"_{port}._tcp.mx2.a.test": tlsa(load(second))}
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, tlsa=records, is_signed=True)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts)) == ("delivered", 1)
        assert shown.attempts[0].host == (NAME if is_meant else "mx2.a.test")
        assert tls_of(shown).by == "DANE-EE"
        assert mail.closed_domains() == set()
