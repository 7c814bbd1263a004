"""Reply text made safe to print: whatever a remote wrote, what is kept has no control or direction characters.

Escaping happens here, once, when a reply is parsed, so that no screen, log or terminal has to think of it again.
"""

from __future__ import annotations

import unicodedata

__all__ = ["clip", "printable"]

CUT = "..."
ASCII_END = 0x80


def printable(octets: bytes, limit: int) -> str:
    r"""The text of *octets*: UTF-8, else Latin-1; tabs become spaces, unprintable characters ``\x1b``, ``\u202e``.

    Escaped are C0, C1 and DEL, every format character (the bidirectional controls are among them), line and
    paragraph separators, and code points without a character. Spaces around the text are dropped.

    :param limit: characters to keep; longer text is cut and ends with ``...``.
    """
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    if not text.isprintable():
        text = "".join([_escape(character) for character in text])
    return clip(text.strip(" "), limit)


def clip(text: str, limit: int) -> str:
    """At most *limit* characters of *text*; what was cut off shows as ``...``."""
    return text if len(text) <= limit else text[: limit - len(CUT)].rstrip(" ") + CUT


def _escape(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character == "\t":  # legal in reply text, RFC 5321 §4.2
        return " "
    point = ord(character)
    return f"\\x{point:02x}" if point < ASCII_END else character.encode("ascii", "backslashreplace").decode()
