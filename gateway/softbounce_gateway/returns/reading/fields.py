"""The fields of a machine-readable report: groups of ``Name: value`` lines between blank ones, read with forbearance.

RFC 3464 §2.1 and RFC 5965 §3.2 have them like a message's header. What hosts write is less strict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Group", "address_of", "groups", "word_of"]

FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:(.*)")
BEGINNINGS = frozenset({"final-recipient", "original-recipient"})
MOST_GROUPS, MOST_FIELDS = 101, 60
"""One of the message, and a hundred of recipients: as many as a notice of another softbounce tells of."""
ADDRESS_CHARACTERS = 400
VALUE_CHARACTERS = 4_000
TYPED = re.compile(r"\s*([A-Za-z0-9-]+)\s*;\s*(.*)", re.DOTALL)
ANGLE = re.compile(r"<([^<>]{1,400})>")
OF_UTF8 = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
"""A character beyond ASCII in an address that is written in ASCII (RFC 6533 §3)."""
LAST_CHARACTER = 0x10FFFF
XTEXT = re.compile(r"\+([0-9A-F]{2})")
COMMENT = re.compile(r"\s*\([^()]*\)\s*$")

Group = dict[str, str]
"""By name in lower case; of a field that is there twice, the first. Lines of one value stay apart."""


def groups(text: str) -> list[Group]:
    """All groups that have any field."""
    found: list[Group] = []
    group: Group = {}
    name = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            if group:
                found.append(group)
                if len(found) == MOST_GROUPS:
                    return found
            group, name = {}, ""
        elif line[0] in " \t":
            if name and len(group[name]) < VALUE_CHARACTERS:
                group[name] += "\n" + line.strip()
        elif (field := FIELD.match(line)) is not None and len(group) < MOST_FIELDS:
            name = field[1].lower()
            if name in group and name in BEGINNINGS and len(found) < MOST_GROUPS - 1:
                found.append(group)  # a blank line is missing
                group = {name: field[2].strip()[:VALUE_CHARACTERS]}
            elif name in group:
                name = ""
            else:
                group[name] = field[2].strip()[:VALUE_CHARACTERS]
        else:
            name = ""
    return [*found, group] if group else found


def word_of(value: str) -> str:
    """The value behind its type: ``dns; mx.example.net`` is ``mx.example.net``."""
    found = TYPED.match(value)
    return COMMENT.sub("", (found[2] if found else value)).strip()


def address_of(values: Iterable[str]) -> tuple[str, ...]:
    """The addresses in fields such as ``rfc822; <someone@example.net>``, each once.

    Some hosts leave one as it was given to them, in xtext (RFC 3461 §4): ``someone+2Bshop@example.net``. Both count.
    """
    found: dict[str, None] = {}
    for value in values:
        text = word_of(value)
        angle = ANGLE.search(text)
        text = " ".join((angle[1] if angle else text).split())
        text = OF_UTF8.sub(_character, text.removeprefix("mailto:"))
        if "@" in text and len(text) <= ADDRESS_CHARACTERS:
            found[text] = None
            found[XTEXT.sub(lambda octet: chr(int(octet[1], 16)), text)] = None
    return tuple(found)


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    character = chr(number) if number <= LAST_CHARACTER else ""
    return character if character.isprintable() and character else found[0]
