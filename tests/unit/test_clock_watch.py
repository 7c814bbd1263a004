"""The store's clock against one that never steps."""

from __future__ import annotations

import pytest

from softbounce.store.clock_watch import ClockWatch, steady_seconds

NOW = 1_800_000_000_000


def test_F20_a_clock_that_runs_is_believed() -> None:
    """Also when it drifts by an hour in the end, a little between any two looks."""
    watch = ClockWatch()
    for second in range(0, 36_000, 5):
        drift_ms = second * 100
        assert not watch.look(NOW + second * 1000 + drift_ms, second)
        assert not watch.is_far


@pytest.mark.parametrize("seconds", [3600, -3600, 5 * 86_400, 61], ids=["+1 h", "-1 h", "+5 d", "+61 s"])
def test_F20_a_clock_that_stepped_far_ends_no_mail_until_it_is_back(seconds: int) -> None:
    """However long it stays there; each step is told once, so that leases are not counted by it."""
    watch = ClockWatch()
    watch.look(NOW, 0)
    assert watch.look(NOW + 5000 + seconds * 1000, 5)
    for second in range(10, 100, 5):
        assert not watch.look(NOW + (second + seconds) * 1000, second)
        assert watch.is_far
    assert watch.look(NOW + 100_000, 100)
    assert not watch.is_far


def test_F20_a_small_step_is_told_and_believed() -> None:
    """Half a minute ends no mail that would not have ended soon, but it may be longer than a lease."""
    watch = ClockWatch()
    watch.look(NOW, 0)
    assert watch.look(NOW + 35_000, 5)
    assert not watch.is_far
    assert not watch.look(NOW + 40_000, 10)


def test_the_steady_clock_runs_forward() -> None:
    """It never goes back."""
    assert steady_seconds() <= steady_seconds()
