"""What a refusal for being one too many is about: sessions at once, the pace, or what one session may carry.

By the words, as far as they say so; the code and the enhanced status do not. Pure.
"""

from __future__ import annotations

import re
from enum import StrEnum

from softbounce.reply import Reply, Trouble

__all__ = ["Cap", "cap_of"]

READ = 400
"""Characters of a reply that are looked at."""
OF_A_MESSAGE = re.compile(r"recipients?\b|rcpts?\b", re.IGNORECASE)
OF_A_TIME = re.compile(r"\b(?:second|minute|hour|day)s?\b|\brate\b", re.IGNORECASE)
OF_A_SESSION = re.compile(r"(?:this|per|one|single|same|each)\s+(?:smtp\s+)?(?:session|connection)", re.IGNORECASE)
OF_SESSIONS = re.compile(
    r"connections?\b|connects?\b|sessions?\b|concurren|simultan|parallel|verbindung|connexions?\b|conexion",
    re.IGNORECASE,
)


class Cap(StrEnum):
    """What there was too much of."""

    PACE = "pace"
    SESSIONS = "sessions"
    SESSION = "session"
    MESSAGE = "message"


def cap_of(what: Reply | Trouble) -> Cap:
    """Of what there was too much, where that is why somebody was refused."""
    text = what.text[:READ]
    if OF_A_SESSION.search(text):
        return Cap.SESSION
    if OF_A_MESSAGE.search(text) and not OF_A_TIME.search(text):
        return Cap.MESSAGE
    return Cap.SESSIONS if OF_SESSIONS.search(text) else Cap.PACE
