"""What lies in the future because a clock was set back since: issue 10, 18."""

from __future__ import annotations

from datetime import timedelta

import pytest
from transit import DAY, HOUR, MINUTE, NOW, SOFT, claimed, reread, seen, settings

from softbounce import transitions
from softbounce.envelope import Record, State
from softbounce.settings import Settings

FUTURE = NOW + 3650 * DAY
DOUBTED = pytest.mark.parametrize("is_sure", [True, False], ids=["believed", "doubted"])


def policy(delay: timedelta = timedelta(minutes=10)) -> Settings:
    """A policy with one delay, and a window of five days."""
    return settings(delays=(delay,), window=timedelta(days=5))


def deferred(now_ms: int, told: Settings) -> Record:
    """An envelope that was tried and deferred at a moment."""
    record = claimed()
    record.created_ms = now_ms - MINUTE
    return reread(transitions.conclude(record, seen(at_ms=now_ms), SOFT, told, now_ms).record)


def untried(now_ms: int, at_ms: int | None = None) -> Record:
    """An envelope that was accepted at a moment."""
    record = claimed(at_ms=at_ms)
    record.state = State.SCHEDULED
    record.created_ms, record.next_ms = now_ms, max(now_ms, at_ms or 0)
    return record


@DOUBTED
@pytest.mark.parametrize(
    ("delay", "wait_ms"),
    [(timedelta(minutes=10), 10 * MINUTE), (timedelta(hours=8), HOUR), (timedelta(seconds=1), 1000)],
)
def test_what_was_deferred_in_the_future_waits_once_more_an_hour_at_most(
    delay: timedelta, wait_ms: int, *, is_sure: bool
) -> None:
    """However far the clock was ahead; mended once, it is as it should be."""
    told = policy(delay)
    change = transitions.mend(deferred(FUTURE, told), told, NOW, is_sure=is_sure)
    assert change is not None
    record = reread(change.record)
    assert (record.state, record.next_ms) == (State.SCHEDULED, NOW + wait_ms)
    assert transitions.mend(record, told, NOW + 5, is_sure=is_sure) is None


@DOUBTED
def test_what_has_not_been_tried_goes_out_at_once(*, is_sure: bool) -> None:
    """But not before the time that the app asked for."""
    change = transitions.mend(untried(FUTURE), policy(), NOW, is_sure=is_sure)
    assert change is not None
    assert change.record.next_ms == NOW
    assert transitions.mend(untried(NOW - 5, NOW + DAY), policy(), NOW, is_sure=is_sure) is None
    change = transitions.mend(untried(FUTURE, NOW + DAY), policy(), NOW, is_sure=is_sure)
    assert change is not None
    assert change.record.next_ms == NOW + DAY


def test_a_window_begins_now_where_it_would_begin_in_years() -> None:
    """It neither closes at once nor stays open for years."""
    change = transitions.mend(untried(FUTURE), policy(), NOW, is_sure=True)
    assert change is not None
    assert change.record.created_ms == NOW
    assert change.record.expires_ms == NOW + 5 * DAY
    assert change.look_ms == NOW + 4 * HOUR  # when it is late


def test_while_the_clock_is_doubted_nothing_is_dated_back() -> None:
    """Set right, it would be old at once."""
    told = policy()
    change = transitions.mend(deferred(FUTURE, told), told, NOW, is_sure=False)
    assert change is not None
    assert change.record.created_ms == FUTURE - MINUTE
    ready = claimed()
    ready.state, ready.created_ms = State.READY, FUTURE
    assert transitions.mend(ready, told, NOW, is_sure=False) is None


def test_what_waits_in_a_lane_is_planned_anew() -> None:
    """So that its window closes also where the lane is never tried again."""
    ready = claimed()
    ready.state, ready.created_ms = State.READY, FUTURE
    change = transitions.mend(ready, policy(), NOW, is_sure=True)
    assert change is not None
    record = change.record
    assert (record.state, record.next_ms, record.created_ms) == (State.SCHEDULED, NOW, NOW)


def test_no_hold_is_longer_than_the_envelope_is_old() -> None:
    """A clock that jumped ahead while it was held, and back, would keep its window open for years."""
    record = untried(NOW - HOUR)
    record.envelope.held_ms = FUTURE
    change = transitions.mend(record, policy(), NOW, is_sure=True)
    assert change is not None
    assert change.record.envelope.held_ms == HOUR
    held = untried(NOW - HOUR)
    held.state = State.HELD
    held.envelope.held_since_ms, held.envelope.held_why = FUTURE, "operator"
    change = transitions.mend(held, policy(), NOW, is_sure=True)
    assert change is not None
    assert (change.record.state, change.record.envelope.held_since_ms) == (State.HELD, NOW)


@DOUBTED
@pytest.mark.parametrize("delay", [timedelta(seconds=1), timedelta(hours=8), timedelta(days=30)])
def test_what_is_as_it_should_be_is_left_alone(delay: timedelta, *, is_sure: bool) -> None:
    """Also what a lost worker's claim waits for, what a longer policy of now planned, and what has ended."""
    told = policy(delay)
    assert transitions.mend(deferred(NOW - 5, told), told, NOW, is_sure=is_sure) is None
    lost = transitions.reschedule(claimed(), claim_wait=True, now_ms=NOW).record
    assert transitions.mend(lost, told, NOW, is_sure=is_sure) is None
    replanned = deferred(NOW - 5, told)
    longer = policy(delay + timedelta(hours=1))
    transitions.replan(replanned, longer, NOW)
    assert transitions.mend(replanned, longer, NOW, is_sure=is_sure) is None
    ended = transitions.cancel(claimed(), NOW).record
    ended.created_ms = FUTURE
    assert transitions.mend(ended, told, NOW, is_sure=is_sure) is None
    assert transitions.mend(claimed(), told, NOW, is_sure=is_sure) is None


def test_an_attempt_that_ends_by_a_clock_that_is_believed_is_of_no_envelope_of_the_future() -> None:
    """What is being tried when the others are mended is mended with its outcome, unless the clock is doubted."""
    told = policy()
    record = claimed()
    record.created_ms = FUTURE
    assert transitions.conclude(record, seen(), SOFT, told, NOW).record.created_ms == NOW


def test_a_reload_plans_from_now_what_was_tried_in_the_future() -> None:
    """Its last attempt cannot have ended later than that."""
    told = policy()
    record = deferred(FUTURE, told)
    assert transitions.replan(record, told, NOW) is not None
    assert record.next_ms == NOW + 10 * MINUTE
