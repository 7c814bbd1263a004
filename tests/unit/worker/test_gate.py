"""How long a gate keeps those who wait, beside the time for which it closes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_worker.lane.gate import JITTER, LEAST, LEAST_SHARE, MOMENT, MOMENTS, Gate, Input, Output, Phase

from softbounce.settings import LaneRule


@pytest.mark.parametrize("seconds", [0.3, 30.0, 300.0])
def test_issue11_who_waits_for_a_canary_waits_a_moment(seconds: float) -> None:
    """However long it was closed, and however short: little is added beside that, and never more than a second."""
    rule = LaneRule(close_first=timedelta(seconds=seconds), close_cap=timedelta(seconds=seconds))
    gate = Gate("a.test")
    gate.step(Input.ENOUGH, 0.0, rule)
    assert seconds * (1 - JITTER) <= gate.wait(0.0) <= seconds
    now = gate.opens_at
    assert gate.step(Input.ASKED, now, rule, b"canary") is Output.LET_ONE_GO
    assert gate.wait(now) == gate.moment
    assert 0 < gate.moment <= min(MOMENT, max(seconds / MOMENTS, min(LEAST, seconds / LEAST_SHARE)))
    now += gate.moment / 2
    gate.step(Input.FAILED, now, rule)
    assert gate.wait(now) >= seconds * (1 - JITTER)


def closings(gate: Gate, rule: LaneRule, number: int, *delays: timedelta) -> list[float]:
    """For how long it closes, so many times in a row."""
    now, lengths = 0.0, []
    for _ in range(number):
        gate.step(Input.FAILED if gate.failures else Input.ENOUGH, now, rule, delays=delays)
        assert gate.opens_at == now + gate.length
        lengths.append(round(gate.length, 2))
        now = gate.opens_at
    return lengths


def test_it_closes_for_longer_each_time_up_to_a_cap_and_a_fifth_less_by_its_name() -> None:
    """Two gates that closed together do not open together."""
    rule = LaneRule(close_first=timedelta(seconds=30), close_factor=1.5, close_cap=timedelta(minutes=5))
    assert closings(Gate("a.test"), rule, 8) == A_TEST
    other = closings(Gate("b.test"), rule, 8)
    assert all(mine != theirs for mine, theirs in zip(A_TEST, other, strict=True))
    longest = [30.0, 45.0, 67.5, 101.25, 151.88, 227.81, 300.0, 300.0]
    assert all(0.8 * most - 0.01 <= seconds <= most for most, seconds in zip(longest, A_TEST, strict=True))


A_TEST = [24.76, 42.52, 64.88, 87.34, 126.15, 216.11, 287.16, 260.98]
"""A whole schedule, in seconds."""


def test_a_gate_that_failed_for_years_closes_for_no_longer_than_its_cap() -> None:
    """However steep its rule is."""
    gate, rule = Gate("a.test"), LaneRule(close_factor=1000.0, close_cap=timedelta(minutes=5))
    assert max(closings(gate, rule, 500)) <= 300.0


def test_delays_of_its_own_are_kept_at_least_and_the_last_one_repeats() -> None:
    """Up to a fifth more, never less: a reason's hour is an hour."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    first, second, third = closings(Gate("a.test"), LaneRule(), 3, hour, day)
    assert 3600.0 < first < 4320.0
    assert 86_400.0 < second < 103_680.0
    assert 86_400.0 < third < 103_680.0
    assert second != third


@pytest.mark.parametrize(
    ("length", "moment"), [(0.0, 1.0), (0.1, 0.025), (0.4, 0.05), (1.2, 0.05), (15.0, 0.5), (30.0, 1.0), (300.0, 1.0)]
)
def test_a_moment_is_little_beside_the_time_for_which_it_closes(length: float, moment: float) -> None:
    """A thirtieth of it, a second at most; of short ones a twentieth of a second, and no more than a quarter."""
    assert Gate("a.test", length=length).moment == pytest.approx(moment)


def test_patience_with_canaries_doubles_up_to_five_minutes_and_begins_anew() -> None:
    """Another goes after 5 s without an outcome, then 10; once one had an outcome it is 5 again."""
    gate, rule, now = Gate("a.test"), LaneRule(), 0.0
    gate.step(Input.ENOUGH, now, rule)
    now = gate.opens_at
    waited = []
    for _ in range(8):
        assert gate.step(Input.ASKED, now, rule, b"canary") is Output.LET_ONE_GO
        assert gate.canary_since == now
        waited.append(gate.canary_until - now)
        assert gate.step(Input.ASKED, now, rule, b"other") is Output.NOTHING
        now = gate.canary_until
        assert gate.phase(now) is Phase.PROBING
    assert waited == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    gate.step(Input.FAILED, now, rule)
    assert (gate.canary, gate.failed_canary, gate.patience) == (None, b"canary", 5.0)
    gate.step(Input.ASKED, gate.opens_at, rule, b"next")
    gate.step(Input.ASKED, gate.canary_until, rule, b"next")
    assert gate.step(Input.GOOD, gate.opens_at + 1, rule) is Output.OPEN
    assert gate == Gate(
        "a.test",
        length=gate.length,
        failed_canary=b"canary",
        canary_since=gate.canary_since,
        canary_until=gate.canary_until,
    )


def test_who_waits_for_a_canary_asks_again_after_as_long_as_it_has_been_out() -> None:
    """A moment at first, and never past the time at which another may go."""
    gate, rule = Gate("a.test"), LaneRule()
    gate.step(Input.ENOUGH, 0.0, rule)
    now = gate.opens_at
    assert gate.wait(0.0) == now
    assert gate.wait(now) == 0.0
    gate.step(Input.ASKED, now, rule, b"canary")
    assert gate.wait(now) == gate.wait(now + 0.5) == pytest.approx(gate.moment)
    assert gate.wait(now + 2.0) == pytest.approx(2.0)
    assert gate.wait(now + 4.0) == pytest.approx(1.0)
    assert gate.step(Input.BACK, now + 4.0, rule) is Output.NOTHING
    assert gate.canary is None
    assert gate.wait(now + 4.0) == 0.0


def test_an_open_gate_notes_no_canary() -> None:
    """All may go, and it begins as one that never closed."""
    gate = Gate("a.test")
    assert (gate.failures, gate.opens_at, gate.length, gate.canary_since, gate.canary_until) == (0, 0, 0, 0, 0)
    assert gate.phase(1.0) is Phase.OPEN
    assert gate.step(Input.ASKED, 1.0, LaneRule(), b"one") is Output.LET_ONE_GO
    assert gate == Gate("a.test")
