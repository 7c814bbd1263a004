"""TLS as this machine speaks it, by a real handshake with a host of the playground's, here on loopback.

It says whether OpenSSL and its policy let us, and whether a certificate that nobody has signed is told from a good one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

from softbounce_playground import Playground
from softbounce_playground.tls import self_signed_context
from softbounce_worker.posture import Posture
from softbounce_worker.session.tls import make_context

from softbounce.stage import Stage
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.mail_host_call import Called, call
from softbounce_gateway.doctor.patient import Patient

__all__ = ["check"]

HOST, US = "mx.playground.test", "client.playground.test"


def check(patient: Patient) -> Iterator[Finding]:
    """The authorities that are trusted, and two handshakes: one that may succeed, one that must not."""
    try:
        trusted = len(make_context(Posture(mode="verified")).get_ca_certs())
    except (ssl.SSLError, OSError) as error:
        yield fail("authorities", f"they cannot be read: {error}", "install the system's authorities: ca-certificates")
        return
    yield _authorities(trusted)
    try:
        any_tls, proven = asyncio.run(_shake_hands(patient.seconds))
    except OSError as error:
        yield unknown("TLS here", f"the playground's host cannot listen: {error}", "free some memory, files or ports")
        return
    mend = f"{ssl.OPENSSL_VERSION} or its policy (openssl.cnf, crypto-policies) forbids it: look there"
    if any_tls.tls is None or any_tls.tls.version is None:
        words = any_tls.words if any_tls.tls is None else any_tls.tls.clear
        yield fail("TLS here", f"no handshake with the playground's host: {words}", mend)
        return
    yield good(
        "TLS here", f"{any_tls.tls.version} {any_tls.tls.cipher} with the playground's host, {ssl.OPENSSL_VERSION}"
    )
    if proven.failed_at is Stage.STARTTLS:
        yield good("certificates here", "one that nobody has signed is refused where verified is asked for")
    else:
        found = "one that nobody has signed passes where verified is asked for"
        yield fail("certificates here", found, "do not use mode verified here, and report it")


def _authorities(loaded: int) -> Finding:
    """How many are trusted. Those in a folder are loaded as they are needed."""
    paths = ssl.get_default_verify_paths()
    trusted = loaded
    if not trusted and paths.capath is not None:
        trusted = sum(1 for _ in Path(paths.capath).glob("*.[0-9]"))
    if trusted:
        return good("authorities", f"{trusted} are trusted, from {paths.cafile or paths.capath}")
    mend = "install the system's authorities (Debian: ca-certificates), or name your own: [[tls]] roots"
    return warn("authorities", "none is trusted: mode verified delivers nothing", mend)


async def _shake_hands(seconds: float) -> tuple[Called, Called]:
    playground = Playground()
    playground.tls = self_signed_context()
    async with playground:
        address, port = next(iter(playground.hosts)), playground.smtp_port
        any_tls = await call(HOST, address, port, hostname=US, mode="required", seconds=seconds)
        proven = await call(HOST, address, port, hostname=US, mode="verified", seconds=seconds)
    return any_tls, proven
