"""The public key of a certificate, octet by octet as it stands there. Pure.

What a TLSA record means of a key is its SubjectPublicKeyInfo (RFC 6698 §2.1.2). A library that reads the key and writes
it again may write other octets, and reads no key of a kind that it does not know, nor a certificate of an odd version:
of a DANE-EE only the octets count (RFC 7671 §5.1).
"""

from __future__ import annotations

__all__ = ["key_octets"]

VERSION = 0xA0
LONG = 0x80
MOST_LENGTH_OCTETS = 3
BEFORE_KEY = 5
"""serialNumber, signature, issuer, validity, subject (RFC 5280 §4.1)."""


def key_octets(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate in DER.

    :raises ValueError: it is no certificate.
    """
    at, _ = _inside(certificate, 0)
    at, _ = _inside(certificate, at)
    if certificate[at : at + 1] == bytes((VERSION,)):
        _, at = _inside(certificate, at)
    for _ in range(BEFORE_KEY):
        _, at = _inside(certificate, at)
    _, end = _inside(certificate, at)
    return certificate[at:end]


def _inside(octets: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins and ends.

    :raises ValueError: there is no whole element.
    """
    start = at + 2
    head = octets[at:start]
    if len(head) < 2:  # noqa: PLR2004 - a tag and a length
        raise ValueError("no certificate: it ends early")
    length = head[1]
    if length >= LONG:
        number = length - LONG
        if not 1 <= number <= MOST_LENGTH_OCTETS:
            raise ValueError("no certificate: a length is odd")
        length = int.from_bytes(octets[start : start + number])
        start += number
    if start + length > len(octets):
        raise ValueError("no certificate: it ends early")
    return start, start + length
