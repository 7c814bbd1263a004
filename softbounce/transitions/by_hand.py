"""What an operator chose for an envelope instead of what the configuration says: its policy, its window, its road.

The choice stands in the record, and whoever decides reads it there; so all that is done here is to work out anew what
follows from it. What is being attempted gets it when it comes back: a worker has a record of its own meanwhile, so the
stored one says that there is news (:data:`softbounce.envelope.NEWS_MS`), and no result is taken that does not know it.
"""

from __future__ import annotations

from typing import NamedTuple

from softbounce.duration import MILLISECOND, in_words
from softbounce.envelope import Envelope, Flag, Record, State
from softbounce.glance import Glance
from softbounce.road import MX, base_of, digest_in, is_of_relay
from softbounce.routing import lane_for, road_for
from softbounce.settings import Settings
from softbounce.site import shown_of
from softbounce.transitions.binding import expiry_ms, look_ms, stops_window
from softbounce.transitions.change import Change, event_of
from softbounce.transitions.without_attempt import cancel, hear, hold, release, replan

__all__ = ["NO_TERMS", "Terms", "change_terms", "ends_at_once", "give_terms", "obey"]

_Chosen = tuple[str, int, str]
"""The policy, window and route that an envelope has by hand."""


class Terms(NamedTuple):
    """What is chosen. ``None``: that stays as it is.

    :ivar policy: its name; empty: the one that the configuration assigns.
    :ivar window_ms: from when it was accepted; 0: the send's own, or the policy's.
    :ivar route: its name; empty: as the routes say.
    """

    policy: str | None = None
    window_ms: int | None = None
    route: str | None = None

    def are_of(self, envelope: Envelope | Glance) -> bool:
        """Whether an envelope has them already."""
        return (
            (self.policy is None or self.policy == envelope.set_policy)
            and (self.window_ms is None or self.window_ms == envelope.set_window_ms)
            and (self.route is None or self.route == envelope.set_route)
        )


NO_TERMS = Terms()


def give_terms(record: Record, settings: Settings, terms: Terms) -> bool:
    """Write the choice into a record. Whether it belongs into another lane by it, and is in that one now."""
    envelope = record.envelope
    if terms.policy is not None:
        envelope.set_policy = terms.policy
    if terms.window_ms is not None:
        envelope.set_window_ms = terms.window_ms
    if terms.route is None:
        return False
    envelope.set_route = terms.route
    return _take_road(record, settings)


def change_terms(record: Record, settings: Settings, now_ms: int, terms: Terms, *, lets_go: bool = False) -> Change:
    """Give them to an envelope that has not ended and is not being attempted.

    What waits in a lane that is its own no more is due now: that lane may be closed, and it shall not wait there.

    :param lets_go: it is held only until this is done.
    """
    before = _terms_of(record)
    is_moved = give_terms(record, settings, terms)
    event = release(record, settings, now_ms).event if lets_go else b""
    return _telling(before, _planned_anew(record, settings, now_ms, event, is_moved=is_moved))


def obey(record: Record, stored: Record, settings: Settings, now_ms: int, event: bytes = b"") -> Change:
    """What an attempt made of an envelope, and what was asked of it meanwhile.

    :param stored: the record in which that was asked.
    :param event: of that attempt.
    """
    before = _terms_of(record)
    hear(record, stored)
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    change = Change(record, event, look_ms(record, settings, now_ms))
    if before != _terms_of(record):
        is_moved = before[2] != record.envelope.set_route and _take_road(record, settings)
        change = _planned_anew(record, settings, now_ms, event, is_moved=is_moved)
    if record.flags & Flag.HOLD_ASKED:
        change = hold(record, now_ms)
    return _telling(before, change)


def _terms_of(record: Record) -> _Chosen:
    envelope = record.envelope
    return envelope.set_policy, envelope.set_window_ms, envelope.set_route


def _telling(before: _Chosen, change: Change) -> Change:
    """A change whose event log has what was chosen by hand, before what came of it."""
    after = _terms_of(change.record)
    if after != before:
        (policy, window_ms, route) = after
        words = (policy, in_words(window_ms * MILLISECOND) if window_ms else "", route)
        new = [
            f"{name} {word or 'as configured'}"
            for name, word, old, now in zip(("policy", "window", "route"), words, before, after, strict=True)
            if old != now
        ]
        change.ahead = event_of(change.record, "changed", why=f"By hand: {', '.join(new)}.")
    return change


def _planned_anew(record: Record, settings: Settings, now_ms: int, event: bytes, *, is_moved: bool) -> Change:
    """A record with other terms, planned by them."""
    if record.state is State.SCHEDULED:
        replan(record, settings, now_ms)
    elif record.state is State.READY and is_moved:
        record.state, record.next_ms = State.SCHEDULED, now_ms
    record.expires_ms = expiry_ms(record, settings, now_ms)
    return Change(record, event, look_ms(record, settings, now_ms))


def _take_road(record: Record, settings: Settings) -> bool:
    """Write the lane of its road into a record, as far as that is known without looking up its domain."""
    lane = _lane_by_road(record, settings)
    if lane == record.lane:
        return False
    record.lane = lane
    if not lane.startswith("?"):
        record.envelope.site = shown_of(lane)
    return True


def _lane_by_road(record: Record, settings: Settings) -> str:
    lane = record.lane
    is_site_known = not lane.startswith("?") and not is_of_relay(lane)
    choice = road_for(settings, record, shown_of(lane) if is_site_known else None)
    road = MX if choice is None else choice.road
    if not lane.startswith("?") and digest_in(lane) == ("" if road.is_usual else road.digest):
        return lane
    if road.is_relay:
        return lane_for(settings, road, "", record.id)
    return lane_for(settings, road, base_of(lane), record.id) if is_site_known else f"?{record.envelope.domain}"


def ends_at_once(record: Record, settings: Settings, now_ms: int, terms: Terms) -> bool:
    """Whether an envelope that has not ended would outlive its window by them, so that it bounces now."""
    if terms.policy is None and terms.window_ms is None:
        return False
    policy = settings.policies.get(terms.policy) if terms.policy else None
    shortest_ms = terms.window_ms or (0 if policy is None else policy.window // MILLISECOND)
    if record.created_ms + shortest_ms > now_ms:  # most are told by their headers
        return False
    if terms.window_ms:  # outranks all others: of a hundred thousand that is told without opening any
        glance = record.glance
        ends_ms = max(record.created_ms, glance.at_ms or 0) + glance.held_ms + terms.window_ms
        if ends_ms > now_ms or record.state is not State.HELD:
            return ends_ms <= now_ms
    if record.state is State.HELD and stops_window(record, settings):
        return False
    envelope = record.envelope
    before = envelope.set_policy, envelope.set_window_ms
    give_terms(record, settings, terms._replace(route=None))
    try:
        return expiry_ms(record, settings, now_ms) <= now_ms
    finally:
        envelope.set_policy, envelope.set_window_ms = before
