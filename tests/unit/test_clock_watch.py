"""The store's clock against one that never steps: issue 10, 18. No fault of a clock needs a person."""

from __future__ import annotations

import pytest

from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import DOUBT, FAR, ClockWatch, signature, steady_seconds

NOW = 1_800_000_000
HOUR, DAY = 3600, 86_400
SIZES = {"+1 h": HOUR, "-1 h": -HOUR, "+5 d": 5 * DAY, "-5 d": -5 * DAY, "+61 s": 61, "-61 s": -61}
STEPS = pytest.mark.parametrize("seconds", SIZES.values(), ids=SIZES)
AHEAD = pytest.mark.parametrize("seconds", [HOUR, 5 * DAY, 90], ids=["+1 h", "+5 d", "+90 s"])


class Server:
    """A server with a clock; seconds count from when the tests begin."""

    def __init__(self) -> None:
        self.wrong_by = 0.0
        self.seen: float | None = None
        self.by = ""

    def note(self, second: float, by: str = "") -> None:
        """Somebody believes it at a moment."""
        self.seen, self.by = NOW + second + self.wrong_by, by

    def tell(self, second: float) -> StoreTime:
        """What it tells at a moment."""
        seen_ms = 0 if self.seen is None else round(self.seen * 1000)
        return StoreTime(
            round((NOW + second + self.wrong_by) * 1000), seen_ms, self.by.encode(errors="surrogateescape")
        )

    def show(self, watch: ClockWatch, second: float) -> bool:
        """Let a watch look at a moment; whether it is sure then."""
        assert watch.look(self.tell(second), second, second)
        return watch.is_sure


def watched(server: Server) -> ClockWatch:
    """Somebody who has seen it right."""
    watch = ClockWatch()
    assert server.show(watch, 0)
    watch.mend_at = None
    return watch


def test_nobody_is_sure_of_a_clock_before_a_look() -> None:
    """Nothing is ended by a time that nobody has seen."""
    assert not ClockWatch().is_sure


def test_F20_a_clock_that_drifts_is_followed() -> None:
    """Also when it is off by an hour in the end, a little more at each look."""
    server = Server()
    watch = watched(server)
    for second in range(5, 36_000, 5):
        server.wrong_by = second / 10
        assert server.show(watch, second)
    assert watch.mend_at is None


@STEPS
def test_issue10_18_a_step_stops_promotion_for_an_hour_and_no_longer(seconds: int) -> None:
    """Then the clock is believed, whoever was right: no fault of a clock waits for a person."""
    server = Server()
    watch = watched(server)
    server.wrong_by = seconds
    assert not server.show(watch, 1)
    assert watch.now_ms(2) == (NOW + 2 + seconds) * 1000
    assert not server.show(watch, DOUBT)
    assert server.show(watch, 1 + DOUBT)
    assert server.show(watch, 2 + DOUBT)


@STEPS
def test_issue10_18_a_clock_that_is_set_right_is_believed_at_once(seconds: int) -> None:
    """Within the hour, and for good."""
    server = Server()
    watch = watched(server)
    server.wrong_by = seconds
    assert not server.show(watch, 1)
    server.wrong_by = 0.4
    for second in range(2, 2 * HOUR, 60):
        assert server.show(watch, second)


@STEPS
def test_issue10_18_each_step_has_its_hour(seconds: int) -> None:
    """A second one, just before the first is believed, ends no mail either."""
    server = Server()
    watch = watched(server)
    server.wrong_by = seconds
    assert not server.show(watch, 1)
    server.wrong_by = 2 * seconds
    assert not server.show(watch, DOUBT)
    assert not server.show(watch, 1 + DOUBT)
    assert server.show(watch, 2 * DOUBT)


@AHEAD
def test_issue10_18_a_paused_watcher_is_set_right_by_one_that_was_not(seconds: int) -> None:
    """His steady clock stood still, so the server's went ahead, to him: the other believes it, and notes that."""
    server = Server()
    server.note(0)
    paused, healthy = watched(server), watched(server)
    for second in range(1, seconds + 2, 10):
        assert server.show(healthy, second)
    late = seconds + 2
    told = server.tell(late)
    assert paused.look(told, 2, 2)
    assert not paused.is_sure
    assert paused.held_ms(2) == ((NOW + 2) * 1000, (NOW + seconds) * 1000)
    assert server.show(healthy, late)
    server.note(late)
    assert paused.look(server.tell(late + 1), 3, 3)
    assert paused.is_sure
    assert paused.held_ms(3) is None
    assert server.show(healthy, late + 2)


@AHEAD
def test_issue10_18_a_watcher_who_was_paused_alone_believes_after_an_hour(seconds: int) -> None:
    """Nobody has to say that the clock is right."""
    server = Server()
    server.note(0)
    watch = watched(server)
    server.wrong_by = seconds  # as it looks to whom time stood still
    assert not server.show(watch, 1)
    assert not server.show(watch, DOUBT)
    assert server.show(watch, 1 + DOUBT)


def test_issue10_18_what_was_noted_before_a_step_ends_no_doubt() -> None:
    """Only who has seen the clock after it can know better."""
    server = Server()
    server.note(0)
    watch = watched(server)
    server.note(9)
    server.wrong_by = -61
    assert not server.show(watch, 10)
    for second in range(11, 200):  # the clock comes by the noted time once more
        assert not server.show(watch, second)


