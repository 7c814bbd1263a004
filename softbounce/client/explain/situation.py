"""What an explanation is made from, and the facts that follow from it. Values only: nothing is asked of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from softbounce import transitions
from softbounce.client.held_streams import HeldStream
from softbounce.client.selection import site_of_lane
from softbounce.client.standing_holds import ShownHold
from softbounce.decide import binding_window
from softbounce.duration import MILLISECOND, from_epoch_ms, in_words
from softbounce.envelope import Attempt, Record
from softbounce.history import History
from softbounce.ids import format_id
from softbounce.road import digest_in
from softbounce.routing import name_of
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store.lanes import DomainState, LaneState, LearnedState, SenderState
from softbounce.store.returns import CameBack

__all__ = ["Situation", "clock", "moment"]


OPEN = LaneState()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """An envelope and what surrounds it.

    :ivar lane_name: the lane that will take it: its record's, or that of its domain's site once this is known.
    :ivar lane: what is remembered of that lane.
    :ivar owner: the living worker process that has the lane.
    :ivar workers: how many worker processes are alive.
    :ivar waiting: entries in its lane's list, while it is there.
    :ivar before: those before it; ``None``: not seen.
    :ivar stream_hold: that its whole stream is held, and why.
    :ivar standing: the standing hold that it meets.
    :ivar suppressed: why its address gets no mail; empty: it does.
    :ivar came_back: what was reported of it after it had left.
    """

    record: Record
    settings: Settings
    now_ms: int
    lane_name: str
    lane: LaneState = OPEN
    owner: str | None = None
    workers: int = 0
    waiting: int = 0
    before: int | None = None
    stream_hold: HeldStream | None = None
    standing: ShownHold | None = None
    suppressed: str = ""
    came_back: tuple[CameBack, ...] = ()

    @property
    def policy(self) -> Policy:
        """The policy that binds."""
        return transitions.policy_of(self.record, self.settings)

    @property
    def now(self) -> datetime:
        """The store's now."""
        return from_epoch_ms(self.now_ms)

    @property
    def expires_at(self) -> datetime:
        """When the window closes, as things stand."""
        return from_epoch_ms(transitions.expiry_ms(self.record, self.settings, self.now_ms))

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        attempts = self.record.envelope.attempts
        return attempts[-1] if attempts else None

    @property
    def window(self) -> tuple[timedelta, str]:
        """The window that binds, and whose it is."""
        length, owner = binding_window(self.policy, History.of(self.record))
        envelope = self.record.envelope
        is_given = envelope.window_ms is not None and not envelope.set_window_ms
        return length, "given with the send" if is_given else owner

    @property
    def place(self) -> str:
        """Where its mail goes, in words."""
        site, digest = site_of_lane(self.lane_name), digest_in(self.lane_name)
        if site is None:
            return f"the domain {self.record.envelope.domain}"
        rules = self.settings.route if digest else ()
        number, road = next(((at, rule.road) for at, rule in enumerate(rules) if rule.road.digest == digest), (0, None))
        if road is None:
            return f"the site {site}"
        rule = name_of(rules, number)
        if rule == "gate":
            return f"{site} port {road.port} on its machine (gate)"
        return f"the {'smarthost' if road.is_relay else 'site'} {site} ({rule})"

    @property
    def is_unresolved(self) -> bool:
        """Whether its domain's hosts still have to be found."""
        return site_of_lane(self.lane_name) is None

    @property
    def lane_rule(self) -> LaneRule:
        """How hard its site may be pushed."""
        return self.settings.lane_rule_for(site_of_lane(self.lane_name))

    @property
    def learned(self) -> LearnedState | None:
        """What the site takes, as far as it said so by refusing and that binds."""
        learned = self.lane.learned
        return learned if self.lane_rule.adaptive and learned.until_ms > self.now_ms else None

    @property
    def domain_trouble(self) -> DomainState | None:
        """The trouble of its recipient domain at its site, where that keeps it waiting."""
        envelope = self.record.envelope
        trouble = self.lane.domains.get(envelope.domain)
        return trouble if trouble is not None and trouble.binds(envelope.sender) else None

    @property
    def sender_trouble(self) -> SenderState | None:
        """The trouble of its sender domain at its site, where that keeps it waiting."""
        return self.lane.sender_of(self.record.envelope.sender)

    @property
    def probe(self) -> str | None:
        """The envelope behind which it waits, because that is tried at its address first."""
        behind = self.record.envelope.behind
        return format_id(behind) if behind and behind != self.record.id else None

    @property
    def lane_opens_in(self) -> timedelta:
        """How long its lane stays closed; zero or less: it is not."""
        return (self.lane.closed_until_ms - self.now_ms) * MILLISECOND


def clock(instant: datetime) -> str:
    """An instant on the clock: ``2026-01-31 08:00:00 UTC``."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def moment(instant: datetime, now: datetime) -> str:
    """An instant, relative and absolute: ``in 12 min 3 s (2026-01-31 08:12:03 UTC)``."""
    if instant > now:
        return f"in {in_words(instant - now)} ({clock(instant)})"
    return f"{in_words(now - instant)} ago ({clock(instant)})"
