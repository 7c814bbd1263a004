"""MTA-STS (RFC 8461): which policy binds, what becomes of mail under it, and that no neighbour feels it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import uvloop
from certificates import Authority, server_context
from delivery import POLICY, Begin, Delivery, in_loop
from mx import HANG, Mx
from policies import ADDRESS, HANGS, PolicyHost, answer, policy_text
from softbounce_playground import Zone
from softbounce_worker.mta_sts import fetching, policies
from softbounce_worker.route import Listed
from softbounce_worker.route.mail_hosts import Lookup
from tls_hosts import BRIEF, tls_of

from softbounce import Shown
from softbounce.settings import Settings, TlsMode, TlsRule
from softbounce.store.sts_policies import StsPolicy, keep_policies, read_policies

NAME = "mx1.a.test"
CLEAR, TLS, NOTHING = "delivered in clear", "delivered by TLS", "not delivered"


Start = Callable[..., "AsyncIterator[tuple[Delivery, PolicyHost]]"]


@pytest.fixture
def start(begin: Begin, authority: Authority) -> Callable[..., object]:
    """Begin a delivery side that trusts the tests' authority, beside a host of policies."""

    @asynccontextmanager
    async def run(mode: TlsMode = "opportunistic", **rule: object) -> AsyncIterator[tuple[Delivery, PolicyHost]]:
        rules = (TlsRule(mode=mode, roots=authority.pem, **rule),)  # type: ignore[arg-type] # as each test has it
        settings = Settings(policies={"default": POLICY}, tls=rules)
        async with (
            PolicyHost(authority) as host,
            begin(settings=settings, timeouts=BRIEF, policy_port=host.port) as mail,
        ):
            yield mail, host

    return run


def good(authority: Authority, name: str = NAME) -> Mx:
    """A host as it should be."""
    return Mx(tls=server_context(authority.sign(name)))


@in_loop
async def test_L14_a_policy_that_is_kept_to_goes_by_TLS_that_proves_the_hosts_name(
    start: Start, authority: Authority
) -> None:
    """And how it was proven, and by which rule, is recorded."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", policy_text(NAME))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).verified, tls_of(shown).rule) == ("delivered", NAME, "tls[0] + MTA-STS")
        (request,) = policies_.requests
        assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.a.test:")
        assert policies_.asked == {"mta-sts.a.test": 1}


PROBLEMS: dict[str, tuple[Callable[[Authority], Mx], str]] = {
    "stripped STARTTLS": (lambda _: Mx(), "does not offer STARTTLS"),
    "self-signed": (lambda it: Mx(tls=server_context(it.sign(NAME, signs_itself=True))), "self-signed certificate"),
    "expired": (lambda it: Mx(tls=server_context(it.sign(NAME, days=-1))), "certificate has expired"),
    "wrong name": (lambda it: Mx(tls=server_context(it.sign("mx2.a.test"))), "Hostname mismatch"),
    "hang": (lambda it: Mx({"handshake": HANG}, tls=server_context(it.sign(NAME))), "no answer in time"),
    "injected octets": (
        lambda it: Mx({"STARTTLS": ("220 go ahead", "250 injected")}, tls=server_context(it.sign(NAME))),
        "octets in clear behind the 220",
    ),
}
IN_CLEAR_AT_LAST = {"stripped STARTTLS", "hang", "injected octets"}


@pytest.mark.parametrize("mode", ["enforce", "testing"])
@pytest.mark.parametrize("name", PROBLEMS)
@in_loop
async def test_L14_what_becomes_of_mail_under_a_policy(
    start: Start, authority: Authority, name: str, mode: str
) -> None:
    """`enforce`: it waits, with the reason, and nothing was said of it; `testing`: it goes as if there were none."""
    make, why = PROBLEMS[name]
    host = make(authority)
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        policies_.publish(mail, "a.test", policy_text(NAME, mode=mode))
        (shown,) = await mail.deliver("r@a.test")
        if mode == "enforce":
            (attempt,) = shown.attempts
            assert (shown.state, host.bodies, host.count("MAIL")) == ("scheduled", [], 0)
            assert (attempt.stage, attempt.verdict, attempt.charged) == ("starttls", "soft", False)
            assert why in attempt.text
            assert mail.closed_domains() == {"a.test"}
        else:
            assert (shown.state, host.secure) == ("delivered", [name not in IN_CLEAR_AT_LAST])
            assert tls_of(shown).rule == "tls[0] + MTA-STS testing"


@in_loop
async def test_L14_a_host_that_the_policy_does_not_name_is_never_called(start: Start, authority: Authority) -> None:
    """Though it is the best; and where none is named the mail waits, as long as its window lasts."""
    first, second = good(authority), good(authority, "mx2.a.test")
    async with start() as (mail, policies_):
        await mail.host("a.test", first, second)
        policies_.publish(mail, "a.test", policy_text("mx2.a.test"))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[-1].host, first.connections) == ("delivered", "mx2.a.test", 0)
        mail.playground.zone["b.test"] = mail.playground.zone["a.test"]
        policies_.publish(mail, "b.test", policy_text("mx.elsewhere.test"))
        (shown,) = await mail.deliver("r@b.test")
        assert (shown.state, shown.attempts[-1].text) == (
            "scheduled",
            "the domain's MTA-STS policy names none of its mail hosts",
        )
        assert (first.connections, second.count("RCPT TO:<r@b.test>")) == (0, 0)


@in_loop
async def test_issue12_two_domains_on_one_MX_the_one_with_a_broken_policy_is_in_nobody_elses_way(
    start: Start, authority: Authority
) -> None:
    """The other's mail flows at full pace, before, after and while a policy is broken or its host hangs."""
    host = good(authority)
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        for domain in ("broken.test", "hangs.test"):
            mail.playground.zone[domain] = Zone(mx=[(10, NAME)])
        policies_.publish(mail, "broken.test", policy_text("mx.elsewhere.test"))
        policies_.publish(mail, "hangs.test", HANGS)
        began = time.monotonic()
        ids = [await mail.send(f"r{one}@broken.test", f"r{one}@hangs.test", f"r{one}@a.test") for one in range(40)]
        shown = await mail.settled(*(one[2] for one in ids))
        assert [one.state for one in shown] == ["delivered"] * 40
        assert time.monotonic() - began < 5
        assert mail.closed_domains() == {"broken.test"}
        (waiting,) = await mail.show(ids[0][1])
        assert (waiting.state, waiting.attempts) == ("attempting", ())
        assert host.count("RCPT") == 40


