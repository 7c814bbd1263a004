"""A message's body on its way in: where it ends, what it is without dot-stuffing (RFC 5321 §4.5.2).

Only CRLF, dot, CRLF ends a body: a lone LF or CR never does.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

__all__ = ["BodyReader", "Received", "message_id_of", "unstuffed"]

END_OF_DATA = b"\r\n.\r\n"
EMPTY_BODY = b".\r\n"
HEADER_END = b"\r\n\r\n"
MESSAGE_ID = re.compile(rb"(?:\A|\r\n)message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE)
MAX_HEADER_OCTETS = 65536
MIN_KEPT_OCTETS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A body that arrived whole.

    :ivar body: with dot-stuffing undone; empty when it was too large to be kept.
    :ivar octets: its length, also when it was not kept.
    :ivar sha256: in hexadecimal; empty when it was not kept.
    """

    body: bytes
    octets: int
    sha256: str = ""
    message_id: str = ""


class BodyReader:
    """Takes in one body after another."""

    __slots__ = ("_body", "_discarded", "_keep_octets")

    def __init__(self) -> None:
        self._body = bytearray()
        self._discarded = 0
        self._keep_octets = MIN_KEPT_OCTETS

    @property
    def octets(self) -> int:
        """How many octets of a body that is not complete have arrived, dot-stuffing included."""
        return self._discarded + len(self._body)

    def begin(self, max_octets: int) -> None:
        """Forget what arrived of an earlier body; of one that is far longer than this only the length will be known."""
        self._body = bytearray()
        self._discarded = 0
        self._keep_octets = 2 * max(max_octets, MIN_KEPT_OCTETS)  # stuffing at most doubles a body

    def feed(self, octets: bytes) -> tuple[Received | None, bytes]:
        """Take octets in.

        :returns: the body once it is complete, and the octets that follow it.
        """
        if self._body:
            return self._feed_more(octets)
        if octets.startswith(EMPTY_BODY):
            return _received(b""), octets[len(EMPTY_BODY) :]
        end = octets.find(END_OF_DATA)
        if end >= 0:
            return _received(octets[: end + 2]), octets[end + len(END_OF_DATA) :]
        self._body += octets
        return None, b""

    def _feed_more(self, octets: bytes) -> tuple[Received | None, bytes]:
        body = self._body
        unseen = max(len(body) - len(END_OF_DATA) + 1, 0)
        body += octets
        if not self._discarded and unseen < len(EMPTY_BODY) and body.startswith(EMPTY_BODY):
            self._body = bytearray()
            return _received(b""), bytes(body[len(EMPTY_BODY) :])
        end = body.find(END_OF_DATA, unseen)
        if end < 0:
            if len(body) > self._keep_octets:
                self._discarded += len(body) - len(END_OF_DATA)
                del body[: -len(END_OF_DATA)]
            return None, b""
        rest = bytes(body[end + len(END_OF_DATA) :])
        self._body = bytearray()
        if self._discarded:
            return Received(body=b"", octets=self._discarded + end + 2), rest
        return _received(bytes(body[: end + 2])), rest


def unstuffed(raw: bytes) -> bytes:
    """The body without the dots that dot-stuffing added."""
    body = raw.replace(b"\r\n.", b"\r\n")
    return body[1:] if body.startswith(b".") else body


def message_id_of(body: bytes) -> str:
    """The content of the Message-ID field, or nothing."""
    end = body.find(HEADER_END, 0, MAX_HEADER_OCTETS)
    found = MESSAGE_ID.search(body, 0, end if end >= 0 else MAX_HEADER_OCTETS)
    return found[1].strip().decode("utf-8", "backslashreplace") if found else ""


def _received(raw: bytes) -> Received:
    body = unstuffed(raw)
    return Received(
        body=body,
        octets=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        message_id=message_id_of(body),
    )
