"""Mail hosts of every kind that TLS can go right or wrong with, and what becomes of mail there."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from ipaddress import ip_address

from certificates import Authority, server_context
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from delivery import PATIENT, POLICY
from mx import CLOSE, EHLO_STARTTLS, HANG, RESET, Mx, Read, Script
from softbounce_worker.session.dialling import Timeouts

from softbounce import Shown, ShownTls
from softbounce.settings import Policy, Settings, TlsRule

__all__ = [
    "BRIEF",
    "CLEAR",
    "HOSTS",
    "HURRIED",
    "NAME",
    "TABLE",
    "TLS",
    "breaking",
    "good",
    "tells_no_name",
    "tls_of",
    "tls_settings",
]

NAME = "mx1.a.test"
CLEAR, TLS = "delivered in clear", "delivered by TLS"
BRIEF = Timeouts(**{**{name: getattr(PATIENT, name) for name in Timeouts.__dataclass_fields__}, "starttls": 0.4})
HURRIED = Timeouts(**{**{name: getattr(PATIENT, name) for name in Timeouts.__dataclass_fields__}, "idle": 0.05})


def tls_settings(*rules: TlsRule, policy: Policy = POLICY) -> Settings:
    """The settings of these tests with these rules."""
    return Settings(policies={"default": policy}, tls=rules)


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
    certificate = authority.sign(NAME, bits=1024, signs_itself=True)
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


def tells_no_name(authority: Authority) -> Mx:
    """A host that shakes no hands with who says its name: it has a certificate for none."""
    context = server_context(authority.sign(NAME))
    context.sni_callback = lambda _, name, __: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name else None
    return Mx(tls=context)


def named(*names: x509.GeneralName, usage: x509.ObjectIdentifier | None = None) -> Callable[[Authority], Mx]:
    """A host whose certificate is for these."""
    used = usage or ExtendedKeyUsageOID.SERVER_AUTH
    return lambda authority: Mx(tls=server_context(authority.sign(NAME, names=names, usage=used)))


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
    "resets over TLS": breaking(secured=RESET),
    "greets over TLS": breaking(secured="220 mx.test ESMTP"),
    "busy over TLS": breaking(EHLO_over_TLS="451 4.3.2 busy"),
    "HELO over TLS": breaking(EHLO_over_TLS="503 5.5.1 you said so"),
    "no hello over TLS": breaking(EHLO_over_TLS="503 5.5.1 you said so", HELO_over_TLS="503 5.5.1 you said so"),
    "offers it again": breaking(EHLO_over_TLS=EHLO_STARTTLS),
    "offers it oddly": breaking(EHLO="250-mx.test\r\n250-starttls\r\n250-StartTLS now\r\n250 SIZE"),
    "220 in two lines": breaking(STARTTLS="220-go\r\n220 ahead"),
    "tells no name": tells_no_name,
    "knows no such name": breaking(handshake=(Read(100), b"\x15\x03\x03\x00\x02\x02\x70", CLOSE)),
    "a name in capitals": named(x509.DNSName(NAME.upper())),
    "a wildcard": named(x509.DNSName("*.a.test")),
    "a part of one": named(x509.DNSName("mx*.a.test")),
    "a high wildcard": named(x509.DNSName("*.test")),
    "an address": named(x509.IPAddress(ip_address("127.88.0.1"))),
    "the domain": named(x509.DNSName("a.test")),
    "no name but CN": named(),
    "for clients": named(x509.DNSName(NAME), usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "2000 names": named(*(x509.DNSName(f"mx{number}.a.test") for number in range(2000))),
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
    "resets over TLS": (CLEAR, "EHLO over TLS: connection closed", "EHLO over TLS: connection closed"),
    "greets over TLS": (CLEAR, "to no command", "to no command"),
    "busy over TLS": (CLEAR, "EHLO over TLS: 451 4.3.2 busy", "EHLO over TLS: 451 4.3.2 busy"),
    "HELO over TLS": (TLS, TLS, TLS),
    "no hello over TLS": (CLEAR, "EHLO over TLS: 503 5.5.1 you", "EHLO over TLS: 503 5.5.1 you"),
    "offers it again": (TLS, TLS, TLS),
    "offers it oddly": (TLS, TLS, TLS),
    "220 in two lines": (TLS, TLS, TLS),
    "tells no name": (TLS, TLS, "TLS handshake: connection closed"),
    "knows no such name": (CLEAR, "TLS handshake: tlsv1 unrecognized name", "TLS handshake: tlsv1 unrecognized name"),
    "a name in capitals": (TLS, TLS, TLS),
    "a wildcard": (TLS, TLS, TLS),
    "a part of one": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "a high wildcard": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "an address": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "the domain": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "no name but CN": (TLS, TLS, "its certificate is not trusted: Hostname mismatch"),
    "for clients": (TLS, TLS, "its certificate is not trusted: unsuitable certificate purpose"),
    "2000 names": (TLS, TLS, TLS),
}

assert HOSTS.keys() == TABLE.keys(), "each host has a row"
