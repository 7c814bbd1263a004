"""What `/metrics` shows, as the store has it: counters, the heads of queues, and what processes tell of themselves.

Nothing here walks over envelopes or lanes: each call costs the same whatever the number of them. What is stored in the
place of a number and is none counts as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

from softbounce.counting import COUNTERS, FINISHED, OLDEST, SMTP, field_of
from softbounce.envelope import FINAL_STATES, State
from softbounce.store import keys, membership
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.held_streams import held_among, read_holds
from softbounce.store.keys import HOME
from softbounce.store.membership import Leases
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = [
    "Heads",
    "Presence",
    "add_counts",
    "read_counters",
    "read_heads",
    "read_presence",
    "tell_oldest",
    "tell_sessions",
]

LIVE_STATES = tuple(state for state in State if not state.is_final)
PROBES_WITHIN_MS = timedelta(minutes=10) // timedelta(milliseconds=1)
"""So long after a lane was to open it counts as one that is being asked, unless it opened or closed again."""
AT_HOME = tuple(name for name in COUNTERS if name.startswith(SMTP))
EVERYWHERE = tuple(name for name in COUNTERS if not name.startswith(SMTP))
MOST = 2**53


def add_counts(counts: Mapping[str, int]) -> Operation[StoreAnswer]:
    """Add what one process counted since the last time."""
    arguments = [one for count in counts.items() for one in count]
    return Operation((Call(HOME, script("add"), (keys.key(HOME, "metrics"),), arguments),), first)


def tell_sessions(process: str, number: int) -> Operation[StoreAnswer]:
    """How many SMTP sessions a process has; none: nothing is kept of it."""
    return Operation((Call(HOME, script("put"), (keys.key(HOME, "sessions"),), (process, number or "")),), first)


def tell_oldest(shard: int, oldest: Mapping[State, int]) -> Operation[StoreAnswer]:
    """When the oldest envelope of each live state was accepted, ms, as a walk over all of a shard saw it."""
    arguments = [one for state in LIVE_STATES for one in (field_of(OLDEST, state.word), oldest.get(state, ""))]
    return Operation((Call(shard, script("put"), (keys.key(shard, "metrics"),), arguments),), first)


def read_counters(shards: int) -> Operation[dict[str, int]]:
    """All counters, by field; those that never counted anything are not among them."""
    parts = [(HOME, AT_HOME), *((shard, EVERYWHERE) for shard in range(shards))]
    calls = [Call.read(shard, b"HMGET", keys.key(shard, "metrics"), *names) for shard, names in parts]

    def read(answers: list[StoreAnswer]) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, names), answer in zip(parts, answers, strict=True):
            for name, value in zip(names, _known(answer, []) or [None] * len(names), strict=True):
                if value is not None:
                    found[name] = found.get(name, 0) + _number(value)
        return found

    return Operation(calls, read)


class Presence(NamedTuple):
    """Who is there.

    :ivar leases: of worker processes.
    :ivar members: whoever may claim, or has a lease.
    :ivar schedulers: how many listen.
    :ivar sessions: process -> SMTP sessions.
    :ivar held_streams: how many streams are held as a whole.
    :ivar is_restored: the mail of a restored store is being held.
    """

    leases: Leases
    members: frozenset[str]
    schedulers: int
    sessions: Mapping[str, int]
    held_streams: int
    is_restored: bool

    @property
    def now_ms(self) -> int:
        """The store's now."""
        return self.leases.now_ms

    @property
    def workers(self) -> list[str]:
        """The processes whose lease stands."""
        return [name for name, end in self.leases.ends.items() if end > self.now_ms]


def read_presence(shards: int) -> Operation[Presence]:
    """Who is there."""
    leases, members, holds = membership.leases(), membership.members(shards), read_holds()
    calls = (
        Call.read(HOME, b"PUBSUB", b"SHARDNUMSUB", keys.key(HOME, "wake")),
        Call.read(HOME, b"HGETALL", keys.key(HOME, "sessions")),
        Call.read(HOME, b"HEXISTS", keys.key(HOME, "witness"), "holding"),
    )

    def read(answers: list[StoreAnswer]) -> Presence:
        left = iter(answers)

        def of(calls: Sequence[Call]) -> list[StoreAnswer]:
            return [next(left) for _ in calls]

        who, may_claim = leases.read(of(leases.calls)), members.read(of(members.calls))
        held = held_among(holds.read(of(holds.calls)))
        listeners, sessions, holding = next(left), _known(next(left), []), _known(next(left), 0)
        numbers = zip(sessions[::2], sessions[1::2], strict=True)
        return Presence(
            who,
            frozenset(may_claim),
            int(_known(listeners, (b"", 0))[1]),
            {name.decode(errors="replace"): _number(value) for name, value in numbers},
            len(held),
            bool(holding),
        )

    return Operation([*leases.calls, *members.calls, *holds.calls, *calls], read)


