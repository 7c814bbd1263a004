"""What of our own words nobody may read again: lines with a secret, and their parts in what comes back.

Only commands that are known to hold none are shown. Of any other, such as AUTH, the name is; and whatever its line
held, decoded too, is struck out of what the host says from then on, for hosts repeat what they do not understand.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace

from softbounce.reply import Reply
from softbounce_worker.smtp import Answer, Broken, Data, Ehlo, Event, Helo, Mail, Quit, Rcpt, Rset, StartTls

__all__ = ["MASK", "PUBLIC", "SecretsSaid"]

PUBLIC: frozenset[type] = frozenset({Ehlo, Helo, StartTls, Mail, Rcpt, Data, Rset, Quit})
"""Commands whose line holds nothing but what may be shown."""
MASK = "***"
SHORTEST = 3
LONG_PIECE = 8
LONGEST_LINE = 16 * 1024
"""Of a line with a secret; RFC 4954 §4 has 12,288. What is longer is content."""
MOST = 64
"""Parts of lines that are looked for."""


class SecretsSaid:
    """The secrets that were said in one session, as they may come back."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[str] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._parts)

    def learn(self, line: bytes) -> None:
        """A line with a secret is about to be written."""
        if len(line) > LONGEST_LINE or not line.strip():
            return
        parts = {part for part in _parts_of(line) if len(part) >= SHORTEST}
        self._parts = sorted({*self._parts, *parts}, key=len, reverse=True)[:MOST]  # the whole before its parts

    def strike_out(self, text: str) -> str:
        """*text* without them."""
        for part in self._parts:
            text = text.replace(part, MASK)
        return text

    def clean(self, event: Event) -> Event:
        """An event whose words are without them."""
        match event:
            case Answer():
                return replace(event, reply=self._cleaned(event.reply))
            case Broken(surplus=Reply() as surplus):
                return replace(event, surplus=self._cleaned(surplus))
            case _:
                return event

    def _cleaned(self, reply: Reply) -> Reply:
        return replace(reply, lines=tuple(self.strike_out(line) for line in reply.lines))


def _parts_of(line: bytes) -> Iterator[str]:
    """The words of a line but its verb and mechanism, and what those in base64 stand for, in whole and in parts."""
    verb, *words = line.split()
    if verb.upper() == b"AUTH":
        words = words[1:]
    for word in words or [verb]:
        yield word.decode("ascii", "replace")
        try:
            plain = b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            continue
        if b"\0" in plain:  # of PLAIN, behind two names
            plain = plain.rpartition(b"\0")[2]
        for part in plain.split(b"\x01"):  # of XOAUTH2
            yield part.decode("utf-8", "replace")
            for piece in part.split():  # of CRAM-MD5 and "Bearer ..."; a password's own short words are everybody's
                if len(piece) >= LONG_PIECE:
                    yield piece.decode("utf-8", "replace")
