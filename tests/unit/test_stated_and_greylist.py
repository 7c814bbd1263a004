"""What counts when a reply states how long to wait, and when a host greylists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.decide import Defer, decide, rederive
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.settings import BUILT_IN, GREYLIST_DELAYS, Policy
from softbounce.stage import Stage
from softbounce.verdict import Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
BUILT_IN_POLICY = BUILT_IN.policies["default"]
SHORT = Policy(name="otp", window=15 * MINUTE, delays=(10 * SECOND, 30 * SECOND), jitter=0)


def verdict(text: str) -> Verdict:
    """On a reply to RCPT."""
    return classify(parse_reply_text(text), stage=Stage.RCPT, site=None, settings=BUILT_IN)


def tried(number: int, judged: Verdict, at: datetime) -> Attempt:
    """A charged attempt as it is kept."""
    ms = to_epoch_ms(at)
    stated_ms = None if judged.stated is None else judged.stated // timedelta(milliseconds=1)
    return Attempt(
        number=number, started_ms=ms, ended_ms=ms, rule=judged.rule, reason=judged.reason, stated_ms=stated_ms
    )


def waits(policy: Policy, text: str, times: int) -> list[timedelta]:
    """The waits of an envelope that is told the same again and again."""
    judged, past, now, found = verdict(text), list[Attempt](), NOW, list[timedelta]()
    for number in range(1, times + 1):
        decision = decide(policy, History(id=b"m" * 18, created_at=NOW, attempts=past), judged, now)
        assert isinstance(decision, Defer)
        assert decision.at is not None
        found.append(decision.at - now)
        past.append(tried(number, judged, now))
        now = decision.at
    return found


@pytest.mark.parametrize("policy", [BUILT_IN_POLICY, SHORT, Policy(name="own", wait="tests.nowhere:x", jitter=0)])
def test_a_stated_wait_goes_before_the_policys_without_jitter(policy: Policy) -> None:
    """A moment early is in vain."""
    assert waits(policy, "450 4.7.1 try again in 300 seconds", 1) == [315 * SECOND]


def test_a_host_that_says_the_same_minute_for_ever_is_believed_three_times() -> None:
    """From then on the longer of its word and the policy's counts: else it would be asked 7,200 times in five days."""
    assert waits(BUILT_IN_POLICY, "450 try again in 60 seconds", 3) == [63 * SECOND] * 3
    later = waits(BUILT_IN_POLICY, "450 try again in 60 seconds", 6)[3:]
    assert all(wait > 10 * MINUTE for wait in later)
    assert waits(SHORT, "450 try again in 60 seconds", 5) == [63 * SECOND] * 5


def test_the_last_moment_of_the_window_goes_before_a_stated_wait() -> None:
    """A window is never wasted."""
    assert waits(SHORT, "450 try again in 2 hours", 1) == [15 * MINUTE - 45 * SECOND]


def test_the_decision_says_whose_wait_it_is() -> None:
    """In the words that explain prints."""
    decision = decide(BUILT_IN_POLICY, History(id=b"m" * 18, created_at=NOW), verdict("450 try again in 5 min"), NOW)
    assert decision.why.endswith("; the reply asks to wait 5 min 15 s before attempt 2.")


def test_a_reload_leaves_a_stated_wait_as_it_was() -> None:
    """It is recorded with the attempt."""
    judged = verdict("450 try again in 300 seconds")
    history = History(id=b"m" * 18, created_at=NOW, attempts=[tried(1, judged, NOW)])
    assert rederive(SHORT, history, NOW)[0] == NOW + 315 * SECOND


def test_greylisting_has_waits_of_its_own_that_come_not_too_early() -> None:
    """Whatever the jitter draws, the second try is after five minutes; a site's second host may begin anew."""
    nominal = Policy(name="default", jitter=0)
    assert waits(nominal, "450 Greylisted", 9) == [*GREYLIST_DELAYS, GREYLIST_DELAYS[-1]]
    for number in range(200):
        history = History(id=number.to_bytes(16) + bytes(2), created_at=NOW)
        for text in ("450 Greylisted", "451 4.7.1 Try again later"):
            decision = decide(BUILT_IN_POLICY, history, verdict(text), NOW)
            assert isinstance(decision, Defer)
            assert decision.at is not None
            assert decision.at >= NOW + 300 * SECOND


def test_a_policy_with_waits_of_its_own_keeps_them_while_greylisted() -> None:
    """Unless it says otherwise."""
    assert waits(SHORT, "450 Greylisted", 2) == [10 * SECOND, 30 * SECOND]
    said = Policy(name="p", first=SECOND, greylist=(MINUTE,), jitter=0)
    assert waits(said, "450 Greylisted", 2) == [MINUTE, MINUTE]
    assert waits(Policy(name="p", greylist=(), jitter=0), "450 Greylisted", 1) == [330 * SECOND]


def test_a_reload_moves_what_is_greylisted() -> None:
    """By the new policy's waits, not by those of the day."""
    history = History(id=b"m" * 18, created_at=NOW, attempts=[tried(1, verdict("450 Greylisted"), NOW)])
    assert rederive(SHORT, history, NOW)[0] == NOW + 10 * SECOND
    assert rederive(Policy(name="default", jitter=0), history, NOW)[0] == NOW + 330 * SECOND
