"""Taking a message: the one script that stores it whole, with all its envelopes, once per key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, StoreAnswer
from softbounce.store.scripts import script

__all__ = ["AcceptAnswer", "NewMessage", "accept", "read_accept"]

KEEP_MADE_KEYS = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that is ready to be stored: records with zero times, in the order of their numbers.

    :ivar window_ms: how long its envelopes live as things stand.
    :ivar look_ms: after how long their expiry is looked at for the first time; ``None``: when they expire.
    :ivar is_key_made: its sender gave no key, and so can repeat it only while it still has the answer to its send.
    """

    message: bytes
    key: str
    digest: bytes
    not_before_ms: int
    window_ms: int
    records: Sequence[Record]
    chunks: Sequence[bytes]
    events: bytes
    is_key_made: bool = False
    look_ms: int | None = None


class AcceptAnswer(NamedTuple):
    """What became of an accept: ``stored``, ``known``, ``reused``, ``collision`` or ``schema``."""

    outcome: str
    message: bytes
    recipients: int


def accept(new: NewMessage, *, shards: int, settings: Settings) -> Call:
    """The call that stores a message; read its answer with :func:`read_accept`."""
    shard = shard_of(new.message)
    return Call(
        shard,
        script("accept"),
        (
            *keys.of(shard, "schema", "k", "kage", "e", "m", "due", "exp", "events"),
            keys.body(new.message),
            *keys.of(shard, "wake", "clock", "totals"),
        ),
        (
            new.key,
            new.digest,
            new.message,
            new.not_before_ms,
            new.window_ms,
            (min(settings.keep_keys, KEEP_MADE_KEYS) if new.is_key_made else settings.keep_keys)
            // timedelta(milliseconds=1),
            settings.keep_events_max,
            len(new.records),
            new.events,
            f"{keys.SCHEMA_VERSION} {shards}",
            "m" if new.is_key_made else "",
            new.window_ms if new.look_ms is None else new.look_ms,
            *(record.pack() for record in new.records),
            *new.chunks,
        ),
    )


def read_accept(answer: StoreAnswer) -> AcceptAnswer:
    """Read the answer to :func:`accept`; an error is raised."""
    if isinstance(answer, StoreError):
        raise answer
    return AcceptAnswer(answer[0].decode(), answer[1], answer[2])
