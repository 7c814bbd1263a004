"""Which fault comes when: decided by the seed before the run begins. What it meets is decided by the moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

__all__ = ["BY_OTHER_WAYS", "LONG_PAUSE", "ONE_SERVER", "WATCHED", "Fault", "Kind", "schedule"]

FIRST_AFTER = 3.0
LONG_PAUSE = 75.0
"""Seconds. The longest that a pause beyond a minute lasts."""


class Kind(StrEnum):
    """What goes wrong."""

    KILL_WORKER = "kill a worker"
    KILL_WORKERS = "kill all workers"
    KILL_SCHEDULER = "kill the scheduler"
    KILL_STORE = "kill the store"
    KILL_APP = "kill the app"
    KILL_GATEWAY = "kill a listener, or who tells webhooks"
    KILL_RELAY = "kill the relay of the outbox"
    KILL_RECEIVER = "kill the receiver of webhooks"
    PAUSE_GATEWAY = "pause a listener, or who tells webhooks"
    KILL_UP = "kill an up"
    KILL_ALL = "kill everything at once"
    END_WORKER = "end a worker by SIGTERM"
    PAUSE_WORKER = "pause a worker beyond its lease"
    PAUSE_WORKERS = "pause all workers beyond their lease"
    PAUSE_LONG = "pause a worker beyond a minute"
    PAUSE_SCHEDULER = "pause the scheduler"
    PAUSE_STORE = "pause the store"
    PAUSE_APP = "pause the app"
    CUT = "cut all connections to the store"
    REFUSE = "refuse connections to the store"
    LOSE_REQUESTS = "cut connections before the request"
    LOSE_REPLIES = "cut connections before the reply"
    HALVE_REPLIES = "cut connections within the reply"
    SWALLOW = "a black hole in front of the store"
    SLOW = "a slow way to the store"
    FLUSH_JOBS = "flush dramatiq's database"
    TWO_SCHEDULERS = "two schedulers at once"
    FULL_WORKER_DISK = "fill a worker's disk"
    FULL_STORE_DISK = "fill the store's disk"
    STEP_STORE_CLOCK = "set the store's clock wrong"
    STEP_WORKER_CLOCK = "set a worker's clock wrong"
    SWITCH_PRIMARY = "switch the primary"
    KILL_PRIMARY = "kill the primary"
    PAUSE_PRIMARY = "pause the primary until another is chosen"


WATCHED = frozenset({Kind.SWITCH_PRIMARY, Kind.KILL_PRIMARY, Kind.PAUSE_PRIMARY})
"""What needs a store that sentinels watch."""

ONE_SERVER = frozenset(
    {
        Kind.KILL_STORE,
        Kind.PAUSE_STORE,
        Kind.CUT,
        Kind.REFUSE,
        Kind.LOSE_REQUESTS,
        Kind.LOSE_REPLIES,
        Kind.HALVE_REPLIES,
        Kind.SWALLOW,
        Kind.SLOW,
        Kind.FLUSH_JOBS,
        Kind.FULL_STORE_DISK,
        Kind.STEP_STORE_CLOCK,
    }
)
"""What needs an embedded store, with a way of its own from each part."""

BY_OTHER_WAYS = frozenset({Kind.KILL_GATEWAY, Kind.KILL_RELAY, Kind.KILL_RECEIVER, Kind.PAUSE_GATEWAY})
"""What needs the gateway, the outbox and the receiver of webhooks."""

WEIGHTS = {
    **dict.fromkeys(WATCHED, 4),
    Kind.KILL_WORKER: 4,
    Kind.PAUSE_WORKER: 4,
    Kind.LOSE_REPLIES: 3,
    Kind.KILL_STORE: 2,
    Kind.KILL_GATEWAY: 4,
    Kind.KILL_UP: 2,
    Kind.LOSE_REQUESTS: 2,
    Kind.SWALLOW: 2,
    Kind.SLOW: 2,
    Kind.CUT: 2,
}
"""How often each is in the deck; all others once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    :ivar at: seconds from the beginning.
    :ivar pick: from 0 to 1: which of those that it could hit.
    :ivar size: from 0 to 1: how long, or how much of it.
    """

    at: float
    kind: Kind
    pick: float
    size: float


def schedule(seed: int, seconds: float, faults_per_minute: float, kinds: Sequence[Kind]) -> list[Fault]:
    """The faults of a run, in order. Kinds are dealt from a shuffled deck: all come before any comes again."""
    random = Random(f"faults of {seed}")  # noqa: S311 - it has to be repeatable
    faults: list[Fault] = []
    deck: list[Kind] = []
    at = FIRST_AFTER
    while at < seconds:
        if not deck:
            deck = [kind for kind in kinds for _ in range(WEIGHTS.get(kind, 1))]
            random.shuffle(deck)
        kind = deck.pop()
        if kind is Kind.PAUSE_LONG and at > seconds - LONG_PAUSE:  # it would outlast the run
            kind = Kind.PAUSE_WORKER
        faults.append(Fault(at=at, kind=kind, pick=random.random(), size=random.random()))
        at += random.uniform(0.2, 1.8) * 60 / faults_per_minute
    return faults
