"""Who a message says that it is from: the addresses in its From fields, for a check of who may say so.

Read as suspiciously as can be: every line of the header that any reader may take for such a field counts, and what
cannot be told for sure is refused. Nothing is changed, and nothing is said of messages that have no such field.

RFC 5322 §3.6.2 (From), §4.5 (blanks before the colon).
"""

from __future__ import annotations

import re
from email.errors import NonASCIILocalPartDefect, ObsoleteHeaderDefect, UndecodableBytesDefect
from email.policy import default
from typing import Any

from softbounce.address import parse_address
from softbounce.errors import InvalidAddress, InvalidMessage

__all__ = ["authors_of"]

FIELD = re.compile(rb"from[ \t]*:", re.IGNORECASE)
END = re.compile(rb"\n\r?\n")
LINE_END = re.compile(rb"\r\n|\r|\n")
MOST_OCTETS = 4_096
MOST_AUTHORS = 20
HARMLESS = (NonASCIILocalPartDefect, ObsoleteHeaderDefect, UndecodableBytesDefect)


def authors_of(message: bytes) -> tuple[str, ...]:
    """The addresses in the From fields, canonical, each once.

    :raises InvalidMessage: they cannot be told for sure; names ``From``.
    """
    if message[:1] in (b"\r", b"\n"):
        return ()
    end = END.search(message)
    values: list[bytes] = []
    is_within = False
    for line in LINE_END.split(message if end is None else message[: end.start()]):
        if line[:1] in (b" ", b"\t") and is_within:
            values[-1] += line
        elif (found := FIELD.match(line)) is not None:
            values.append(line[found.end() :])
            is_within = True
        else:
            is_within = False
    return tuple(dict.fromkeys(author for value in values for author in _authors_in(value)))


def _authors_in(value: bytes) -> list[str]:
    if len(value) > MOST_OCTETS:
        raise InvalidMessage("From", f"is longer than {MOST_OCTETS} octets, so it is not told who it is from")
    try:
        field: Any = default.header_factory("From", value.decode("utf-8", "surrogateescape"))
        named = [one.addr_spec for one in field.addresses]
        is_plain = all(isinstance(defect, HARMLESS) for defect in field.defects)
    except (ValueError, IndexError, AttributeError, RecursionError):  # the parser, at what was written to break it
        named, is_plain = [], False
    if not (named and is_plain and len(named) <= MOST_AUTHORS):
        raise InvalidMessage("From", "cannot be read as RFC 5322 has it: write it like Shop <mail@shop.example>")
    try:
        return [parse_address(one, field="From").canonical.lower() for one in named]
    except InvalidAddress as error:
        raise InvalidMessage("From", error.reason) from None
