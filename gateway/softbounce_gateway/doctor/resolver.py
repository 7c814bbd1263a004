"""The name servers, one by one: what they can do, and whether they tell the truth.

EDNS and TCP, because answers with many records need one of them (RFC 6891, RFC 7766). The AD bit, because DANE needs it
(RFC 7672 §2.2.1). That the root is there, and that a name in .invalid is not (RFC 6761 §6.4): a server that denies
everything, or denies nothing, has whole queues bounced or mailed to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from time import monotonic

from softbounce_gateway.doctor.dns_questions import Answer, DnsQuestions, NotTold
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import Patient

__all__ = ["check", "tell_the_truth"]

MOST_SERVERS = 5
SLOW = 0.5
NOWHERE = "softbounce-doctor-looks.invalid"
VALIDATING = "a validating resolver on this machine (unbound, knot-resolver; systemd-resolved with DNSSEC=yes)"


def check(patient: Patient) -> Iterator[Finding]:
    """All of them."""
    try:
        dns = patient.dns
    except NotTold as error:
        yield fail("name servers", str(error), 'set [dns] nameservers = ["127.0.0.1"] to one that you trust')
        return
    for server in dns.servers[:MOST_SERVERS]:
        yield from _look_at(dns, server)


def tell_the_truth(patient: Patient) -> bool:
    """Whether the name server that answers can be believed: the root is there, and what is nowhere is not."""
    try:
        dns = patient.dns
        return bool(dns.ask(".", "NS").records) and dns.ask(NOWHERE, "A").is_missing
    except NotTold:
        return True  # then nothing that was asked has an answer either


def _look_at(dns: DnsQuestions, server: tuple[str, int]) -> Iterator[Finding]:
    name = f"{server[0]}" if server[1] == 53 else f"{server[0]}:{server[1]}"  # noqa: PLR2004 - the usual port
    what = f"name server {name}"
    began = monotonic()
    try:
        root = dns.ask_one(server, ".", "NS")
    except NotTold as error:
        mend = "start it, or take it out of [dns] nameservers (or /etc/resolv.conf): each look-up may wait for it first"
        yield fail(what, str(error), mend)
        return
    took = monotonic() - began
    if not root.records:
        mend = "it has lost its way to the world, and would deny every domain there is: restart or replace it"
        yield fail(what, f"it says {root.rcode} to the root of DNS, and tells nobody that is there", mend)
        return
    if took > SLOW:
        yield warn(what, f"it took {took:.1f} s to answer", f"mail waits for names: use {VALIDATING}")
    else:
        yield good(what, f"it answers, in {took * 1000:.0f} ms")
    yield _lies(dns, server, what)
    yield _edns(root, what)
    yield _tcp(dns, server, what)
    yield _dnssec(root, server, what)


def _lies(dns: DnsQuestions, server: tuple[str, int], what: str) -> Finding:
    try:
        told = dns.ask_one(server, NOWHERE, "A")
    except NotTold as error:
        return unknown(f"{what}: the truth", str(error), "ask again; if it stays so, replace it")
    if told.is_missing:
        return good(f"{what}: the truth", "a name that is nowhere is denied, and the root is not")
    found = f"it says {told.rcode} {' '.join(told.records[:2])} of {NOWHERE}, which is nowhere"
    mend = "it invents answers, and mail to misspelt domains goes to a stranger or waits for days: use another one"
    return fail(f"{what}: the truth", found, mend)


def _edns(root: Answer, what: str) -> Finding:
    if root.has_edns:
        return good(f"{what}: EDNS", "it speaks EDNS")
    mend = f"it works, by TCP for all that is long, and without DNSSEC; better is {VALIDATING}"
    return warn(f"{what}: EDNS", "it does not speak EDNS", mend)


def _tcp(dns: DnsQuestions, server: tuple[str, int], what: str) -> Finding:
    try:
        dns.ask_one(server, ".", "NS", by_tcp=True)
    except NotTold as error:
        mend = "open TCP to its port: domains with many mail hosts cannot be looked up without"
        return fail(f"{what}: TCP", str(error), mend)
    return good(f"{what}: TCP", "it answers by TCP too")


def _dnssec(root: Answer, server: tuple[str, int], what: str) -> Finding:
    what = f"{what}: DNSSEC"
    if not root.is_secure:
        found = "it does not validate, or strips the AD bit: no DANE"
        mend = f"use {VALIDATING}; where /etc/resolv.conf has it and the bit is lost, add `options trust-ad` there"
        return warn(what, found, mend)
    if not ip_address(server[0]).is_loopback:
        found = "it validates (AD), and is not on this machine: anybody on the way can set that bit"
        return warn(what, found, f"for DANE use {VALIDATING}")
    return good(what, "it validates (AD), on this machine")
