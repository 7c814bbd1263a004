"""A message with 8-bit content as one that any host takes: each part that has some is encoded anew (RFC 6152 §3).

Text becomes quoted-printable, or base64 where that is shorter, and everything else base64; the structure, the fields
and all other parts keep their octets. Never done: to what a signature covers (DKIM, ``multipart/signed``), to octets
beyond ASCII in a header, which no encoding of a body mends, and to what says that it is encoded, and is not.

RFC 2045 §6 (transfer encodings), RFC 2046 §5 (which of them composite types may have), RFC 1428 §3 (8-bit text of a
message that is no MIME).
"""

from __future__ import annotations

import binascii
import re
from base64 import encodebytes
from dataclasses import dataclass

__all__ = ["may_become_seven_bit", "seven_bit"]

DEEPEST = 20
MOST_PARTS = 2_000
MOST_LOOKS = 100_000
"""So many times a boundary is looked for: it may be one that is everywhere."""
DENSE = 0.18
"""With a larger share of octets above 127 than that, base64 is shorter than quoted-printable."""

FIELD = re.compile(rb"\r\n(?![ \t])")
FOLD = re.compile(rb"\r\n(?=[ \t])")
TYPE = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)/([!#$%&'*+.^_`|~0-9a-z-]+)", re.IGNORECASE)
PARAMETER = re.compile(rb";[ \t]*([^\s=;]+)[ \t]*=[ \t]*(\"(?:[^\"\\]|\\.)*\"|[^\s;]*)", re.DOTALL)
DELIMITER_END = re.compile(rb"(--)?[ \t]{0,998}(?:\r\n|\Z)")
QUOTED = re.compile(rb"\\(.)", re.DOTALL)
SIGNATURES = frozenset({b"dkim-signature", b"domainkey-signature", b"arc-message-signature", b"arc-seal"})
IDENTITY = frozenset({b"", b"7bit", b"8bit", b"binary"})
ENCODING, TYPE_FIELD, VERSION = b"content-transfer-encoding", b"content-type", b"mime-version"


class _ImpossibleError(Exception):
    """It has to stay as it is."""


@dataclass(slots=True)
class _Work:
    """How much was done, of what a message may ask for."""

    parts: int = 0
    looks: int = 0


def may_become_seven_bit(message: bytes) -> bool:
    """Whether :func:`seven_bit` is worth a try: a look at the header, which most messages that stay show it by."""
    try:
        fields, _ = _split(message)
        return not SIGNATURES & _by_name(fields).keys()
    except _ImpossibleError:
        return False


def seven_bit(message: bytes) -> bytes | None:
    """The message in ASCII; ``None``: it cannot be had without changing what it says, or what somebody signed.

    :param message: with CRLF line ends alone, none doubled.
    """
    try:
        converted = _entity(message, b"text", _Work(), depth=0, is_message=True)
    except _ImpossibleError:
        return None
    return converted if converted.isascii() else None


def _entity(octets: bytes, usual: bytes, work: _Work, *, depth: int, is_message: bool = False) -> bytes:
    """A message, or a part of one. *usual* is its main type where it names none."""
    work.parts += 1
    if octets.isascii():
        return octets
    if depth > DEEPEST or work.parts > MOST_PARTS:
        raise _ImpossibleError
    fields, body = _split(octets)
    named = _by_name(fields)
    if SIGNATURES & named.keys() or named.get(ENCODING, b"").strip().lower() not in IDENTITY:
        raise _ImpossibleError
    main, sub, boundary = _type_of(named.get(TYPE_FIELD), usual)
    if main == b"multipart":
        if sub == b"signed" or not boundary:
            raise _ImpossibleError
        body = _multipart(body, boundary, b"message" if sub == b"digest" else b"text", work, depth)
        return _joined(fields, body, encoding=b"7bit" if ENCODING in named else None)
    if main == b"message":
        if sub != b"rfc822":
            raise _ImpossibleError
        body = _entity(body, b"text", work, depth=depth + 1, is_message=True)
        return _joined(fields, body, encoding=b"7bit" if ENCODING in named else None)
    if is_message and VERSION not in named:
        fields = [*fields, b"MIME-Version: 1.0"]
    if TYPE_FIELD not in named:
        fields = [*fields, b"Content-Type: text/plain; charset=" + _charset_of(body)]
    body, encoding = _leaf(body, is_text=main == b"text")
    return _joined(fields, body, encoding=encoding)


def _split(octets: bytes) -> tuple[list[bytes], bytes]:
    """The fields of its header, and what comes behind it."""
    if octets.startswith(b"\r\n"):
        return [], octets[2:]
    head, separator, body = octets.partition(b"\r\n\r\n")
    if not separator or not head.isascii():
        raise _ImpossibleError
    return FIELD.split(head), body


def _by_name(fields: list[bytes]) -> dict[bytes, bytes]:
    """The values, unfolded. Of what says how to read the body there may be one only."""
    named: dict[bytes, bytes] = {}
    for field in fields:
        name, colon, value = field.partition(b":")
        name = name.strip().lower()
        if not colon or (name in {ENCODING, TYPE_FIELD} and name in named):
            raise _ImpossibleError
        named[name] = FOLD.sub(b"", value)
    return named


def _type_of(value: bytes | None, usual: bytes) -> tuple[bytes, bytes, bytes]:
    """Main type, subtype and boundary."""
    if value is None:
        return usual, b"rfc822" if usual == b"message" else b"plain", b""
    match = TYPE.match(value)
    if match is None:
        raise _ImpossibleError
    boundaries = [text for name, text in PARAMETER.findall(value, match.end()) if name.lower() == b"boundary"]
    if len(boundaries) > 1:
        raise _ImpossibleError
    boundary = boundaries[0] if boundaries else b""
    if boundary.startswith(b'"'):
        boundary = QUOTED.sub(rb"\1", boundary[1:-1])
    return match[1].lower(), match[2].lower(), boundary.rstrip(b" ")


def _multipart(body: bytes, boundary: bytes, usual: bytes, work: _Work, depth: int) -> bytes:
    """All parts, each in its place; what stands before and behind them has to be ASCII already."""
    made: list[bytes] = []
    kept_from, start = 0, -1
    for line, end, is_last in _delimiters(body, boundary, work):
        if start >= 0:
            made += (body[kept_from:start], _entity(body[start:line], usual, work, depth=depth + 1))
            kept_from = max(line, start)
        start = end
        if is_last:
            start = -1
            break
    if start >= 0:  # no last boundary: the part goes on to the end
        made += (body[kept_from:start], _entity(body[start:], usual, work, depth=depth + 1))
        kept_from = len(body)
    return b"".join(made) + body[kept_from:]


def _delimiters(body: bytes, boundary: bytes, work: _Work) -> list[tuple[int, int, bool]]:
    """Where each line of the boundary begins, with the CRLF before it; where it ends; whether it is the last."""
    dashes = b"--" + boundary
    found: list[tuple[int, int, bool]] = []
    at = body.find(dashes)
    while at >= 0:
        work.looks += 1
        if work.looks > MOST_LOOKS:
            raise _ImpossibleError
        begins = at - 2 if at else 0
        if at == 0 or body[begins:at] == b"\r\n":
            match = DELIMITER_END.match(body, at + len(dashes))
            if match is not None:
                found.append((begins, match.end(), match[1] is not None))
        at = body.find(dashes, at + 1)
    return found


def _leaf(body: bytes, *, is_text: bool) -> tuple[bytes, bytes]:
    """A part's content in ASCII, and how it is encoded."""
    high = len(body) - len(body.translate(None, bytes(range(128, 256))))
    if is_text and high <= DENSE * len(body):
        return binascii.b2a_qp(body, istext=True), b"quoted-printable"
    return encodebytes(body).replace(b"\n", b"\r\n"), b"base64"


def _charset_of(body: bytes) -> bytes:
    """What a text is in whose author did not say: RFC 1428 has a name for what nobody knows."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return b"unknown-8bit"
    return b"utf-8"


def _joined(fields: list[bytes], body: bytes, *, encoding: bytes | None) -> bytes:
    """Header and body again, with this encoding where one is said."""
    if encoding is not None:
        fields = [field for field in fields if field.partition(b":")[0].strip().lower() != ENCODING]
        fields.append(b"Content-Transfer-Encoding: " + encoding)
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body
