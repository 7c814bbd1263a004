"""What an operator chose for an envelope: its policy, its window, its road; and what follows from that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from transit import DAY, HOUR, MINUTE, NOW, PLAIN, SOFT, claimed, event_in, reread, seen

from softbounce import transitions
from softbounce.envelope import NEWS_MS, Flag, Record, State
from softbounce.road import BY_HAND_ONLY, Road, RouteRule
from softbounce.routing import road_by_header, road_for
from softbounce.settings import Policy, Settings
from softbounce.transitions import Terms

SLOW = Policy(name="slow", delays=(timedelta(hours=2),), jitter=0, final_attempt=False, window=timedelta(days=9))
RELAY, OURS = Road(host="relay.test", port=587), Road(source=("192.0.2.1",))
SETTINGS = Settings(
    policies={"default": PLAIN, "slow": SLOW},
    route=(
        RouteRule(name="backup", road=RELAY, by_hand=True, after_attempts=BY_HAND_ONLY),
        RouteRule(name="ours", road=OURS, by_hand=True, after_attempts=BY_HAND_ONLY),
        RouteRule(name="direct", by_hand=True, after_attempts=BY_HAND_ONLY),
        RouteRule(domain="relayed.test", road=RELAY),
    ),
)
SITE = "mx.example~abcdef"


def waiting(state: State = State.SCHEDULED, lane: str = SITE) -> Record:
    """One that was refused for now a moment ago, and waits."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, SETTINGS, NOW)
    record.state, record.lane, record.claims = state, lane, 3
    if state is State.HELD:
        transitions.hold(record, NOW)
    return record


def test_a_window_by_hand_outranks_all_others() -> None:
    """The policy's, and the send's own; taken back, these count again."""
    record = waiting()
    record.envelope.window_ms = HOUR
    change = transitions.change_terms(record, SETTINGS, NOW, Terms(window_ms=2 * DAY))
    assert (record.expires_ms, change.event) == (NOW - MINUTE + 2 * DAY, b"")
    assert change.look_ms == NOW - MINUTE + 4 * HOUR  # when it is late
    assert reread(record).envelope.set_window_ms == 2 * DAY
    transitions.change_terms(record, SETTINGS, NOW, Terms(window_ms=0))
    assert record.expires_ms == NOW - MINUTE + HOUR


def test_a_policy_by_hand_plans_anew_from_what_was_recorded() -> None:
    """Its waits, its window; and it is the one that decides after the next attempt."""
    record = waiting()
    assert record.next_ms == NOW + 5 * MINUTE
    transitions.change_terms(record, SETTINGS, NOW, Terms(policy="slow"))
    assert (record.next_ms, record.expires_ms) == (NOW + 2 * HOUR, NOW - MINUTE + 9 * DAY)
    assert transitions.policy_of(record, SETTINGS) is SLOW
    transitions.change_terms(record, SETTINGS, NOW, Terms(policy=""))
    assert (record.next_ms, transitions.policy_of(record, SETTINGS)) == (NOW + 5 * MINUTE, PLAIN)


def test_a_policy_that_is_there_no_more_counts_no_more() -> None:
    """A later configuration has none of that name: the assigned one binds, until it is there again."""
    record = waiting()
    transitions.change_terms(record, SETTINGS, NOW, Terms(policy="slow"))
    assert transitions.policy_of(record, Settings(policies={"default": PLAIN})) is PLAIN


def test_what_outlives_its_new_window_is_looked_at_at_once_and_says_why() -> None:
    """It is promoted by whoever looks at expiries, with the words of who chose that."""
    record = waiting()
    change = transitions.change_terms(record, SETTINGS, NOW, Terms(window_ms=MINUTE))
    assert change.look_ms is not None
    assert (change.look_ms <= NOW, record.next_ms) == (True, 0)
    why = event_in(transitions.promote(record, SETTINGS, NOW)).why
    assert "window of 1 min closed (set by hand)" in why


@pytest.mark.parametrize(
    ("lane", "route", "expected"),
    [
        (SITE, "backup", RELAY.lane_of("")),
        ("?example.net", "backup", RELAY.lane_of("")),
        (SITE, "ours", OURS.lane_of(SITE)),
        (OURS.lane_of(SITE), "", SITE),
        ("?example.net", "ours", "?example.net"),
        (RELAY.lane_of(""), "direct", "?example.net"),
        (RELAY.lane_of(""), "", "?example.net"),
        (SITE, "direct", SITE),
        (SITE, "gone", SITE),
    ],
)
def test_a_redirect_leads_into_the_lane_of_its_road(lane: str, route: str, expected: str) -> None:
    """As far as that is known without looking up its domain."""
    record = waiting(lane=lane)
    transitions.change_terms(record, SETTINGS, NOW, Terms(route=route))
    assert (record.lane, record.state, record.next_ms) == (expected, State.SCHEDULED, NOW + 5 * MINUTE)


def test_what_is_ready_leaves_a_lane_that_is_its_own_no_more() -> None:
    """It is due now, for that lane may be closed; where it stays it keeps its place. Its claims are still counted."""
    record = waiting(State.READY)
    transitions.change_terms(record, SETTINGS, NOW, Terms(route="backup"))
    assert (record.state, record.next_ms, record.claims) == (State.SCHEDULED, NOW, 3)
    record = waiting(State.READY)
    transitions.change_terms(record, SETTINGS, NOW, Terms(window_ms=DAY))
    assert (record.state, record.lane, record.expires_ms) == (State.READY, SITE, NOW - MINUTE + DAY)


