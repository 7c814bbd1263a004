"""Certificates of a test's own: an authority, and what it signs, good or not."""

from __future__ import annotations

import hashlib
import secrets
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "load", "server_context", "tlsa"]

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


@dataclass
class Authority:
    """Who signs certificates, each into a file with its key.

    :param folder: where the files are.
    """

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a test's own")])
        builder = _builder(self._name, self._name, self._key, DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.shows: list[x509.Certificate] = []

    @property
    def pem(self) -> str:
        """What trusts it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def certificate(self) -> x509.Certificate:
        """Its own."""
        return self._certificate

    def under(self, *, may_sign: bool = True) -> Authority:
        """Another one, signed by this one, which shows its own certificate and those above beside what it signs."""
        made = Authority(self.folder)
        made._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority below another")])
        builder = _builder(made._name, self._name, made._key, DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=may_sign, path_length=None), critical=True)
        made._certificate = builder.sign(self._key, hashes.SHA256())
        made.shows = [made._certificate, *(self.shows or [self._certificate])]
        return made

    def sign(
        self,
        name: str,
        *,
        days: int = 1,
        signs_itself: bool = False,
        bits: int = 0,
        names: Sequence[x509.GeneralName] | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Path:
        """A certificate for a name, valid until in so many days.

        :param bits: with an RSA key of so many, where hosts are old.
        :param names: what it is for, if that is not its subject's name.
        """
        key: Key = ec.generate_private_key(ec.SECP256R1())
        if bits:
            key = rsa.generate_private_key(65537, bits)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = (subject, key) if signs_itself else (self._name, self._key)
        builder = _builder(subject, issuer, key, days * DAY)
        alternatives = [x509.DNSName(name)] if names is None else names
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())
        path = self.folder / f"{secrets.token_hex(8)}.pem"
        form = serialization.PrivateFormat.PKCS8
        secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        shown = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (certificate, *self.shows))
        path.write_bytes(secret + shown)
        return path


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, until: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + until)
    )


def server_context(certificate: Path, *, newest: ssl.TLSVersion | None = None, ciphers: str = "") -> ssl.SSLContext:
    """What a host begins TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        context.set_ciphers(ciphers)
    context.load_cert_chain(certificate)
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old hosts are what this is for
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
    return context


def load(path: Path) -> x509.Certificate:
    """The certificate in a file that :meth:`Authority.sign` made."""
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def tlsa(certificate: x509.Certificate, usage: int = 3, selector: int = 1, matching: int = 1) -> str:
    """The record that means a certificate, as zone files write it (RFC 6698 §2.2)."""
    der, key_form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    octets = certificate.public_key().public_bytes(der, key_form) if selector else certificate.public_bytes(der)
    digest = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}[matching]
    return f"{usage} {selector} {matching} {digest.hex()}"
