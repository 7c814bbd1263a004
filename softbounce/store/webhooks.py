"""What is kept of the receivers of webhooks: who tells each, how far it was told, what it did not take.

One process owns a receiver at a time, by a lease. All that it notes it notes in one step: how far the log was read and
what of that waits for another attempt, so that nothing falls between. What people want of a receiver (:class:`Order`)
is put beside it, and its owner does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from softbounce.errors import InvalidArgument, StoreError
from softbounce.events import StoredEvent
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = [
    "MOST_DEAD",
    "MOST_RECEIVERS",
    "Changes",
    "Dead",
    "Order",
    "OrderNote",
    "Owned",
    "Receiver",
    "Try",
    "Untold",
    "forget_order",
    "forget_receiver",
    "give_order",
    "hold_receiver",
    "lag_ms",
    "read_dead",
    "read_orders",
    "read_receivers",
    "read_untold",
]

MOST_RECEIVERS = 1_000
MOST_DEAD = 1_000
MOST_ORDERS = 1_000
PAGE = 500
SHOWN = 200
DONE, TOO_MANY = 1, -1
TOKEN_OCTETS, HEAD_OCTETS = 8, 16


class Receiver(msgspec.Struct, array_like=True, kw_only=True):
    """How far a receiver was told, and how it does. Written by its owner only.

    :ivar cursor: of the event log: all before it is told, noted as untold, or given up.
    :ivar not_before_ms: what is older is passed over: a replay from that time.
    :ivar disabled_ms: since when it is told nothing; 0: it is told.
    :ivar closed_until_ms: it is away, and the next attempt is made then; 0: it is not.
    :ivar probes: attempts in a row that found it away.
    :ivar last_ms: when it answered last, or did not.
    :ivar last_code: what it answered; 0: it did not.
    :ivar last: the same in words.
    :ivar waiting_ms: when the oldest event happened that it was not told; 0: it was told of all.
    :ivar untold: how many events wait for another attempt, or behind one.
    :ivar told: how many it took; ``dead``: how many were given up.
    :ivar lost: entries of the log, each of one or more events, that were trimmed before it was told.
    :ivar noted_ms: when this was written.
    """

    cursor: str
    not_before_ms: int = 0
    disabled_ms: int = 0
    disabled_why: str = ""
    closed_until_ms: int = 0
    probes: int = 0
    last_ms: int = 0
    last_code: int = 0
    last: str = ""
    waiting_ms: int = 0
    untold: int = 0
    told: int = 0
    dead: int = 0
    lost: int = 0
    noted_ms: int = 0


class Try(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One attempt that was not taken, as far as the policy asks about it."""

    started_ms: int
    ended_ms: int
    rule: str
    stated_ms: int | None = None


class Untold(msgspec.Struct, array_like=True, kw_only=True):
    """An event that waits for another attempt, or behind one that does.

    :ivar cursor: behind it.
    :ivar first_ms: when it was tried first; 0: not yet.
    :ivar tries: the latest; ``charged``: how many there were.
    :ivar next_ms: when it is tried next.
    """

    stored: StoredEvent
    at_ms: int
    cursor: str
    first_ms: int = 0
    tries: tuple[Try, ...] = ()
    charged: int = 0
    next_ms: int = 0


