"""Held because the store was restored: what may have been delivered since, and what was not due."""

from __future__ import annotations

import pytest
from transit import HOUR, MINUTE, NOW, claimed, event_in, reread, settings

from softbounce import transitions
from softbounce.envelope import NO_TOKEN, Flag, Record, State
from softbounce.transitions import Change

UNTIL = NOW - HOUR


def hold(record: Record) -> Change | None:
    """Hold it in a store whose history ended an hour ago."""
    return transitions.hold_restored(record, settings(), until_ms=UNTIL, now_ms=NOW)


def live(state: State, next_ms: int = 0) -> Record:
    """An envelope of before the backup."""
    record = claimed()
    record.state, record.token, record.next_ms = state, NO_TOKEN, next_ms
    record.created_ms = UNTIL - MINUTE
    return record


@pytest.mark.parametrize(
    ("record", "why"),
    [
        pytest.param(live(State.SCHEDULED, UNTIL - 1), "may_duplicate", id="due before"),
        pytest.param(live(State.SCHEDULED, NOW), "may_duplicate", id="due since"),
        pytest.param(live(State.SCHEDULED, NOW + 1), "restored", id="due later"),
        pytest.param(live(State.SCHEDULED, 0), "restored", id="no attempt planned"),
        pytest.param(live(State.READY), "may_duplicate", id="ready"),
        pytest.param(live(State.READY, NOW + HOUR), "may_duplicate", id="ready, whatever its time"),
        pytest.param(claimed(), "may_duplicate", id="being tried"),
    ],
)
def test_what_it_is_held_for(record: Record, why: str) -> None:
    """All that could have been tried since the backup may have been delivered; its window stands still since then."""
    charged = record.charged
    change = hold(record)
    assert change is not None
    after = reread(change.record)
    assert (after.state, after.token, after.claims) == (State.HELD, NO_TOKEN, 0)
    assert (after.charged, after.envelope.attempts) == (charged, [])
    assert after.envelope.held_why == why
    assert after.envelope.held_since_ms == max(UNTIL, after.created_ms)
    assert transitions.stops_window(after, settings())
    event = event_in(change)
    assert (event.kind, event.reason) == ("held", why)
    assert "restored from a copy that ends" in event.why


def test_a_window_that_closed_since_is_still_open() -> None:
    """Nobody knows what became of it: it must not bounce for its age before somebody decides."""
    record = live(State.READY)
    before_ms = transitions.expiry_ms(record, settings(), NOW)
    change = hold(record)
    assert change is not None
    assert transitions.expiry_ms(change.record, settings(), NOW) == before_ms + HOUR


def test_a_marked_claim_is_an_uncertain_attempt() -> None:
    """Its dot may have left when the backup was taken: charged, uncertain, and held whatever the policy says."""
    for policy in ("resend", "hold", "bounce"):
        record = claimed(Flag.MARKED)
        charged = record.charged
        change = transitions.hold_restored(record, settings(on_uncertain=policy), until_ms=UNTIL, now_ms=NOW)
        assert change is not None
        after = reread(change.record)
        (attempt,) = after.envelope.attempts
        assert (attempt.uncertain, attempt.charged, attempt.verdict) == (True, True, None)
        assert (after.state, after.charged, after.flags) == (State.HELD, charged + 1, Flag.UNCERTAIN)
        assert after.envelope.held_why == "may_duplicate"


@pytest.mark.parametrize("flags", [Flag.CANCEL_ASKED, Flag.CANCEL_ASKED | Flag.MARKED])
def test_a_cancel_that_was_asked_is_obeyed(flags: Flag) -> None:
    """It sends nothing, so there is nothing to hold it for."""
    change = hold(claimed(flags))
    assert change is not None
    assert change.record.state is State.CANCELLED


@pytest.mark.parametrize("state", [State.HELD, State.DELIVERED, State.BOUNCED, State.CANCELLED])
def test_what_is_held_or_has_ended_stays_as_it_is(state: State) -> None:
    """So the second run changes nothing that the first did."""
    assert hold(live(state)) is None
