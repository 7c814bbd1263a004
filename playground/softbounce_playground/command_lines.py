"""Reads command lines: the paths in MAIL and RCPT, and the parameters of MAIL.

RFC 5321 §4.1.1.2 and §4.1.1.3; parameters by RFC 1870, RFC 2852, RFC 6152 and RFC 6531. Decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["MUST_BE_LAST", "announced_octets", "parse_mail", "parse_rcpt", "unoffered_parameter"]

PATH = rb"<((?:\"(?:[^\"\\]|\\.)*\"|[^<>\" ])*)>((?: +[^ ]+)*) *"
MAIL = re.compile(rb"MAIL FROM:" + PATH, re.IGNORECASE)
RCPT = re.compile(rb"RCPT TO:" + PATH, re.IGNORECASE)
SIZE = re.compile(rb" SIZE=([0-9]{1,20})(?: |\Z)", re.IGNORECASE)
PARAMETER_NEEDS = {b"SIZE": "SIZE", b"BODY": "8BITMIME", b"SMTPUTF8": "SMTPUTF8", b"BY": "DELIVERBY"}

MUST_BE_LAST = frozenset({b"EHLO", b"HELO", b"DATA", b"QUIT", b"NOOP", b"VRFY", b"STAR"})
"""Commands after which a client waits, even where it may pipeline (RFC 2920 §3.1)."""


def parse_mail(line: bytes) -> tuple[str, bytes] | None:
    """The sender (empty for ``<>``) and the parameters of a MAIL command, or ``None`` when it is malformed."""
    found = MAIL.fullmatch(line)
    return (_text(found[1]), found[2]) if found else None


def parse_rcpt(line: bytes) -> str | None:
    """The recipient of a RCPT command, or ``None`` when it is malformed."""
    found = RCPT.fullmatch(line)
    return _text(found[1]) if found and found[1] else None


def unoffered_parameter(parameters: bytes, extensions: Collection[str]) -> bool:
    """Whether MAIL carries a parameter that no offered extension defines."""
    needs = (PARAMETER_NEEDS.get(parameter.partition(b"=")[0].upper()) for parameter in parameters.split())
    return any(extension not in extensions for extension in needs)


def announced_octets(parameters: bytes) -> int:
    """The message size that MAIL announces; 0 when it does not."""
    found = SIZE.search(parameters)
    return int(found[1]) if found else 0


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
