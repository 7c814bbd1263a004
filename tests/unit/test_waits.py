"""Waits: tenacity strategies asked through the record, and our jitter."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from tenacity import RetryCallState, wait_exponential, wait_fixed

from softbounce.envelope import Attempt
from softbounce.errors import ConfigError
from softbounce.history import History
from softbounce.settings import BUILT_IN, Policy, Settings
from softbounce.verdict import Reason, Verdict, VerdictWord
from softbounce.waits import WaitNumber, jittered, next_wait, own_wait, strategy_for

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2030, 1, 1, tzinfo=UTC)
SOFT = Verdict(word=VerdictWord.SOFT, rule="r")

three_seconds = wait_fixed(3)
not_a_strategy = 5


def by_history(state: RetryCallState) -> float:
    """What a user may write: an hour for each past attempt, and the seconds since the first."""
    return 3600.0 * len(state.kwargs["history"].attempts) + (state.seconds_since_start or 0.0)


def breaks(state: RetryCallState) -> float:
    """A user's mistake."""
    raise LookupError(str(state.attempt_number))


def by_state(state: RetryCallState) -> float:
    """What tenacity promises a strategy: the attempt's number, its outcome, and how long it was waited for."""
    assert state.outcome is not None
    assert state.outcome.result(timeout=0) is SOFT
    return 1000.0 * state.attempt_number + state.idle_for


def answers_nothing(_: RetryCallState) -> float:
    """At once."""
    return 0.0


def answers_little(_: RetryCallState) -> float:
    """Half a second."""
    return 0.5


def answers_nonsense(_: RetryCallState) -> float:
    """Another."""
    return float("nan")


def history(charged: int, *, rule: str = "r") -> History:
    """A history with so many charged attempts."""
    attempts = [Attempt(number=n, started_ms=0, ended_ms=0, rule=rule) for n in range(1, charged + 1)]
    return History(id=bytes(16), created_at=START, attempts=attempts)


def seconds(policy: Policy, count: int) -> list[float]:
    """The waits after the first attempts, in seconds."""
    return [next_wait(policy, history(n), SOFT, START).delay.total_seconds() for n in range(count)]


def test_formula_literal() -> None:
    """Wait n is min(cap, first x factor^(n-1))."""
    policy = Policy(name="p", first=timedelta(minutes=5), factor=2, cap=timedelta(hours=1), jitter=0)
    assert seconds(policy, 7) == [300, 600, 1200, 2400, 3600, 3600, 3600]
    assert isinstance(strategy_for(policy), wait_exponential)


def test_formula_with_factor_one_and_very_late() -> None:
    """A factor of one repeats; a huge n is capped, not an overflow."""
    assert seconds(Policy(name="p", first=timedelta(seconds=7), factor=1, jitter=0), 3) == [7, 7, 7]
    turn = WaitNumber(number=100_000, rule="r", in_a_row=1)
    assert own_wait(Policy(name="p", jitter=0), bytes(16), turn).delay == timedelta(hours=4)


def test_delays_literal() -> None:
    """The last of the delays repeats."""
    policy = Policy(name="p", delays=(timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=5)), jitter=0)
    assert seconds(policy, 5) == [1, 2, 5, 5, 5]


def test_a_rules_delays_count_what_that_rule_judged_in_a_row() -> None:
    """Attempts that another rule judged, or that were not charged, do not advance a rule's delays."""
    verdict = Verdict(word=VerdictWord.SOFT, rule="full", delays=(timedelta(hours=1), timedelta(hours=4)))
    policy = Policy(name="p", jitter=0)
    past = [
        Attempt(number=1, started_ms=0, ended_ms=0, rule="full"),
        Attempt(number=2, started_ms=0, ended_ms=0, rule="other"),
    ]
    wait = next_wait(policy, History(id=b"", created_at=START, attempts=past), verdict, START)
    assert (wait.delay, wait.source) == (timedelta(hours=1), "rule full")
    past += [
        Attempt(number=3, started_ms=0, ended_ms=0, rule="full"),
        Attempt(number=3, started_ms=0, ended_ms=0, rule="other", charged=False),
    ]
    assert next_wait(policy, History(id=b"", created_at=START, attempts=past), verdict, START).delay == timedelta(
        hours=4
    )


