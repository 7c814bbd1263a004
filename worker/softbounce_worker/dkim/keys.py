"""Private keys for signatures: how they are read and made, how one signs, and the DNS record that others check it by.

RFC 6376 §3.3, §3.6.1; RFC 8301 (RSA keys: 1024 bits at least, better 2048); RFC 8463 (Ed25519).
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from codecs import BOM_UTF8
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from softbounce_worker.dkim.signing_key import RECOMMENDED_BITS, SigningKey

__all__ = ["LEAST_BITS", "TYPES", "new_key", "parse_key", "read_key_file"]

TYPES = ("rsa", "ed25519")
LEAST_BITS = 1024
"""Of RSA keys: what verifiers must be able to check is 1024 to 4096 (RFC 8301 §3.2)."""
MOST_OCTETS = 65_536
PUBLIC_EXPONENT = 65_537
ARMOR = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
NO_SUCH_TYPE = "is neither an RSA nor an Ed25519 key, and DKIM has no others (RFC 6376, RFC 8463)"
ENCRYPTED = re.compile(rb"ENCRYPTED")


def _signing_key(key: RSAPrivateKey | Ed25519PrivateKey) -> SigningKey:
    if isinstance(key, RSAPrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return SigningKey("rsa", key.key_size, public, lambda octets: key.sign(octets, PKCS1v15(), SHA256()))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    # RFC 8463 §3: the hash is what is signed
    return SigningKey("ed25519", 256, public, lambda octets: key.sign(sha256(octets).digest()))


def parse_key(text: bytes) -> SigningKey:
    r"""Read a private key: PEM (PKCS #8 or PKCS #1), or the same without its armor, base64 in one line or several.

    A variable may have ``\n`` in place of its line ends. What stands before the armor (a comment, the attributes that
    OpenSSL writes, a byte order mark) is no part of the key.

    :raises ValueError: it is none, or not one to sign with; says why, and tells nothing of it.
    """
    text = text.removeprefix(BOM_UTF8).replace(b"\\n", b"\n").strip()
    if not text:
        raise ValueError("is empty")
    if len(text) > MOST_OCTETS:
        raise ValueError("is too long for a key")
    armor = ARMOR.search(text)
    if armor is not None:
        text = text[armor.start() :]
    if ENCRYPTED.search(text):
        raise ValueError("is encrypted: it has to be readable without a passphrase")
    try:
        if armor is not None:
            key = load_pem_private_key(text, password=None)
        else:
            key = load_der_private_key(b64decode(b"".join(text.split()), validate=True), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # whose texts may quote what they read
        what = "holds a public key or a certificate" if b"PUBLIC KEY" in text or b"CERTIFICATE" in text else "is none"
        raise ValueError(f"{what}: an RSA or Ed25519 private key is needed, in PEM") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError(NO_SUCH_TYPE)  # noqa: TRY004 - of the file, not of an argument
    if isinstance(key, RSAPrivateKey) and key.key_size < LEAST_BITS:
        raise ValueError(f"is an RSA key of {key.key_size} bits: nobody may count less than {LEAST_BITS} (RFC 8301)")
    return _signing_key(key)


def read_key_file(path: Path) -> tuple[SigningKey, str | None]:
    """The key in a file, and a warning where others may read it.

    :raises ValueError: it cannot be read, or holds no key to sign with.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_OCTETS + 1)
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    is_open = bool(mode & 0o004)
    return parse_key(text), "can be read by everybody on this machine: chmod 600 it" if is_open else None


def new_key(kind: str, bits: int = RECOMMENDED_BITS) -> tuple[SigningKey, bytes]:
    """A fresh key of one of :data:`TYPES`, and its PEM."""
    key: RSAPrivateKey | Ed25519PrivateKey
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(PUBLIC_EXPONENT, bits)
    return _signing_key(key), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
