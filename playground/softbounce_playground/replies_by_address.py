"""The replies that an address asks for by its local part: a table of words, and the memory that "N times" needs.

A word may be followed by a number, and by ``+anything`` or ``-17`` which change nothing, so that thousands of
recipients can share a word: ``greylist2+17@a.test``, ``accept-17@a.test``. Words that are not in the table accept.
Knows nothing of connections; the host acts on what it reads here.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from softbounce_playground.point import DROP, Point, reply_asked_by

__all__ = ["ACCEPT", "AskedReply", "Visits", "asked_by_recipient", "asked_by_sender"]

TARPIT_SECONDS = 30.0
SLOW_DEFAULT_MS = 500
DOT_SLOW_DEFAULT_MS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedReply:
    """What becomes of one recipient.

    :ivar kind: the word, as the ledger files it.
    :ivar point: where ``reply`` takes the place of the usual reply; ``None``: nowhere.
    :ivar reply: a reply line, ``"drop"`` or ``"hang"``.
    :ivar times: how often for one pair of sender and recipient before it is accepted; ``None``: for ever.
    :ivar delay_seconds: before each reply of the transaction, from this recipient's on.
    :ivar dot_delay_seconds: before the reply to the dot.
    """

    kind: str
    point: Point | None = None
    reply: str = ""
    times: int | None = None
    delay_seconds: float = 0.0
    dot_delay_seconds: float = 0.0


ACCEPT = AskedReply(kind="accept")

WORDS = {
    one.kind: one
    for one in (
        ACCEPT,
        AskedReply(kind="greylist", point=Point.RCPT, reply="450 4.7.1 Greylisted, please try again later", times=1),
        AskedReply(kind="defer", point=Point.RCPT, reply="450 4.2.0 The mailbox is busy, try again later"),
        AskedReply(kind="systemdown", point=Point.RCPT, reply="451 4.3.0 Local system trouble, try again later"),
        AskedReply(kind="full", point=Point.RCPT, reply="452 4.2.2 The mailbox is full"),
        AskedReply(kind="reject", point=Point.RCPT, reply="550 5.1.1 No such user here"),
        AskedReply(kind="busy", point=Point.RCPT, reply="421 4.3.2 Too busy, closing the connection", times=1),
        AskedReply(kind="dropdata", point=Point.BODY, reply=DROP),
        AskedReply(kind="dropdot", point=Point.DOT, reply=DROP, times=1),
        AskedReply(kind="dotdefer", point=Point.DOT, reply="451 4.3.0 Could not store the message, try again later"),
        AskedReply(kind="dotreject", point=Point.DOT, reply="554 5.7.1 The content of the message is refused"),
        AskedReply(kind="slow"),
        AskedReply(kind="tarpit", delay_seconds=TARPIT_SECONDS),
        AskedReply(kind="dotslow"),
    )
}
"""The words, with what they mean when no number follows."""

COUNTED = frozenset({"greylist", "busy", "dropdata", "dropdot"})
"""The words after which a number says how often."""

WORD = re.compile(r"([a-z]+)([0-9]{0,9})(?:\+.*|-[0-9].*)?@", re.IGNORECASE)
ANY_CODE = re.compile(r"(c[1-9][0-9]{2}|drop|hang)(?:at-(mail|rcpt|data|body|dot))?(?:[-+].*)?@", re.IGNORECASE)


def asked_by_recipient(recipient: str) -> AskedReply:
    """What a recipient's address asks for; :data:`ACCEPT` when it asks for none."""
    found = WORD.match(recipient)
    if found is not None:
        word, number = found.groups()
        asked = _from_table(word.lower(), number)
        if asked is not None:
            return asked
    coded = ANY_CODE.match(recipient)
    if coded is None:
        return ACCEPT
    asked = _from_code(coded[1].lower(), Point((coded[2] or "rcpt").lower()))
    return ACCEPT if asked.point is Point.MAIL else asked


def asked_by_sender(sender: str) -> AskedReply:
    """What a sender's address asks for: only ``c450at-mail`` and its like, as MAIL names no recipient."""
    coded = ANY_CODE.match(sender)
    if coded is None or (coded[2] or "").lower() != Point.MAIL:
        return ACCEPT
    return _from_code(coded[1].lower(), Point.MAIL)


@lru_cache(maxsize=4096)
def _from_table(word: str, number: str) -> AskedReply | None:
    asked = WORDS.get(word)
    if asked is None:
        return None
    if word == "slow":
        return replace(asked, delay_seconds=int(number or SLOW_DEFAULT_MS) / 1000)
    if word == "dotslow":
        return replace(asked, dot_delay_seconds=int(number or DOT_SLOW_DEFAULT_MS) / 1000)
    if number and word in COUNTED:
        return replace(asked, times=int(number))
    return asked


@lru_cache(maxsize=4096)
def _from_code(words: str, point: Point) -> AskedReply:
    return AskedReply(kind=f"{words}at-{point}", point=point, reply=reply_asked_by(words))


class Visits:
    """How often each pair of sender and recipient met a word that counts, since the playground began or forgot."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()

    def still_applies(self, asked: AskedReply, sender: str, recipient: str) -> bool:
        """Whether the word acts on this visit too; a visit on which it acts is counted."""
        if asked.times is None:
            return True
        pair = (sender, recipient)
        if self._seen[pair] >= asked.times:
            return False
        self._seen[pair] += 1
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()