@in_loop
async def test_issue12_a_policy_host_that_hangs_holds_its_own_domain_for_a_bounded_time(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mail waits by itself, uncharged and with the reason; then it counts as a domain without a policy."""
    monkeypatch.setattr(policies, "WAITS", 0.2)
    monkeypatch.setattr(fetching, "WITHIN", 0.6)
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", HANGS)
        (identity,) = await mail.send("r@a.test")
        (shown,) = await mail.tried(identity)
        assert "MTA-STS policy of a.test is not known yet" in shown.attempts[0].text
        assert not shown.attempts[0].charged
        lane = mail.engine.lanes["?a.test"]
        await mail.until_true(lambda: not mail.engine._resolution.policies._under_way)
        lane.trouble.open()
        (shown,) = await mail.settled(identity)
        await mail.until(lambda: delivered(mail, identity))


async def delivered(mail: Delivery, identity: str) -> bool:
    """Whether it is."""
    return (await mail.show(identity))[0].state == "delivered"


GOOD = policy_text(NAME)
BROKEN: dict[str, str | bytes] = {
    "301": answer("", status="301 Moved", fields="Location: https://mta-sts.b.test/.well-known/mta-sts.txt\r\n"),
    "307": answer(GOOD, status="307 Temporary Redirect", fields="Location: /elsewhere\r\n"),
    "404": answer(GOOD, status="404 Not Found"),
    "500": answer(GOOD, status="500 Oops"),
    "1 MB with its length": answer(GOOD + "x" * 1_000_000),
    "1 MB without": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + GOOD.encode() + b"x" * 1_000_000,
    "1 MB in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
    + b"x" * 1_048_575
    + b"\r\n0\r\n\r\n",
    "many small chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1\r\nx\r\n" * 70_000
    + b"0\r\n\r\n",
    "chunks of a negative size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "a page": answer(GOOD, fields="Content-Type: text/html\r\n"),
    "packed": answer(GOOD, fields="Content-Type: text/plain\r\nContent-Encoding: gzip\r\n"),
    "cut short": answer(GOOD)[:-20],
    "no HTTP": b"220 mail.test ESMTP\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "no version": GOOD.replace("STSv1", "STSv2"),
    "no mode": GOOD.replace("enforce", "perhaps"),
    "no hosts": policy_text(),
    "a slip in the field's name": GOOD.replace("mx:", "nmx:"),
    "an address for a host": policy_text("127.88.0.1"),
    "no max_age": GOOD.replace("max_age", "age"),
    "a negative max_age": policy_text(NAME, max_age=-1),
    "no text": answer(b"\xff\xfe" + GOOD.encode()),
    "too many hosts": policy_text(*(f"mx{one}.a.test" for one in range(101))),
}


@pytest.mark.parametrize("name", BROKEN)
@in_loop
async def test_L12_L13_a_policy_that_cannot_be_had_is_none(start: Start, name: str) -> None:
    """With nothing kept the domain counts as one without: its host has no TLS, and the mail goes."""
    host = Mx()
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        policies_.publish(mail, "a.test", BROKEN[name])
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).rule, policies_.asked["mta-sts.a.test"]) == ("delivered", "tls[0]", 1)
        assert policies_.asked.keys() == {"mta-sts.a.test"}
        assert (await mail.store.run(read_policies(["a.test"]))) == [None]


KIND: dict[str, str | bytes] = {
    "bare line feeds": GOOD.replace("\r\n", "\n"),
    "blanks": GOOD.replace(": ", " : ").replace("\r\n", " \r\n"),
    "no last line end": GOOD.removesuffix("\r\n"),
    "another order": "\n".join(reversed(GOOD.split("\r\n"))),
    "unknown fields": GOOD + "owner: somebody\r\nnothing\r\n",
    "fields twice": GOOD + "mode: none\r\nmax_age: 1\r\n",
    "an address beside": GOOD + "mx: 127.88.0.1\r\n",
    "upper case": policy_text(NAME.upper()),
    "a final dot": policy_text(f"{NAME}."),
    "a wildcard": policy_text("*.a.test"),
    "a mark of UTF-8": "\ufeff" + GOOD,
    "ten digits": policy_text(NAME, max_age=9_999_999_999),
    "until the end": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + GOOD.encode(),
    "chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"".join(b"%x;a=b\r\n%s\r\n" % (len(one), one) for one in (GOOD[:9].encode(), GOOD[9:].encode()))
    + b"0\r\n\r\n",
    "a charset": answer(GOOD, fields="content-type: Text/Plain; charset=utf-8\r\n"),
    "no type": answer(GOOD, fields=""),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(GOOD),
}


@pytest.mark.parametrize("name", KIND)
@in_loop
async def test_L12_a_policy_is_read_kindly(start: Start, name: str) -> None:
    """What is meant is plain: it binds, and a host without TLS gets nothing."""
    host = Mx()
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        policies_.publish(mail, "a.test", KIND[name])
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).rule, host.count("MAIL")) == ("scheduled", "tls[0] + MTA-STS", 0)


@pytest.mark.parametrize(
    ("pattern", "is_named"),
    [("*.test", False), ("*.mx1.a.test", False), ("mx*.a.test", False), ("*", False), ("a.test", False), (NAME, True)],
)
@in_loop
async def test_L14_a_wildcard_is_one_label(start: Start, authority: Authority, pattern: str, is_named: bool) -> None:
    """The first one, whole; and the name below which hosts are is not named by it."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", policy_text(pattern, "mx.elsewhere.test"))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == ("delivered" if is_named else "scheduled")


