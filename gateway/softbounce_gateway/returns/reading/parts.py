"""A message as a few parts of text: parsed by the standard library, once it is small enough to be.

Everything in it was written by a stranger. So what is parsed is bounded first: its octets, the length of its lines, and
how many parts it says to have, for each of them costs the parser for every line. What is too much is cut off: what the
reporter says stands before the mail that he returns. What the parser makes of the rest is read as far as it goes, and
is never an error.

RFC 5322, RFC 2045 and 2046, RFC 6522 (multipart/report).
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from itertools import islice
from quopri import decodestring

__all__ = ["MOST_OCTETS", "Part", "Parts", "parse", "written"]

MOST_OCTETS = 1024 * 1024
"""What the reporter says stands before the mail that it returns; no more is looked at."""
LINE_OCTETS = 4_000
MOST_LINES = 50_000
MOST_BOUNDARIES = 40
MOST_PARTS = 60
TEXT_CHARACTERS = 256 * 1024
FIELD_CHARACTERS = 2_000
LONG_LINE = re.compile(rb"([^\n]{%d})(?=[^\n])" % LINE_OCTETS)
BOUNDARY = re.compile(rb"boundary[*0-9]*\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that has no parts.

    :ivar type: in lower case, such as ``message/delivery-status``.
    :ivar text: decoded; of a report's fields, as they were written.
    :ivar is_returned: it stands within the mail that is returned, so that its words are ours.
    """

    type: str
    text: str
    is_returned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A message.

    :ivar message: as the parser has it, for its header.
    :ivar parts: in their order.
    """

    message: Message
    parts: tuple[Part, ...]

    def field(self, name: str) -> str:
        """A field of the header in one line, its encoded words read (RFC 2047); empty: there is none."""
        for known, value in self.message.raw_items():
            if known.lower() == name.lower():
                return " ".join(_words(str(value)[:FIELD_CHARACTERS]).split())
        return ""

    def of_type(self, *types: str) -> Iterator[Part]:
        """The parts of these types that are the reporter's own."""
        return (one for one in self.parts if one.type in types and not one.is_returned)

    @property
    def prose(self) -> str:
        """What the reporter says to people."""
        return "\n".join(one.text for one in self.of_type("text/plain")) or _without_tags(
            "\n".join(one.text for one in self.of_type("text/html"))
        )


def parse(octets: bytes) -> Parts | None:
    """Parse a message; ``None``: it is none that can be."""
    octets = octets[:MOST_OCTETS].replace(b"\0", b"")
    octets = LONG_LINE.sub(rb"\1\n", octets)
    if octets.count(b"\n") > MOST_LINES:
        octets = b"\n".join(octets.split(b"\n", MOST_LINES)[:MOST_LINES])
    for number, boundary in enumerate(BOUNDARY.finditer(octets)):
        if number == MOST_BOUNDARIES:
            octets = octets[: boundary.start()]
            break
    try:
        message = message_from_bytes(octets, policy=compat32)
        return Parts(message=message, parts=tuple(_leaves(message)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError):
        return None  # the parser meant for people's mail, at what was written to break it


def written(octets: bytes) -> Iterator[bytes]:
    """A message's octets as they came, then what stands in its parts that are encoded, within what is returned too."""
    yield octets
    parts = parse(octets)
    for part in () if parts is None else islice(parts.message.walk(), MOST_PARTS):
        coding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
        if coding in ("base64", "quoted-printable"):
            payload = part.get_payload()
            text = "\n\n".join(str(one) for one in payload) if isinstance(payload, list) else str(payload)
            yield _plain(text, coding)


def _leaves(message: Message) -> Iterator[Part]:
    """The parts, outermost first, up to so many."""
    waiting: list[tuple[Message, bool]] = [(message, False)]
    number = 0
    while waiting and number < MOST_PARTS:
        part, is_returned = waiting.pop()
        number += 1
        kind = part.get_content_type()
        if kind in REPORT_FIELDS:
            yield Part(type=kind, text=_fields_of(part), is_returned=is_returned)
        elif part.is_multipart():
            below = [one for one in part.get_payload() if isinstance(one, Message)]
            is_within = is_returned or kind in RETURNED
            if kind in RETURNED:
                header = "\n".join(f"{name}: {value}" for name, value in below[0].items()) if below else ""
                yield Part(type=kind, text=header[:TEXT_CHARACTERS], is_returned=is_returned)
            waiting += [(one, is_within) for one in reversed(below)]
        elif part.get_content_maintype() in ("text", "message"):
            yield Part(type=kind, text=_text_of(part), is_returned=is_returned)


REPORT_FIELDS = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/feedback-report",
        "message/disposition-notification",
    }
)
RETURNED = frozenset({"message/rfc822", "message/global"})


def _fields_of(part: Message) -> str:
    """The fields of a report, in groups between blank lines.

    The parser takes some of these for messages of their own, also where they are in base64 (which RFC 3464 forbids, and
    some hosts do): put together again, they are what was written.
    """
    payload = part.get_payload()
    text = "\n\n".join(str(one).strip("\n") for one in payload) if isinstance(payload, list) else str(payload)
    return _decoded(text, part)[:TEXT_CHARACTERS]


def _text_of(part: Message) -> str:
    payload = part.get_payload()
    return _decoded(payload, part)[:TEXT_CHARACTERS] if isinstance(payload, str) else ""


def _decoded(text: str, part: Message) -> str:
    octets = _plain(text, str(part.get("Content-Transfer-Encoding", "")).strip().lower())
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace").replace("\r\n", "\n")


def _plain(text: str, coding: str) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    match coding:
        case "base64":
            with suppress(binascii.Error, ValueError):
                return b64decode(b"".join(octets.split()) + b"==")
        case "quoted-printable":
            return decodestring(octets)
        case _:
            pass
    return octets


def _words(value: str) -> str:
    """A field's value as people read it, whatever its octets are."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError, HeaderParseError):
        return text


def _without_tags(html: str) -> str:
    return re.sub(r"<[^<>]{0,2000}>", " ", html)
