"""Every operation of the store as a value: which calls go out, and how their answers are read.

The same values serve threads (``Shards.run``) and asyncio (``AsyncShards.run``). What an envelope becomes is decided
elsewhere; here stands only how a decision reaches the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from softbounce.envelope import Flag, Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Answer, Call, Operation
from softbounce.store.scripts import script

__all__ = [
    "AcceptAnswer",
    "Batch",
    "Claimed",
    "Due",
    "MoveResult",
    "NewMessage",
    "accept",
    "ask",
    "bodies",
    "body_call",
    "claim",
    "due",
    "fetch",
    "look",
    "mark",
    "move",
    "release",
    "rescore",
    "walk",
]

RELEASE_LIMIT = 1000
MARK_LIMIT = 1000
MOVE_LIMIT = 250


def first(answers: list[Answer]) -> Answer:
    """The only answer, raised when it is an error."""
    answer = answers[0]
    if isinstance(answer, StoreError):
        raise answer
    return answer


def every(answers: list[Answer]) -> list[Answer]:
    """All answers; the first error among them is raised."""
    for answer in answers:
        if isinstance(answer, StoreError):
            raise answer
    return answers


# -- accept ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that is ready to be stored: records with zero times, in the order of their numbers."""

    message: bytes
    key: str
    digest: bytes
    not_before_ms: int
    window_ms: int
    records: Sequence[Record]
    chunks: Sequence[bytes]
    events: bytes


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
            keys.key(shard, "schema"),
            keys.key(shard, "k"),
            keys.key(shard, "kage"),
            keys.key(shard, "e"),
            keys.key(shard, "m"),
            keys.key(shard, "due"),
            keys.key(shard, "exp"),
            keys.key(shard, "events"),
            keys.body(new.message),
            keys.key(shard, "wake"),
        ),
        (
            new.key,
            new.digest,
            new.message,
            new.not_before_ms,
            new.window_ms,
            int(settings.keep_keys.total_seconds() * 1000),
            settings.keep_events_max,
            len(new.records),
            new.events,
            shards,
            *(record.pack() for record in new.records),
            *new.chunks,
        ),
    )


def read_accept(answer: Answer) -> AcceptAnswer:
    """Read the answer to :func:`accept`; an error is raised."""
    if isinstance(answer, StoreError):
        raise answer
    return AcceptAnswer(answer[0].decode(), answer[1], answer[2])


# -- the schema -----------------------------------------------------------------------------------------------------


def schema(shard: int, *, shards: int) -> Call:
    """Read a shard's schema; with ``shards`` > 0 write it where there is none."""
    return Call(shard, script("schema"), (keys.key(shard, "schema"),), (keys.SCHEMA_VERSION, shards))


# -- due and release ------------------------------------------------------------------------------------------------


class Due(NamedTuple):
    """What is due now, and when to look again (ms; ``None``: nothing is planned)."""

    now_ms: int
    next_due_ms: int | None
    next_expiry_ms: int | None
    headers: list[tuple[bytes, bytes]]


def due(shard: int, limit: int = RELEASE_LIMIT) -> Operation[Due]:
    """What is due in a shard, with the headers that a release needs."""
    call = Call(shard, script("due"), (keys.key(shard, "due"), keys.key(shard, "exp"), keys.key(shard, "e")), (limit,))

    def read(answers: list[Answer]) -> Due:
        now, next_due, next_expiry, *rest = first(answers)
        return Due(
            now,
            None if next_due < 0 else next_due,
            None if next_expiry < 0 else next_expiry,
            list(zip(rest[::2], rest[1::2], strict=True)),
        )

    return Operation((call,), read)


def release(shard: int, lists: Mapping[tuple[str, str], Sequence[tuple[bytes, int]]]) -> Operation[int]:
    """Move due envelopes to ready lists: (lane, stream) -> (id, version as seen). Tells how many were moved."""
    names = [keys.ready_name(lane, stream) for lane, stream in lists]
    arguments: list[bytes | str | int] = [len(names)]
    for (lane, _), name in zip(lists, names, strict=True):
        arguments += (name, lane)
    for number, entries in enumerate(lists.values(), 1):
        for identity, version in entries:
            arguments += (identity, version, number)
    call = Call(
        shard,
        script("release"),
        (
            keys.key(shard, "e"),
            keys.key(shard, "due"),
            keys.key(shard, "lanes"),
            *(keys.ready(shard, name) for name in names),
        ),
        arguments,
    )
    return Operation((call,), first)