RECORDS = {
    "v=STSv1; id=20260101T000000;": True,
    "v=STSv1;id=1": True,
    "v=STSv1 ; id=1; more=2;": True,
    "v=STSv1; more=2; id=abc": True,
    "v=STSv1": False,
    "v=STSv1;": False,
    "v=STSv1; id=;": False,
    "v=STSv1; id=has-a-hyphen": False,
    f"v=STSv1; id={'x' * 33}": False,
    "v=STSv2; id=1": False,
    "v=stsv1; id=1": False,
    "id=1; v=STSv1;": False,
}


@pytest.mark.parametrize("record", RECORDS)
@in_loop
async def test_L12_the_record_says_whether_there_is_a_policy(start: Start, record: str) -> None:
    """By RFC 8461 §3.1; without one nobody is asked."""
    async with start() as (mail, policies_):
        await mail.host("a.test", Mx())
        policies_.publish(mail, "a.test", GOOD, record=record)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, bool(policies_.asked)) == (
            "scheduled" if RECORDS[record] else "delivered",
            RECORDS[record],
        )


@in_loop
async def test_L12_of_several_records_none_counts_but_others_do_not_disturb(start: Start) -> None:
    """RFC 8461 §3.1; and a record in pieces is one."""
    async with start() as (mail, policies_):
        for domain, texts in {
            "a.test": ["v=STSv1; id=1;", "v=spf1 -all"],
            "b.test": ["v=STSv1; id=1;", "v=STSv1; id=2;"],
            "c.test": ["v=STSv1; id=1; long=" + "x" * 400],
        }.items():
            await mail.host(domain, Mx())
            policies_.publish(mail, domain, policy_text(f"mx1.{domain}"))
            mail.playground.zone[f"_mta-sts.{domain}"] = Zone(txt={f"_mta-sts.{domain}": texts})
        shown = await mail.settled(*await mail.send("r@a.test", "r@b.test", "r@c.test"))
        assert [one.state for one in shown] == ["scheduled", "delivered", "scheduled"]


