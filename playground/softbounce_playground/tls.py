"""TLS at a host: a certificate that is made when the playground starts, and what STARTTLS puts before a conversation.

Like the client's, it works on memory alone, so nothing that arrived is lost in between (RFC 3207).
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["ServerChannel", "self_signed_context"]

NAME = "*.playground.test"
VALID = timedelta(days=365)
READ_OCTETS = 256 * 1024


def self_signed_context() -> ssl.SSLContext:
    """What hosts begin TLS with: a key and a certificate that nobody has signed but itself.

    :raises ImportError: the package cryptography is not installed.
    """
    from cryptography import x509  # noqa: PLC0415 - the playground also runs without it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    octets = key.private_bytes(encoding, form, serialization.NoEncryption()) + certificate.public_bytes(encoding)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:  # ssl takes it from a file only
        file = Path(folder, "host.pem")
        file.touch(mode=0o600)
        file.write_bytes(octets)
        context.load_cert_chain(file)
    return context


class ServerChannel:
    """TLS of one connection, from the client's first octet on."""

    __slots__ = ("_incoming", "_is_on", "_object", "_outgoing")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_on = False

    def receive(self, octets: bytes) -> bytes:
        """Take in what the client sent; the text in it.

        :raises ssl.SSLError: it makes no sense.
        """
        self._incoming.write(octets)
        texts: list[bytes] = []
        try:
            if not self._is_on:
                self._object.do_handshake()
                self._is_on = True
            while text := self._object.read(READ_OCTETS):
                texts.append(text)
        except ssl.SSLWantReadError:
            pass
        return b"".join(texts)

    def protect(self, octets: bytes) -> bytes:
        """What the client gets for this text, and what TLS itself has to say; nothing: only that.

        :raises ssl.SSLError: the client ended it.
        """
        rest = memoryview(octets)
        while rest:
            rest = rest[self._object.write(rest) :]
        return self._outgoing.read()
