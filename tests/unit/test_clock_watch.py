"""The store's clock against one that never steps."""

from __future__ import annotations

import pytest

from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import LATE, ClockWatch, Sight, signature, steady_seconds

NOW = 1_800_000_000_000
STEPS = pytest.mark.parametrize("seconds", [3600, -3600, 5 * 86_400, 61], ids=["+1 h", "-1 h", "+5 d", "+61 s"])


class Server:
    """A server with a clock, and the correction that somebody keeps there."""

    def __init__(self, noted_ms: int = 0, noted_by: str = "") -> None:
        self.noted_ms = noted_ms
        self.noted_by = noted_by.encode(errors="surrogateescape")
        self.wrong_by_ms = 0
        self.correction_ms = 0

    def tell(self, second: float) -> StoreTime:
        """What it tells at a moment."""
        now_ms = NOW + round(second * 1000) + self.wrong_by_ms + self.correction_ms
        return StoreTime(now_ms, self.correction_ms, self.noted_ms, self.noted_by)

    def show(self, watch: ClockWatch, second: float) -> Sight:
        """Let a watch look at a moment; what it saw."""
        return watch.look(self.tell(second), second, second)


def test_F20_a_clock_that_runs_is_believed() -> None:
    """Also when it drifts by an hour in the end, a little between any two looks."""
    watch, server = ClockWatch(), Server()
    for second in range(0, 36_000, 5):
        server.wrong_by_ms = second * 100
        assert server.show(watch, second) is Sight.RUNS
        assert not watch.is_far
        assert watch.wanted_ms is None


@STEPS
def test_F20_a_clock_that_stepped_far_is_corrected_until_it_is_back(seconds: int) -> None:
    """The time runs on, however long the clock stays wrong; each step is told once, so that leases are given anew."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms = seconds * 1000
    assert server.show(watch, 5) is Sight.FAR
    assert watch.wanted_ms == -seconds * 1000
    assert watch.time_ms(7) == NOW + 7000
    server.correction_ms = watch.wanted_ms
    for second in range(10, 100, 5):
        assert server.show(watch, second) is (Sight.STEPPED if second == 10 else Sight.RUNS)
        assert watch.wanted_ms is None
        assert watch.is_far
        assert watch.time_ms(second) == NOW + second * 1000
    server.wrong_by_ms = 400
    server.show(watch, 100)
    assert watch.wanted_ms == 0
    server.correction_ms = 0
    server.show(watch, 101)
    assert watch.wanted_ms is None
    assert not watch.is_far


@STEPS
def test_F20_another_that_watches_agrees(seconds: int) -> None:
    """It sees the time run on, corrected by the first, and wants nothing more."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms, server.correction_ms = seconds * 1000, -seconds * 1000
    server.show(watch, 5)
    assert (watch.wanted_ms, watch.is_far) == (None, True)
    late = ClockWatch()
    server.show(late, 6)
    assert (late.wanted_ms, late.is_far) == (None, True)


@STEPS
def test_F20_who_takes_the_correction_away_is_believed(seconds: int) -> None:
    """An operator says that the clock is right as it is: the step is told, and mail may end by it again."""
    watch, server = ClockWatch(), Server()
    server.wrong_by_ms, server.correction_ms = seconds * 1000, -seconds * 1000
    server.show(watch, 0)
    server.correction_ms = 0
    assert server.show(watch, 5) is Sight.STEPPED
    assert (watch.wanted_ms, watch.is_far) == (None, False)
    assert watch.time_ms(6) == NOW + 6000 + seconds * 1000


def test_F20_a_correction_that_comes_too_late_is_corrected() -> None:
    """Meanwhile the clock was set right: the time that was believed is held to, not what the correction made of it."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms = 3_600_000
    server.show(watch, 1)
    assert watch.wanted_ms == -3_600_000
    server.wrong_by_ms, server.correction_ms = 0, -3_600_000
    assert server.show(watch, 2) is Sight.FAR
    assert watch.wanted_ms == 0
    assert watch.time_ms(3) == NOW + 3000


def test_F20_a_small_step_is_told_and_believed() -> None:
    """Half a minute ends no mail that would not have ended soon, but it may be longer than a lease."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms = 30_000
    assert server.show(watch, 5) is Sight.STEPPED
    assert not watch.is_far
    assert server.show(watch, 10) is Sight.RUNS


def test_F20_a_late_answer_teaches_nothing() -> None:
    """Whoever slept for an hour over the answer thinks it an hour old, whatever the clock does."""
    watch, server = ClockWatch(), Server()
    assert watch.look(server.tell(-3600), -3600, -1) is Sight.UNSURE
    server.show(watch, 0)
    assert watch.look(server.tell(5), 5, 3605) is Sight.RUNS
    assert watch.look(server.tell(3610), 3610, 3611 + LATE) is Sight.RUNS
    server.wrong_by_ms = 3_600_000
    assert watch.look(server.tell(3620), 3620, 3621 + LATE) is Sight.UNSURE
    assert watch.wanted_ms is None
    server.wrong_by_ms = 0
    assert server.show(watch, 3630) is Sight.RUNS