class Dead(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """An event that was given up. ``place``: in the event log; ``why``: what the last attempt met."""

    stored: StoredEvent
    at_ms: int
    cursor: str
    place: bytes
    dead_ms: int
    charged: int
    why: str


class Order(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What somebody wants of a receiver; ``cursor`` and ``from_ms`` say where a replay begins."""

    what: Literal["enable", "disable", "replay", "dead"]
    cursor: str | None = None
    from_ms: int = 0
    why: str = ""


class OrderNote(NamedTuple):
    """An order as it stands in the store."""

    name: str
    order: Order | None
    field: bytes
    octets: bytes


class Owned(NamedTuple):
    """What came of holding a receiver.

    :ivar is_ours: else another process has it until then.
    :ivar receiver: ``None``: nothing was noted of it yet, or it cannot be read.
    """

    now_ms: int
    is_ours: bool
    until_ms: int
    receiver: Receiver | None


@dataclass(slots=True)
class Changes:
    """What is noted in one step. ``told``: events for the log, encoded. ``untold``: ``None``, it is no more."""

    told: list[bytes] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    undead: list[bytes] = field(default_factory=list)
    untold: dict[bytes, Untold | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.told) + len(self.dead) + len(self.undead) + len(self.untold)


_encode = msgspec.msgpack.Encoder().encode
_receiver = msgspec.msgpack.Decoder(Receiver).decode
_untold = msgspec.msgpack.Decoder(Untold).decode
_dead = msgspec.msgpack.Decoder(Dead).decode
_order = msgspec.msgpack.Decoder(Order).decode


def hold_receiver(  # noqa: PLR0913 - what one step of the store takes
    name: str,
    token: bytes,
    *,
    lease_ms: int,
    receiver: Receiver | None = None,
    changes: Changes | None = None,
    keep_events: int = 0,
) -> Operation[Owned]:
    """Own a receiver for so long, and note what is known of it. Where another owns it nothing is changed.

    :param lease_ms: 0 lets it go.
    :param receiver: ``None`` leaves what is noted.

    Running it raises ``InvalidArgument`` where there are too many receivers.
    """
    noted = changes or Changes()
    untold = [(place, _encode(one)) for place, one in noted.untold.items() if one is not None]
    arguments: list[bytes | str | int] = [name, token, lease_ms, b"" if receiver is None else _encode(receiver)]
    arguments += [MOST_RECEIVERS, MOST_DEAD, keep_events]
    for values in (
        noted.told,
        [_encode(one) for one in noted.dead],
        noted.undead,
        [place for place, one in noted.untold.items() if one is None],
    ):
        arguments += [len(values), *values]
    for pair in untold:
        arguments += pair

    def read(answers: list[StoreAnswer]) -> Owned:
        now_ms, done, until_ms, octets = first(answers)
        if done == TOO_MANY:
            raise InvalidArgument("webhook", f"there are {MOST_RECEIVERS} receivers in this store already")
        return Owned(now_ms, done == DONE, until_ms, _read(octets))

    return Operation((_call(name, arguments),), read)


def forget_receiver(name: str) -> Operation[bool]:
    """Forget all that is kept of a receiver. False: a process owns it."""
    arguments: list[bytes | str | int] = [name, bytes(TOKEN_OCTETS), -1, b"", MOST_RECEIVERS, MOST_DEAD, 0]
    return Operation((_call(name, arguments),), lambda answers: first(answers)[1] == DONE)


def read_receivers() -> Operation[dict[str, tuple[int, Receiver]]]:
    """All receivers by name: until when each is owned, ms, and how it does."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "webhook"))

    def read(answers: list[StoreAnswer]) -> dict[str, tuple[int, Receiver]]:
        found = {}
        for name, octets in _pairs(first(answers)):
            receiver = _read(octets[HEAD_OCTETS:])
            if receiver is not None:
                found[name.decode(errors="replace")] = (int.from_bytes(octets[TOKEN_OCTETS:HEAD_OCTETS]), receiver)
        return found

    return Operation((call,), read)


def lag_ms(receiver: Receiver, until_ms: int, now_ms: int) -> int:
    """How long ago the oldest event happened that a receiver was not told; 0: it was told of all.

    Where no process tells it, at least since when nothing was noted.

    :param until_ms: until when it is owned.
    """
    since = receiver.waiting_ms or now_ms
    if until_ms <= now_ms:
        since = min(since, receiver.noted_ms)
    return max(0, now_ms - since)


def read_untold(name: str, cursor: bytes = b"0") -> Operation[tuple[bytes, dict[bytes, Untold]]]:
    """A page of what waits for a receiver, by place, and the cursor of the next page; ``b"0"``: that was all."""
    call = Call.read(HOME, b"HSCAN", keys.untold(name), cursor, b"COUNT", PAGE)

    def read(answers: list[StoreAnswer]) -> tuple[bytes, dict[bytes, Untold]]:
        after, flat = first(answers)
        found = {}
        for place, octets in zip(flat[::2], flat[1::2], strict=True):
            try:
                found[place] = _untold(octets)
            except msgspec.DecodeError:
                ignore("untold event", place)
        return after, found

    return Operation((call,), read)


def read_dead(name: str) -> Operation[list[tuple[bytes, Dead]]]:
    """What was given up and is kept, oldest first, each with its id."""
    call = Call.read(HOME, b"XRANGE", keys.dead(name), b"-", b"+", b"COUNT", MOST_DEAD)

    def read(answers: list[StoreAnswer]) -> list[tuple[bytes, Dead]]:
        found = []
        for identity, values in first(answers):
            try:
                found.append((identity, _dead(values[1])))
            except (msgspec.DecodeError, IndexError):
                ignore("dead event", identity)
        return found

    return Operation((call,), read)


def give_order(name: str, order: Order) -> Operation[None]:
    """Note what somebody wants; one of each kind is noted for a receiver, the latest.

    Running it raises ``InvalidArgument`` where there are too many.
    """
    octets = _encode(order)
    call = Call(HOME, script("keep"), keys.of(HOME, "webhook_orders"), (f"{name}\n{order.what}", octets, MOST_ORDERS))

    def read(answers: list[StoreAnswer]) -> None:
        if first(answers) != DONE:
            raise InvalidArgument("webhook", "too many orders wait, because no process does them")

    return Operation((call,), read)


def read_orders() -> Operation[list[OrderNote]]:
    """All orders that wait."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "webhook_orders"))

    def read(answers: list[StoreAnswer]) -> list[OrderNote]:
        return [_note(name, octets) for name, octets in _pairs(first(answers))]

    return Operation((call,), read)


def _note(name: bytes, octets: bytes) -> OrderNote:
    """An order as it is stored; one that cannot be read is forgotten by whoever meets it."""
    receiver = name.partition(b"\n")[0].decode(errors="replace")
    try:
        return OrderNote(receiver, _order(octets), name, octets)
    except msgspec.DecodeError:
        ignore("webhook order", name)
        return OrderNote(receiver, None, name, octets)


def forget_order(note: OrderNote) -> Operation[int]:
    """It is done; one that was given meanwhile stays."""
    call = Call(HOME, script("forget"), keys.of(HOME, "webhook_orders"), (note.field, note.octets))
    return Operation((call,), first)


def _call(name: str, arguments: Sequence[bytes | str | int]) -> Call:
    own = keys.of(HOME, "webhook", "clock", "events", "totals")
    return Call(HOME, script("webhook"), (own[0], keys.untold(name), keys.dead(name), *own[1:]), arguments)


def _read(octets: bytes) -> Receiver | None:
    if not octets:
        return None
    try:
        return _receiver(octets)
    except msgspec.DecodeError:
        ignore("webhook", octets)
        return None


def _pairs(flat: StoreAnswer) -> Sequence[tuple[bytes, bytes]]:
    if isinstance(flat, StoreError):
        raise flat
    if isinstance(flat, Mapping):
        return list(flat.items())
    return list(zip(flat[::2], flat[1::2], strict=True))
