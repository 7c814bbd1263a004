"""Doctor on name servers, the EHLO name, and sender domains: real packets, and what each line says to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import pytest
from doctoring import Ask, Beside
from softbounce_gateway.doctor import Finding, State, own_name, resolver, sender_domains
from softbounce_gateway.doctor.spf import SpfResult, evaluate

if TYPE_CHECKING:
    from dnsserver import Habit

OURS = "192.0.2.10"
NAME = '[identity]\nhostname = "mail.a.test"\n'
POINTER = "10.2.0.192.in-addr.arpa"
POINTS = {POINTER: {"PTR": ["mail.a.test."]}}


def states(found: dict[str, Finding]) -> dict[str, str]:
    """How bad each is."""
    return {what.rpartition(": ")[2]: str(one.state) for what, one in found.items()}


def with_flag(flag: int) -> Habit:
    """A server that sets a bit."""

    def habit(_query: bytes, reply: bytes | None, _by_tcp: bool) -> bytes | None:
        if reply is None:
            return None
        message = dns.message.from_wire(reply)
        message.flags |= flag
        return message.to_wire()

    return habit


def without_edns(_query: bytes, reply: bytes | None, _by_tcp: bool) -> bytes | None:
    """A server of before EDNS."""
    if reply is None:
        return None
    message = dns.message.from_wire(reply)
    message.use_edns(-1)
    return message.to_wire()


def test_issue12_doctor_finds_a_good_name_server_good(beside: Beside, ask: Ask) -> None:
    """It answers, by TCP too, speaks EDNS, validates, is on this machine, and denies what is nowhere."""
    found = ask(resolver.check, beside.dns({}, with_flag(dns.flags.AD)))
    assert set(states(found).values()) == {"ok"}
    assert len(found) == 5


@pytest.mark.parametrize(
    ("habit", "expected"),
    [
        (without_edns, ("EDNS", "warn", "validating resolver")),
        (None, ("DNSSEC", "warn", "trust-ad")),
        (lambda _, reply, by_tcp: None if by_tcp else reply, ("TCP", "fail", "open TCP")),
    ],
    ids=["no EDNS", "no AD bit", "no TCP"],
)
def test_issue12_doctor_finds_what_a_name_server_lacks(
    beside: Beside, ask: Ask, habit: Habit | None, expected: tuple[str, str, str]
) -> None:
    """Each lack is a line of its own, which says what to do, and nothing else is worse for it."""
    about, state, mend = expected
    found = ask(resolver.check, beside.dns({}, habit), seconds=2.0)
    (one,) = [finding for what, finding in found.items() if what.endswith(about)]
    assert str(one.state) == state
    assert mend in one.mend


def test_issue12_doctor_finds_a_name_server_that_lies(beside: Beside, ask: Ask) -> None:
    """One that invents an address for what is nowhere, and one that denies the root itself."""
    inventor = beside.dns({"softbounce-doctor-looks.invalid": {"A": ["203.0.113.1"]}})
    assert states(ask(resolver.check, inventor))["the truth"] == "fail"
    denier = beside.dns({})
    del denier.zone[""]
    (only,) = ask(resolver.check, denier).values()
    assert (only.state, "NXDOMAIN to the root" in only.found) == (State.FAIL, True)


def test_issue12_doctor_says_that_a_name_server_is_silent(beside: Beside, ask: Ask) -> None:
    """In the time it has, and no later: the line says which one, and where it is configured."""
    silent = beside.dns({"": "silent"}, lambda *_: None)
    (only,) = ask(resolver.check, silent, seconds=1.0).values()
    assert only.state is State.FAIL
    assert "[dns] nameservers" in only.mend


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({"mail.a.test": {"A": [OURS]}, POINTER: {"PTR": ["mail.a.test."]}}, {"forward": "ok", "reverse": "ok"}),
        ({"mail.a.test": {"A": [OURS]}, POINTER: {"PTR": ["host10.isp.test."]}}, {"forward": "ok", "reverse": "warn"}),
        ({"mail.a.test": {"A": [OURS]}}, {"forward": "ok", "reverse": "fail"}),
        (
            {"mail.a.test": {"A": ["192.0.2.99"]}, POINTER: {"PTR": ["mail.a.test."]}},
            {"forward": "fail", "reverse": "ok"},
        ),
        ({POINTER: {"PTR": ["mail.a.test."]}}, {"forward": "fail", "reverse": "ok"}),
        ({"mail.a.test": "servfail"}, {"forward": "unknown"}),
    ],
    ids=["good", "another name", "no PTR", "another address", "no address", "not told"],
)
def test_issue12_S04_doctor_compares_name_address_and_PTR(
    beside: Beside, ask: Ask, zone: dict[str, Any], expected: dict[str, str]
) -> None:
    """The EHLO name leads to the sending address, and that back to it; else the line says which record is wrong."""
    found = ask(own_name.check, beside.dns(zone), config=NAME, addresses=(OURS,))
    names = {"forward": own_name.FORWARD, "reverse": own_name.REVERSE}
    assert {key: str(found[what].state) for key, what in names.items() if what in found} == expected
    assert all(one.mend for one in found.values() if one.state is not State.OK)


def test_issue12_doctor_wants_a_name_that_may_be_said(beside: Beside, ask: Ask) -> None:
    """``localhost`` is no name to others: nothing else is looked up for it."""
    found = ask(own_name.check, beside.dns({}), config='[identity]\nhostname = "localhost"\n')
    assert [one.state for one in found.values()] == [State.FAIL]


GOOD = {
    "a.test": {"MX": ["10 mx.a.test."], "TXT": ['"v=spf1 ip4:192.0.2.0/28 -all"', '"other text"']},
    "_dmarc.a.test": {"TXT": ['"v=DMARC1; p=none; rua=mailto:d@a.test"']},
}


def test_issue12_M34_doctor_looks_at_a_sender_domain(beside: Beside, ask: Ask) -> None:
    """SPF for the address that we send from, DMARC, where bounces go; and that nothing signs its mail."""
    found = ask(sender_domains.check, beside.dns(GOOD), addresses=(OURS,), domains=("a.test",))
    assert states(found) == {"bounces": "ok", "SPF": "ok", "DKIM": "warn", "DMARC": "ok"}
    assert "softbounce dkim new a.test" in found["a.test: DKIM"].mend


def test_issue12_D15_doctor_says_what_a_sender_domain_lacks(beside: Beside, ask: Ask) -> None:
    """Each line has the record that should be there; a subdomain is bound by its organisation's DMARC record."""
    zone: dict[str, Any] = {
        "b.test": {"MX": ["0 ."], "TXT": ['"v=spf1 -all"']},
        "_dmarc.b.test": {"TXT": ['"v=DMARC1; p=everything"']},
        "c.b.test": {},
    }
    server = beside.dns(zone)
    found = ask(sender_domains.check, server, addresses=(OURS,), domains=("b.test", "c.b.test", "d.test"))
    assert found["b.test: bounces"].state is State.FAIL
    assert "add ip4:192.0.2.10 to the SPF record of b.test" in found["b.test: SPF"].mend
    assert "p=everything" in found["b.test: DMARC"].found
    assert "p=everything" in found["c.b.test: DMARC"].found
    assert 'TXT of d.test: "v=spf1 ip4:192.0.2.10 -all"' in found["d.test: SPF"].mend
    assert found["d.test: DMARC"].state is State.WARN


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({"_dmarc.c.b.test": ["v=DMARC1;p=none;rua=mailto:d@b.test"]}, ("ok", "p=none")),
        ({"_dmarc.c.b.test": ["v = DMARC1 ; rua=mailto:d@b.test; p = Reject"]}, ("ok", "p=reject")),
        ({"_dmarc.c.b.test": [" v=DMARC1; p=none; rua=mailto:d@b.test"]}, ("fail", "begins with a blank")),
        ({"_dmarc.c.b.test": ["v=DMARC1"]}, ("fail", "p=nothing")),
        ({"_dmarc.c.b.test": ["v=DMARC10; p=none"]}, ("warn", "no record")),
        ({"_dmarc.c.b.test": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, ("fail", "2 records")),
        ({"_dmarc.c.b.test": ["v=spf1 -all"], "_dmarc.b.test": ["v=DMARC1; p=reject; rua=m"]}, ("ok", "p=reject")),
        ({"_dmarc.b.test": ["v=DMARC1; p=reject; sp=none; rua=m"]}, ("ok", "sp=none")),
        ({"_dmarc.b.test": ["v=DMARC1; p=reject; sp=everything; rua=m"]}, ("fail", "sp=everything")),
        ({"_dmarc.c.b.test": ["v=DMARC1; p=none; sp=odd; rua=m"]}, ("ok", "p=none")),
    ],
)
def test_issue12_doctor_reads_DMARC_as_receivers_do(
    beside: Beside, ask: Ask, records: dict[str, list[str]], expected: tuple[str, str]
) -> None:
    """RFC 7489: white space where it may be, one record, and of an organisation's what it says of subdomains."""
    zone: dict[str, Any] = {name: {"TXT": [f'"{one}"' for one in texts]} for name, texts in records.items()}
    found = ask(sender_domains.check, beside.dns({"c.b.test": {}, **zone}), addresses=(OURS,), domains=("c.b.test",))
    finding = found["c.b.test: DMARC"]
    assert str(finding.state) == expected[0]
    assert expected[1] in finding.found