def test_F20_an_answer_that_was_overtaken_changes_nothing() -> None:
    """One asks before the correction and hears of it after another: nobody has taken the correction away."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms = 3_600_000
    slow = server.tell(5)
    assert server.show(watch, 5.1) is Sight.FAR
    server.correction_ms = -3_600_000
    server.show(watch, 5.2)
    assert watch.look(slow, 5, 5.3) is Sight.UNSURE
    assert watch.is_far
    assert server.show(watch, 5.4) is Sight.RUNS
    assert watch.look(server.tell(5.35), 5.35, 5.5) is Sight.RUNS


def test_F20_what_was_written_by_a_clock_that_ran_ahead_is_known() -> None:
    """From just before it was last seen right, in its own wrong time; a step back leaves nothing in the future."""
    watch, server = ClockWatch(), Server()
    server.show(watch, 0)
    server.wrong_by_ms = 3_600_000
    server.show(watch, 2)
    assert watch.stray is not None
    assert NOW + 3_580_000 < watch.stray.from_ms <= NOW + 3_600_000
    assert watch.stray.to_ms > NOW + 3_602_000
    assert watch.stray.ahead_ms == 3_600_000
    watch = ClockWatch()
    server.show(watch, 0)
    server.wrong_by_ms = 0
    server.show(watch, 2)
    assert watch.stray is None


@STEPS
def test_F20_who_begins_to_watch_drops_a_correction_that_its_clock_needs_no_more(seconds: int) -> None:
    """While nobody watched, the clock was set right: what was believed then is known, and fits it alone."""
    watch, server = ClockWatch(), Server(NOW)
    server.correction_ms = -seconds * 1000
    server.show(watch, 20)
    if seconds == 61:  # less than a minute behind what was believed: too little to tell
        assert (watch.wanted_ms, watch.is_far) == (None, True)
        return
    assert (watch.wanted_ms, watch.is_far) == (0, True)
    assert watch.time_ms(21) == NOW + 21_000
    assert (watch.stray is not None) == (seconds < 0)
    server.correction_ms = 0
    server.show(watch, 22)
    assert (watch.wanted_ms, watch.is_far) == (None, False)


@STEPS
def test_F20_who_begins_to_watch_keeps_a_correction_that_is_needed(seconds: int) -> None:
    """The clock is as wrong as it was."""
    watch, server = ClockWatch(), Server(NOW)
    server.wrong_by_ms, server.correction_ms = seconds * 1000, -seconds * 1000
    assert server.show(watch, 20) is Sight.RUNS
    assert (watch.wanted_ms, watch.is_far, watch.stray) == (None, True, None)


def test_F20_who_begins_to_watch_lets_no_time_go_back() -> None:
    """Set back while nobody watched, the time goes on from what was believed; after a pause, it is what is told."""
    watch, server = ClockWatch(), Server(NOW)
    server.wrong_by_ms = -3_600_000
    assert server.show(watch, 20) is Sight.FAR
    assert watch.wanted_ms == 3_580_000
    assert watch.time_ms(21) == NOW + 1000
    watch, server = ClockWatch(), Server(NOW)
    assert server.show(watch, 86_400) is Sight.RUNS
    assert (watch.wanted_ms, watch.is_far) == (None, False)


@STEPS
def test_F20_who_begins_to_watch_where_it_was_noted_knows_the_time(seconds: int) -> None:
    """Since then only the steady clock counts, whatever the server's did, and whether it was corrected."""
    watch, server = ClockWatch(), Server(NOW, signature(NOW, 0))
    server.wrong_by_ms = seconds * 1000
    assert server.show(watch, 20) is Sight.FAR
    assert watch.wanted_ms == -seconds * 1000
    assert watch.time_ms(21) == NOW + 21_000
    watch, server = ClockWatch(), Server(NOW, signature(NOW, 0))
    assert server.show(watch, 86_400) is Sight.RUNS
    watch, server = ClockWatch(), Server(NOW, signature(NOW, 0))
    server.correction_ms = seconds * 1000
    server.show(watch, 20)
    assert watch.wanted_ms == 0


def test_F20_a_reading_of_another_start_of_the_machine_tells_nothing() -> None:
    """Nor does one that is damaged."""
    for by in ("another 0", "", signature(NOW, 0) + "x", "\udcff"):
        watch, server = ClockWatch(), Server(NOW, by)
        server.wrong_by_ms = 3_600_000
        assert server.show(watch, 20) is Sight.RUNS


def test_F20_what_a_correction_left_over_dated_is_known() -> None:
    """All that was taken by it lies ahead of what was believed last, by as much."""
    watch, server = ClockWatch(), Server(NOW)
    server.correction_ms = 3_600_000
    server.show(watch, 30)
    assert watch.stray is not None
    assert NOW + 3_580_000 < watch.stray.from_ms <= NOW + 3_600_000
    assert watch.stray.to_ms > NOW + 3_630_000
    assert watch.stray.ahead_ms == 3_600_000


def test_the_steady_clock_runs_forward() -> None:
    """It never goes back."""
    assert steady_seconds() <= steady_seconds()
