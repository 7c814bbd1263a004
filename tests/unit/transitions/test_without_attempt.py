"""Without an attempt: given back, gone with its worker, promoted, cancelled, held, released, planned anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from transit import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SOFT,
    claimed,
    event_in,
    reread,
    seen,
    settings,
)

from softbounce import transitions
from softbounce.decide import Cause
from softbounce.envelope import NO_TOKEN, Final, Flag, State


def test_given_back_is_as_if_not_claimed() -> None:
    """Ready in its lane; the claim just made does not count, those lost before it do."""
    change = transitions.give_back(claimed(Flag.MARKED | Flag.UNCERTAIN))
    record = reread(change.record)
    assert (record.state, record.token, record.claims) == (State.READY, NO_TOKEN, 1)
    assert record.flags == Flag.UNCERTAIN
    assert (change.event, change.look_ms, record.envelope.attempts) == (b"", None, [])


@pytest.mark.parametrize(
    ("claims", "wait_ms"),
    [(1, 2000), (2, 4000), (3, 8000), (8, 256_000), (9, 5 * MINUTE), (255, 5 * MINUTE)],
)
def test_a_lost_worker_s_envelope_waits_longer_each_time(claims: int, wait_ms: int) -> None:
    """So a crash can never hammer a host."""
    record = claimed(Flag.TRIED)
    record.claims = claims
    change = transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    assert (record.state, record.token, record.claims) == (State.SCHEDULED, NO_TOKEN, claims)
    assert record.next_ms == NOW + wait_ms
    assert event_in(change).kind == "released"


def test_without_a_claim_wait_it_is_due_at_once() -> None:
    """Where its process said goodbye there is nothing to be careful about."""
    assert transitions.reschedule(claimed(), claim_wait=False, now_ms=NOW).record.next_ms == NOW


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        (Flag.CANCEL_ASKED, State.CANCELLED),
        (Flag.HOLD_ASKED, State.HELD),
        (Flag.CANCEL_ASKED | Flag.HOLD_ASKED, State.CANCELLED),
    ],
    ids=["cancel", "hold", "both"],
)
def test_a_lost_worker_s_envelope_obeys_what_was_asked(flags: Flag, state: State) -> None:
    """Nobody else will."""
    change = transitions.reschedule(claimed(flags), claim_wait=True, now_ms=NOW)
    assert (change.record.state, change.record.token) == (state, NO_TOKEN)


def test_what_was_alone_with_its_lost_worker_is_quarantined() -> None:
    """It may well be what ended the worker: a person looks at it, and its window runs on."""
    record = claimed(Flag.ALONE)
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    change = transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    assert (record.state, record.flags, record.claims) == (State.HELD, Flag(0), 0)
    assert record.envelope.held_why == "quarantined"
    assert event_in(change).kind == "quarantined"
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == expires_ms
    transitions.release(record, settings(), NOW + HOUR)
    assert (record.state, record.envelope.held_why) == (State.SCHEDULED, None)


@pytest.mark.parametrize(
    ("claims", "flags", "counted"),
    [(2, Flag(0), 2), (3, Flag(0), 2), (7, Flag(0), 6), (3, Flag.TRIED, 3), (7, Flag.TRIED, 7)],
    ids=["no suspect", "waited", "waited again", "tried", "tried again"],
)
def test_a_suspect_whose_turn_had_not_come_is_not_blamed(claims: int, flags: Flag, counted: int) -> None:
    """Only those that were tried are lost once oftener: so each lost process leaves fewer to blame."""
    record = claimed(flags)
    record.claims = claims
    change = transitions.reschedule(record, claim_wait=True, now_ms=NOW)
    assert (change.record.state, change.record.claims, change.record.flags) == (State.SCHEDULED, counted, Flag(0))
    assert change.record.next_ms == NOW + 1000 * 2**counted


def test_alone_and_given_back_is_not_alone_any_more() -> None:
    """The flags belong to the claim."""
    assert transitions.give_back(claimed(Flag.ALONE | Flag.TRIED)).record.flags == Flag(0)


def test_promotion_keeps_the_last_real_reply() -> None:
    """Not the trouble that came after it."""
    record = claimed()
    transitions.conclude(record, seen(421, "busy"), SOFT, settings(), NOW)
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(), NOW)
    change = transitions.promote(record, settings(), NOW + 6 * DAY)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (final.cause, final.code, final.text) == (Cause.PROMOTED, 421, "busy")
    assert "after 2 attempts when its window of 5 d closed (policy default)" in final.why
    assert event_in(change).cause == Cause.PROMOTED


def test_promotion_without_an_attempt_carries_the_lane_s_failure() -> None:
    """And tells that there was no attempt of its own."""
    record = claimed(window_ms=MINUTE)
    trouble = Final(at_ms=NOW, code=421, enhanced="4.3.2", text="closing", reason="system")
    final = transitions.promote(record, settings(), NOW, trouble).record.envelope.final
    assert final is not None
    assert (final.code, final.text, final.reason, final.cause) == (421, "closing", "system", Cause.PROMOTED)
    assert "after 0 attempts when its window of 1 min closed (the send's own window)" in final.why
    assert record.charged == 0


def test_issue10_24_the_event_of_an_untried_promotion_tells_what_show_does() -> None:
    """The lane's last reply stands in the event as it stands in the envelope's end."""
    trouble = Final(at_ms=NOW, code=421, enhanced="4.3.2", text="closing", reason="system")
    change = transitions.promote(claimed(), settings(), NOW + 6 * DAY, trouble)
    event, final = event_in(change), reread(change.record).envelope.final
    assert final is not None
    assert (event.code, event.enhanced, event.text, event.reason) == (421, "4.3.2", "closing", "system")
    assert (event.code, event.text, event.reason, event.cause, event.why) == (
        *(final.code, final.text, final.reason, final.cause, final.why),
    )
    assert (event.kind, event.attempt, event.host) == ("bounced", 0, None)


def test_issue10_24_promotion_names_the_window_that_closed() -> None:
    """A rule's window, where a rule judged the last charged attempt; the send's own outranks it."""
    by_rule = replace(SOFT, rule="orange-full", window=timedelta(hours=2))
    record = claimed()
    transitions.conclude(record, seen(452, "full"), by_rule, settings(), NOW)
    change = transitions.promote(record, settings(), NOW + 3 * HOUR)
    assert "after 1 attempt when its window of 2 h closed (rule orange-full)." in event_in(change).why
    own = claimed(window_ms=MINUTE)
    transitions.conclude(own, seen(452, "full"), by_rule, settings(), NOW)
    assert "window of 1 min closed (the send's own window)" in event_in(transitions.promote(own, settings(), NOW)).why


def test_issue10_25_cancelled_after_an_uncertain_attempt_says_what_is_known() -> None:
    """Nobody knows whether it was delivered; without such an attempt everybody does."""
    record = claimed()
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(), NOW)
    why = event_in(transitions.cancel(record, NOW)).why
    assert why == "It was cancelled after an attempt that ended unanswered: the recipient may have got it."
    assert "before it was delivered" in event_in(transitions.cancel(claimed(), NOW)).why


def test_issue10_25_promoted_after_an_uncertain_attempt_says_what_is_known() -> None:
    """It is not called undelivered, for it may have been."""
    record = claimed()
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(), NOW)
    why = event_in(transitions.promote(record, settings(), NOW + 6 * DAY)).why
    assert why.startswith("Still not known to be delivered after 1 attempt when its window")


def test_promotion_of_what_nobody_knows_anything_about() -> None:
    """No attempt, no lane trouble: then there is no reply to show."""
    final = transitions.promote(claimed(), settings(), NOW).record.envelope.final
    assert final is not None
    assert (final.code, final.text) == (None, "")


def test_an_own_attempt_outranks_the_lane_s_failure() -> None:
    """An uncharged one too: it was this envelope's."""
    record = claimed()
    transitions.return_to_lane(record, seen(452, "own"), SOFT)
    final = transitions.promote(record, settings(), NOW, Final(at_ms=NOW, code=421)).record.envelope.final
    assert final is not None
    assert (final.code, final.text) == (452, "own")


