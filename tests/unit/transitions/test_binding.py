"""What binds an envelope: its policy, and its window, which holds may stop."""

from __future__ import annotations

from datetime import timedelta

from transit import (
    DAY,
    HOUR,
    NOW,
    PLAIN,
    SOFT,
    claimed,
    event_in,
    reread,
    seen,
    settings,
)

from softbounce import transitions
from softbounce.envelope import Attempt, Flag, State
from softbounce.settings import AssignRule, Policy, Settings
from softbounce.verdict import Verdict, VerdictWord


def test_held_time_does_not_count() -> None:
    """Expiry stands still under an operator's hold, while it lasts and after it."""
    record = claimed()
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    transitions.hold(record, NOW)
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == expires_ms + HOUR
    change = transitions.release(record, settings(), NOW + 2 * HOUR)
    assert record.expires_ms == expires_ms + 2 * HOUR
    assert change.look_ms == record.expires_ms - 5 * DAY + 4 * HOUR  # when it is late
    assert transitions.expiry_ms(record, settings(), NOW + DAY) == expires_ms + 2 * HOUR
    envelope = reread(record).envelope
    assert (envelope.held_ms, envelope.held_since_ms, envelope.held_why) == (2 * HOUR, None, None)
    assert (record.state, record.next_ms) == (State.SCHEDULED, NOW + 2 * HOUR)
    assert event_in(change).kind == "released"


def test_holds_may_let_the_window_run_on() -> None:
    """When the settings say so."""
    record = claimed()
    expires_ms = transitions.expiry_ms(record, settings(), NOW)
    transitions.hold(record, NOW)
    running = settings(hold_pauses_window=False)
    assert transitions.expiry_ms(record, running, NOW + HOUR) == expires_ms
    transitions.release(record, running, NOW + HOUR)
    assert record.expires_ms == expires_ms


def test_an_uncertain_hold_lets_the_window_run_on() -> None:
    """Only an operator's hold makes it stand still."""
    record = claimed(Flag.MARKED)
    transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(on_uncertain="hold"), NOW)
    before_ms = transitions.expiry_ms(record, settings(), NOW)
    assert transitions.expiry_ms(record, settings(), NOW + HOUR) == before_ms


def test_the_policy_is_that_of_the_first_rule_that_fits() -> None:
    """By stream, domain, site and sender of the envelope."""
    chosen = Settings(
        policies={"default": PLAIN, "otp": Policy(name="otp")},
        assign=(AssignRule(policy="otp", stream="otp", domain="*.net", sender="app@*"),),
    )
    assert transitions.policy_of(claimed(), chosen).name == "otp"
    assert transitions.policy_of(claimed(), settings()).name == "default"


def test_a_record_says_what_it_was_given() -> None:
    """An attempt keeps the waits and the window that its rule asked for."""
    verdict = Verdict(
        word=VerdictWord.SOFT, rule="slow", delays=(timedelta(hours=1),), window=timedelta(days=2), suppress=False
    )
    attempt: Attempt = transitions.conclude(claimed(), seen(), verdict, settings(), NOW).record.envelope.attempts[0]
    assert (attempt.delays_ms, attempt.window_ms) == ((HOUR,), 2 * DAY)
