"""What becomes of an envelope after a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tenacity import wait_fixed

from softbounce.decide import (
    Bounce,
    Cause,
    Defer,
    Delivered,
    decide,
    expires_at,
    fit_into_window,
    last_moment,
    rederive,
)
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Attempt, Body, Envelope, Record
from softbounce.history import History
from softbounce.settings import Policy
from softbounce.stage import Stage
from softbounce.verdict import Reason, Verdict, VerdictWord

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MS = timedelta(milliseconds=1)
POLICY = Policy(name="p", window=10 * HOUR, delays=(HOUR, 3 * HOUR), jitter=0)
SOFT = Verdict(word=VerdictWord.SOFT, rule="builtin:greylist")

half_an_hour = wait_fixed(1800)


def past(*hours: float, rule: str = "builtin:greylist", window: timedelta | None = None) -> History:
    """A history with charged attempts at these hours."""
    attempts = [
        Attempt(
            number=number,
            started_ms=to_epoch_ms(START + timedelta(hours=at)),
            ended_ms=to_epoch_ms(START + timedelta(hours=at)),
            rule=rule,
            window_ms=None if window is None else window // timedelta(milliseconds=1),
        )
        for number, at in enumerate(hours, start=1)
    ]
    return History(id=bytes(16), created_at=START, attempts=attempts)


def test_a_250_is_delivered() -> None:
    """A positive verdict ends the envelope, expired or not."""
    verdict = Verdict(word=VerdictWord.DELIVERED, rule="builtin:positive")
    assert decide(POLICY, past(), verdict, START + 99 * HOUR) == Delivered()


@pytest.mark.parametrize(
    ("stage", "cause"), [(Stage.ROUTE, Cause.UNROUTABLE), (Stage.RCPT, Cause.REJECTED), (None, Cause.REJECTED)]
)
def test_a_hard_verdict_bounces(stage: Stage | None, cause: Cause) -> None:
    """Hard at the stage *route* is unroutable, anywhere else rejected."""
    decision = decide(POLICY, past(), Verdict(word=VerdictWord.HARD, rule="r", stage=stage), START)
    assert isinstance(decision, Bounce)
    assert decision.cause is cause


def test_a_soft_verdict_defers_by_the_number_of_charged_attempts() -> None:
    """N counts the charged attempts, the judged one included."""
    assert decide(POLICY, past(), SOFT, START) == Defer(
        at=START + HOUR,
        expires_at=START + 10 * HOUR,
        why="Attempt 1 failed for now (rule builtin:greylist); policy p waits 1 h before attempt 2.",
    )
    second = decide(POLICY, past(0), SOFT, START + HOUR)
    assert isinstance(second, Defer)
    assert second.at == START + 4 * HOUR


def test_F20_no_window_closes_by_a_time_that_is_not_sure() -> None:
    """While the store's clock is wrong an attempt that ends behind the window is one more deferral; 5xx stays 5xx."""
    late = START + 11 * HOUR
    decision = decide(POLICY, past(0, 1), SOFT, late, is_time_sure=False)
    assert isinstance(decision, Defer)
    assert (decision.at, decision.expires_at) == (late + 3 * HOUR, START + 10 * HOUR)
    assert "whether its window has closed is not sure" in decision.why
    just = decide(POLICY, past(0, 1), SOFT, START + 10 * HOUR, is_time_sure=False)
    assert isinstance(just, Defer)
    assert just.at == START + 13 * HOUR
    hard = decide(POLICY, past(0, 1), Verdict(word=VerdictWord.HARD, rule="r"), late, is_time_sure=False)
    assert isinstance(hard, Bounce)
    assert isinstance(decide(POLICY, past(0, 1), SOFT, late), Bounce)


def test_uncharged_attempts_do_not_count() -> None:
    """Closed lanes and lapsed leases advance nobody's backoff."""
    uncharged = [Attempt(number=n, started_ms=0, ended_ms=0, charged=False) for n in range(9)]
    decision = decide(POLICY, replace(past(), attempts=uncharged), SOFT, START)
    assert isinstance(decision, Defer)
    assert decision.at == START + HOUR