def test_issue12_S04_doctor_takes_any_of_several_pointers_and_any_case(beside: Beside, ask: Ask) -> None:
    """Two PTR records, by an alias as classless delegation has it (RFC 2317), and a name in capitals."""
    alias = "10.0-31.2.0.192.in-addr.arpa"
    zone: dict[str, Any] = {
        "mail.a.test": {"A": [OURS]},
        POINTER: {"CNAME": [f"{alias}."]},
        alias: {"PTR": ["other.isp.test.", "Mail.A.Test."]},
    }
    config = '[identity]\nhostname = "Mail.A.Test"\n'
    found = ask(own_name.check, beside.dns(zone), config=config, addresses=(OURS,))
    assert {one.state for one in found.values()} == {State.OK}


def test_issue12_doctor_looks_at_a_bounded_number_of_domains(beside: Beside, ask: Ask) -> None:
    """Ten; and it says that there are more."""
    domains = tuple(f"d{number}.test" for number in range(30))
    found = ask(sender_domains.check, beside.dns({}), addresses=(OURS,), domains=domains)
    assert "20 more" in found["sender domains"].found
    assert len({what.partition(":")[0] for what in found if what != "sender domains"}) == sender_domains.MOST_DOMAINS


SPF: dict[str, Any] = {
    "mx.test": {"A": [OURS]},
    "exact.test": {"TXT": ['"v=spf1 ip4:192.0.2.10 -all"']},
    "upper.test": {"TXT": ['"v=spf1 IP4:192.0.2.10 -ALL"']},
    "split.test": {"TXT": ['"v=spf1 ip4:192.0" ".2.10 -all"']},
    "six.test": {"TXT": ['"v=spf1 ip6:2001:db8::/32 -all"']},
    "hosts.test": {"TXT": ['"v=spf1 mx -all"'], "MX": ["10 mx.test."]},
    "own.test": {"TXT": ['"v=spf1 a/28 -all"'], "A": ["192.0.2.1"]},
    "named.test": {"TXT": ['"v=spf1 a:mx.test -all"']},
    "outer.test": {"TXT": ['"v=spf1 include:exact.test ~all"']},
    "moved.test": {"TXT": ['"v=spf1 redirect=exact.test"']},
    "tilde.test": {"TXT": ['"v=spf1 ~all"']},
    "open.test": {"TXT": ['"v=spf1 include:exact2.test ?all"']},
    "nothing.test": {"TXT": ['"v=spf1"']},
    "two.test": {"TXT": ['"v=spf1 -all"', '"v=spf1 +all"']},
    "near.test": {"TXT": ['"v=spf10 +all"']},
    "odd.test": {"TXT": ['"v=spf1 ipv4:192.0.2.10 -all"']},
    "macro.test": {"TXT": ['"v=spf1 exists:%{i}.list.test -all"']},
    "late.test": {"TXT": ['"v=spf1 ip4:192.0.2.10 exists:%{i}.list.test -all"']},
    "pointer.test": {"TXT": ['"v=spf1 ptr -all"']},
    "loop.test": {"TXT": ['"v=spf1 include:loop.test -all"']},
    "many.test": {"TXT": ['"v=spf1 ' + " ".join(f"include:i{one}.test" for one in range(11)) + ' -all"']},
    **{f"i{one}.test": {"TXT": ['"v=spf1 -all"']} for one in range(11)},
    "void.test": {"TXT": ['"v=spf1 a:v1.test a:v2.test a:v3.test +all"']},
    "down.test": "servfail",
    "unknown.test": {"TXT": ['"v=spf1 moon=full ip4:192.0.2.10 -all"']},
    "version.test": {"TXT": ['"V=SPF1 ip4:192.0.2.10 -all"']},
    "twice.test": {"TXT": ['"v=spf1 redirect=exact.test redirect=tilde.test"']},
    "exp-twice.test": {"TXT": ['"v=spf1 exp=a.test ip4:198.51.100.1 exp=b.test -all"']},
    "exists.test": {"TXT": ['"v=spf1 exists -all exp=a.test"']},
    "empty.test": {"TXT": ['"v=spf1 include: -all"']},
    "colon.test": {"TXT": ['"v=spf1 a: -all"']},
    "all-of.test": {"TXT": ['"v=spf1 +all:exact.test"']},
    "family.test": {"TXT": ['"v=spf1 ip4:2001:db8::/32 +all"']},
    "length.test": {"TXT": ['"v=spf1 ip4:192.0.2.10/33 +all"']},
    "typing.test": {"TXT": ['"v=spf1 includes:exact.test +all"']},
    "other.test": {"TXT": ['"v=spf2.0/pra ip4:192.0.2.10 -all"']},
    "capitals.test": {"TXT": ['"v=spf1 mx -all"'], "MX": ["10 MX.TEST."]},
    "spoilt.test": {"TXT": ['"v=spf1 ip4:192.0.2.10 include:exact.test -al"']},
    "behind.test": {"TXT": ['"v=spf1 -all redirect=exact.test"']},
}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("exact.test", "pass"),
        ("upper.test", "pass"),
        ("split.test", "pass"),
        ("six.test", "fail"),
        ("hosts.test", "pass"),
        ("own.test", "pass"),
        ("named.test", "pass"),
        ("outer.test", "pass"),
        ("moved.test", "pass"),
        ("tilde.test", "softfail"),
        ("open.test", "permerror"),
        ("nothing.test", "neutral"),
        ("two.test", "permerror"),
        ("near.test", "none"),
        ("mx.test", "none"),
        ("odd.test", "permerror"),
        ("macro.test", "not known"),
        ("late.test", "pass"),
        ("spoilt.test", "permerror"),
        ("pointer.test", "not known"),
        ("loop.test", "permerror"),
        ("many.test", "permerror"),
        ("void.test", "permerror"),
        ("down.test", "temperror"),
        ("unknown.test", "pass"),
        ("version.test", "pass"),
        ("twice.test", "permerror"),
        ("exp-twice.test", "permerror"),
        ("exists.test", "permerror"),
        ("empty.test", "permerror"),
        ("colon.test", "permerror"),
        ("all-of.test", "permerror"),
        ("family.test", "permerror"),
        ("length.test", "permerror"),
        ("typing.test", "permerror"),
        ("other.test", "none"),
        ("capitals.test", "pass"),
        ("behind.test", "fail"),
    ],
)
def test_issue12_doctor_reads_SPF_as_receivers_do(beside: Beside, ask: Ask, domain: str, expected: str) -> None:
    """RFC 7208: the mechanisms, the bounds on look-ups, and what cannot be told from here is not guessed."""
    server = beside.dns(SPF)
    told: list[SpfResult] = []

    def check(patient: Any) -> Any:  # noqa: ANN401 - as checks are called
        told.append(evaluate(patient.dns, domain, patient.addresses[0]).result)
        return ()

    ask(check, server, addresses=(OURS,))
    assert told == [expected]
    assert sum(server.asked.values()) < 40
