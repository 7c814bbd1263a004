"""What a host says back of a secret of ours is not kept: hosts quote the line that they could not read.

A reply is shown, logged and stored. So whatever in it is a secret, or a piece of one, in any case of letters, becomes
``***`` before anybody sees the reply. RFC 4954 §4 sends secrets as base64; each form that left is one to look for.
"""

from __future__ import annotations

import re
from dataclasses import replace

from softbounce.reply import Reply

__all__ = ["Mask"]

STARS = "***"
WORD = re.compile(r"[^\s\"'<>()\[\],;:]+")
PIECE = 6
"""A word of so many characters that stands in a secret is a piece of it: a host quotes as much as it has room for."""


class Mask:
    """Hides some secrets. Neither its text nor its ``repr`` tells them."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
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
            text = re.sub(re.escape(secret), STARS, text, flags=re.IGNORECASE)
        return WORD.sub(self._without_piece, text) if self._secrets else text

    def _without_piece(self, word: re.Match[str]) -> str:
        said = word[0].lower().rstrip(".=\\")
        is_piece = len(said) >= PIECE and any(said in secret for secret in self._secrets)
        return STARS if is_piece else word[0]