def test_jitter_spreads_within_its_share_and_repeats() -> None:
    """Jitter is plus or minus the share, differs between messages and attempts, and is the same when asked again."""
    hour = timedelta(hours=1)
    spread = [jittered(hour, 0.1, n.to_bytes(16), 1) for n in range(2000)]
    assert timedelta(minutes=54) <= min(spread) < timedelta(minutes=54, seconds=20)
    assert timedelta(minutes=65, seconds=40) < max(spread) <= timedelta(minutes=66)
    assert abs(sum(spread, timedelta(0)) / len(spread) - hour) < timedelta(seconds=30)
    assert spread == [jittered(hour, 0.1, n.to_bytes(16), 1) for n in range(2000)]
    assert jittered(hour, 0.1, bytes(16), 1) != jittered(hour, 0.1, bytes(16), 2)
    assert jittered(hour, 0, bytes(16), 1) == hour


def test_a_custom_strategy_is_asked_on_the_recorded_history() -> None:
    """A strategy of the user's own sees attempts, policy and elapsed time; its answer is not jittered."""
    policy = Policy(name="p", wait=f"{__name__}:by_history")
    wait = next_wait(policy, history(2), SOFT, START + timedelta(seconds=30))
    assert (wait.delay, wait.custom) == (timedelta(hours=2, seconds=30), True)
    assert next_wait(Policy(name="p", wait=f"{__name__}:three_seconds"), history(9), SOFT, START).delay.seconds == 3


@pytest.mark.parametrize("name", ["breaks", "answers_nonsense", "not_there"])
def test_a_custom_strategy_that_fails_strands_no_mail(name: str) -> None:
    """The policy's formula answers instead, and the wait says why."""
    wait = next_wait(Policy(name="p", wait=f"{__name__}:{name}", jitter=0), history(0), SOFT, START)
    assert (wait.delay, wait.custom) == (timedelta(minutes=5, seconds=30), False)
    assert "failed with" in wait.source


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("no_colon", "package.module:strategy", id="no colon"),
        pytest.param(":x", "package.module:strategy", id="no module"),
        pytest.param("no.such.module:x", "importing no.such.module failed", id="no such module"),
        pytest.param("tenacity:no_such_name", "tenacity has no no_such_name", id="no such name"),
        pytest.param("tenacity:wait_fixed", "is no strategy", id="a class"),
        pytest.param("math:pi", "is no strategy", id="a number"),
    ],
)
def test_a_wait_that_cannot_be_used_is_a_config_error(path: str, why: str) -> None:
    """The error quotes the setting and says what would be right."""
    with pytest.raises(ConfigError, match=why):
        strategy_for(Policy(name="p", wait=path))


def test_issue10_F_a_wait_of_the_store_alone_is_never_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What our own configuration does not name is not imported, whatever it is; the formula answers, in words."""
    (tmp_path / "planted.py").write_text("raise AssertionError")
    (tmp_path / "!planted.py").write_text("raise AssertionError")
    monkeypatch.syspath_prepend(tmp_path)
    ours = f"{__name__}:three_seconds"
    policies = {
        name: Policy(name=name, wait=wait, jitter=0)
        for name, wait in (("ours", ours), ("theirs", "planted:x"), ("odd", "!planted:x"), ("none", ""))
    }
    settings = Settings(policies=policies).with_own_waits({ours})
    assert next_wait(settings.policies["ours"], history(0), SOFT, START).delay == timedelta(seconds=3)
    assert settings.policies["none"] == policies["none"]
    assert settings.waits_not_ours == ["!planted:x", "planted:x"]
    for name in ("theirs", "odd"):
        wait = next_wait(settings.policies[name], history(0), SOFT, START)
        assert (wait.delay, wait.custom) == (timedelta(minutes=5, seconds=30), False)
        assert "planted:x is named by no policy of this process's own configuration" in wait.source
        with pytest.raises(ConfigError, match="own configuration"):
            strategy_for(settings.policies[name])
    assert not {"planted", "!planted"} & set(sys.modules)


def test_issue10_F_settings_that_name_what_we_name_stay_as_they_are() -> None:
    """So that comparing them with our own file's finds no difference."""
    settings = Settings(policies={"p": Policy(name="p", wait="a.b:c")})
    assert settings.with_own_waits(settings.waits) is settings
    assert BUILT_IN.with_own_waits(frozenset()) is BUILT_IN