def test_R03_max_attempts_promotes_at_once() -> None:
    """Whichever comes first, window or attempts, promotes."""
    policy = Policy(name="p", max_attempts=2)
    assert isinstance(decide(policy, past(), SOFT, START), Defer)
    decision = decide(policy, past(0), SOFT, START + HOUR)
    assert decision == Bounce(
        cause=Cause.PROMOTED,
        why="Attempt 2 failed for now (rule builtin:greylist) and policy p allows 2 attempts.",
    )
    assert isinstance(decide(Policy(name="p", max_attempts=1), past(), SOFT, START), Bounce)


def test_the_last_wait_is_cut_to_the_last_moment() -> None:
    """A window is never wasted: one last attempt starts just before expiry."""
    decision = decide(POLICY, past(0, 1, 4), SOFT, START + 7.5 * HOUR)
    assert isinstance(decision, Defer)
    assert decision.at == START + 10 * HOUR - timedelta(minutes=2)
    assert decision.why == (
        "Attempt 4 failed for now (rule builtin:greylist); the 3 h that policy p asks for reach past the window of "
        "10 h (policy p), so a last attempt comes 2 min before it closes."
    )


@pytest.mark.parametrize(
    ("window", "last_call"),
    [
        pytest.param(timedelta(seconds=1), timedelta(milliseconds=200), id="at least 200 ms"),
        pytest.param(timedelta(seconds=8), timedelta(milliseconds=400), id="a twentieth"),
        pytest.param(timedelta(minutes=15), timedelta(seconds=45), id="a twentieth again"),
        pytest.param(timedelta(days=5), timedelta(minutes=2), id="at most two minutes"),
    ],
)
def test_the_last_moment_is_a_clamped_twentieth(window: timedelta, last_call: timedelta) -> None:
    """The last attempt starts clamp(window / 20, 200 ms, 2 min) before expiry."""
    policy = Policy(name="p", window=window)
    assert expires_at(policy, past()) - last_moment(policy, past()) == last_call


def test_after_the_last_moment_nothing_is_planned_and_nothing_promoted() -> None:
    """The window may still be prolonged: the envelope waits for it to close."""
    decision = decide(POLICY, past(0), SOFT, START + 10 * HOUR - timedelta(seconds=100))
    assert isinstance(decision, Defer)
    assert decision.at is None
    assert decision.why.endswith("fits into the window of 10 h (policy p), which closes in 1 min 40 s.")


def test_after_expiry_a_soft_verdict_is_promoted() -> None:
    """An attempt that outlived the window ends it."""
    decision = decide(POLICY, past(), SOFT, START + 10 * HOUR)
    assert isinstance(decision, Bounce)
    assert decision.cause is Cause.PROMOTED


def test_without_final_attempt_no_wait_is_cut() -> None:
    """With ``final_attempt = false`` a wait that does not fit means no further attempt."""
    policy = Policy(name="p", window=10 * HOUR, delays=(9 * HOUR,), jitter=0, final_attempt=False)
    first, second = decide(policy, past(), SOFT, START), decide(policy, past(0), SOFT, START + 9 * HOUR)
    assert isinstance(first, Defer)
    assert isinstance(second, Defer)
    assert (first.at, second.at) == (START + 9 * HOUR, None)


def test_whose_window_binds() -> None:
    """The send's own window, else the judging rule's, else the policy's."""
    by_rule = Verdict(word=VerdictWord.SOFT, rule="mine", window=2 * HOUR)
    by_policy, rules = decide(POLICY, past(), SOFT, START), decide(POLICY, past(), by_rule, START)
    sends = decide(POLICY, replace(past(), window=5 * HOUR), by_rule, START)
    assert [d.expires_at - START for d in (by_policy, rules, sends) if isinstance(d, Defer)] == [
        10 * HOUR, 2 * HOUR, 5 * HOUR,
    ]  # fmt: skip


