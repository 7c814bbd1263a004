"""Keys and a second opinion for the tests of signatures: dkimpy, which verifies what we sign."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from softbounce_config.process_settings import DkimSettings
from softbounce_worker.dkim.keys import new_key
from softbounce_worker.dkim.rules import SigningRule
from softbounce_worker.dkim.signing_key import SigningKey

__all__ = [
    "ED25519",
    "ED25519_PEM",
    "HEADER",
    "MESSAGES",
    "OPENDKIM",
    "RSA",
    "RSA_PEM",
    "opendkim_verdicts",
    "pem_of_bits",
    "rule",
    "tags_of",
    "verify",
]

RSA, RSA_PEM = new_key("rsa")
ED25519, ED25519_PEM = new_key("ed25519")

OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin:/usr/bin")

HEADER = (
    b"From: a@app.test\r\nTo: b@x.test\r\nSubject: hi\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n"
)
MESSAGES = {
    "plain": HEADER + b"\r\nHello\r\n",
    "no body": HEADER + b"\r\n",
    "no body and no empty line": HEADER,
    "a body of empty lines": HEADER + b"\r\n\r\n\r\n\r\n",
    "a body of blank lines": HEADER + b"\r\n \t\r\n  \r\n",
    "empty lines at its end": HEADER + b"\r\nHello\r\n\r\n\r\n",
    "no line end at its end": HEADER + b"\r\nHello",
    "blanks everywhere": HEADER + b"\r\n  a \t b  \r\n\t\r\n c\t\r\n",
    "lines of a dot": HEADER + b"\r\n.\r\n..\r\n.hello\r\n",
    "8-bit content": HEADER + "\r\nGrüße, 你好\r\n".encode(),
    "latin-1 content": HEADER + b"\r\nGr\xfc\xdfe\r\n",
    "UTF-8 in the header": HEADER + "X-Other: ü\r\nReply-To: ü@bücher.test\r\n\r\nHello\r\n".encode(),
    "two of a field": HEADER + b"To: c@x.test\r\nSubject: another\r\n\r\nHello\r\n",
    "folds": b"From:\r\n\ta@app.test\r\nSubject:  a\r\n \tb  \r\n c\r\nTo: b@x.test\r\n\r\nHello\r\n",
    "an empty field": HEADER + b"Cc:\r\nReply-To: \r\n\r\nHello\r\n",
    "a very long field": HEADER + b"References:" + b"\r\n <0123456789@example.test>" * 5000 + b"\r\n\r\nHello\r\n",
    "300 of a field": HEADER + b"References: <a@x>\r\n" * 300 + b"\r\nHello\r\n",
    "form feeds": HEADER + b"\r\n\x0c\r\na\x0c \r\n\x0b\x0c\r\nb\x0c\r\n \r\n",
    "blanks of other kinds": HEADER + "Reply-To: \u00a0a@app.test\u3000\r\n\r\n\u00a0\r\nx\u2003\r\n".encode(),
    "commas without blanks": b"From: a@app.test\r\nCc: A <a@x.test>,B <b@x.test>,c@x.test\r\n\r\nHello\r\n",
    "a fold of blanks alone": HEADER + b"Cc: a@x.test,\r\n \r\n b@x.test\r\n\r\nHello\r\n",
    "names in any case": b"fROM: a@app.test\r\nsUBJECT: hi\r\nMESSAGE-ID: <1@x>\r\ndate: x\r\n\r\nHello\r\n",
    "a signature by another": b"DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=y; h=from; bh=; b=\r\n"
    + HEADER
    + b"\r\nHi\r\n",
    "a body of many pieces": HEADER + b"\r\n" + b"some  text \r\n\r\n" * 20_000 + b"\r\n\r\n",
    "a body of many empty lines": HEADER + b"\r\na" + b"\r\n" * 100_000 + b"b\r\n",
}
"""Whatever may be in a message, as it leaves."""


def rule(key: SigningKey, selector: str, domain: str = "app.test", *, d: str | None = None) -> SigningRule:
    """A ``[[dkim]]`` table with this key."""
    return SigningRule(DkimSettings(domain=domain, selector=selector, d=d), key)


def verify(message: bytes, records: dict[str, str], *, at_most: int = 100) -> list[bool]:
    """What dkimpy says of each signature of a message, from the top, with these TXT records by name."""
    number = sum(
        line.lower().startswith(b"dkim-signature:") for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    )

    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        del timeout
        record = records.get(name.decode().rstrip("."))
        return None if record is None else record.encode()

    return [dkim.DKIM(message).verify(idx=index, dnsfunc=txt) for index in range(min(number, at_most))]


def tags_of(message: bytes) -> list[dict[str, str]]:
    """The tags of each signature, from the top, without white space."""
    head = message.partition(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n ", "")
    found: list[dict[str, str]] = []
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name == "DKIM-Signature":
            tags = (tag.partition("=") for tag in value.split(";"))
            found.append({name.strip(): value.strip() for name, _, value in tags})
    return found


def pem_of_bits(bits: int) -> bytes:
    """An RSA key of that size."""
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def opendkim_verdicts(folder: Path, message: bytes) -> list[str]:
    """What OpenDKIM says of each signature: ``pass``, ``fail``, ..."""
    (folder / "message").write_bytes(message)
    (folder / "dns").write_text(f"r._domainkey.app.test {RSA.record}\ne._domainkey.app.test {ED25519.record}\n")
    (folder / "conf").write_text(f"Mode v\nTestDNSData {folder}/dns\nSyslog no\nMaximumHeaders 0\n")
    command = [OPENDKIM or "", "-v", "-v", "-x", str(folder / "conf"), "-t", str(folder / "message")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    return [line.partition("dkim=")[2].split()[0] for line in done.stdout.splitlines() if "\tdkim=" in line]
