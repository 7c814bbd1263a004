"""What a notice returns of the message that it is about: all of it, its header, or its id where it is gone."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

import zstandard

from softbounce.envelope import Body, Envelope

__all__ = ["HEAD_OCTETS", "Returned", "returned"]

HEAD_OCTETS = 32 * 1024
"""Of a longer header the beginning."""
ZSTANDARD = 1
FIELD_BREAK = re.compile(rb"\r\n(?![ \t])")
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")


class Returned(NamedTuple):
    """The last part of a notice.

    :ivar what: in words, for the reader.
    """

    octets: bytes
    type: str
    what: str


def returned(stored: bytes | None, envelope: Envelope, *, is_whole: bool) -> Returned | None:
    """Make the part of what is stored; of what cannot be read, as of what is gone, the message's id.

    :param stored: all of it, where the whole is wanted; else at least its beginning.
    """
    body = envelope.body
    plain = None if stored is None else _plain(stored, body, body.octets if is_whole else HEAD_OCTETS)
    if plain is not None and is_whole and len(plain) == body.octets:
        head = plain.partition(b"\r\n\r\n")[0]
        kind = "message/rfc822" if head.isascii() else "message/global"
        return Returned(plain, kind, "Your message is attached.")
    head = b"" if plain is None else _head(plain)
    if head:
        kind = "text/rfc822-headers" if head.isascii() else "message/global-headers"
        return Returned(head, kind, "The header of your message is attached.")
    found = MESSAGE_ID.fullmatch(envelope.message_id_header)
    if found is None:
        return None
    line = f"Message-ID: {found[0]}\r\n".encode()
    return Returned(line, "text/rfc822-headers", "Your message itself is no longer stored here.")


def _plain(stored: bytes, body: Body, octets: int) -> bytes | None:
    """Up to so many octets of the message, never more, whatever is stored claims."""
    if body.codec != ZSTANDARD:
        return stored[:octets]
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(stored)) as reader:
            return reader.read(octets)
    except zstandard.ZstdError:
        return None


def _head(plain: bytes) -> bytes:
    """The header, its last line end included; where it goes on beyond what is there, its whole fields."""
    end = plain.find(b"\r\n\r\n")
    if end >= 0:
        return plain[: end + 2]
    if len(plain) < HEAD_OCTETS:  # a message without a body
        return plain
    breaks = [found.end() for found in FIELD_BREAK.finditer(plain)]
    return plain[: breaks[-1]] if breaks else b""