def test_expiry_is_derived_from_the_record() -> None:
    """From max(created, at), plus held time; the last charged attempt's rule counts, not an older one's."""
    assert expires_at(POLICY, past()) == START + 10 * HOUR
    assert expires_at(POLICY, past(0, window=2 * HOUR)) == START + 2 * HOUR
    assert expires_at(POLICY, replace(past(0, window=2 * HOUR), window=HOUR)) == START + HOUR
    assert expires_at(POLICY, replace(past(), at=START + HOUR, held=HOUR)) == START + 12 * HOUR
    assert expires_at(POLICY, replace(past(), at=START - HOUR)) == START + 10 * HOUR
    two = [*past(0, window=2 * HOUR).attempts, *past(1).attempts]
    assert expires_at(POLICY, replace(past(), attempts=two)) == START + 10 * HOUR


def test_a_custom_wait_is_marked_planned() -> None:
    """The answer of a user's strategy is recorded, and stays on a reload."""
    policy = Policy(name="p", wait=f"{__name__}:half_an_hour")
    decision = decide(policy, past(), SOFT, START)
    assert isinstance(decision, Defer)
    assert (decision.at, decision.planned) == (START + HOUR / 2, True)
    recorded = Attempt(number=1, started_ms=0, ended_ms=to_epoch_ms(START), next_ms=to_epoch_ms(START + 3 * HOUR))
    at, _ = rederive(policy, replace(past(), attempts=[recorded]), START)
    assert at == START + 3 * HOUR


def test_rederive_before_any_attempt_is_the_start() -> None:
    """Nothing was tried yet: the first attempt is due when it always was."""
    assert rederive(POLICY, past(), START + HOUR) == (START, START + 10 * HOUR)
    later = replace(past(), at=START + HOUR)
    assert rederive(POLICY, later, START) == (START + HOUR, START + 11 * HOUR)


def test_rederive_follows_the_policy_of_now() -> None:
    """A new policy reaches mail that already waits, counted from its last charged attempt."""
    shorter = Policy(name="q", delays=(timedelta(minutes=5),), jitter=0)
    assert rederive(shorter, past(0, 1), START + HOUR)[0] == START + HOUR + timedelta(minutes=5)


def test_rederive_is_what_decide_said() -> None:
    """With an unchanged policy a reload moves nothing, jitter included."""
    policy = Policy(name="p")
    before = decide(policy, past(0, 1), SOFT, START + 2 * HOUR)
    assert isinstance(before, Defer)
    assert rederive(policy, past(0, 1, 2), START + 2 * HOUR) == (before.at, before.expires_at)


def test_rederive_keeps_a_rules_delays() -> None:
    """The delays that a rule asked for are in the record, and count on."""
    attempts = [
        Attempt(number=n, started_ms=0, ended_ms=to_epoch_ms(START), rule="full", delays_ms=(60_000, 120_000))
        for n in (1, 2)
    ]
    at, _ = rederive(POLICY, replace(past(), attempts=attempts), START)
    assert at == START + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(START + HOUR, START + 2 * HOUR - timedelta(minutes=2), id="to the last moment"),
        pytest.param(START + 2 * HOUR - timedelta(seconds=30), START + 2 * HOUR - timedelta(seconds=30), id="to now"),
        pytest.param(START + 2 * HOUR, None, id="expired"),
    ],
)
def test_a_shorter_window_moves_the_planned_attempt(now: datetime, expected: datetime | None) -> None:
    """An attempt planned after the new expiry moves to the last moment, or to now when only that has passed."""
    shorter = Policy(name="p", window=2 * HOUR, delays=(5 * HOUR,), jitter=0)
    assert rederive(shorter, past(0), now) == (expected, START + 2 * HOUR)
    assert fit_into_window(shorter, past(0), START + 5 * HOUR, now) == expected


def test_a_last_attempt_that_was_made_is_not_made_again() -> None:
    """A reload in the last two minutes gives no second last attempt; a longer window saves the envelope."""
    history = past(0, 10 - 2 / 60)
    now = START + 10 * HOUR - timedelta(seconds=60)
    assert rederive(POLICY, history, now) == (None, START + 10 * HOUR)
    longer = Policy(name="p", window=20 * HOUR, delays=(HOUR,), jitter=0)
    assert rederive(longer, history, now) == (START + timedelta(hours=11) - timedelta(minutes=2), START + 20 * HOUR)


