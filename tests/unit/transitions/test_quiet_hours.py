"""Quiet hours of envelopes: what is planned for them waits for their end, and no window is shorter for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from transit import DAY, HOUR, MINUTE, SOFT, TAKEN, claimed, event_in, reread, seen, settings

from softbounce import transitions
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Flag, Record, State
from softbounce.quiet import delay_after
from softbounce.settings import QuietRule, Settings

NIGHT = QuietRule(from_minute=22 * 60, to_minute=7 * 60, zone="UTC")
DELAY = delay_after(bytes(16))
WINDOW = timedelta(days=1)


def utc(hour: float, day: int = 14) -> int:
    """An hour of a day in January."""
    return to_epoch_ms(datetime(2026, 1, day, tzinfo=UTC)) + round(hour * HOUR)


MORNING = utc(7, 15) + DELAY


def quiet(delay: timedelta = timedelta(hours=2), **said: object) -> Settings:
    """A night, and one delay."""
    return settings(**{"delays": (delay,), "window": WINDOW, "quiet": (NIGHT,), **said})


def tried(at_ms: int, told: Settings) -> Record:
    """An envelope whose first attempt was deferred then, ten minutes after it was accepted."""
    record = claimed()
    record.created_ms = at_ms - 10 * MINUTE
    return reread(transitions.conclude(record, seen(at_ms=at_ms), SOFT, told, at_ms).record)


def waiting(now_ms: int, **envelope: object) -> Record:
    """A claimed envelope that was not tried yet."""
    record = claimed(**envelope)
    record.created_ms, record.next_ms, record.expires_ms = now_ms - MINUTE, now_ms - MINUTE, now_ms + DAY - MINUTE
    return record


def test_a_retry_of_the_night_comes_in_the_morning_and_is_not_older_for_it() -> None:
    """It moves to the end of the quiet hours, within five minutes, and its window ends later by as much."""
    record = tried(utc(21), quiet())
    assert record.next_ms == MORNING
    late = MORNING - utc(23)
    assert (record.envelope.quiet_ms, record.envelope.held_ms) == (late, late)
    assert record.expires_ms == utc(21) - 10 * MINUTE + DAY + late
    assert transitions.expiry_ms(record, quiet(), utc(23)) == record.expires_ms
    (attempt,) = record.envelope.attempts
    assert attempt.next_ms == MORNING
    assert "Quiet hours put that off by 8 h" in attempt.why
    assert "until 2026-01-15 07:0" in attempt.why


def test_a_retry_behind_the_night_is_as_it_was() -> None:
    """Only where an attempt would begin is asked, not what lies in between."""
    record = tried(utc(21), quiet(timedelta(hours=12)))
    assert (record.next_ms, record.envelope.held_ms, record.envelope.quiet_ms) == (utc(33), 0, 0)


def test_nobody_else_waits() -> None:
    """Another stream's quiet hours are none of it."""
    other = QuietRule(from_minute=0, to_minute=1440, zone="UTC", stream="newsletter")
    record = tried(utc(21), quiet(quiet=(other,)))
    assert record.next_ms == utc(23)
    assert transitions.put_off_if_quiet(waiting(utc(23)), quiet(quiet=(other,)), utc(23)) is None


def test_a_night_does_not_use_up_the_window() -> None:
    """The last moment of a window that is shorter than the night comes behind it as well."""
    record = tried(utc(21.5), quiet(timedelta(hours=1), window=timedelta(hours=2)))
    assert record.next_ms == MORNING
    assert record.expires_ms > MORNING
    assert transitions.expiry_ms(record, quiet(window=timedelta(hours=2)), MORNING) > MORNING


def test_what_is_claimed_in_the_night_is_put_off_uncharged() -> None:
    """Back to *scheduled*, as if it had not been claimed; an event tells why."""
    record = waiting(utc(23))
    before = record.expires_ms
    change = transitions.put_off_if_quiet(record, quiet(), utc(23))
    assert change is not None
    put = reread(change.record)
    assert (put.state, put.claims, put.charged, put.next_ms) == (State.SCHEDULED, 1, 0, MORNING)
    assert put.expires_ms - before == MORNING - utc(23)
    assert change.look_ms == put.created_ms + 4 * HOUR + MORNING - utc(23)  # warn_after
    event = event_in(change)
    assert (event.kind, event.why[:12]) == ("deferred", "Quiet hours:")


