"""What a signature is made over: header fields and bodies in canonical form (RFC 6376 §3.4).

Does not mend line ends: an accepted message has no CR or LF but those of its CRLFs. A body is read in pieces, so that
a large one, at work in a thread, never keeps the event loop from Python's lock for long.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

__all__ = ["body_hash", "canonical_field", "split_message"]

PIECE_OCTETS = 64 * 1024
CRLF = b"\r\n"
FIELD_BREAK = re.compile(rb"\r\n(?![ \t])")
BLANKS = re.compile(rb"[ \t]+")
ODD_BLANKS = re.compile(rb"[ \t]{2,}|\t")
"""What is not one space already: single spaces, of which text is full, are passed over."""


def split_message(octets: bytes) -> tuple[list[bytes], int]:
    """The fields of the header, each with its folds and without its last CRLF, and where the body begins."""
    end = octets.find(b"\r\n\r\n")
    if octets.startswith(CRLF):
        return [], len(CRLF)
    if end < 0:
        return FIELD_BREAK.split(octets.removesuffix(CRLF)), len(octets)
    return FIELD_BREAK.split(octets[:end]), end + 2 * len(CRLF)


def canonical_field(field: bytes, *, relaxed: bool) -> bytes:
    """A field as it is signed, without its last CRLF (§3.4.1, §3.4.2)."""
    if not relaxed:
        return field
    name, _, value = field.partition(b":")
    return name.strip(b" \t").lower() + b":" + BLANKS.sub(b" ", value.replace(CRLF, b"")).strip(b" ")


def body_hash(octets: bytes, start: int = 0, *, relaxed: bool) -> str:
    """The ``bh=`` of the body that begins at *start*: SHA-256, in base64 (§3.4.3, §3.4.4, §3.7).

    Empty lines at its end do not count. An empty body is nothing at all in relaxed form, and one CRLF in simple form.
    """
    digest = sha256()
    is_empty, empty_lines = True, 0
    for piece in _pieces(octets, start):
        lines = _relaxed_lines(piece) if relaxed else piece
        text = lines.rstrip(CRLF)
        behind = (len(lines) - len(text)) // len(CRLF)
        if not text:
            empty_lines += behind
            continue
        digest.update(CRLF * empty_lines)
        digest.update(text)
        is_empty, empty_lines = False, behind
    if not (is_empty and relaxed):
        digest.update(CRLF)
    return b64encode(digest.digest()).decode()


def _relaxed_lines(lines: bytes) -> bytes:
    if b"\t" in lines or b"  " in lines:
        lines = ODD_BLANKS.sub(b" ", lines)
    if b" \r\n" in lines:
        lines = lines.replace(b" \r\n", CRLF)
    return lines.removesuffix(b" ")  # only a body that does not end its last line


def _pieces(octets: bytes, start: int) -> Iterator[bytes]:
    """Whole lines, about so many octets at a time."""
    while start < len(octets):
        end = octets.rfind(b"\n", start, start + PIECE_OCTETS) + 1
        end = end or octets.find(b"\n", start) + 1 or len(octets)
        yield octets[start:end]
        start = end
