"""What the live envelopes of a look wait for: each stands behind one thing, and things have many behind them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from softbounce.client.now.look import Look, Sampled
from softbounce.envelope import Attempt, Flag, Record, State
from softbounce.store.lanes import LaneState, SeenState

__all__ = ["Group", "Place", "Waits", "group", "is_closed", "sender_domain", "trouble_words"]

Waits = str
"""``held``, ``resolver``, ``sender``, ``domain``, ``lane``, ``turn`` (of an open lane), ``own`` (clock), ``moving``."""


class Place(NamedTuple):
    """What some envelopes wait for: of which kind it is, in which lane, and whose, where that has a name."""

    waits: Waits
    lane: str = ""
    name: str = ""


@dataclass(slots=True)
class Group:
    """The envelopes that wait for one thing.

    :ivar weight: about how many. ``since_ms``: when the first of them met it, or was accepted.
    :ivar last: the latest attempt of any of them.
    """

    weight: float = 0.0
    since_ms: int = 0
    streams: Counter[str] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    last: Attempt | None = None

    def add(self, one: Sampled, since_ms: int) -> None:
        """One more."""
        record = one.record
        self.weight += one.weight
        self.since_ms = min(self.since_ms or since_ms, since_ms)
        self.streams[record.stream] += one.weight  # type: ignore[assignment]  # a count of what it stands for
        self.senders[sender_domain(record)] += one.weight  # type: ignore[assignment]
        self.domains[record.envelope.domain] += one.weight  # type: ignore[assignment]
        attempt = last_attempt(record)
        if attempt is not None and (self.last is None or attempt.ended_ms > self.last.ended_ms):
            self.last = attempt

    @property
    def about(self) -> int:
        """How many, as a whole number."""
        return max(1, round(self.weight))


def group(look: Look) -> dict[Place, Group]:
    """All of them, by what they wait for."""
    found: dict[Place, Group] = {}
    for one in look.sample:
        place = _place(one.record, look)
        found.setdefault(place, Group()).add(one, _since_ms(one.record))
    return found


def _place(record: Record, look: Look) -> Place:
    """What an envelope waits for: the widest trouble that keeps it."""
    envelope, lane = record.envelope, look.lanes.get(record.lane, LaneState())
    if record.state is State.HELD:
        return Place("held", name=envelope.held_why or "")
    attempt = last_attempt(record)
    is_tried = record.state is State.ATTEMPTING
    if attempt is not None and attempt.stage == "route" and attempt.verdict == "soft" and not is_tried:
        return Place("resolver", record.lane, envelope.domain)
    if record.lane.startswith("?"):  # whoever asks what failed is part of the trouble until the answer is there
        return Place("resolver" if lane.failures else "moving", record.lane, envelope.domain)
    if lane.sender_of(envelope.sender) is not None:
        return Place("sender", record.lane, sender_domain(record))
    domain = lane.domains.get(envelope.domain)
    if domain is not None and domain.binds(envelope.sender):
        return Place("domain", record.lane, envelope.domain)
    if lane.failures:
        return Place("lane", record.lane)
    if is_tried:  # where a rate binds, most of these wait in a worker's hand for their turn
        is_in_hand = look.binding_rate(record.lane)[0] > 0 and not record.flags & Flag.MARKED
        return Place("turn" if is_in_hand else "moving", record.lane)
    if record.state is State.READY:
        return Place("turn", record.lane)
    if record.state is State.SCHEDULED and attempt is not None:
        return Place("own", record.lane, attempt.reason or "")
    return Place("moving")


def is_closed(seen: SeenState, now_ms: int) -> bool:
    """Whether something is closed now; where it only failed it is about to be asked, or is being asked."""
    return seen.failures > 0 and seen.closed_until_ms > now_ms


def sender_domain(record: Record) -> str:
    """The domain of an envelope's sender, as lanes know it; empty for the null sender."""
    return record.envelope.sender.rpartition("@")[2].lower()


def last_attempt(record: Record) -> Attempt | None:
    """The latest one."""
    attempts = record.envelope.attempts
    return attempts[-1] if attempts else None


def _due_ms(record: Record) -> int:
    return record.next_ms or record.created_ms


def _since_ms(record: Record) -> int:
    """Since when an envelope has met what it met last, as far as its own attempts tell."""
    last = last_attempt(record)
    if last is None:
        return record.envelope.held_since_ms or _due_ms(record)
    if record.state is State.HELD and record.envelope.held_since_ms:
        return record.envelope.held_since_ms
    since = last.started_ms
    for attempt in _backwards(record.envelope.attempts):
        if (attempt.stage, attempt.reason) != (last.stage, last.reason):
            break
        since = attempt.started_ms
    return since


def _backwards(attempts: Iterable[Attempt]) -> Iterator[Attempt]:
    return reversed(list(attempts))


def trouble_words(seen: SeenState | Attempt) -> str:
    """What was seen of a trouble last, in a sentence."""
    what = " ".join(str(one) for one in (seen.code, seen.enhanced, seen.text or seen.why) if one)
    where = f" {seen.host}" if seen.host else ""
    return f"At {seen.stage}{where}: {what.rstrip('.')}." if what else f"At {seen.stage}{where} it failed."
