"""The commands that carry a path, and the replies a host gives when nothing asks for another.

RFC 5321 §4.1.1.2 and §4.1.1.3; parameters by RFC 1870, RFC 6152 and RFC 6531. Reads; decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = [
    "BAD_SEQUENCE_503",
    "BAD_SYNTAX_501",
    "BYE_221",
    "GO_AHEAD_354",
    "LINE_TOO_LONG_500",
    "MUST_BE_LAST",
    "NO_RECIPIENTS_554",
    "OK_250",
    "PARAMETER_555",
    "RECIPIENT_OK_250",
    "SENDER_OK_250",
    "TAKEN_250",
    "TOO_BIG_552",
    "TOO_MANY_CONNECTIONS_421",
    "TOO_MANY_RECIPIENTS_452",
    "UNKNOWN_COMMAND_500",
    "announced_octets",
    "parse_mail",
    "parse_rcpt",
    "unoffered_parameter",
]

PATH = rb"<((?:\"(?:[^\"\\]|\\.)*\"|[^<>\" ])*)>((?: +[^ ]+)*) *"
MAIL = re.compile(rb"MAIL FROM:" + PATH, re.IGNORECASE)
RCPT = re.compile(rb"RCPT TO:" + PATH, re.IGNORECASE)
SIZE = re.compile(rb" SIZE=([0-9]{1,20})(?: |\Z)", re.IGNORECASE)
PARAMETER_NEEDS = {b"SIZE": "SIZE", b"BODY": "8BITMIME", b"SMTPUTF8": "SMTPUTF8"}

MUST_BE_LAST = frozenset({b"EHLO", b"HELO", b"DATA", b"QUIT", b"NOOP", b"VRFY"})
"""Commands after which a client waits, even where it may pipeline (RFC 2920 §3.1)."""

OK_250 = "250 2.0.0 Ok"
SENDER_OK_250 = "250 2.1.0 Sender ok"
RECIPIENT_OK_250 = "250 2.1.5 Recipient ok"
TAKEN_250 = "250 2.0.0 Message taken"
BYE_221 = "221 2.0.0 Bye"
GO_AHEAD_354 = "354 End data with <CR><LF>.<CR><LF>"
TOO_MANY_CONNECTIONS_421 = "421 4.7.0 Too many connections from you"
TOO_MANY_RECIPIENTS_452 = "452 4.5.3 Too many recipients"
UNKNOWN_COMMAND_500 = "500 5.5.1 Command not known"
LINE_TOO_LONG_500 = "500 5.5.6 Line too long"
BAD_SYNTAX_501 = "501 5.5.4 Syntax error"
BAD_SEQUENCE_503 = "503 5.5.1 Bad sequence of commands"
TOO_BIG_552 = "552 5.3.4 Message too big"
NO_RECIPIENTS_554 = "554 5.5.1 No valid recipients"
PARAMETER_555 = "555 5.5.4 Parameter not known"


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