def test_a_custom_strategy_is_told_what_tenacity_promises() -> None:
    """Number, outcome and idle time; a clock that went back makes no negative one."""
    policy = Policy(name="p", wait=f"{__name__}:by_state")
    for later, expected in ((10, 3010), (0, 3000), (-5, 3000)):
        now = START + timedelta(seconds=later)
        assert next_wait(policy, history(2), SOFT, now).delay == timedelta(seconds=expected)


@pytest.mark.parametrize(("name", "expected"), [("answers_nothing", 0.0), ("answers_little", 0.5)])
def test_a_custom_strategy_may_answer_less_than_a_second(name: str, expected: float) -> None:
    """At once, too."""
    wait = next_wait(Policy(name="p", wait=f"{__name__}:{name}"), history(1), SOFT, START)
    assert (wait.delay, wait.custom) == (timedelta(seconds=expected), True)


def test_a_custom_strategy_is_passed_over_while_a_host_greylists_and_only_then() -> None:
    """As far as the policy has waits for that; what is recorded says the same."""
    policy = Policy(name="p", wait=f"{__name__}:three_seconds", greylist=(timedelta(minutes=6),), jitter=0)
    greylisted = Verdict(word=VerdictWord.SOFT, rule="r", reason=Reason.GREYLIST)
    assert next_wait(policy, history(0), greylisted, START).delay == timedelta(minutes=6)
    assert next_wait(policy, history(0), SOFT, START).delay == timedelta(seconds=3)
    assert next_wait(msgspec.structs.replace(policy, greylist=()), history(0), greylisted, START).delay == timedelta(
        seconds=3
    )
    recorded = [Attempt(number=1, started_ms=0, ended_ms=0, rule="r", reason=Reason.GREYLIST)]
    for attempts, expected in ((recorded, True), (history(1).attempts, False)):
        past = History(id=bytes(16), created_at=START, attempts=attempts)
        assert WaitNumber.recorded(past).is_greylisted is expected


def test_the_longer_wait_counts_once_a_reply_has_stated_one_too_often() -> None:
    """Its own where both are as long."""
    policy = Policy(name="p", delays=(timedelta(minutes=10),), jitter=0)
    for minutes, source in ((9, "policy p"), (10, "policy p"), (11, "the reply")):
        turn = WaitNumber(number=1, rule="r", in_a_row=1, stated=timedelta(minutes=minutes), stated_in_a_row=99)
        assert own_wait(policy, bytes(16), turn).source == source
        first = dataclasses.replace(turn, stated_in_a_row=1)
        assert own_wait(policy, bytes(16), first).source == "the reply"


def test_the_jitter_of_a_message_is_the_same_for_ever() -> None:
    """What was planned by one version is planned so by the next; more than all of a wait is all of it."""
    wait = timedelta(seconds=100)
    assert [jittered(wait, 0.5, bytes(14), number) for number in (1, 2, 3)] == [
        timedelta(seconds=62.824), timedelta(seconds=113.367), timedelta(seconds=61.651),
    ]  # fmt: skip
    most = [jittered(wait, 5.0, bytes([number]) * 14, number) for number in range(200)]
    assert timedelta(0) <= min(most) < timedelta(seconds=5)
    assert timedelta(seconds=195) < max(most) <= timedelta(seconds=200)