def test_what_is_held_stays_held() -> None:
    """But by who held it only until this is done."""
    record = waiting(State.HELD)
    change = transitions.change_terms(record, SETTINGS, NOW + HOUR, Terms(window_ms=DAY, route="backup"))
    assert (record.state, record.lane, change.event) == (State.HELD, RELAY.lane_of(""), b"")
    change = transitions.change_terms(record, SETTINGS, NOW + HOUR, Terms(window_ms=DAY), lets_go=True)
    assert (record.state, record.envelope.held_why, event_in(change).kind) == (State.SCHEDULED, None, "released")


def test_conditions_of_routes_do_not_count_for_what_was_sent_by_hand() -> None:
    """Nor does what happens to it; and nothing takes a route by itself that is for hands alone."""
    record = waiting()
    record.envelope.domain = "relayed.test"
    choice = road_for(SETTINGS, record, "mx.example")
    assert choice is not None
    assert (choice.road, choice.rule) == (RELAY, "route[3]")
    record.envelope.set_route = "direct"
    choice = road_for(SETTINGS, record, "mx.example", reason="network")
    assert choice is not None
    assert (choice.road.is_usual, choice.rule, choice.after_reason) == (True, "route[2]", None)
    by_header = road_by_header(SETTINGS, domain="example.net", stream="")
    assert by_header is not None
    assert by_header.rule == "default"


@pytest.mark.parametrize("state", [State.SCHEDULED, State.READY])
def test_what_was_chosen_during_an_attempt_counts_when_it_comes_back(state: State) -> None:
    """Whatever that made of it, and with the event that tells of it."""
    stored = claimed()
    transitions.give_terms(stored, SETTINGS, Terms("slow", DAY, "backup"))
    stored.next_ms = NEWS_MS
    ours = claimed()
    event = b"deferred"
    if state is State.SCHEDULED:
        event = transitions.conclude(ours, seen(), SOFT, SETTINGS, NOW).event
    else:
        transitions.give_back(ours)
    change = transitions.obey(ours, stored, SETTINGS, NOW, event)
    assert (ours.state, ours.lane, change.event) == (State.SCHEDULED, RELAY.lane_of(""), event)
    assert (ours.next_ms, ours.expires_ms) == (
        NOW + 2 * HOUR if state is State.SCHEDULED else NOW,
        NOW - MINUTE + DAY,
    )
    assert Terms("slow", DAY, "backup").are_of(ours.envelope)


def test_what_else_was_asked_is_done_besides() -> None:
    """A hold keeps the choice; a cancel ends it."""
    for flag, state in ((Flag.HOLD_ASKED, State.HELD), (Flag.CANCEL_ASKED, State.CANCELLED)):
        stored = claimed(flag)
        transitions.give_terms(stored, SETTINGS, Terms(window_ms=DAY))
        ours = claimed()
        transitions.conclude(ours, seen(), SOFT, SETTINGS, NOW)
        transitions.obey(ours, stored, SETTINGS, NOW)
        assert (ours.state, ours.envelope.set_window_ms) == (state, DAY)


def test_whose_process_is_gone_has_it_already() -> None:
    """The record that the sweep returns is the one in which it was written; the sign of it goes."""
    record = claimed()
    transitions.give_terms(record, SETTINGS, Terms(route="backup"))
    record.next_ms = NEWS_MS
    transitions.give_back(record)
    assert (record.state, record.lane, record.next_ms) == (State.READY, RELAY.lane_of(""), 0)


@pytest.mark.parametrize(
    ("terms", "state", "ends"),
    [
        (Terms(window_ms=30_000), State.SCHEDULED, True),
        (Terms(window_ms=MINUTE), State.READY, True),
        (Terms(window_ms=MINUTE + 1), State.SCHEDULED, False),
        (Terms(window_ms=30_000), State.HELD, False),
        (Terms(policy="slow"), State.SCHEDULED, False),
        (Terms(policy=""), State.SCHEDULED, False),
        (Terms(route="backup"), State.SCHEDULED, False),
    ],
    ids=str,
)
def test_what_would_end_at_once_is_told_before(terms: Terms, state: State, *, ends: bool) -> None:
    """By its age, its holds and what binds; nothing of the record is changed by the question."""
    record = waiting(state)
    before = record.pack()
    assert transitions.ends_at_once(record, SETTINGS, NOW, terms) is ends
    assert record.pack() == before
    transitions.change_terms(record, SETTINGS, NOW, terms)
    if state is not State.HELD:
        assert (record.expires_ms <= NOW) is ends


@pytest.mark.parametrize("state", [State.SCHEDULED, State.READY, State.HELD])
@pytest.mark.parametrize(("at_ms", "held_ms"), [(None, 0), (NOW - HOUR, 0), (NOW - 30_000, 0), (None, 40_000)], ids=str)
@pytest.mark.parametrize("window_ms", [1, 20_000, 30_000, MINUTE, MINUTE + 1, HOUR])
def test_what_is_told_before_is_what_becomes_of_it(
    state: State, at_ms: int | None, held_ms: int, window_ms: int
) -> None:
    """Whenever it was to begin, and however long it was held."""
    record = waiting(state)
    record.envelope.at_ms, record.envelope.held_ms = at_ms, held_ms
    told = transitions.ends_at_once(reread(record), SETTINGS, NOW, Terms(window_ms=window_ms))
    transitions.change_terms(record, SETTINGS, NOW, Terms(window_ms=window_ms))
    assert told is (record.expires_ms <= NOW and state is not State.HELD)
