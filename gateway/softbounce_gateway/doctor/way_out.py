"""Port 25 outward, and what TLS there is with hosts of the world: by calling some of them as a worker would.

One that greets is enough: then it is not the network. A host that everybody knows to offer STARTTLS and that does not
has something between it and us that takes it out (RFC 3207 §6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address

from softbounce_config import ehlo_name

from softbounce.errors import ConfigError
from softbounce.stage import Stage
from softbounce_gateway.doctor.dns_questions import NotTold
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.mail_host_call import Called, call
from softbounce_gateway.doctor.patient import Patient

__all__ = ["KNOWN_DOMAINS", "check"]

KNOWN_DOMAINS = ("gmail.com", "outlook.com")
"""Whose mail hosts are called where the command names none: there from everywhere, with TLS and good certificates."""
MOST_HOSTS = 8
UNNAMED = "[127.0.0.1]"
OPEN_IT = (
    "many networks close port 25 to the outside: ask the provider to open it, look at firewalls on the way, or send "
    "from another network"
)


def check(patient: Patient) -> Iterator[Finding]:
    """Each host: whether it greets us, and with what TLS."""
    hosts = patient.hosts
    if not hosts:
        try:
            hosts = tuple((name, patient.config.smtp.port) for name in _known_hosts(patient))
        except NotTold as error:
            yield unknown("port 25 out", str(error), "mend the name server first; or name a host: --host HOST")
            return
    try:
        hostname = ehlo_name(patient.config.identity.hostname)
    except ConfigError:
        hostname = UNNAMED
    places = [place for host in hosts[:MOST_HOSTS] for place in _places(patient, *host)]
    if not places:
        names = ", ".join(host for host, _ in hosts) or f"the mail hosts of {' and '.join(KNOWN_DOMAINS)}"
        yield unknown(
            "port 25 out", f"DNS knows no address of {names}", "mend the name server; or name another: --host HOST"
        )
        return
    for host, called in asyncio.run(_call_all(places, hostname, patient.seconds)):
        yield from _told(host, called, is_known=not patient.hosts)


def _known_hosts(patient: Patient) -> Iterator[str]:
    for domain in KNOWN_DOMAINS:
        yield from patient.dns.ask(domain, "MX").records[:1]


def _places(patient: Patient, host: str, port: int) -> list[tuple[str, str, int]]:
    """Its first address, of the family that we have."""
    with suppress(ValueError):
        return [(host, str(ip_address(host)), port)]
    try:
        addresses = patient.dns.ask(host, "A").records or patient.dns.ask(host, "AAAA").records
    except NotTold:
        return []
    return [(host, addresses[0], port)] if addresses else []


async def _call_all(places: Sequence[tuple[str, str, int]], hostname: str, seconds: float) -> list[tuple[str, Called]]:
    """All at a time. One whose certificate does not prove its name is asked again, for what there is."""

    async def one(place: tuple[str, str, int]) -> Called:
        proven = await call(*place, hostname=hostname, mode="verified", seconds=seconds)
        if proven.failed_at is not Stage.STARTTLS:
            return proven
        any_tls = await call(*place, hostname=hostname, mode="opportunistic", seconds=seconds)
        return Called(tls=any_tls.tls, failed_at=any_tls.failed_at, words=any_tls.words or proven.words)

    told = await asyncio.gather(*(one(place) for place in places))
    return [(_shown(*place), called) for place, called in zip(places, told, strict=True)]


def _shown(host: str, address: str, port: int) -> str:
    return f"{address} port {port}" if host == address else f"{host} [{address}]:{port}"


def _told(host: str, called: Called, *, is_known: bool) -> Iterator[Finding]:
    port, tls = "port 25 out", "TLS outward"
    if called.tls is None:
        if called.failed_at in {Stage.CONNECT, Stage.GREETING}:
            yield fail(port, f"{host} at {called.failed_at}: {called.words}", OPEN_IT)
        else:
            mend = "it refuses us: read its words; mend what the other lines say of name and PTR first"
            yield warn(port, f"{host} at {called.failed_at}: {called.words}", mend)
        return
    yield good(port, f"{host} greets us and takes our EHLO")
    if called.tls.version is None:
        mend = "something on the way takes STARTTLS out, such as a firewall that 'inspects' SMTP: switch that off"
        if is_known:
            yield fail(tls, f"{host}: {called.tls.clear}", mend)
        else:
            yield warn(tls, f"{host}: {called.tls.clear}", f"if it does offer it elsewhere, {mend}")
    elif called.tls.verified is None:
        mend = "if it is a host of the world, look at the system's authorities (ca-certificates) and at this clock"
        yield warn(tls, f"{host}: {called.tls.version}, {called.words or 'not verified'}", mend)
    else:
        yield good(tls, f"{host}: {called.tls.version} {called.tls.cipher}, certificate verified")
