"""Making new envelopes of such that ended: the one script that does both sides of it, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softbounce.envelope import Record
from softbounce.ids import shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.scripts import script

__all__ = ["RESEND_LIMIT", "Again", "AgainResult", "send_again"]

RESEND_LIMIT = 250


class AgainResult:
    """What became of one that was to be sent again."""

    MADE = 1
    STALE = 2
    GONE = 3
    NO_BODY = 4
    KNOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One that is to be sent again.

    :ivar old: as it shall be stored, as :attr:`version` it was seen.
    :ivar new: its times are zero.
    :ivar window_ms: how long the new one lives as things stand.
    :ivar look_ms: after how long its expiry is looked at for the first time.
    :ivar not_before_ms: when it is tried first; 0: now.
    :ivar events: of the old one, of the new one.
    """

    old: Record
    version: int
    new: Record
    window_ms: int
    look_ms: int
    not_before_ms: int
    events: tuple[bytes, bytes]


def send_again(wanted: Sequence[Again], *, keep_events: int) -> Operation[list[int]]:
    """Send these again; one :class:`AgainResult` each. At most :data:`RESEND_LIMIT` a call."""
    by_shard: dict[int, list[int]] = {}
    for position, one in enumerate(wanted):
        by_shard.setdefault(shard_of(one.old.id), []).append(position)
    calls, placed = [], []
    for shard, positions in by_shard.items():
        for start in range(0, len(positions), RESEND_LIMIT):
            part = positions[start : start + RESEND_LIMIT]
            calls.append(_call(shard, [wanted[position] for position in part], keep_events))
            placed.append(part)

    def read(answers: list[StoreAnswer]) -> list[int]:
        out = [0] * len(wanted)
        for part, answer in zip(placed, every(answers), strict=True):
            for position, value in zip(part, answer, strict=True):
                out[position] = value
        return out

    return Operation(calls, read)


def _call(shard: int, wanted: Sequence[Again], keep_events: int) -> Call:
    arguments: list[bytes | str | int] = [keep_events, len(wanted)]
    for one in wanted:
        arguments += (one.old.id, one.version, one.old.pack(), one.new.id, one.new.pack())
        arguments += (one.window_ms, one.look_ms, one.not_before_ms, *one.events)
    names = keys.of(shard, "e", "m", "due", "exp", "totals", "events", "wake", "clock", "counted", "waiting", "metrics")
    return Call(shard, script("resend"), (*names, *(keys.body(one.old.message) for one in wanted)), arguments)
