"""AUTH: what PLAIN and LOGIN say, and nothing about whether it is right.

RFC 4954 (the command), RFC 4616 (PLAIN); LOGIN has no RFC, and its two questions are asked as everybody asks them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

__all__ = ["ASK_NAME", "ASK_SECOND", "Credentials", "NotBase64", "decoded", "read_plain"]

ASK_NAME = "334 VXNlcm5hbWU6"
ASK_SECOND = "334 UGFzc3dvcmQ6"
PLAIN_FIELDS = 3


class NotBase64(ValueError):
    """It is no base64 of UTF-8 text, or not of the form that the mechanism has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who somebody says to be. Its ``repr`` tells no token."""

    name: str
    token: str

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r})"


def decoded(line: str) -> str:
    """The text of a base64 line; ``=`` is the empty one.

    :raises NotBase64: it is none.
    """
    if line == "=":
        return ""
    try:
        return b64decode(line, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise NotBase64 from error


def read_plain(line: str) -> Credentials:
    """What PLAIN says; the identity that somebody wants to act as has to be the one that is proven, or none.

    :raises NotBase64: it is not of this form.
    """
    fields = decoded(line).split("\0")
    if len(fields) != PLAIN_FIELDS or fields[0] not in ("", fields[1]):
        raise NotBase64
    return Credentials(name=fields[1], token=fields[2])
