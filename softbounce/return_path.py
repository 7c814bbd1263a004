"""Return paths that are signed: the address that a bounce is sent to says which envelope came back (VERP).

``MAIL FROM:<b...@bounce.example.com>``: behind the first letter stand 52 of Crockford's base 32, in lower case, for
many hosts write local parts so. They are the day on which the path was made (2 octets), the envelope's id (16), by what
its recipient is known again (5), and a signature of all that (9): who has no key makes none in 2^71 tries. A path ends
:data:`LIFETIME` after its day, as with BATV; until then whoever got the mail can say that it came back, nobody else.

Nothing is looked up here, and nothing stored. RFC 5321 §4.5.3.1.1 (64 octets of a local part).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from softbounce.ids import ENVELOPE_OCTETS, format_id

__all__ = ["LIFETIME", "LOCAL_PART", "ReturnKeys", "ReturnPath", "date_of_path", "make_return_path", "read_return_path"]

LIFETIME = timedelta(days=30)
"""Complaints come weeks after the mail; bounces within the five days that hosts try."""
KEPT_DAY = timedelta(days=7)
"""A path of a retry is that of the try before, so long: a host that greylists takes another for another sender."""
FIRST = "b"
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
VALUES = {letter: value for value, letter in enumerate(LETTERS)} | {"o": 0, "i": 1, "l": 1}
NUMBER = 52
LOCAL_PART = rf"{FIRST}[0-9A-Za-z]{{{NUMBER}}}"
"""What a local part of ours looks like, whoever wrote it in capitals, as a regular expression."""
PATH = re.compile(LOCAL_PART, re.IGNORECASE)
DAY_OCTETS, WHOM_OCTETS, MAC_OCTETS = 2, 5, 9
OCTETS = DAY_OCTETS + ENVELOPE_OCTETS + WHOM_OCTETS + MAC_OCTETS
DAYS = 1 << 8 * DAY_OCTETS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnKeys:
    """The keys of the store: one signs, and what the one before it signed is known still.

    :ivar before: empty: there was none.
    """

    current: bytes
    before: bytes = b""

    def __repr__(self) -> str:
        return "ReturnKeys()"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPath:
    """What one that is ours says.

    :ivar id: of the envelope.
    :ivar is_stale: it was made too long ago.
    """

    id: bytes
    is_stale: bool
    _whom: bytes = field(repr=False)
    _key: bytes = field(repr=False)

    def is_for(self, recipient: str) -> bool:
        """Whether the envelope was to this address: what a report says of it is proven by that, or not."""
        return hmac.compare_digest(self._whom, _whom(recipient, self._key))


def date_of_path(begun: datetime, now: datetime) -> datetime:
    """The time that a path is made for: when its mail began, or a whole number of weeks later, if it is that old.

    :param begun: when it was accepted, or first to be tried.
    """
    return begun + max(timedelta(0), now - begun) // KEPT_DAY * KEPT_DAY


def make_return_path(identity: bytes, recipient: str, key: bytes, now: datetime) -> str:
    """The local part of an envelope's return path.

    :param recipient: canonical.
    """
    said = _day(now).to_bytes(DAY_OCTETS) + identity + _whom(recipient, key)
    return FIRST + format_id(said + _signature(said, key))


def read_return_path(local: str, keys: ReturnKeys, now: datetime) -> ReturnPath | None:
    """Read a local part; ``None``: it is none of ours, or somebody else made it."""
    if PATH.fullmatch(local) is None:
        return None
    number = 0
    try:
        for letter in local[1:].lower():
            number = number << 5 | VALUES[letter]
    except KeyError:
        return None
    spare = NUMBER * 5 - OCTETS * 8
    if number & ((1 << spare) - 1):
        return None
    octets = (number >> spare).to_bytes(OCTETS)
    said, signature = octets[:-MAC_OCTETS], octets[-MAC_OCTETS:]
    for key in filter(None, (keys.current, keys.before)):
        if hmac.compare_digest(signature, _signature(said, key)):
            age = (_day(now) - int.from_bytes(said[:DAY_OCTETS])) % DAYS
            is_stale = LIFETIME.days < age < DAYS - 1  # one that is of tomorrow was made by a clock ahead of ours
            whom = said[DAY_OCTETS + ENVELOPE_OCTETS :]
            identity = said[DAY_OCTETS : DAY_OCTETS + ENVELOPE_OCTETS]
            return ReturnPath(id=identity, is_stale=is_stale, _whom=whom, _key=key)
    return None


def _day(now: datetime) -> int:
    return int(now.timestamp()) // 86_400 % DAYS


def _whom(recipient: str, key: bytes) -> bytes:
    return hmac.digest(key, b"whom " + recipient.lower().encode("utf-8", "surrogatepass"), "sha256")[:WHOM_OCTETS]


def _signature(said: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"path " + said, "sha256")[:MAC_OCTETS]