@in_loop
async def test_L12_the_policy_is_the_recipient_domains_own(start: Start, authority: Authority) -> None:
    """Not that of the name that it is an alias for, nor that of the domain of its hosts."""
    async with start() as (mail, policies_):
        await mail.host("a.test", Mx())
        mail.playground.zone["alias.test"] = Zone(cname="a.test")
        policies_.publish(mail, "a.test", GOOD)
        del authority
        shown = await mail.settled(*await mail.send("r@a.test", "r@alias.test"))
        assert [one.state for one in shown] == ["scheduled", "delivered"]


def wrong_name(authority: Authority) -> Path:
    """A certificate for another host."""
    return authority.sign("mta-sts.b.test")


CERTIFICATES: dict[str, Callable[[Authority], Path]] = {
    "wrong name": wrong_name,
    "expired": lambda it: it.sign("mta-sts.a.test", days=-1),
    "self-signed": lambda it: it.sign("mta-sts.a.test", signs_itself=True),
}


@pytest.mark.parametrize("name", CERTIFICATES)
@in_loop
async def test_L12_the_certificate_of_the_policys_host_is_checked(
    start: Start, authority: Authority, name: str
) -> None:
    """Whoever cannot prove its name tells nothing."""
    async with start() as (mail, policies_):
        await mail.host("a.test", Mx())
        policies_.publish(mail, "a.test", GOOD, certificate=CERTIFICATES[name](authority))
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, policies_.requests, tls_of(shown).rule) == ("delivered", [], "tls[0]")


@in_loop
async def test_A08_a_policys_host_at_a_private_address_is_not_asked(begin: Begin, authority: Authority) -> None:
    """The address that is dialled is checked as a mail host's is: metadata services are refused whatever is allowed."""
    async with PolicyHost(authority) as host, begin(policy_port=host.port) as mail:
        await mail.host("a.test", Mx())
        host.publish(mail, "a.test", GOOD)
        mail.playground.zone["mta-sts.a.test"] = Zone(a={"mta-sts.a.test": "169.254.169.254"})
        began = time.monotonic()
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).rule) == ("delivered", "default")
        mail.engine._resolution._router.policy.allow_private = False
        found = await mail.engine._resolution._router.addresses_of("mta-sts.a.test")
        assert (found.addresses, time.monotonic() - began < 5) == ((), True)


async def grow_older(mail: Delivery, milliseconds: int) -> StsPolicy:
    """The policy of a.test that is kept was fetched so much longer ago; the policy as it was before."""
    (kept,) = await mail.store.run(read_policies(["a.test"]))
    assert kept is not None
    old = msgspec.structs.replace(kept, fetched_ms=kept.fetched_ms - milliseconds)
    await mail.store.run(keep_policies({"a.test": old}))
    return kept


async def again(mail: Delivery, *recipients: str) -> list[Shown]:
    """Deliver once more, with nothing in memory: as another process would."""
    found = mail.engine._resolution.policies
    found._known.clear()
    found._failed.clear()
    for lane in mail.engine.lanes.values():
        lane._domains.clear()
    mail.engine._resolution._router._resolver._answers.drop_where(lambda _: True)
    return await mail.deliver(*recipients)


