"""Copies of the messages that a playground accepted: for looking at, bounded, and in nobody's way.

A message's own body is freed when the last of its envelopes has ended; a developer still wants to see it then
(``softbounce dev``). Nothing that delivers mail reads a copy, and a store whose mail goes to the world has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import zstandard

from softbounce.duration import from_epoch_ms
from softbounce.errors import InvalidArgument, NotFound
from softbounce.ids import envelope_id, format_id
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = ["Copy", "CopyFacts", "copy", "forget_copies", "read_copies", "read_copy"]

MOST_COPIES = 1_000
CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
LARGEST_OCTETS = 256 * 1024 * 1024
"""Of a copy that is unpacked."""


class CopyFacts(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What was handed over beside the message.

    :ivar message: the message's id.
    :ivar recipients: in the order of their numbers.
    :ivar subject: as text, cut.
    :ivar octets: of the message.
    """

    message: bytes
    sender: str
    recipients: tuple[str, ...]
    stream: str = ""
    tenant: str = ""
    subject: str = ""
    octets: int = 0
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One message that was accepted.

    :ivar cursor: asks for the copies before this one.
    :ivar at: when, by the store's clock.
    """

    cursor: str
    at: datetime
    facts: CopyFacts

    @property
    def message_id(self) -> str:
        """The message's id, as everywhere."""
        return format_id(self.facts.message)

    @property
    def envelopes(self) -> dict[str, str]:
        """The id of each recipient's envelope."""
        facts = self.facts
        return {one: format_id(envelope_id(facts.message, at)) for at, one in enumerate(facts.recipients)}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CopyFacts).decode


def copy(facts: CopyFacts, octets: bytes, *, most_octets: int) -> Call:
    """The call that keeps one."""
    packed = zstandard.ZstdCompressor(level=1, write_content_size=True).compress(octets)
    return _call(facts.message, _encode(facts), packed, most_octets)


def forget_copies() -> Operation[None]:
    """Forget all of them."""

    def read(answers: list[StoreAnswer]) -> None:
        first(answers)

    return Operation((_call(b"", b"", b"", 0),), read)


def read_copies(*, before: str | None = None) -> Operation[list[Copy]]:
    """All copies, the newest first.

    :param before: only those that are older than the one with this cursor.
    :raises InvalidArgument: that is no cursor.
    """
    if before is not None and CURSOR.fullmatch(before) is None:
        raise InvalidArgument("before", "is no cursor: `next` of a list is one")
    end = "+" if before is None else f"({before}"
    call = Call.read(HOME, b"XREVRANGE", keys.key(HOME, "copies"), end, "-")
    return Operation((call,), lambda answers: [one for one in map(_copy, first(answers) or ()) if one is not None])


def read_copy(message: bytes) -> Operation[bytes]:
    """The octets of the message with this id. Running it raises ``NotFound`` where there is no copy (any more)."""
    call = Call.read(HOME, b"HGET", keys.key(HOME, "copied"), message)

    def read(answers: list[StoreAnswer]) -> bytes:
        packed = first(answers)
        if packed is None:
            raise NotFound(f"there is no copy of message {format_id(message)} (any more)")
        try:
            if not 0 <= zstandard.frame_content_size(packed) <= LARGEST_OCTETS:
                raise zstandard.ZstdError("it says no size, or too large a one")  # noqa: TRY301 - one end for all
            return zstandard.ZstdDecompressor().decompress(packed)
        except zstandard.ZstdError as error:
            raise NotFound(f"the copy of message {format_id(message)} cannot be read: {error}") from error

    return Operation((call,), read)


def _call(message: bytes, facts: bytes, packed: bytes, most_octets: int) -> Call:
    names = keys.of(HOME, "copies", "copied")
    return Call(HOME, script("copy"), names, (message, facts, packed, most_octets, MOST_COPIES))


def _copy(entry: Sequence[StoreAnswer]) -> Copy | None:
    cursor, fields = entry[0].decode(), entry[1]
    try:
        facts = _decode(fields[3])
    except (msgspec.DecodeError, IndexError, TypeError):
        ignore("copy", cursor)
        return None
    return Copy(cursor=cursor, at=from_epoch_ms(int(cursor.partition("-")[0])), facts=facts)
