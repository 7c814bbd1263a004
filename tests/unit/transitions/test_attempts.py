"""What is kept of attempts: the count, the numbers and the waits outlive what is forgotten."""

from __future__ import annotations

from datetime import timedelta

import msgspec
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
from softbounce.client.shown import shown_of_record
from softbounce.envelope import Envelope, Record, State
from softbounce.history import History
from softbounce.transitions import KEPT_ATTEMPTS, KEPT_UNCERTAIN


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


def uncertain_often(record: Record, times: int) -> None:
    """Its dot left so often without an answer."""
    for _ in range(times):
        record.state = State.ATTEMPTING
        transitions.close_uncertain(record, seen(uncertain=True), SOFT, settings(window=timedelta(days=50)), NOW)


def test_issue10_22_uncertain_attempts_outlive_all_others() -> None:
    """However many certain ones follow: each may have been a copy."""
    record = claimed()
    uncertain_often(record, 3)
    for _ in range(3 * KEPT_ATTEMPTS):
        record.state = State.ATTEMPTING
        transitions.conclude(record, seen(), SOFT, settings(window=timedelta(days=50)), NOW)
    attempts = reread(record).envelope.attempts
    assert [attempt.number for attempt in attempts if attempt.uncertain] == [1, 2, 3]
    assert len(attempts) == KEPT_ATTEMPTS + 3
    assert record.uncertain == 3


def test_issue10_22_the_number_of_uncertain_attempts_never_lies() -> None:
    """Also when there are more than a record holds; and the latest others stay beside them."""
    record = claimed()
    transitions.conclude(record, seen(), SOFT, settings(window=timedelta(days=50)), NOW)
    uncertain_often(record, KEPT_UNCERTAIN + 50)
    for _ in range(5):
        record.state = State.ATTEMPTING
        transitions.conclude(record, seen(), SOFT, settings(window=timedelta(days=50)), NOW)
    record = reread(record)
    attempts = record.envelope.attempts
    assert record.uncertain == KEPT_UNCERTAIN + 50
    assert sum(attempt.uncertain for attempt in attempts) == KEPT_UNCERTAIN
    assert [attempt.number for attempt in attempts if not attempt.uncertain] == [1, *range(152, 157)]
    assert History.of(record).charged == record.charged == KEPT_UNCERTAIN + 56
    assert shown_of_record(record, settings(), NOW).uncertain == KEPT_UNCERTAIN + 50


def test_issue10_22_a_late_250_of_a_forgotten_attempt_leaves_the_count() -> None:
    """It gets its answer in a new place; the attempt that was uncertain stays so."""
    record = claimed()
    uncertain_often(record, KEPT_UNCERTAIN + 5)
    transitions.deliver_late(record, seen(at_ms=NOW + MINUTE), NOW + MINUTE)
    assert record.uncertain == KEPT_UNCERTAIN + 5


def test_issue10_22_a_record_of_before_has_its_count() -> None:
    """Whose version knew no such number: what is recorded counts."""
    record = claimed()
    uncertain_often(record, 2)
    fields = msgspec.msgpack.decode(reread(record).payload)
    record.payload = msgspec.msgpack.encode(fields[: Envelope.__struct_fields__.index("uncertain_forgotten")])
    record._envelope = None
    assert record.uncertain == 2