Change = Callable[[Delivery, PolicyHost], Awaitable[None]]


@in_loop
async def test_L13_a_policy_is_kept_in_the_store_by_its_id(start: Start, authority: Authority) -> None:
    """The same id is not fetched again, by whichever process; a new one is."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", GOOD)
        await mail.deliver("r1@a.test")
        (kept,) = await mail.store.run(read_policies(["a.test"]))
        assert kept is not None
        assert (kept.id, kept.mode, kept.mx, kept.max_age) == ("1", "enforce", (NAME,), 86_400)
        policies_.publish(mail, "a.test", policy_text("mx.elsewhere.test"))
        assert (await again(mail, "r2@a.test"))[0].state == "delivered"
        assert policies_.asked["mta-sts.a.test"] == 1
        policies_.publish(mail, "a.test", policy_text(NAME, mode="none"), record="v=STSv1; id=2")
        (shown,) = await again(mail, "r3@a.test")
        assert (shown.state, tls_of(shown).rule, policies_.asked["mta-sts.a.test"]) == ("delivered", "tls[0]", 2)


FAILS: dict[str, Callable[[Delivery, PolicyHost], object]] = {
    "no record": lambda mail, _: mail.playground.zone.update({"_mta-sts.a.test": Zone()}),
    "SERVFAIL": lambda mail, _: mail.playground.zone.update({"_mta-sts.a.test": Zone(error="servfail")}),
    "no answer": lambda mail, _: mail.playground.zone.update({"_mta-sts.a.test": Zone(error="timeout")}),
    "NXDOMAIN": lambda mail, _: mail.playground.zone.update({"_mta-sts.a.test": Zone(error="nxdomain")}),
    "404": lambda mail, host: host.publish(mail, "a.test", answer("", status="404 No"), record="v=STSv1; id=2"),
    "broken": lambda mail, host: host.publish(mail, "a.test", "nonsense", record="v=STSv1; id=2"),
    "certificate": lambda mail, host: host.publish(
        mail, "a.test", GOOD, record="v=STSv1; id=2", certificate=wrong_name(host.authority)
    ),
}


@pytest.mark.parametrize("name", FAILS)
@in_loop
async def test_L13_what_is_kept_binds_whatever_else_fails(start: Start, authority: Authority, name: str) -> None:
    """DNS, HTTPS, the certificate or the policy's form: an attacker who breaks these gets no mail in clear."""
    host = good(authority)
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        policies_.publish(mail, "a.test", GOOD)
        await mail.deliver("r1@a.test")
        FAILS[name](mail, policies_)
        (shown,) = await again(mail, "r2@a.test")
        assert tls_of(shown).rule == "tls[0] + MTA-STS"
        assert tls_of(shown).verified == NAME


@in_loop
async def test_L13_what_has_expired_binds_no_more(start: Start) -> None:
    """By max_age since it was fetched; and then the domain is one without."""
    async with start() as (mail, policies_):
        await mail.host("a.test", Mx())
        policies_.publish(mail, "a.test", GOOD)
        await mail.deliver("r1@a.test")
        await grow_older(mail, 86_400_000)
        policies_.publish(mail, "a.test", answer("", status="404 No"), record="v=STSv1; id=2")
        mail.process.settings = msgspec.structs.replace(mail.process.settings, version=1)
        for lane in mail.engine.lanes.values():
            lane.trouble.machine.domains.clear()
        (shown,) = await again(mail, "r2@a.test")
        assert (shown.state, tls_of(shown).rule) == ("delivered", "tls[0]")


@in_loop
async def test_issue12_a_policy_that_changed_under_its_old_id_is_fetched_before_it_forbids(
    start: Start, authority: Authority
) -> None:
    """Some domains move, and forget the record: five minutes after the last fetch it is asked anew."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", policy_text("mx.elsewhere.test"))
        assert (await mail.deliver("r1@a.test"))[0].state == "scheduled"
        policies_.publish(mail, "a.test", GOOD)
        await grow_older(mail, 301_000)
        for lane in mail.engine.lanes.values():
            lane.trouble.machine.domains.clear()
        (shown,) = await again(mail, "r2@a.test")
        assert (shown.state, policies_.asked["mta-sts.a.test"]) == ("delivered", 2)


@in_loop
async def test_issue12_a_policy_older_than_a_day_is_fetched_again_beside(start: Start, authority: Authority) -> None:
    """The mail does not wait for that, and the policy does not expire as long as mail goes there."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", policy_text(NAME, max_age=864_000))
        await mail.deliver("r1@a.test")
        kept = await grow_older(mail, 90_000_000)
        assert (await again(mail, "r2@a.test"))[0].state == "delivered"

        async def is_new() -> bool:
            (now,) = await mail.store.run(read_policies(["a.test"]))
            return now is not None and now.fetched_ms >= kept.fetched_ms

        await mail.until(is_new)
        assert policies_.asked["mta-sts.a.test"] == 2


