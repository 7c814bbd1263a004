"""One look at a store: who is there, how much is where, some of the envelopes and lanes, what happened last.

Bounded: of live envelopes :data:`SAMPLE` are read, taken at random, so that a thousand of them or a million cost the
same; each stands for its share of all. Where there are no more than that many, all of them are. Of lanes
:data:`LANES` are read beside those of these envelopes, and of the event log its last entries.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.selection import site_of_lane
from softbounce.client.traffic import TrafficPoint, read_traffic
from softbounce.duration import from_epoch_ms
from softbounce.envelope import Record, State
from softbounce.errors import StoreError, StoreFull
from softbounce.events import StoredEvent, decode_events
from softbounce.ids import ENVELOPE_OCTETS, shard_of
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.clock import StoreTime, ask_time, time_of
from softbounce.store.held_streams import StreamHold, held_among, read_holds
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState, lane_states, read_remembered
from softbounce.store.membership import Leases, leases
from softbounce.store.memory import Memory, read_memory
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.reading import fetch
from softbounce.store.webhooks import Receiver, read_receivers

__all__ = ["LANES", "SAMPLE", "Logged", "Look", "Sampled", "take_look"]

SAMPLE = 400
LANES = 1_000
MOST_SHARDS = 20
"""Of which envelopes are looked at; of all others only how many there are."""
LOG_ENTRIES = 60
LOG_EVENTS = 300
PERSISTENCE = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
LANES_AT_ONCE = 500
TRAFFIC_MINUTES = 60


class Sampled(NamedTuple):
    """One envelope, and for how many it stands."""

    record: Record
    weight: float


class Logged(NamedTuple):
    """An event of the end of the log, and when it was."""

    at_ms: int
    event: StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look saw.

    :ivar times: of each shard's server.
    :ivar schedulers: how many listen.
    :ivar memories: of each shard's server.
    :ivar unwritten: what servers could not write to their disks, in their own words.
    :ivar counts: envelopes by state; those that ended, all in one, under *delivered*.
    :ivar due_ms: when the one was due that is due for longest; ``None``: none is planned.
    :ivar sample: some of the live envelopes.
    :ivar lanes: lane -> what is remembered of it: those of the sample, and some of the others.
    :ivar remembered: of how many lanes anything is.
    :ivar owners: lane -> process, of some lanes that workers have; ``owned``: how many those are.
    :ivar log: what happened last, the newest first.
    :ivar traffic: what went in and out, minute by minute, of the last hour.
    """

    settings: Settings
    times: Sequence[StoreTime]
    leases: Leases
    schedulers: int
    holds: Mapping[str, StreamHold]
    receivers: Mapping[str, tuple[int, Receiver]]
    memories: Sequence[Memory]
    unwritten: Sequence[str]
    counts: Mapping[State, int]
    ended: int
    due_ms: int | None
    unreadable: int
    sample: Sequence[Sampled]
    lanes: Mapping[str, LaneState]
    remembered: int
    owners: Mapping[str, str]
    owned: int
    log: Sequence[Logged]
    traffic: Sequence[TrafficPoint] = ()

    @property
    def now_ms(self) -> int:
        """The store's now."""
        return self.leases.now_ms

    @property
    def now(self) -> datetime:
        """The same as an instant."""
        return from_epoch_ms(self.now_ms)

    @property
    def workers(self) -> list[str]:
        """The processes whose lease stands."""
        return [name for name, end in self.leases.ends.items() if end > self.now_ms]

    def binding_rate(self, lane: str) -> tuple[float, str]:
        """How many messages a second a lane takes, and who says so; 0: no rate binds."""
        site = site_of_lane(lane)
        if site is None:
            return 0.0, ""
        rule = self.settings.lane_rule_for(site)
        rate, whose = rule.rate or 0.0, f"as {rule.source or 'the built-in rule'} says"
        learned = self.lanes.get(lane, LaneState()).learned
        is_known = rule.adaptive and learned.rate and learned.until_ms > self.now_ms
        if is_known and not 0 < rate <= learned.rate:
            return learned.rate, "as it was found to by what it refused"
        return rate, whose

    @property
    def live(self) -> int:
        """How many envelopes have not ended."""
        return sum(self.counts.values())


