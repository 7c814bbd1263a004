"""TLS-RPT (RFC 8460): what is counted of TLS, and what a local collector is told."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, load, server_context, tlsa
from delivery import POLICY, Begin, Delivery, in_loop
from mx import HANG, RESET, Mx
from policies import PolicyHost, answer, policy_text
from softbounce_playground import Zone
from softbounce_worker.tls_results.collector import read_record
from tls_hosts import BRIEF

from softbounce.settings import Settings, TlsMode, TlsRule
from softbounce.store.tls_results import TlsCount, add_results, is_old_result, read_results

NAME = "mx1.a.test"
RECORD = "v=TLSRPTv1; rua=mailto:tls@a.test"
OTHER = "00" * 32
Start = Callable[..., AbstractAsyncContextManager[tuple[Delivery, PolicyHost]]]


class Collected:
    """A collector's socket, and what came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0)
        self.told: list[dict[str, Any]] = []

    def look(self) -> list[dict[str, Any]]:
        """All that came so far."""
        with suppress(BlockingIOError):
            while True:
                self.told.append(json.loads(self.socket.recv(65536)))
        return self.told


@pytest.fixture
def collected() -> Iterator[Collected]:
    """A collector, at a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        made = Collected(Path(folder) / "tlsrpt.sock")
        yield made
        made.socket.close()


@pytest.fixture
def start(begin: Begin, authority: Authority, collected: Collected) -> Start:
    """Begin a delivery side beside a host of policies and a collector."""

    @asynccontextmanager
    async def run(mode: TlsMode = "opportunistic") -> AsyncIterator[tuple[Delivery, PolicyHost]]:
        settings = Settings(policies={"default": POLICY}, tls=(TlsRule(mode=mode, roots=authority.pem),))
        async with (
            PolicyHost(authority) as host,
            begin(settings=settings, timeouts=BRIEF, policy_port=host.port, tlsrpt=collected.path) as mail,
        ):
            mail.playground.zone["_smtp._tls.a.test"] = Zone(txt={"_smtp._tls.a.test": RECORD})
            yield mail, host

    return run


async def counted(mail: Delivery) -> dict[tuple[str, str], int]:
    """What is counted, by policy and result."""
    await mail.engine._tally.flush()
    return {(one.policy, one.result): number for one, number in (await mail.store.run(read_results())).items()}


NO, STS, TLSA = "no-policy-found", "sts", "tlsa"
Make = Callable[[Authority], Mx]
HOSTS: dict[str, Make] = {
    "good": lambda it: Mx(tls=server_context(it.sign(NAME))),
    "no STARTTLS": lambda _: Mx(),
    "refuses": lambda it: Mx({"STARTTLS": "454 not now"}, tls=server_context(it.sign(NAME))),
    "resets": lambda it: Mx({"handshake": RESET}, tls=server_context(it.sign(NAME))),
    "hangs": lambda it: Mx({"handshake": HANG}, tls=server_context(it.sign(NAME))),
    "expired": lambda it: Mx(tls=server_context(it.sign(NAME, days=-1))),
    "self-signed": lambda it: Mx(tls=server_context(it.sign(NAME, signs_itself=True))),
    "wrong name": lambda it: Mx(tls=server_context(it.sign("mx2.a.test"))),
}
RESULTS: dict[str, tuple[str, str]] = {
    # without a policy, and under one
    "good": ("success", "success"),
    "no STARTTLS": ("starttls-not-supported", "starttls-not-supported"),
    "refuses": ("starttls-not-supported", "starttls-not-supported"),
    "resets": ("validation-failure", "validation-failure"),
    "hangs": ("validation-failure", "validation-failure"),
    "expired": ("success", "certificate-expired"),
    "self-signed": ("success", "certificate-not-trusted"),
    "wrong name": ("success", "certificate-host-mismatch"),
}


@pytest.mark.parametrize("mode", ["", "testing", "enforce"])
@pytest.mark.parametrize("name", HOSTS)
@in_loop
async def test_L16_each_result_is_counted_by_its_name(
    start: Start, authority: Authority, collected: Collected, name: str, mode: str
) -> None:
    """Whether mail went all the same, as without a policy and under one that is only tested, or waits."""
    host = HOSTS[name](authority)
    async with start() as (mail, policies):
        await mail.host("a.test", host)
        if mode:
            policies.publish(mail, "a.test", policy_text(NAME, mode=mode))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == ("scheduled" if mode == "enforce" and name != "good" else "delivered")
        policy, result = (STS if mode else NO), RESULTS[name][bool(mode)]
        assert await counted(mail) == {(policy, result): 1}
        await mail.until_true(lambda: bool(collected.look()))
        (told,) = collected.told
        assert (told["d"], told["pr"]) == ("a.test", RECORD)
        (one,) = told["policies"]
        assert (one["policy-type"], one["policy-domain"]) == ((2 if mode else 9), "a.test")
        assert one["t"] == one["f"] == int(result != "success")
        assert bool(one.get("failure-details")) == (result != "success")
        if mode:
            assert one["policy-string"] == [
                "version: STSv1",
                f"mode: {mode}",
                f"mx: {NAME}",
                "max_age: 86400",
            ]
            assert one["mx-host"] == [NAME]


@pytest.mark.parametrize("is_matched", [True, False])
@in_loop
async def test_L16_DANE_is_a_policy_of_its_own(
    start: Start, authority: Authority, collected: Collected, is_matched: bool
) -> None:
    """By the host's name, with its records."""
    path = authority.sign(NAME, signs_itself=True)
    record = tlsa(load(path)) if is_matched else f"3 1 1 {OTHER}"
    async with start() as (mail, _):
        await mail.host("a.test", Mx(tls=server_context(path)))
        plain, where = mail.playground.zone["a.test"], f"_{mail.playground.smtp_port}._tcp.{NAME}"
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, tlsa={where: record}, is_signed=True)
        await mail.deliver("r@a.test")
        assert await counted(mail) == {(TLSA, "success" if is_matched else "validation-failure"): 1}
        await mail.until_true(lambda: bool(collected.look()))
        (one,) = collected.told[0]["policies"]
        assert (one["policy-type"], one["policy-domain"], one["policy-string"]) == (1, NAME, [record])
        assert [detail["c"] for detail in one.get("failure-details", [])] == ([] if is_matched else [205])