@pytest.mark.parametrize("rule", [{"mode": "none"}, {"mta_sts": False}], ids=["no TLS", "no MTA-STS"])
@in_loop
async def test_issue12_the_operator_may_switch_it_off(start: Start, rule: dict[str, object]) -> None:
    """For some domains, or for all."""
    async with start(**rule) as (mail, policies_):
        await mail.host("a.test", Mx())
        policies_.publish(mail, "a.test", GOOD)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, tls_of(shown).rule) == ("delivered", "tls[0]")


@in_loop
async def test_issue12_domains_whose_policies_ask_for_the_same_share_sessions(
    start: Start, authority: Authority
) -> None:
    """Whatever else these say; and what asks for nothing goes by the same."""
    host = good(authority)
    async with start() as (mail, policies_):
        await mail.host("a.test", host)
        for number, text in enumerate((GOOD, policy_text("*.a.test", NAME), policy_text(NAME, max_age=9))):
            mail.playground.zone[f"d{number}.test"] = Zone(mx=[(10, NAME)])
            policies_.publish(mail, f"d{number}.test", text, record=f"v=STSv1; id={number}")
        for domain in ("d0.test", "d1.test", "d2.test", "a.test"):
            (shown,) = await mail.deliver(f"r@{domain}")
            assert shown.state == "delivered"
        assert host.connections == 1


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("told", [GOOD, HANGS], ids=["good", "hangs"])
def test_L12_a_policy_is_fetched_on_either_event_loop(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, loop: str, told: str | bytes
) -> None:
    """Workers run on uvloop; a host that hangs ends in time there too."""
    monkeypatch.setattr(fetching, "WITHIN", 0.5)

    async def at(name: str) -> Lookup:
        return Lookup(listed=Listed(name=name, preference=0), addresses=("127.88.8.9", ADDRESS))

    async def fetch() -> bytes | str:
        async with PolicyHost(authority) as host:
            host.tell("a.test", told)
            try:
                return await fetching.PolicyFetcher(at, host.port).fetch("a.test", authority.pem)
            except fetching.FetchFailed as error:
                return str(error)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        expected = GOOD.encode() if told else "mta-sts.a.test did not tell it within 0.5 s"
        assert runner.run(fetch()) == expected


@in_loop
async def test_issue12_a_policy_that_is_short_lived_is_renewed_in_time(start: Start, authority: Authority) -> None:
    """After half of its time, beside: it never counts as none while its host tells it."""
    async with start() as (mail, policies_):
        await mail.host("a.test", good(authority))
        policies_.publish(mail, "a.test", policy_text(NAME, max_age=600))
        await mail.deliver("r1@a.test")
        kept = await grow_older(mail, 301_000)
        (shown,) = await again(mail, "r2@a.test")
        assert tls_of(shown).rule == "tls[0] + MTA-STS"
        await mail.until_true(lambda: policies_.asked["mta-sts.a.test"] == 2)
        expired = msgspec.structs.replace(kept, fetched_ms=kept.fetched_ms - 601_000)
        await mail.store.run(keep_policies({"a.test": expired}))
        (shown,) = await again(mail, "r3@a.test")
        assert tls_of(shown).rule == "tls[0] + MTA-STS"


@in_loop
async def test_issue12_a_domain_whose_name_servers_do_not_answer_about_a_policy_has_none(start: Start) -> None:
    """It costs its mail the time for one answer, once."""
    async with start() as (mail, _):
        await mail.host("a.test", Mx())
        mail.playground.zone["_mta-sts.a.test"] = Zone(error="timeout")
        (identity,) = await mail.send("r@a.test")
        await mail.until(lambda: delivered(mail, identity), seconds=12)