def take_look(knowledge: Knowledge) -> Flow[Look]:
    """Look.

    :raises StoreError: the store cannot be asked.
    """
    known = yield from knowledge.current()
    shards = known.shards
    alive = yield from repeat(leases())
    presence = yield from repeat(_presence(shards))
    memories = yield from _memories(shards)
    queues: list[_Queues] = yield from repeat(_queues(shards, list(alive.ends)))
    sample = yield from _sample([one.live for one in queues])
    log = yield from repeat(_log(shards))
    remembered, number = yield from repeat(read_remembered(LANES))
    lanes = dict(remembered)
    others = sorted({one.record.lane for one in sample if one.record.lane} - set(lanes))
    for start in range(0, len(others), LANES_AT_ONCE):
        some = others[start : start + LANES_AT_ONCE]
        lanes |= dict(zip(some, (yield from repeat(lane_states(some))), strict=True))
    owners, owned = yield from repeat(_owners(list(lanes)))
    due = [one.due_ms for one in queues if one.due_ms is not None]
    return Look(
        settings=known.settings,
        times=presence.times,
        leases=alive,
        schedulers=presence.schedulers,
        holds=held_among((yield from repeat(read_holds()))),
        receivers=(yield from repeat(read_receivers())),
        memories=memories,
        unwritten=presence.unwritten,
        counts={state: sum(one.counts[state] for one in queues) for state in queues[0].counts},
        ended=sum(one.ended for one in queues),
        due_ms=min(due, default=None),
        unreadable=sum(one.unreadable for one in queues),
        sample=sample,
        lanes=lanes,
        remembered=number,
        owners=owners,
        owned=owned,
        log=log,
        traffic=(yield from read_traffic(knowledge, TRAFFIC_MINUTES, 1)),
    )


class _Presence(NamedTuple):
    times: list[StoreTime]
    schedulers: int
    unwritten: list[str]


def _presence(shards: int) -> Operation[_Presence]:
    """Who listens, what the clocks say, and whether disks are written."""
    calls = [
        Call.read(HOME, b"PUBSUB", b"SHARDNUMSUB", keys.key(HOME, "wake")),
        *(ask_time(shard) for shard in range(shards)),
        *(Call.read(shard, b"INFO", b"persistence") for shard in range(shards)),
    ]

    def read(answers: list[StoreAnswer]) -> _Presence:
        listeners = every(answers[:1])[0]
        unwritten = {words for told in answers[1 + shards :] for words in _unwritten(told)}
        return _Presence([time_of(one) for one in answers[1 : 1 + shards]], int(listeners[1]), sorted(unwritten))

    return Operation(calls, read)


def _unwritten(told: StoreAnswer) -> list[str]:
    if not isinstance(told, bytes):  # a server may keep INFO to itself
        return []
    facts = dict(line.split(":", 1) for line in told.decode("utf-8", "replace").splitlines() if ":" in line)
    return [f"{name} is {facts[name][:40]}" for name in PERSISTENCE if facts.get(name, "ok") != "ok"]


def _memories(shards: int) -> Flow[list[Memory]]:
    """Of each shard's server; one that refuses to write for another reason is told of elsewhere."""
    found: list[Memory] = []
    for shard in range(shards):
        try:
            found.append((yield from repeat(read_memory(shard))))
        except StoreFull:
            found.append(Memory(0, 0, is_full=True, is_told=False))
        except StoreError:
            found.append(Memory(0, 0, is_full=False, is_told=False))
    return found


class _Queues(NamedTuple):
    """How much is where in a shard."""

    counts: dict[State, int]
    ended: int
    due_ms: int | None
    unreadable: int

    @property
    def live(self) -> int:
        return sum(self.counts.values())


def _queues(shards: int, processes: Sequence[str]) -> Operation[list[_Queues]]:
    each = [_queues_of(shard, processes) for shard in range(shards)]

    def read(answers: list[StoreAnswer]) -> list[_Queues]:
        left = iter([_known(one) for one in answers])
        found: list[_Queues] = []
        for calls in each:
            live, due, held, aside, done, head, *claims = (next(left) for _ in calls)
            numbers = {State.SCHEDULED: due or 0, State.HELD: held or 0, State.ATTEMPTING: 0}
            numbers[State.ATTEMPTING] = sum(one or 0 for one in claims)
            numbers[State.READY] = max(0, (live or 0) - sum(numbers.values()))
            found.append(_Queues(numbers, done or 0, _score(head), aside or 0))
        return found

    return Operation([call for calls in each for call in calls], read)