def test_what_is_planned_by_the_last_moment_stays_and_what_lies_behind_moves_there() -> None:
    """To the millisecond; a hold has moved the window, and that moment with it."""
    held = replace(past(0), held=2 * HOUR)
    latest = START + 12 * HOUR - timedelta(minutes=2)
    assert last_moment(POLICY, held) == latest
    for at in (START + 11 * HOUR, latest):
        assert fit_into_window(POLICY, held, at, START + HOUR) == at
    assert fit_into_window(POLICY, held, latest, latest + MS) == latest
    for behind in (latest + MS, START + 12 * HOUR):
        assert fit_into_window(POLICY, held, behind, START + HOUR) == latest
        assert fit_into_window(POLICY, held, behind, latest - MS) == latest


def test_one_that_began_in_the_last_moment_was_the_last() -> None:
    """One that began a millisecond before it was not."""
    latest = last_moment(POLICY, past())
    for began, expected in ((latest, None), (latest - MS, latest)):
        history = past((began - START) / HOUR)
        assert fit_into_window(POLICY, history, START + 99 * HOUR, latest) == expected


def test_without_final_attempt_a_plan_beyond_expiry_is_dropped() -> None:
    """No last attempt is wanted, so nothing is moved; none begins at the moment of expiry itself."""
    policy = Policy(name="p", window=2 * HOUR, delays=(5 * HOUR,), final_attempt=False)
    assert rederive(policy, past(0), START)[0] is None
    assert fit_into_window(policy, past(0), START + 2 * HOUR, START) is None
    assert fit_into_window(policy, past(0), START + 2 * HOUR - MS, START) == START + 2 * HOUR - MS


@pytest.mark.parametrize(
    ("delays_ms", "reason", "greylist", "expected"),
    [
        pytest.param((), None, None, 3 * HOUR, id="the recorded answer stays"),
        pytest.param((60_000,), None, None, timedelta(minutes=1), id="not where a rule had delays"),
        pytest.param((), Reason.GREYLIST, (2 * HOUR,), 2 * HOUR, id="nor where greylisting has"),
        pytest.param((), Reason.GREYLIST, (), 3 * HOUR, id="it has none"),
        pytest.param((), Reason.SYSTEM, (2 * HOUR,), 3 * HOUR, id="it was none"),
    ],
)
def test_a_custom_wait_is_asked_again_for_nothing(
    delays_ms: tuple[int, ...], reason: Reason | None, greylist: tuple[timedelta, ...] | None, expected: timedelta
) -> None:
    """What it said is recorded; delays that outrank it are worked out anew."""
    policy = Policy(name="p", wait=f"{__name__}:half_an_hour", greylist=greylist, jitter=0)
    ended = to_epoch_ms(START)
    recorded = Attempt(
        number=1, started_ms=0, ended_ms=ended, reason=reason, delays_ms=delays_ms, next_ms=ended + 3 * 3_600_000
    )
    assert rederive(policy, replace(past(), attempts=[recorded]), START + HOUR / 60)[0] == START + expected


def test_history_of_a_record() -> None:
    """A history is read from the stored record in aware UTC."""
    body = Body(octets=1)
    envelope = Envelope(
        sender="a@a.example", recipient="b@b.example", domain="b.example", key="k", body=body,
        window_ms=1000, at_ms=5000, held_ms=7,
    )  # fmt: skip
    record = Record(id=b"i" * 16, lane="l", created_ms=1000)
    record.envelope = envelope
    history = History.of(record)
    assert history.starts_at == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert (history.window, history.held) == (timedelta(seconds=1), timedelta(milliseconds=7))
    envelope.window_ms = envelope.at_ms = None
    assert History.of(record).starts_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert History.of(record).window is None
    assert History.of(record).last_charged is None
