"""Names of messages and envelopes, from which every key of the store can be told.

A message's id is 14 octets: the shard (2), its tenant's number in six bits and the app's clock in milliseconds behind
it (6), random (6). An envelope's id adds the recipient's number (2). Outside they are written in Crockford's base 32,
lower case: 26 letters for an envelope.
"""

from __future__ import annotations

import secrets
import time

from softbounce.errors import NotFound

__all__ = [
    "MESSAGE_OCTETS",
    "MOST_RECIPIENTS",
    "created_ms_of",
    "envelope_id",
    "envelope_number",
    "format_id",
    "message_of",
    "new_message_id",
    "next_id",
    "parse_id",
    "parse_message_id",
    "shard_of",
    "tenant_number_of",
]

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"o": 0, "i": 1, "l": 1}
MESSAGE_OCTETS = 14
ENVELOPE_OCTETS = 16
ENVELOPE_LETTERS = 26
MESSAGE_LETTERS = 23
MAX_SHARDS = 4096
MOST_RECIPIENTS = 1000
"""Of a message, so that numbers from here on are of envelopes that were sent again."""
NUMBERS = 1 << 16
CLOCK_BITS = 42
CLOCK = (1 << CLOCK_BITS) - 1
"""Enough until 2109; then it begins anew."""


def new_message_id(shard: int, tenant: int = 0) -> bytes:
    """A new message id in *shard*.

    :param tenant: its tenant's number, below 64. Ids of older versions have none, which is 0.
    """
    now_ms = time.time_ns() // 1_000_000 & CLOCK
    return shard.to_bytes(2) + (tenant << CLOCK_BITS | now_ms).to_bytes(6) + secrets.token_bytes(6)


def tenant_number_of(identity: bytes) -> int:
    """The tenant's number in the id of a message or envelope."""
    return identity[2] >> 2


def created_ms_of(identity: bytes) -> int:
    """When the app made the message or envelope with this id, in milliseconds of its clock."""
    return int.from_bytes(identity[2:8]) & CLOCK


def envelope_id(message: bytes, number: int) -> bytes:
    """The id of the message's recipient with that number, from 0."""
    return message + number.to_bytes(2)


def next_id(identity: bytes) -> bytes | None:
    """The id of the envelope by which one is sent again: of the same message, so of the same octets.

    Told by the id alone, so that whoever does it twice makes one. ``None``: it was sent again as often as it can be.
    """
    number = envelope_number(identity) + MOST_RECIPIENTS
    return None if number >= NUMBERS else message_of(identity) + number.to_bytes(2)


def envelope_number(identity: bytes) -> int:
    """The recipient's number in an envelope's id."""
    return int.from_bytes(identity[-2:])


def message_of(identity: bytes) -> bytes:
    """The message's id in an envelope's."""
    return identity[:-2]


def shard_of(identity: bytes) -> int:
    """The shard that holds a message or envelope."""
    return int.from_bytes(identity[:2])


def format_id(identity: bytes) -> str:
    """The id as people and programs outside the store see it: 23 letters a message, 26 an envelope."""
    bits = len(identity) * 8
    letters = -(-bits // 5)
    number = int.from_bytes(identity) << (letters * 5 - bits)
    return "".join(ALPHABET[number >> shift & 31] for shift in range((letters - 1) * 5, -1, -5))


def parse_id(text: str) -> bytes:
    """Read an envelope's id back.

    :raises NotFound: it is not one, so nothing can have it.
    """
    letters = text.strip().lower()
    number = _number(letters)
    if len(letters) != ENVELOPE_LETTERS or number < 0 or number & 3:
        if len(letters) == MESSAGE_LETTERS and number >= 0:
            raise NotFound(f"{text!r} may be a message's id; say which of its envelopes is meant, by its id")
        raise NotFound(f"{text!r} is not an envelope id: `softbounce send` and `softbounce queue --list` print those")
    return (number >> 2).to_bytes(ENVELOPE_OCTETS)


def parse_message_id(text: str) -> bytes:
    """Read a message's id back.

    :raises NotFound: it is not one, so nothing can have it.
    """
    letters = text.strip().lower()
    number = _number(letters)
    if len(letters) != MESSAGE_LETTERS or number < 0 or number & 7:
        raise NotFound(f"{text[:64]!r} is no message's id: those have {MESSAGE_LETTERS} letters and digits")
    return (number >> 3).to_bytes(ENVELOPE_OCTETS - 2)


def _number(letters: str) -> int:
    """What they say; -1: one of them says nothing."""
    number = 0
    for letter in letters[:ENVELOPE_LETTERS]:
        if letter not in VALUES:
            return -1
        number = number << 5 | VALUES[letter]
    return number
