"""The points of a conversation where a mail host may be told to do something else than usual.

They are the host's view of the stages that ``softbounce.stage`` names from the client's side: a body has a middle
here, and RSET and QUIT are answered too.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DROP", "HANG", "Point", "reply_asked_by"]

DROP = "drop"
"""Instead of a reply: cut the connection without one."""

HANG = "hang"
"""Instead of a reply: stay silent, for as long as the client waits."""

ENHANCED_CLASSES = frozenset("245")


class Point(StrEnum):
    """What the host is about to answer."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # the first octets after 354; only dropping and hanging make sense here
    DOT = "dot"
    RSET = "rset"
    QUIT = "quit"


def reply_asked_by(words: str) -> str:
    """What ``"c450"``, ``"drop"`` or ``"hang"`` ask for: a reply line with a neutral text, or the word itself."""
    if words in {DROP, HANG}:
        return words
    code = words[1:]
    enhanced = f" {code[0]}.0.0" if code[0] in ENHANCED_CLASSES else ""
    return f"{code}{enhanced} As the address asks"
