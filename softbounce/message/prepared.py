"""From what an app hands over to the octets that go on the wire: lines end in CRLF, nothing in them can be misread.

Refused is what no host could be trusted to read as we do; mended is what has one safe reading. The content of a
message never appears in an error. No MIME part is parsed here and no address of the header is used for anything.

RFC 5322 §2 (lines, fields), RFC 5321 §2.3.8 and §4.5.3.1.6 (line ends, line length), RFC 6532 (UTF-8 in headers).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import format_datetime
from typing import Any

from softbounce.errors import InvalidMessage
from softbounce.message.content_digest import content_digest, lasting_digest
from softbounce.message.former_digest import written_formerly
from softbounce.message.header_field import SIGNATURES
from softbounce.message.own_fields import HEADER_END
from softbounce.message.serialise import serialise

__all__ = ["Prepared", "former_digest", "prepare"]

LINE_OCTETS = 1000  # with its CRLF, RFC 5321 §4.5.3.1.6
HEADER_OCTETS = 262_144
HEADER_FIELDS = 1_000
RECEIVED_FIELDS = 100  # RFC 5321 §6.3: a large number of them means a loop

FIELD_BREAK = re.compile(rb"\r\n(?![ \t])")
FIELD_NAME = re.compile(rb"[!-9;-~]+[ \t]*")  # ftext = %d33-57 / %d59-126 (RFC 5322 §3.6.8), obsolete space tolerated
ID_RIGHT = re.compile(r"[A-Za-z0-9\-.]+|\[[A-Za-z0-9.:]+\]")  # of Message-ID, RFC 5322 §3.6.4
FOLD = re.compile(rb"\r\n[ \t]+")
ANY_LINE_END = re.compile(rb"\r\n?|\n")
CONTROLS = bytes(octet for octet in (*range(32), 127) if octet not in b"\t\r\n")
BLIND = frozenset({b"bcc", b"resent-bcc"})
RETURN_PATH = b"return-path"
SIGNATURE_NAMES = frozenset(name.encode() for name in SIGNATURES)
COVERED = re.compile(rb"(?:\A|;)\s*h\s*=([^;]*)")  # the fields that a signature names, RFC 6376 §3.5
TLS_REQUIRED = b"tls-required"
MADE = frozenset({b"date", b"message-id"})  # made where missing, and no part of the content
LINE_SEPARATORS = ("\u0085", "\u2028", "\u2029")  # line ends to some readers, not to RFC 5322


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A message ready to be stored.

    :ivar octets: as they go on the wire, before dot-stuffing: every line ends in CRLF, no other CR, LF or NUL.
    :ivar eight_bit: some octet is above 127, so the host must offer 8BITMIME (RFC 6152).
    :ivar smtputf8_headers: so is one of the header, so the host must offer SMTPUTF8 (RFC 6531).
    :ivar tls_not_required: it says ``TLS-Required: No``: it had better arrive in clear than not at all (RFC 8689 §5).
    :ivar message_id: the value of ``Message-ID``, brackets included, at most 1,000 octets of it.
    :ivar digest: 32 octets, equal for equal content: see :mod:`softbounce.message.content_digest`.
    :ivar lasting_digest: the same, also where the message was signed anew; ``None``: it is what :attr:`digest` is.
    """

    octets: bytes
    eight_bit: bool
    smtputf8_headers: bool
    tls_not_required: bool
    message_id: str
    digest: bytes
    lasting_digest: bytes | None


def prepare(
    message: Message[Any, Any] | bytes,
    *,
    max_octets: int,
    sender: str = "",
    hostname: str = "localhost",
    now: datetime | None = None,
) -> Prepared:
    """Make octets of a message, without ``Bcc`` and ``Return-Path``, with ``Date`` and ``Message-ID``.

    ``Return-Path`` is for the host that puts the message into a mailbox (RFC 5321 §4.4): one that came along would name
    another return path than the envelope's. It stays where a signature in the message covers it, and is part of
    the content as it was when it stayed always: a message that was stored then is the same one still.

    :param message: an ``EmailMessage`` (or any other of the standard library), or the octets of one.
    :param max_octets: the limit for the message, before our own fields are added.
    :param sender: a made ``Message-ID`` gets this address's domain, else *hostname*.
    :param now: the instant of a made ``Date``.
    :raises InvalidMessage: it cannot be sent; names what is wrong and never quotes it.
    """
    octets = _with_crlf(_octets_of(message, max_octets=max_octets))
    if len(octets) > max_octets:
        raise _too_large(len(octets), max_octets)
    _check_lines(octets)
    head, body = _parted(octets)
    fields = FIELD_BREAK.split(head)
    kept: list[bytes] = []
    content: list[bytes] = []
    made: dict[bytes, bytes] = {}
    named = list(_named(fields))
    dropped = _dropped(named)
    for name, field in named:
        if name in BLIND:
            continue
        if name in MADE:
            value = FOLD.sub(b" ", field.partition(b":")[2]).strip()
            if not value:
                continue
            made.setdefault(name, value)
        else:
            content.append(field)
        if name not in dropped:
            kept.append(field)
    smtputf8_headers = _needs_smtputf8(b"\r\n".join(kept))
    if b"date" not in made:
        kept.append(b"Date: " + format_datetime(now or datetime.now(UTC)).encode())
    if b"message-id" not in made:
        domain = next((name for name in (sender.rpartition("@")[2], hostname) if ID_RIGHT.fullmatch(name)), "localhost")
        made[b"message-id"] = f"<{secrets.token_hex(16)}@{domain}>".encode()
        kept.append(b"Message-ID: " + made[b"message-id"])
    if kept != fields:
        octets = b"\r\n".join((*kept, b"", body))
    return Prepared(
        octets=octets,
        eight_bit=not octets.isascii(),
        smtputf8_headers=smtputf8_headers,
        tls_not_required=_is_tls_not_required(content),
        message_id=made[b"message-id"][:LINE_OCTETS].decode(errors="replace"),
        digest=content_digest(content, body),
        lasting_digest=lasting_digest(content, body),
    )