# -- claim, mark ----------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """A claim in one shard: for each ready list its lane, stream and how many at most."""

    shard: int
    lists: Sequence[tuple[str, str, int]]


class Claimed(NamedTuple):
    """What a claim took, and how many entries (stale ones included) each list still has."""

    is_live: bool
    left: list[int]
    records: list[Record]


def claim(process: str, token: bytes, batches: Sequence[Batch], *, repeats: bool = False) -> Operation[list[Claimed]]:
    """Claim the heads of ready lists under a token of the caller's; one answer a batch. Repeat it when uncertain."""
    calls = []
    for shard, lists in batches:
        names = [keys.ready_name(lane, stream) for lane, stream, _ in lists]
        arguments: list[bytes | str | int] = [process, token, "1" if repeats else "0"]
        for (lane, _, count), name in zip(lists, names, strict=True):
            arguments += (name, lane, count)
        calls.append(
            Call(
                shard,
                script("claim"),
                (
                    keys.key(shard, "live"),
                    keys.key(shard, "e"),
                    keys.claims(shard, process),
                    keys.key(shard, "lanes"),
                    *(keys.ready(shard, name) for name in names),
                ),
                arguments,
            )
        )

    def read(answers: list[Answer]) -> list[Claimed]:
        return [
            Claimed(
                answer[0] == 1,
                answer[1],
                [Record.unpack(one, octets) for one, octets in zip(answer[2][1::3], answer[2][2::3], strict=True)],
            )
            for answer in every(answers)
        ]

    return Operation(calls, read)


def body_call(record: Record) -> Call:
    """Read a message's body as it is stored: octets, or a list of chunks."""
    key = keys.body(record.message)
    if record.envelope.body.chunks == 1:
        return Call.read(shard_of(record.id), b"GET", key)
    return Call.read(shard_of(record.id), b"LRANGE", key, 0, -1)


def bodies(records: Sequence[Record]) -> Operation[list[bytes | None]]:
    """The stored octets of each record's message; ``None`` where they are gone."""

    def read(answers: list[Answer]) -> list[bytes | None]:
        return [b"".join(answer) or None if isinstance(answer, list) else answer for answer in every(answers)]

    return Operation([body_call(record) for record in records], read)


def mark(process: str, claims: Sequence[tuple[bytes, bytes]], flag: Flag = Flag.MARKED) -> Operation[list[int]]:
    """Mark envelopes (id, token) before their final dot, or flag them as tried alone.

    One answer each. 1: go on, 2: cancelled, 3: no longer this token's, 0: the process is not live.
    """
    by_shard: dict[int, list[int]] = {}
    for position, (identity, _) in enumerate(claims):
        by_shard.setdefault(shard_of(identity), []).append(position)
    calls = []
    placed: list[list[int]] = []
    for shard, positions in by_shard.items():
        for start in range(0, len(positions), MARK_LIMIT):
            part = positions[start : start + MARK_LIMIT]
            arguments: list[bytes | str | int] = [process, flag.value]
            for position in part:
                arguments += claims[position]
            calls.append(Call(shard, script("mark"), (keys.key(shard, "live"), keys.key(shard, "e")), arguments))
            placed.append(part)

    def read(answers: list[Answer]) -> list[int]:
        out = [0] * len(claims)
        for part, answer in zip(placed, every(answers), strict=True):
            for position, value in zip(part, answer, strict=True):
                out[position] = value
        return out

    return Operation(calls, read)


# -- move -----------------------------------------------------------------------------------------------------------


class MoveResult:
    """What became of a move."""

    MOVED = 1
    STALE = 2
    GONE = 3
    ASKED = 4


@dataclass(slots=True, kw_only=True)
class Move:
    """One compare-and-move.

    :ivar record: the envelope as it shall be; its state says where it goes.
    :ivar token: guard: it must still be attempting under this token; else
    :ivar version: guard: it must be as it was seen.
    :ivar look_ms: when to look at its expiry; ``None`` leaves that as it is.
    :ivar event: one encoded event.
    """

    record: Record
    token: bytes | None = None
    version: int | None = None
    look_ms: int | None = None
    event: bytes = b""
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

    def read(answers: list[Answer]) -> list[int]:
        out = [0] * len(moves)
        for part, answer in zip(placed, every(answers), strict=True):
            for position, value in zip(part, answer[1:], strict=True):
                out[position] = value
        return out

    return Operation(calls, read)


