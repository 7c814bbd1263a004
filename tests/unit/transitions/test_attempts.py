"""What is kept of attempts: the count, the numbers and the waits outlive what is forgotten."""

from __future__ import annotations

from datetime import timedelta

from transit import (
    MINUTE,
    NOW,
    SOFT,
    claimed,
    reread,
    seen,
    settings,
)

from softbounce import transitions
from softbounce.envelope import Record, State
from softbounce.history import History
from softbounce.transitions import KEPT_ATTEMPTS


def defer_often(times: int, **changes: object) -> Record:
    """An envelope that was deferred so often, a minute apart."""
    record = claimed()
    for turn in range(times):
        record.state = State.ATTEMPTING
        at_ms = NOW + turn * MINUTE
        transitions.conclude(record, seen(at_ms=at_ms), SOFT, settings(window=timedelta(days=50), **changes), at_ms)
        record = reread(record)
    return record


def test_a_long_history_keeps_its_count() -> None:
    """Waits and max_attempts go by all charged attempts, not by those that are still recorded."""
    record = defer_often(KEPT_ATTEMPTS + 30)
    assert len(record.envelope.attempts) == KEPT_ATTEMPTS
    assert record.charged == KEPT_ATTEMPTS + 30
    history = History.of(record)
    assert (history.charged, history.forgotten) == (KEPT_ATTEMPTS + 30, 30)


def test_max_attempts_beyond_what_is_kept() -> None:
    """A limit that is larger than the record's memory still promotes, at the right attempt."""
    limit = KEPT_ATTEMPTS + 10
    record = defer_often(limit, max_attempts=limit)
    assert (record.state, record.charged) == (State.BOUNCED, limit)
    assert defer_often(limit - 1, max_attempts=limit).state is State.SCHEDULED


def test_waits_grow_beyond_what_is_kept() -> None:
    """The delay of attempt 105 is that of a list's 105th entry."""
    delays = tuple(timedelta(seconds=number) for number in range(1, 200))
    record = defer_often(KEPT_ATTEMPTS + 5, delays=delays)
    last = record.envelope.attempts[-1]
    assert last.next_ms == last.ended_ms + (KEPT_ATTEMPTS + 5) * 1000
    long_window = settings(window=timedelta(days=50), delays=delays)
    assert transitions.replan(record, long_window, last.ended_ms) is None


def test_numbers_are_not_used_again() -> None:
    """The first attempt stays, the second-oldest goes, and numbers go on."""
    attempts = defer_often(KEPT_ATTEMPTS + 3).envelope.attempts
    assert [attempt.number for attempt in attempts] == [1, *range(5, KEPT_ATTEMPTS + 4)]


def test_uncharged_attempts_are_forgotten_first() -> None:
    """What a closed lane left behind matters less than contacts with the host."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    for _ in range(KEPT_ATTEMPTS + 5):
        transitions.return_to_lane(record, seen(), SOFT)
    transitions.conclude(record, seen(), SOFT, settings(), NOW)
    attempts = record.envelope.attempts
    assert len(attempts) == KEPT_ATTEMPTS
    assert [attempt.charged for attempt in attempts] == [True, *[False] * (KEPT_ATTEMPTS - 2), True]
    assert History.of(record).charged == record.charged == 2