def _queues_of(shard: int, processes: Sequence[str]) -> list[Call]:
    return [
        *(Call.read(shard, b"ZCARD", keys.key(shard, name)) for name in ("exp", "due", "held", "aside", "done")),
        Call.read(shard, b"ZRANGE", keys.key(shard, "due"), 0, 0, b"WITHSCORES"),
        *(Call.read(shard, b"HLEN", keys.claims(shard, process)) for process in processes),
    ]


def _score(head: Any) -> int | None:  # noqa: ANN401 - what servers answer
    """The score of a queue's first entry; one that is no time is none."""
    try:
        return int(float(head[1])) if head else None
    except (ValueError, OverflowError):
        return None


def _sample(lives: Sequence[int]) -> Flow[list[Sampled]]:
    """Some of the live envelopes, at random."""
    shards = [shard for shard, live in enumerate(lives) if live]
    if len(shards) > MOST_SHARDS:
        shards = random.sample(shards, MOST_SHARDS)
    if not shards:
        return []
    each = max(1, SAMPLE // len(shards))
    calls = [Call.read(shard, b"ZRANDMEMBER", keys.key(shard, "exp"), each) for shard in shards]
    picked: Operation[list[list[bytes]]] = Operation(calls, lambda answers: [_known(one) or [] for one in answers])
    ids = yield from repeat(picked)
    scale = sum(lives) / sum(lives[shard] for shard in shards)
    found: list[Sampled] = []
    for shard, some in zip(shards, ids, strict=True):
        ours = [one for one in some if len(one) == ENVELOPE_OCTETS and shard_of(one) == shard]
        records = yield from repeat(fetch(ours))
        live = [record for record in records if record is not None and not record.state.is_final]
        found += (Sampled(record, scale * lives[shard] / len(live)) for record in live)
    return found


def _owners(lanes: Sequence[str]) -> Operation[tuple[dict[str, str], int]]:
    """Who has these lanes and some more, and how many are had."""
    name = keys.key(HOME, "owner")
    calls = [Call.read(HOME, b"HSCAN", name, 0, b"COUNT", LANES), Call.read(HOME, b"HLEN", name)]
    calls += [Call.read(HOME, b"HMGET", name, *lanes)] if lanes else []

    def read(answers: list[StoreAnswer]) -> tuple[dict[str, str], int]:
        scanned, number, *rest = (_known(one) for one in answers)
        flat = scanned[1][: 2 * LANES] if scanned else []
        found = {_text(lane): _text(owner) for lane, owner in zip(flat[::2], flat[1::2], strict=True)}
        named = zip(lanes, rest[0] or (), strict=False) if rest else ()
        found |= {lane: _text(owner) for lane, owner in named if owner}
        return {lane: owner for lane, owner in found.items() if keys.is_lane(lane)}, number or 0

    return Operation(calls, read)


def _log(shards: int) -> Operation[list[Logged]]:
    """The end of the event log, the newest first."""
    calls = [
        Call.read(shard, b"XREVRANGE", keys.key(shard, "events"), b"+", b"-", b"COUNT", max(1, LOG_ENTRIES // shards))
        for shard in range(shards)
    ]

    def read(answers: list[StoreAnswer]) -> list[Logged]:
        found: list[Logged] = []
        for entries in answers:
            for identity, values in _known(entries) or ():
                try:
                    events = decode_events(values[1])
                except (msgspec.DecodeError, IndexError):
                    ignore("event", identity)
                    continue
                at_ms = int(identity.partition(b"-")[0])
                found += (Logged(at_ms, event) for event in events[:LOG_EVENTS])
        found.sort(key=lambda one: -one.at_ms)
        return found[:LOG_EVENTS]

    return Operation(calls, read)


def _known(answer: StoreAnswer) -> Any:  # noqa: ANN401 - what servers answer
    return of_type(answer, "key", None)


def _text(octets: bytes) -> str:
    return octets.decode(errors="replace")
