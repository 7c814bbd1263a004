"""The store's time as a worker knows it."""

from __future__ import annotations

import pytest
from softbounce_worker.clock import StoreClock

from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import LATE, signature, steady_seconds

NOW = 1_800_000_000_000
HOUR = 3_600_000


def tell(clock: StoreClock, now_ms: int, correction_ms: int = 0, noted_ms: int = 0, by: str = "") -> None:
    """What its lease's renewal tells it, now."""
    at = steady_seconds()
    clock.set(StoreTime(now_ms, correction_ms, noted_ms, by.encode()), at, at)


def shown(clock: StoreClock) -> int:
    """Its time, but for what passes in a test."""
    return round((clock.now_ms() - NOW) / 1000) * 1000


def test_what_a_scheduler_vouches_for_is_followed() -> None:
    """It noted nearly the same time a moment ago."""
    clock = StoreClock()
    for ahead_ms in (0, 30_000, HOUR, -HOUR):
        tell(clock, NOW + ahead_ms, noted_ms=NOW + ahead_ms - 10_000)
        assert shown(clock) == ahead_ms
        assert clock.may_promote


@pytest.mark.parametrize("step_ms", [HOUR, -HOUR, 120 * HOUR])
def test_F20_a_step_that_no_scheduler_has_seen_is_not_followed(step_ms: int) -> None:
    """Until it is corrected, or vouched for, the time runs on, and ends nothing."""
    clock = StoreClock()
    tell(clock, NOW, noted_ms=NOW)
    tell(clock, NOW + step_ms, noted_ms=NOW)
    assert shown(clock) == 0
    assert not clock.may_promote
    tell(clock, NOW, correction_ms=-step_ms, noted_ms=NOW)
    assert shown(clock) == 0
    assert not clock.may_promote
    tell(clock, NOW + step_ms, noted_ms=NOW + step_ms)
    assert shown(clock) == step_ms
    assert clock.may_promote


def test_F20_at_first_a_time_without_a_voucher_is_as_good_as_can_be() -> None:
    """There is no other: what was noted long ago tells what it cannot be, or on this machine what it is."""
    for told_ms, by, expected_ms, fits in (
        (NOW + HOUR, "", HOUR, True),
        (NOW - HOUR, "", 0, False),
        (NOW + 120 * HOUR, signature(NOW, steady_seconds()), 0, False),
    ):
        clock = StoreClock()
        tell(clock, told_ms, noted_ms=NOW, by=by)
        assert shown(clock) == expected_ms
        assert clock.may_promote == fits
        tell(clock, told_ms, correction_ms=1000, noted_ms=NOW, by=by)
        assert not clock.may_promote


def test_a_late_answer_teaches_nothing() -> None:
    """Whoever slept over it thinks it older than it is."""
    clock = StoreClock()
    before = clock.now_ms()
    at = steady_seconds()
    clock.set(StoreTime(NOW, 0, NOW), at - LATE - 1, at)
    assert abs(clock.now_ms() - before) < 5000
    assert not clock.may_promote
