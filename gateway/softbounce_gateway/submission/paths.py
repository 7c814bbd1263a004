r"""MAIL and RCPT: the path in angle brackets, and the parameters behind it.

The path's grammar is :mod:`softbounce.address`'s and no wider. Blanks and tabs too many, as some clients write
(``MAIL FROM: <a@b>``), are read over, and so are brackets that are missing: controllers of disks and old programs leave
them out, and a mailbox has no other reading.

RFC 5321 §4.1.1.2 and §4.1.1.3, §4.1.2 (``esmtp-param``), RFC 6531 §3.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Parameters", "PathLine", "read_path_line"]

# keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"); value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)
PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]{0,63})(?:=([\x21-\x3c\x3e-\x7e\u0080-\U0010ffff]{1,1000}))?")
PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*+"|[^"<> ])*+)>')
BARE_PATH = re.compile(r'([^"<>\s@]+@[^"<>\s@]+)')
BLANKS = " \t"
MOST_PARAMETERS = 16
Parameters = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLine:
    """What MAIL or RCPT say.

    :ivar path: without its brackets; empty: the null sender.
    :ivar parameters: by keyword in upper case; ``None``: it has no value.
    """

    path: str
    parameters: Parameters


def read_path_line(argument: str, keyword: str) -> PathLine | None:
    """Read what follows the verb.

    :param keyword: ``FROM:`` or ``TO:``.
    :returns: ``None``: it does not have this form.
    """
    if argument[: len(keyword)].upper() != keyword:
        return None
    rest = argument[len(keyword) :].lstrip(BLANKS)
    found = PATH.match(rest) or BARE_PATH.match(rest)
    if found is None:
        return None
    words = rest[found.end() :]
    if words and words[0] not in BLANKS:
        return None
    parameters: dict[str, str | None] = {}
    for word in words.split():
        named = PARAMETER.fullmatch(word)
        if named is None or named[1].upper() in parameters or len(parameters) == MOST_PARAMETERS:
            return None
        parameters[named[1].upper()] = named[2]
    return PathLine(path=found[1], parameters=parameters)
