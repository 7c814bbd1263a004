"""Header fields in raw UTF-8, of a client that did not say so: in encoded words they reach hosts without SMTPUTF8, too.

Old scripts and devices write ``Subject: Grüße`` as it is. A client that says SMTPUTF8 means it (RFC 6531 §3.4); of one
that does not the header is malformed, and a submission server may mend it (RFC 6409 §8). Not where a signature is over
it, nor where an address is beyond ASCII, which no encoded word may stand for: then it stays as it came.
"""

from __future__ import annotations

from softbounce.errors import InvalidMessage
from softbounce.message.header_field import NAME, SIGNATURES, field_octets
from softbounce.message.prepared import CONTROLS, FIELD_BREAK, HEADER_OCTETS, LINE_SEPARATORS

__all__ = ["in_encoded_words"]

WIDTH = 78
"""Octets of a line, where words allow it (RFC 5322 §2.1.1)."""


def in_encoded_words(message: bytes) -> bytes:
    """The message with a header in ASCII; as it is, where that has been so, or cannot be.

    :param message: its lines end in CRLF.
    """
    end = message.find(b"\r\n\r\n", 0, HEADER_OCTETS + 4)
    head = message if end < 0 else message[:end]
    if message.startswith(b"\r\n") or head.isascii() or len(head.translate(None, CONTROLS)) != len(head):
        return message
    try:
        fields = [_field(octets) for octets in FIELD_BREAK.split(head)]
    except (InvalidMessage, ValueError):
        return message
    made = b"\r\n".join(fields)
    return made + message[len(head) :] if made.isascii() else message


def _field(octets: bytes) -> bytes:
    """It in ASCII, as far as that can be.

    :raises ValueError: all of the header had better stay as it is. So does ``InvalidMessage``.
    """
    head, _, value = octets.partition(b":")
    name = head.decode("latin-1")
    if name.strip().lower() in SIGNATURES:
        raise ValueError("a signature may be over it")
    if octets.isascii():
        return octets
    text = value.decode().strip(" \t\r\n")
    if NAME.fullmatch(name) is None or any(separator in text for separator in LINE_SEPARATORS):
        raise ValueError("is to be refused as it came")
    return field_octets(name, text, width=WIDTH, utf8=False).removesuffix(b"\r\n")
