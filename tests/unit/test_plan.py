"""Whole schedules, as literal lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tenacity import wait_fixed

from softbounce.plan import Mark, Plan, PromotedBy, plan, without_jitter
from softbounce.settings import Policy, QuietRule

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

twenty_minutes = wait_fixed(1200)


def offsets(of: Plan) -> list[float]:
    """When the attempts start, in seconds."""
    return [attempt.offset.total_seconds() for attempt in of.attempts]


def test_a_short_window() -> None:
    """A window of 8 s with delays of 1 s and 2 s: six attempts, the last in the last tenth."""
    made = plan(Policy(name="p", window=8 * SECOND, delays=(SECOND, 2 * SECOND), jitter=0))
    assert offsets(made) == [0, 1, 3, 5, 7, 7.6]
    assert [attempt.mark for attempt in made.attempts] == [Mark.REGULAR] * 5 + [Mark.LAST]
    assert (made.promoted_at, made.promoted_by) == (8 * SECOND, PromotedBy.WINDOW)
    assert made.attempts[0].why == ""
    assert made.attempts[5].why.endswith("so a last attempt comes 400 ms before it closes.")


def test_a_one_time_password() -> None:
    """15 minutes with delays of 10 s, 30 s, 1 min and 2 min."""
    delays = (10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE)
    made = plan(Policy(name="otp", window=15 * MINUTE, delays=delays, jitter=0))
    assert offsets(made) == [0, 10, 40, 100, 220, 340, 460, 580, 700, 820, 855]


def test_R02_the_default_policy() -> None:
    """Five days: three more attempts in the first hour, waits doubling up to four hours, then promotion (R03)."""
    made = plan(without_jitter(Policy(name="default")))
    minutes = [attempt.offset // MINUTE for attempt in made.attempts]
    assert minutes[:8] == [0, 5, 16, 38, 82, 170, 346, 586]
    assert minutes[8:] == [586 + 240 * n for n in range(1, 28)] + [7198]
    assert made.promoted_at == timedelta(days=5)


def test_jitter_hangs_on_the_message() -> None:
    """Two messages have two plans, each of which is the same when asked again and for every recipient."""
    policy = Policy(name="p")
    assert plan(policy, id=b"a" * 16) == plan(policy, id=b"a" * 16)
    assert offsets(plan(policy, id=b"a" * 16)) != offsets(plan(policy, id=b"b" * 16))
    assert offsets(plan(policy, id=b"a" * 16)) == offsets(plan(policy, id=b"a" * 14 + b"bb"))


def test_latency_is_added() -> None:
    """Waits count from the end of an attempt."""
    made = plan(Policy(name="p", window=10 * SECOND, delays=(3 * SECOND,), jitter=0), latency=SECOND)
    assert offsets(made) == [0, 4, 8, 9.5]
    assert made.promoted_at == 10.5 * SECOND


def test_max_attempts_ends_a_plan() -> None:
    """Promotion comes with the last attempt that is allowed."""
    made = plan(Policy(name="p", max_attempts=3, jitter=0), latency=SECOND)
    assert offsets(made) == [0, 331, 992]
    assert (made.promoted_at, made.promoted_by) == (993 * SECOND, PromotedBy.MAX_ATTEMPTS)


def test_without_final_attempt() -> None:
    """The window closes unused when no last attempt is wanted."""
    made = plan(Policy(name="p", window=10 * SECOND, delays=(4 * SECOND,), jitter=0, final_attempt=False))
    assert offsets(made) == [0, 4, 8]
    assert made.promoted_at == 10 * SECOND


def test_a_window_too_short_for_a_second_attempt() -> None:
    """A window below 200 ms has one attempt."""
    made = plan(Policy(name="p", window=timedelta(milliseconds=100), jitter=0))
    assert offsets(made) == [0]


def test_a_custom_wait_is_a_sample() -> None:
    """A strategy of the user's own may answer differently: the plan says so."""
    made = plan(Policy(name="p", window=60 * MINUTE, wait=f"{__name__}:twenty_minutes"))
    assert offsets(made) == [0, 1200, 2400, 3480]
    assert made.is_sample


def test_an_endless_plan_is_cut() -> None:
    """A plan lists at most 2,000 attempts, and says when there would be more."""
    made = plan(Policy(name="p", delays=(SECOND,), jitter=0))
    assert len(made.attempts) == 2000
    assert made.is_cut
    assert made.attempts[-1].mark is Mark.REGULAR


def test_quiet_hours_put_off_attempts_and_the_end() -> None:
    """Accepted at nine in the evening: what falls into the night comes at its end, and no attempt is lost to it."""
    night = QuietRule(from_minute=22 * 60, to_minute=7 * 60, zone="UTC")
    policy = Policy(name="p", window=timedelta(hours=12), delays=(timedelta(hours=3),), jitter=0, final_attempt=False)
    evening = datetime(2026, 1, 14, 21, tzinfo=UTC)
    made = plan(policy, starts_at=evening, quiet=(night,))
    assert [one / 3600 for one in offsets(made)] == [0, 10, 13, 16]
    assert made.promoted_at == timedelta(hours=19)
    assert made.attempts[1].why.endswith("Quiet hours put that off by 7 h.")
    late = plan(policy, starts_at=evening + timedelta(hours=2), quiet=(night,))
    assert [one / 3600 for one in offsets(late)] == [8, 11, 14, 17]
    assert late.promoted_at == timedelta(hours=20)
    assert offsets(plan(policy, starts_at=evening)) == [0, 3 * 3600, 6 * 3600, 9 * 3600]
