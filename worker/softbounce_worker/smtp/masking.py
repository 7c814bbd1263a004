"""What a host says back of a secret of ours is not kept: hosts quote the line that they could not read.

A reply is shown, logged and stored. So whatever in it is a secret, in any case of letters, becomes ``***`` before
anybody sees the reply; and while they are being said, any piece of one. RFC 4954 §4 sends secrets as base64; each form
that left is one to look for. Afterwards short ones are words like others: a password that is ``quota`` must not hide
what a host says of a mailbox.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from softbounce.reply import Reply

__all__ = ["Mask"]

STARS = "***"
WORD = re.compile(r"[^\s\"'<>()\[\],;:]+")
PIECE = 6
"""A word of so many characters that stands in a secret is a piece of it: a host quotes as much as it has room for."""
LONG = 8
"""So many characters are no word that happens to be there."""


class Mask:
    """Hides some secrets. Neither its text nor its ``repr`` tells them.

    :ivar is_over: they were said, and were understood.
    """

    __slots__ = ("_secrets", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self._secrets: tuple[str, ...] = ()

    def hide(self, *secrets: str) -> None:
        """From now on these too."""
        known = dict.fromkeys((*self._secrets, *(secret.lower() for secret in secrets if secret)))
        self._secrets = tuple(sorted(known, key=len, reverse=True))

    def without_secrets(self, reply: Reply) -> Reply:
        """The reply without them."""
        return replace(reply, lines=tuple(map(self.apply, reply.lines))) if self._secrets else reply

    def apply(self, text: str) -> str:
        """The text without them. The longest goes first: a short one may stand in it."""
        for secret in self._secrets:
            if not self.is_over or len(secret) >= LONG:
                text = re.sub(re.escape(secret), STARS, text, flags=re.IGNORECASE)
        return WORD.sub(self._without_piece, text) if self._secrets and not self.is_over else text

    def _without_piece(self, word: re.Match[str]) -> str:
        said = word[0].lower().rstrip(".=\\")
        is_piece = len(said) >= PIECE and any(said in secret for secret in self._secrets)
        return STARS if is_piece else word[0]
