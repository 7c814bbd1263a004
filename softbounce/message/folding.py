"""Header fields as lines: folded at whitespace alone, so that who unfolds them has the very words that were put in.

A word is never broken and never encoded to make it fit: an id, a URL or a signature that became an encoded word is
another one to every reader (RFC 2047 §5). What a value means is not known here. RFC 5322 §2.2.3, RFC 2047 §2.
"""

from __future__ import annotations

import re
from email.charset import Charset
from itertools import chain, repeat

__all__ = ["LINE_OCTETS", "encoded_words", "fold", "unfold"]

LINE_OCTETS = 998  # without its CRLF, RFC 5322 §2.1.1
WORD_OCTETS = 74  # of an encoded word: with the space before it, no more than RFC 2047 §2 allows
SHORTEST_OCTETS = 24  # of a first encoded word behind a long field name
WORD = re.compile(rb"[ \t]*[^ \t]+(?:[ \t]+\Z)?")
QUOTED = re.compile(rb'\\.|"|[ \t]+|[^\\" \t]+|\\', re.DOTALL)
FOLDED = re.compile(r"\r?\n(?=[ \t])")
UTF8 = Charset("utf-8")


def unfold(text: str) -> str:
    """The value in one line; whitespace stays as it is."""
    return FOLDED.sub("", text)


def fold(field: bytes, *, width: int, is_quoting: bool = False) -> bytes | None:
    """Break a field before whitespace, so that its lines have at most *width* octets wherever a word allows it.

    The first word stays beside the field's name: a line with nothing but a name is read as an empty field by some.

    :param is_quoting: whitespace in quoted strings is no place to break, unless a line could not be sent otherwise.
    :returns: the lines, without the last CRLF; ``None``: some word is too long for any line.
    """
    lines = _lines(_unquoted_words(field) if is_quoting else WORD.findall(field), width)
    if lines is None and is_quoting:
        lines = _lines(WORD.findall(field), width)
    return None if lines is None else b"\r\n".join(lines)


def _lines(words: list[bytes], width: int) -> list[bytes] | None:
    lines: list[bytes] = []
    line: list[bytes] = []
    octets = 0
    for word in words:
        # Behind the name alone a line is broken only where both could not be sent on one.
        limit = width if len(line) > 1 or lines else LINE_OCTETS
        if line and octets + len(word) > limit and word[:1] in b" \t":
            lines.append(b"".join(line))
            line, octets = [], 0
        line.append(word)
        octets += len(word)
    lines.append(b"".join(line))
    return None if max(map(len, lines)) > LINE_OCTETS else lines


def _unquoted_words(field: bytes) -> list[bytes]:
    """The words of the field, each with the whitespace before it; a quoted string is part of its word."""
    words: list[bytes] = []
    word: list[bytes] = []
    is_quoted = False
    for piece in QUOTED.findall(field):
        if piece == b'"':
            is_quoted = not is_quoted
        elif piece[:1] in b" \t" and not is_quoted and word and not word[-1].isspace():
            words.append(b"".join(word))
            word = []
        word.append(piece)
    if word and not b"".join(word).isspace():
        words.append(b"".join(word))
    elif word:  # the field's name is a word before it
        words[-1] += b"".join(word)
    return words


def encoded_words(text: str, *, behind: int = 0) -> str:
    """The text as encoded words in UTF-8, a space between two of them, each fit for a line.

    :param behind: octets that stand before it in its line.
    """
    first = max(SHORTEST_OCTETS, WORD_OCTETS - behind)
    return " ".join(word for word in UTF8.header_encode_lines(text, chain((first,), repeat(WORD_OCTETS))) if word)
