"""The compare-and-move: how a decision about an envelope reaches the store. What it becomes is decided elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from softbounce.envelope import Record
from softbounce.ids import shard_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.scripts import script

__all__ = ["Move", "MoveResult", "ask", "move"]

MOVE_LIMIT = 250
COUNT = struct.Struct(">HQ")


class MoveResult:
    """What became of a move."""

    MOVED = 1
    STALE = 2
    GONE = 3
    ASKED = 4


@dataclass(slots=True, kw_only=True)
class Move:
    """One compare-and-move.

    :ivar record: the envelope as it shall be; its state says where it goes. It is counted with the move, and only then.
    :ivar token: guard: it must still be attempting under this token; else
    :ivar version: guard: it must be as it was seen. With a token: up to which version all that was asked was read.
    :ivar look_ms: when to look at its expiry; ``None`` leaves that as it is.
    :ivar event: one encoded event.
    :ivar ahead: one that comes before it.
    :ivar line: the line in which it waits, where it is scheduled (:mod:`.lines`).
    """

    record: Record
    token: bytes | None = None
    version: int | None = None
    look_ms: int | None = None
    event: bytes = b""
    ahead: bytes = b""
    line: str = ""
    _packed: bytes = b""

    def octets(self) -> bytes:
        """The record as it is stored; packed once, so do not change it afterwards."""
        if not self._packed:
            self._packed = self.record.pack()
        return self._packed


def move(moves: Sequence[Move], *, process: str = "-", keep_events: int) -> Operation[list[int]]:
    """Carry out moves; one :class:`MoveResult` each. At most :data:`MOVE_LIMIT` a shard and call."""
    by_shard: dict[int, list[int]] = {}
    for position, one in enumerate(moves):
        by_shard.setdefault(shard_of(one.record.id), []).append(position)
    calls = []
    placed: list[list[int]] = []
    for shard, positions in by_shard.items():
        for start in range(0, len(positions), MOVE_LIMIT):
            part = positions[start : start + MOVE_LIMIT]
            calls.append(_move_call(shard, [moves[position] for position in part], process, keep_events))
            placed.append(part)

    def read(answers: list[StoreAnswer]) -> list[int]:
        out = [0] * len(moves)
        for part, answer in zip(placed, every(answers), strict=True):
            for position, value in zip(part, answer[1:], strict=True):
                out[position] = value
        return out

    return Operation(calls, read)


def _move_call(shard: int, moves: Sequence[Move], process: str, keep_events: int) -> Call:
    extra: list[bytes] = []
    numbers: dict[bytes, int] = {}
    fields: dict[str, int] = {}

    def number(key: bytes) -> int:
        if key not in numbers:
            extra.append(key)
            numbers[key] = len(extra)
        return numbers[key]

    arguments: list[bytes | str | int] = [keep_events, len(moves)]
    for one in moves:
        record = one.record
        if one.token is not None:
            guard = b"t" + one.token + (b"" if one.version is None else one.version.to_bytes(4))
        else:
            assert one.version is not None, "a move needs a guard"  # noqa: S101
            guard = b"v" + one.version.to_bytes(4)
        listed: str = ""
        freed: int = 0
        if record.state.is_final:
            freed = number(keys.body(record.message))
        elif record.state == 2:  # ready  # noqa: PLR2004
            name = keys.ready_name(record.lane, record.stream, record.share)
            listed = f"{number(keys.ready(shard, name))}:{name}"
        elif one.line and record.state == 1:  # scheduled
            listed = f"{number(keys.line(shard, one.line))}:"
        arguments += (
            record.id,
            guard,
            one.octets(),
            "" if one.look_ms is None else one.look_ms,
            listed,
            freed,
            _events(one),
            b"".join(COUNT.pack(fields.setdefault(name, len(fields) + 1), more) for name, more in record.counts),
        )
    return Call(
        shard,
        script("move"),
        (
            *keys.of(shard, "e", "due", "exp", "held", "done", "m", "totals", "events"),
            keys.claims(shard, process),
            *keys.of(shard, "lanes", "wake", "clock", "counted", "waiting", "kept", "kept_octets", "metrics"),
            *extra,
        ),
        (*arguments, *fields),
    )


def _events(one: Move) -> bytes:
    """The move's events behind their number, as the script reads them."""
    events = [event for event in (one.ahead, one.event) if event]
    return bytes((len(events),)) + b"".join(events) if events else b""


def ask(flag: int, record: Record, *, tells_more: bool = False) -> Operation[int]:
    """Set *cancel asked* (1) or *hold asked* (2) on an envelope that is being attempted, or take the latter back (-2).

    0 sets none: then only the record tells what is asked. 1: asked, 2: stale, 3: gone.

    :param tells_more: the record as it is given says more of what is asked, for whoever ends its attempt.
    """
    shard = shard_of(record.id)
    told = record.pack() if tells_more else b""
    call = Call(shard, script("ask"), (keys.key(shard, "e"),), (int(flag), record.id, record.version, told))

    def read(answers: list[StoreAnswer]) -> int:
        result: int = first(answers)[0]
        return result

    return Operation((call,), read)