def _move_call(shard: int, moves: Sequence[Move], process: str, keep_events: int) -> Call:
    extra: list[bytes] = []
    numbers: dict[bytes, int] = {}

    def number(key: bytes) -> int:
        if key not in numbers:
            extra.append(key)
            numbers[key] = len(extra)
        return numbers[key]

    arguments: list[bytes | str | int] = [keep_events, len(moves)]
    for one in moves:
        record = one.record
        if one.token is not None:
            guard = b"t" + one.token
        else:
            assert one.version is not None, "a move needs a guard"  # noqa: S101
            guard = b"v" + one.version.to_bytes(4)
        listed: str = ""
        freed: int = 0
        if record.state.is_final:
            freed = number(keys.body(record.message))
        elif record.state == 2:  # ready  # noqa: PLR2004
            name = keys.ready_name(record.lane, record.stream)
            listed = f"{number(keys.ready(shard, name))}:{name}"
        arguments += (
            record.id,
            guard,
            one.octets(),
            "" if one.look_ms is None else one.look_ms,
            listed,
            freed,
            one.event,
        )
    return Call(
        shard,
        script("move"),
        (
            keys.key(shard, "e"),
            keys.key(shard, "due"),
            keys.key(shard, "exp"),
            keys.key(shard, "held"),
            keys.key(shard, "done"),
            keys.key(shard, "m"),
            keys.key(shard, "totals"),
            keys.key(shard, "events"),
            keys.claims(shard, process),
            keys.key(shard, "lanes"),
            keys.key(shard, "wake"),
            *extra,
        ),
        arguments,
    )


# -- reading records ------------------------------------------------------------------------------------------------


def fetch(identities: Sequence[bytes]) -> Operation[list[Record | None]]:
    """The records with these ids; ``None`` where there is none (any more)."""
    calls = [Call.read(shard_of(one), b"HGET", keys.key(shard_of(one), "e"), one) for one in identities]

    def read(answers: list[Answer]) -> list[Record | None]:
        return [
            None if octets is None else Record.unpack(identity, octets)
            for identity, octets in zip(identities, every(answers), strict=True)
        ]

    return Operation(calls, read)


def look(shard: int, limit: int) -> Operation[tuple[int, list[tuple[bytes, Record | None]]]]:
    """Records whose expiry is to be looked at now, with the store's now, ms."""
    operation = _look(shard, ("due", "0", limit))

    def read(answers: list[Answer]) -> tuple[int, list[tuple[bytes, Record | None]]]:
        now, entries, _ = operation.read(answers)
        return now, entries

    return Operation(operation.calls, read)


def walk(shard: int, cursor: str, size: int) -> Operation[tuple[int, list[tuple[bytes, Record | None]], str]]:
    """One step of a walk over all live envelopes of a shard; it is over when the cursor comes back as ``"0"``."""
    return _look(shard, ("walk", cursor, size))


def _look(shard: int, how: tuple[str, str, int]) -> Operation[tuple[int, list[tuple[bytes, Record | None]], str]]:
    call = Call(shard, script("look"), (keys.key(shard, "exp"), keys.key(shard, "e")), how)

    def read(answers: list[Answer]) -> tuple[int, list[tuple[bytes, Record | None]], str]:
        now, cursor, *rest = first(answers)
        entries = [
            (identity, Record.unpack(identity, octets) if octets else None)
            for identity, octets in zip(rest[::2], rest[1::2], strict=True)
        ]
        return now, entries, cursor.decode()

    return Operation((call,), read)


def rescore(shard: int, scores: Iterable[tuple[bytes, int | None]]) -> Operation[int]:
    """Set when to look at an expiry next; ``None`` drops an entry that has no envelope."""
    arguments: list[bytes | str | int] = []
    for identity, score in scores:
        arguments += (identity, "" if score is None else score)
    return Operation((Call(shard, script("rescore"), (keys.key(shard, "exp"),), arguments),), first)


def ask(flag: int, record: Record) -> Operation[int]:
    """Set *cancel asked* (1) or *hold asked* (2) on an envelope that is being attempted.

    1: asked, 2: stale, 3: gone.
    """
    shard = shard_of(record.id)
    call = Call(shard, script("ask"), (keys.key(shard, "e"),), (int(flag), record.id, record.version))

    def read(answers: list[Answer]) -> int:
        result: int = first(answers)[0]
        return result

    return Operation((call,), read)
