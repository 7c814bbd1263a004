"""AUTH: what PLAIN and LOGIN say, and nothing about whether it is right.

RFC 4954 (the command), RFC 4616 (PLAIN); LOGIN has no RFC, and its two questions are asked as everybody asks them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

from softbounce_gateway.submission.replies import AUTH_CANCELLED_501, NO_CREDENTIALS_501

__all__ = ["Credentials", "Exchange"]

ASK_NAME = "334 VXNlcm5hbWU6"
ASK_SECOND = "334 UGFzc3dvcmQ6"
PLAIN_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who somebody says to be. Its ``repr`` tells no token."""

    name: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r})"


class Exchange:
    """One AUTH: what is said to each line, until there are credentials or it is over.

    An answer is a reply that begins with 334 (go on), one that ends it, or the credentials.
    """

    def __init__(self) -> None:
        self._name: str | None = None
        self._answer = self._plain

    def begin(self, argument: str) -> str | Credentials:
        """What follows AUTH: the mechanism, and maybe the first answer."""
        mechanism, _, first = argument.partition(" ")
        first = first.lstrip(" ")  # Windows Mail says AUTH PLAIN with two blanks
        match mechanism.upper():
            case "PLAIN":
                return self.answer(first) if first else "334 "
            case "LOGIN":
                self._answer = self._login
                return self.answer(first) if first else ASK_NAME
            case _:
                return "504 5.5.4 AUTH PLAIN or AUTH LOGIN"

    def answer(self, line: str) -> str | Credentials:
        """The client's next line; an asterisk gives up."""
        if line == "*":
            return AUTH_CANCELLED_501
        try:
            return self._answer("" if line == "=" else b64decode(line, validate=True).decode())
        except (binascii.Error, ValueError):
            return NO_CREDENTIALS_501

    def _plain(self, text: str) -> str | Credentials:
        """NUL between the identity to act as (none, or the one that is proven), the name and the token."""
        fields = text.split("\0")
        if len(fields) != PLAIN_FIELDS or fields[0] not in ("", fields[1]):
            return NO_CREDENTIALS_501
        return Credentials(name=fields[1], token=fields[2])

    def _login(self, text: str) -> str | Credentials:
        if self._name is None:
            self._name = text
            return ASK_SECOND
        return Credentials(name=self._name, token=text)