@in_loop
async def test_L16_answers_that_are_bogus_have_a_name(start: Start, authority: Authority) -> None:
    """`dnssec-invalid`: TLSA records that cannot be looked up."""
    async with start() as (mail, _):
        await mail.host("a.test", Mx(tls=server_context(authority.sign(NAME))))
        plain, where = mail.playground.zone["a.test"], f"_{mail.playground.smtp_port}._tcp.{NAME}"
        mail.playground.zone["a.test"] = Zone(mx=plain.mx, a=plain.a, is_signed=True)
        mail.playground.zone[where] = Zone(error="servfail")
        await mail.deliver("r@a.test")
        assert await counted(mail) == {(TLSA, "dnssec-invalid"): 1}


FETCHES: dict[str, tuple[str | bytes, bool, str]] = {
    "404": (answer("", status="404 Not Found"), False, "sts-policy-fetch-error"),
    "broken": ("nonsense", False, "sts-policy-invalid"),
    "certificate": (policy_text(NAME), True, "sts-webpki-invalid"),
}


@pytest.mark.parametrize("name", FETCHES)
@in_loop
async def test_L16_a_policy_that_cannot_be_had_is_counted(start: Start, authority: Authority, name: str) -> None:
    """By what is wrong with it; and the session as one without a policy."""
    told, is_strange, result = FETCHES[name]
    async with start() as (mail, policies):
        await mail.host("a.test", Mx(tls=server_context(authority.sign(NAME))))
        certificate = authority.sign("mta-sts.b.test") if is_strange else None
        policies.publish(mail, "a.test", told, certificate=certificate)
        await mail.deliver("r@a.test")
        assert await counted(mail) == {(STS, result): 1, (NO, "success"): 1}


@in_loop
async def test_L16_a_session_counts_once_for_each_domain(
    start: Start, authority: Authority, collected: Collected
) -> None:
    """However much mail it carries; and who asks for no report is not told of."""
    async with start() as (mail, _):
        await mail.host("a.test", Mx(tls=server_context(authority.sign(NAME))))
        mail.playground.zone["b.test"] = Zone(mx=[(10, NAME)])
        for number in range(3):
            await mail.deliver(f"r{number}@a.test")
            await mail.deliver(f"r{number}@b.test")
        assert await counted(mail) == {(NO, "success"): 2}
        await mail.until_true(lambda: bool(collected.look()))
        assert [one["d"] for one in collected.told] == ["a.test"]


@in_loop
async def test_L16_where_no_TLS_is_wanted_nothing_is_counted(start: Start) -> None:
    """Nobody tried."""
    async with start("none") as (mail, _):
        await mail.host("a.test", Mx())
        await mail.deliver("r@a.test")
        assert await counted(mail) == {}


@in_loop
async def test_L16_a_collector_that_is_away_is_not_waited_for(
    start: Start, authority: Authority, collected: Collected
) -> None:
    """Mail goes, and is counted."""
    collected.socket.close()
    collected.path.unlink()
    async with start() as (mail, _):
        await mail.host("a.test", Mx(tls=server_context(authority.sign(NAME))))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == "delivered"
        assert await counted(mail) == {(NO, "success"): 1}


@in_loop
async def test_L16_counts_of_several_processes_add_up(start: Start) -> None:
    """In the store, by day."""
    async with start() as (mail, _):
        one, other = TlsCount("2026-01-31", "sts", "success"), TlsCount("2026-01-30", "tlsa", "success")
        for _ in range(2):
            await mail.store.run(add_results({one: 3, other: 1}))
        assert list((await mail.store.run(read_results())).items()) == [(other, 2), (one, 6)]


def test_L16_old_days_and_nonsense_are_forgotten() -> None:
    """By their names."""
    fields = (b"2026-01-30|sts|success", b"2026-01-31|sts|success", b"nonsense", b"\xff")
    assert [is_old_result(field, "2026-01-31") for field in fields] == [True, False, True, True]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([RECORD], True),
        (["v=TLSRPTv1;rua=https://a.test/x"], True),
        (["v=spf1 -all", RECORD], True),
        ([RECORD, RECORD], False),
        (["v=TLSRPTv1;"], False),
        (["v=TLSRPTv2; rua=mailto:a@a.test"], False),
        ([], False),
    ],
)
def test_L16_a_domain_asks_for_reports_by_one_record(texts: list[str], found: bool) -> None:
    """RFC 8460 §3."""
    assert (read_record(texts) is not None) == found