@AHEAD
def test_F20_what_is_due_only_by_a_step_is_held_back_for_as_long(seconds: int) -> None:
    """It comes up when it would have; what is planned by the new time, as planned."""
    server = Server()
    watch = watched(server)
    server.show(watch, 9)
    server.wrong_by = seconds
    server.show(watch, 10)
    assert watch.held_ms(10) == ((NOW + 10) * 1000, (NOW + 9 + seconds) * 1000)
    assert watch.held_ms(40) == ((NOW + 40) * 1000, (NOW + 9 + seconds) * 1000)
    over = 10 + min(seconds, HOUR)
    server.show(watch, over)
    assert watch.held_ms(over) is None


def test_F20_a_second_step_ahead_lets_nothing_go_that_the_first_held_back() -> None:
    """They are held back from where the time was before both."""
    server = Server()
    watch = watched(server)
    for second, wrong_by in ((1, HOUR), (2, 2 * HOUR)):
        server.wrong_by = wrong_by
        server.show(watch, second)
    assert watch.held_ms(3) == ((NOW + 3) * 1000, (NOW + 1 + 2 * HOUR) * 1000)


def test_F20_a_clock_that_comes_back_from_behind_retries_nothing_at_once() -> None:
    """What was planned while it was behind comes up when it would have; what was due before that is not held back."""
    server = Server()
    watch = watched(server)
    server.wrong_by = -HOUR
    for second in range(1, 100):
        server.show(watch, second)
    server.wrong_by = 0
    assert server.show(watch, 100)
    assert watch.held_ms(100) == ((NOW + 100 - HOUR) * 1000, (NOW + 1 - 60) * 1000)


@pytest.mark.parametrize("seconds", [HOUR, 5 * DAY, 61], ids=["-1 h", "-5 d", "-61 s"])
def test_F20_after_a_step_back_what_lies_in_the_future_is_to_be_mended(seconds: int) -> None:
    """Some seconds later, when all have seen it; and again when the doubt is over."""
    server = Server()
    watch = watched(server)
    server.wrong_by = -seconds
    server.show(watch, 1)
    assert watch.mend_at is not None
    assert 1 < watch.mend_at < 10
    watch.mend_at = None
    server.show(watch, 1 + DOUBT)
    assert watch.mend_at is not None


def test_F20_a_small_step_is_followed() -> None:
    """Half a minute ends no mail that would not have ended soon."""
    server = Server()
    watch = watched(server)
    server.wrong_by = 30
    assert server.show(watch, 5)
    assert (watch.held_ms(5), watch.mend_at) == (None, None)


def test_F20_a_late_answer_teaches_nothing() -> None:
    """Whoever slept for an hour over the answer thinks it an hour old, whatever the clock does."""
    server = Server()
    watch = ClockWatch()
    assert not watch.look(server.tell(-HOUR), -HOUR, -1)
    server.show(watch, 0)
    assert watch.look(server.tell(5), 5, 5 + HOUR)
    assert watch.is_sure
    server.wrong_by = HOUR
    assert not watch.look(server.tell(3620), 3620, 3640)
    assert watch.is_sure
    server.wrong_by = 0
    assert server.show(watch, 3650)


def test_F20_an_answer_that_was_overtaken_changes_nothing() -> None:
    """One asks before the step and hears of it after another."""
    server = Server()
    watch = watched(server)
    slow = server.tell(5)
    server.wrong_by = HOUR
    assert not server.show(watch, 5.1)
    assert not watch.look(slow, 5, 5.3)
    assert not watch.is_sure


@STEPS
def test_issue10_18_who_starts_where_it_was_noted_knows_the_time(seconds: int) -> None:
    """Only the steady clock counts: a step while nothing ran has its hour, and a pause as long has none."""
    server = Server()
    server.note(0, signature(NOW * 1000, 0))
    server.wrong_by = seconds
    watch = ClockWatch()
    assert not server.show(watch, 20)
    assert watch.held_ms(20) == (((NOW + 20) * 1000, (NOW + seconds) * 1000) if seconds > 20 else None)
    assert watch.mend_at is not None
    assert server.show(watch, 20 + DOUBT)
    server.wrong_by = 0
    assert server.show(ClockWatch(), 5 * DAY)


@STEPS
def test_issue10_18_who_starts_elsewhere_doubts_what_is_not_about_the_time_noted_last(seconds: int) -> None:
    """A pause looks the same: so it has its hour, and nothing is held back; another who knows better ends it."""
    server = Server()
    server.note(0, "another machine 0")
    server.wrong_by = seconds
    watch = ClockWatch()
    assert not server.show(watch, 0)
    assert watch.held_ms(0) is None
    server.note(30)
    assert server.show(watch, 31)
    server.wrong_by = 0
    server.note(0, "another machine 0")
    assert server.show(ClockWatch(), FAR - 1)


def test_F20_a_reading_of_another_start_of_the_machine_tells_nothing() -> None:
    """Nor does one that is damaged, or endless."""
    mine = signature(NOW * 1000, 0)
    for by in ("another 0", "", mine + "x", mine + "\u0663", "\udcff", mine + "9" * 100_000, mine.split(" ")[0]):
        server = Server()
        server.note(0, by)
        watch = ClockWatch()
        server.show(watch, 20)
        assert abs(watch.off_seconds) <= FAR or not watch.is_sure


def test_the_steady_clock_runs_forward() -> None:
    """It never goes back."""
    assert steady_seconds() <= steady_seconds()