def test_released_keeps_a_later_plan() -> None:
    """A hold that is lifted early changes nothing of when the next attempt comes."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    transitions.hold(record, NOW + 1)
    assert transitions.release(record, settings(), NOW + 2).record.next_ms == NOW + 5 * MINUTE


def test_cancelled_has_no_cause() -> None:
    """It ended because somebody wanted it."""
    change = transitions.cancel(claimed(), NOW)
    final = reread(change.record).envelope.final
    assert final is not None
    assert (change.record.state, final.cause, final.at_ms) == (State.CANCELLED, None, NOW)
    assert event_in(change).kind == "cancelled"


def test_retry_now_plans_now() -> None:
    """And the plan outlives a reload."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    transitions.retry_now(record, settings(), NOW + 7)
    assert (record.state, record.next_ms) == (State.SCHEDULED, NOW + 7)
    assert transitions.replan(record, settings(), NOW + 8) is None


def test_replan_follows_the_policy() -> None:
    """From the last charged attempt and what was recorded with it; no event, as nothing happened to the envelope."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    change = transitions.replan(record, settings(delays=(timedelta(hours=1),), window=timedelta(days=1)), NOW + MINUTE)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (NOW + HOUR, NOW - MINUTE + DAY)
    assert (change.look_ms, change.event) == (record.created_ms + 4 * HOUR, b"")  # when it is late


def test_replan_leaves_what_was_never_tried() -> None:
    """The first attempt stays when it was planned; only its expiry moves."""
    record = claimed()
    record.state = State.SCHEDULED
    change = transitions.replan(record, settings(window=timedelta(days=9)), NOW)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (NOW - MINUTE, NOW - MINUTE + 9 * DAY)


def test_replan_plans_nothing_where_nothing_fits() -> None:
    """A shorter window leaves no room for another attempt: the sweep promotes soon."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    change = transitions.replan(record, settings(window=timedelta(minutes=3)), NOW + MINUTE)
    assert change is not None
    assert (record.next_ms, record.expires_ms) == (0, NOW + 2 * MINUTE)
