"""A reply from what was written down of it: one line of text, as logs and bounces have it."""

from __future__ import annotations

import re

from softbounce.classify.wording import TEXT_LIMIT
from softbounce.reply import Reply

__all__ = ["find_enhanced", "parse_reply_text"]

CODE = re.compile(r"\s*(\d{3})(?:[ \t-]|$)")
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
EMBEDDED = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?![\d.])")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def parse_reply_text(text: str) -> Reply:
    """Read a reply that was written as text: ``550 5.1.1 User unknown``, its lines joined by spaces or line breaks.

    A code that is repeated at the start of each line (``550-``, ``550 ``) is taken off, as is the enhanced status.

    :raises ValueError: it does not begin with three digits.
    """
    begin = CODE.match(text)
    if begin is None:
        shown = CONTROL.sub("?", text[:40])
        raise ValueError(f"a reply begins with three digits and a space, this one with {shown!r}")
    code = begin[1]
    enhanced: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        rest = line.strip()
        if rest.startswith((f"{code} ", f"{code}-")) or rest == code:
            rest = rest[len(code) + 1 :].lstrip()
        found = ENHANCED.match(rest)
        if found is not None and enhanced in (None, found[1]):
            enhanced = found[1]
            rest = rest[found.end() :]
        lines.append(CONTROL.sub(lambda control: f"\\x{ord(control[0]):02x}", rest))
    return Reply(code=int(code), enhanced=enhanced or find_enhanced(text, int(code[0])), lines=tuple(lines))


def find_enhanced(text: str, digit: int) -> str | None:
    """The first enhanced status code within a text whose class is the reply code's first digit.

    Some hosts write it at the end, as in ``(#5.1.1)``. Addresses and versions do not pass for one.
    """
    return next((found.group() for found in EMBEDDED.finditer(text[:TEXT_LIMIT]) if int(found[1]) == digit), None)