class Heads(NamedTuple):
    """How much is where.

    :ivar envelopes: state -> how many.
    :ivar oldest_due_ms: when the one was due that is due for longest; ``None``: none is planned.
    :ivar oldest_ms: state -> when the oldest was accepted, as the scheduler's walk saw it last.
    :ivar lanes: owned by a worker; closed; and to be opened by a canary.
    :ivar unreadable: envelopes that are set aside.
    """

    envelopes: Mapping[State, int]
    oldest_due_ms: int | None
    oldest_ms: Mapping[State, int]
    lanes: tuple[int, int, int]
    unreadable: int


ENDS = tuple(sorted(FINAL_STATES))
ONES = (*(field_of(FINISHED, state.word) for state in ENDS), *(field_of(OLDEST, state.word) for state in LIVE_STATES))


def read_heads(shards: int, processes: Sequence[str], now_ms: int) -> Operation[Heads]:
    """How much is where.

    :param processes: whoever may have claimed something.
    """
    at_home = [
        Call.read(HOME, b"HLEN", keys.key(HOME, "owner")),
        Call.read(HOME, b"ZCOUNT", keys.key(HOME, "closed"), f"({now_ms}", b"+inf"),
        Call.read(HOME, b"ZCOUNT", keys.key(HOME, "closed"), now_ms - PROBES_WITHIN_MS, now_ms),
    ]
    in_each = [_heads_of(shard, processes) for shard in range(shards)]

    def read(answers: list[StoreAnswer]) -> Heads:
        owned, closed, probing = (_known(one, 0) for one in answers[:3])
        left = iter(answers[3:])
        envelopes, oldest = dict.fromkeys(State, 0), dict[State, int]()
        due_ms: int | None = None
        unreadable = 0
        for calls in in_each:
            live, due, held, aside, head, ones, *claims = (next(left) for _ in calls)
            numbers = {State.SCHEDULED: _known(due, 0), State.HELD: _known(held, 0)}
            numbers[State.ATTEMPTING] = sum(_known(one, 0) for one in claims)
            numbers[State.READY] = max(0, _known(live, 0) - sum(numbers.values()))
            unreadable += _known(aside, 0)
            values = [_number(one) for one in _known(ones, [None] * len(ONES))]
            numbers |= dict(zip(ENDS, values, strict=False))
            for state, number in numbers.items():
                envelopes[state] += number
            for state, created_ms in zip(LIVE_STATES, values[len(ENDS) :], strict=True):
                if created_ms and numbers[state]:
                    oldest[state] = min(created_ms, oldest.get(state, created_ms))
            at = _known(head, [])[1:2]
            if at and isfinite(float(at[0])):
                due_ms = min(int(float(at[0])), MOST if due_ms is None else due_ms)
        return Heads(envelopes, due_ms, oldest, (owned, closed, probing), unreadable)

    return Operation([*at_home, *chain(*in_each)], read)


def _heads_of(shard: int, processes: Sequence[str]) -> list[Call]:
    queues = (Call.read(shard, b"ZCARD", keys.key(shard, name)) for name in QUEUES)
    return [
        *queues,
        Call.read(shard, b"ZRANGE", keys.key(shard, "due"), 0, 0, b"WITHSCORES"),
        Call.read(shard, b"HMGET", keys.key(shard, "metrics"), *ONES),
        *(Call.read(shard, b"HLEN", keys.claims(shard, process)) for process in processes),
    ]


QUEUES = ("exp", "due", "held", "aside")


def _known(answer: StoreAnswer, instead: Any) -> Any:  # noqa: ANN401 - what servers answer
    return of_type(answer, "metrics", instead)


def _number(octets: bytes | None) -> int:
    """A count as it is stored; one that cannot be one counts as nothing."""
    if octets is not None and len(octets) <= 16 and octets.isdigit():  # noqa: PLR2004 - 2**53 has as many digits
        return int(octets)
    if octets is not None:
        ignore("metrics", octets)
    return 0