@pytest.mark.parametrize(("flag", "state"), [(Flag.CANCEL_ASKED, State.CANCELLED), (Flag.HOLD_ASKED, State.HELD)])
def test_what_was_asked_meanwhile_is_done(flag: Flag, state: State) -> None:
    """A cancel or a hold goes before."""
    record = waiting(utc(23))
    record.flags |= flag
    change = transitions.put_off_if_quiet(record, quiet(), utc(23))
    assert change is not None
    assert change.record.state is state
    assert change.record.envelope.held_ms == 0


def test_an_old_envelope_gets_no_new_window_by_a_night() -> None:
    """Its window is longer by the night alone, however often it is put off."""
    record = waiting(utc(23), held_ms=HOUR)
    record.created_ms = utc(3)
    change = transitions.put_off_if_quiet(record, quiet(), utc(23))
    assert change is not None
    assert change.record.expires_ms == utc(3) + HOUR + DAY + MORNING - utc(23)


def test_a_reload_in_the_night_plans_as_if_the_night_had_been_known() -> None:
    """What has passed of it stays off the window, the rest goes with the plan; told twice it changes nothing."""
    told = quiet()
    record = tried(utc(21), told)
    assert transitions.replan(record, told, utc(22.5)) is None
    longer = quiet(timedelta(hours=12))
    change = transitions.replan(record, longer, utc(23.5))
    assert change is not None
    assert (record.next_ms, record.envelope.quiet_ms, record.envelope.held_ms) == (utc(33), 0, HOUR // 2)
    assert record.expires_ms == utc(21) - 10 * MINUTE + DAY + HOUR // 2
    change = transitions.replan(record, told, utc(23.5))
    assert change is not None
    assert record.next_ms == MORNING
    assert record.envelope.held_ms == HOUR // 2 + MORNING - utc(23.5)


def test_a_reload_without_quiet_hours_lets_it_go() -> None:
    """What was put off comes when it would have come, or now."""
    record = tried(utc(21), quiet())
    assert transitions.replan(record, quiet(quiet=()), utc(22)) is not None
    assert (record.next_ms, record.envelope.held_ms) == (utc(23), 0)


def test_an_attempt_that_a_person_asks_for_takes_the_rest_of_the_night_back() -> None:
    """Its window is as if it had not been put off; at night a worker puts it off again."""
    record = tried(utc(21), quiet())
    change = transitions.retry_now(record, quiet(), utc(21.5))
    assert (change.record.next_ms, change.record.envelope.held_ms) == (utc(21.5), 0)
    assert change.record.expires_ms == utc(21) - 10 * MINUTE + DAY


def test_the_next_attempt_begins_anew() -> None:
    """Behind the night its hours are held time like any other, and nothing of them is pending."""
    record = tried(utc(21), quiet())
    late = record.envelope.held_ms
    record.state = State.ATTEMPTING
    change = transitions.conclude(record, seen(at_ms=MORNING), SOFT, quiet(), MORNING)
    assert (change.record.envelope.quiet_ms, change.record.envelope.held_ms) == (0, late)
    assert change.record.next_ms == MORNING + 2 * HOUR
    record.state = State.ATTEMPTING
    assert transitions.conclude(record, seen(250), TAKEN, quiet(), MORNING).record.state is State.DELIVERED


@pytest.mark.parametrize("is_sure", [True, False])
def test_a_clock_that_was_set_back_leaves_the_night_alone(*, is_sure: bool) -> None:
    """What waits for the morning is no mistake, and no hold that is longer than the envelope is old."""
    record = tried(utc(21), quiet())
    assert transitions.mend(record, quiet(), utc(21.1), is_sure=is_sure) is None
    put = transitions.put_off_if_quiet(waiting(utc(23)), quiet(), utc(23))
    assert put is not None
    assert transitions.mend(reread(put.record), quiet(), utc(23.1), is_sure=is_sure) is None


def test_what_we_put_off_by_a_clock_that_ran_ahead_is_put_off_from_now() -> None:
    """Not so what the app asked for."""
    for put_off, expected in (("quota:q", utc(12) + HOUR), ("", utc(12, 20) + HOUR)):
        record = waiting(utc(12, 20), at_ms=utc(12, 20) + HOUR, put_off=put_off)
        record.created_ms, record.next_ms, record.state = utc(12, 20), utc(12, 20) + HOUR, State.SCHEDULED
        change = transitions.mend(record, quiet(quiet=()), utc(12), is_sure=True)
        assert change is not None
        assert (change.record.next_ms, change.record.envelope.at_ms) == (expected, expected)
