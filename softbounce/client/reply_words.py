"""Words of a reply, as somebody searches for them."""

from __future__ import annotations

from collections.abc import Sequence

from softbounce.envelope import Attempt, Envelope, Final
from softbounce.errors import InvalidArgument
from softbounce.glance import Ended, Glance, Said

__all__ = ["LONGEST_WORDS", "ReplyWords", "last_reply"]

LONGEST_WORDS = 200
LONGEST_REPLY = 2_048
"""Characters of each. A reply is a remote's, and what looks for words in a hundred thousand of them has to end soon:
so both are bounded, and each piece is looked for once, behind the one before it."""
ANYTHING = "*"


class ReplyWords:
    """What a reply has to have in it: pieces in this order, case aside, with anything before, between and behind them.

    :raises InvalidArgument: it is too long.
    """

    __slots__ = ("_pieces",)

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_WORDS:
            raise InvalidArgument("reply", f"is longer than {LONGEST_WORDS} characters")
        self._pieces = [piece for piece in " ".join(text.lower().split()).split(ANYTHING) if piece]

    def stand_in(self, reply: str | None) -> bool:
        """Whether they do. ``None``: there was no reply yet."""
        if reply is None:
            return False
        line = " ".join(reply[:LONGEST_REPLY].lower().split())
        place = 0
        for piece in self._pieces:
            found = line.find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        return True


def last_reply(envelope: Envelope | Glance) -> str | None:
    """The last reply in one line, ``451 4.7.1 Try again later``, or what stood in the way of one.

    Of what was promoted without an attempt of its own that is its lane's last failure.
    """
    final: Final | Ended | None = envelope.final
    attempts: Sequence[Attempt | Said] = envelope.attempts
    if final is not None and final.code is not None:
        return _line(final.code, final.enhanced, final.text)
    for attempt in reversed(attempts):
        if attempt.code is not None or attempt.text:
            return _line(attempt.code, attempt.enhanced, attempt.text)
    return final.text if final is not None and final.text else None


def _line(code: int | None, enhanced: str | None, text: str) -> str:
    return " ".join(str(one) for one in (code, enhanced, text) if one)