def former_digest(message: Message[Any, Any], *, max_octets: int) -> bytes | None:
    """The digest by which an older version stored the message object, where that may be another than today's."""
    octets = written_formerly(message)
    try:
        return None if octets is None else prepare(octets, max_octets=max_octets).digest
    except InvalidMessage:  # so it was then, and nothing was stored
        return None


def _octets_of(message: Message[Any, Any] | bytes, *, max_octets: int) -> bytes:
    if isinstance(message, Message):
        return serialise(message)
    if not isinstance(message, (bytes, bytearray, memoryview)):
        raise _wrong_type(message)
    octets = bytes(message)
    if not octets:
        raise _refusal("is empty")
    if len(octets) > max_octets:
        raise _too_large(len(octets), max_octets)
    return octets


def _with_crlf(octets: bytes) -> bytes:
    """Make CRLF the only line end, the last one included."""
    if b"\0" in octets:
        raise _refusal("has a NUL octet")
    crlf = octets.count(b"\r\n")
    if octets.count(b"\n") != crlf or octets.count(b"\r") != crlf:
        octets = _mended(octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def _mended(octets: bytes) -> bytes:
    """Read every line end as one, except where that could add a header field that its author did not write.

    A stray LF in a header that otherwise ends its lines in CRLF came in with some value: as a line end it would
    forge a field, or end the header.
    """
    if b"\r" not in octets:
        return octets.replace(b"\n", b"\r\n")
    end = HEADER_END.search(octets)
    head = octets[: end.end()] if end else octets
    crlf = head.count(b"\r\n")
    if head.count(b"\r") != crlf or (crlf and head.count(b"\n") != crlf):
        raise _refusal("the header has a bare CR or LF beside line ends of another kind")
    return ANY_LINE_END.sub(b"\r\n", octets)


def _check_lines(octets: bytes) -> None:
    """Hop from the last line end within reach to the next: a few steps for each kilobyte."""
    start = 0
    while start < len(octets):
        line_end = octets.rfind(b"\n", start, start + LINE_OCTETS)
        if line_end < 0:
            number = octets.count(b"\n", 0, start) + 1
            raise _refusal(f"line {number} is longer than {LINE_OCTETS - 2} octets")
        start = line_end + 1


def _parted(octets: bytes) -> tuple[bytes, bytes]:
    """The header, without its last line end, and the body."""
    end = octets.find(b"\r\n\r\n", 0, HEADER_OCTETS + 4)
    if end < 0 and len(octets) > HEADER_OCTETS:
        raise _refusal(f"the header has more than {HEADER_OCTETS} octets")
    return (octets[:end], octets[end + 4 :]) if end >= 0 else (octets[:-2], b"")


def _needs_smtputf8(head: bytes) -> bool:
    """Whether the header has UTF-8 in it; refuses controls, other encodings and what some take for line ends.

    Asked of the fields that leave: what a removed ``Bcc`` held is nothing that a host must be able to take.
    """
    if len(head.translate(None, CONTROLS)) != len(head):
        raise _refusal("the header has a control character")
    if head.isascii():
        return False
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise _refusal("the header is neither ASCII nor UTF-8") from None
    if any(separator in text for separator in LINE_SEPARATORS):
        raise _refusal("the header has a line separator (U+0085, U+2028 or U+2029) within a line")
    return True


def _dropped(fields: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The names of what does not leave: without a field that a signature names, the signature would be broken."""
    signatures = (field.partition(b":")[2] for name, field in fields if name in SIGNATURE_NAMES)
    lists = (covered[1] for value in signatures if (covered := COVERED.search(value)) is not None)
    is_signed = any(RETURN_PATH in map(bytes.strip, covered.lower().split(b":")) for covered in lists)
    return BLIND if is_signed else BLIND | {RETURN_PATH}


def _is_tls_not_required(fields: list[bytes]) -> bool:
    """By the only field of that name (RFC 8689 §5)."""
    pairs = (field.partition(b":") for field in fields)
    return [value.strip().lower() for name, _, value in pairs if name.rstrip().lower() == TLS_REQUIRED] == [b"no"]


def _named(fields: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each field with its name in lower case."""
    if not fields[0]:
        raise _refusal("starts with an empty line instead of a header")
    if len(fields) > HEADER_FIELDS:
        raise _refusal(f"the header has more than {HEADER_FIELDS} fields")
    received = 0
    for number, field in enumerate(fields, 1):
        name, colon, _ = field.partition(b":")
        if not colon or FIELD_NAME.fullmatch(name) is None:
            raise _refusal(f"field {number} of the header has no name and colon")
        name = name.rstrip().lower()
        received += name == b"received"
        yield name, field
    if received > RECEIVED_FIELDS:
        raise _refusal(f"has passed {received} hosts (Received fields), more than {RECEIVED_FIELDS}: a loop")


def _wrong_type(message: object) -> InvalidMessage:
    hint = "; give what its message() returns" if callable(getattr(message, "message", None)) else ""
    return _refusal(f"neither octets nor an email.message.Message but {type(message).__name__}{hint}")


def _too_large(octets: int, limit: int) -> InvalidMessage:
    return _refusal(f"has {octets} octets, more than max_message_octets allows: {limit}")


def _refusal(reason: str) -> InvalidMessage:
    return InvalidMessage("message", reason)
