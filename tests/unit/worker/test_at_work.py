"""What hangs leaves places to others: of whichever domain, in whatever order things come."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from softbounce_worker.lane.at_work import LOOK, AtWork

SICK, WELL = {"sick.test"}, {"well.test"}
WIDTH = 20


@dataclass
class Bench:
    """Sessions that are numbers, and a clock that is set."""

    now: float = 100.0
    number: int = 0
    at_work: AtWork[int] = field(init=False)

    def __post_init__(self) -> None:
        """By this clock."""
        self.at_work = AtWork(self)

    def time(self) -> float:
        """What it shows."""
        return self.now

    def begins(self, domains: set[str], times: int = 1) -> list[int]:
        """So many sessions begin; those."""
        begun = list(range(self.number, self.number + times))
        self.number += times
        for one in begun:
            self.at_work.begins(one, domains)
        return begun

    def fills_up(self, domains: set[str], width: int = WIDTH, *, is_canary: bool = False) -> int:
        """How many more a domain gets, one after the other."""
        (domain,) = domains
        times = 0
        while self.at_work.leaves_room(domain, width, is_canary=is_canary) and times <= width:
            self.begins(domains)
            times += 1
        return times


@pytest.fixture
def bench() -> Bench:
    """Nobody is at work."""
    return Bench()


def test_a_domain_that_hangs_has_half(bench: Bench) -> None:
    """Those that began a moment ago count as well: they meet the same."""
    bench.begins(SICK)
    bench.now += LOOK + 0.1
    assert bench.fills_up(SICK) == WIDTH // 2 - 1
    assert bench.at_work.unanswered("sick.test") == WIDTH // 2
    assert bench.at_work.leaves_room("well.test", WIDTH)


def test_two_that_hang_have_a_third_each_and_a_third_one_finds_some(bench: Bench) -> None:
    """However many there are, each leaves as many as it has."""
    shares: list[int] = []
    for domain in ({"one.test"}, {"two.test"}, {"three.test"}):
        bench.begins(domain)
        bench.now += LOOK + 0.1
        shares.append(1 + bench.fills_up(domain))
    assert shares == [10, 5, 3]


def test_without_anything_that_hangs_nothing_is_withheld(bench: Bench) -> None:
    """Twenty of twenty for one domain, as long as they are young."""
    bench.begins(SICK, WIDTH - 1)
    bench.now += LOOK - 0.1
    assert bench.at_work.leaves_room("sick.test", WIDTH)


def test_a_slow_host_does_not_hang(bench: Bench) -> None:
    """Ten seconds a transaction, each of them: thirty are no reason."""
    (first,) = bench.begins(SICK)
    bench.now += 10
    bench.at_work.comes_forward(first)
    bench.begins(SICK, WIDTH - 1)
    bench.now += 30
    assert bench.at_work.leaves_room("sick.test", WIDTH)
    bench.now += 11
    assert not bench.at_work.leaves_room("sick.test", WIDTH)


def test_an_answer_speaks_for_those_that_are_out(bench: Bench) -> None:
    """One recipient who hangs is no reason to doubt his domain; it is only what came after the answer that counts."""
    *_, last = bench.begins(SICK, WIDTH // 2)
    bench.now += LOOK + 0.1
    assert not bench.at_work.leaves_room("sick.test", WIDTH)
    bench.at_work.comes_forward(last)
    assert bench.at_work.leaves_room("sick.test", WIDTH)
    bench.begins(SICK)
    bench.now += 5 * LOOK  # they take about one
    assert bench.fills_up(SICK) == 6 - 1  # nine hang of old: six are had, and five are left
    assert bench.at_work.leaves_room("well.test", WIDTH)


def test_a_canary_may_have_any_place_but_the_last(bench: Bench) -> None:
    """It is the way to find out; and the others have one still."""
    bench.begins(SICK)
    bench.now += LOOK + 0.1
    bench.fills_up(SICK)
    assert bench.fills_up(SICK, is_canary=True) == WIDTH // 2 - 1


@pytest.mark.parametrize(("width", "most"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_few_places_are_shared_too(bench: Bench, width: int, most: int) -> None:
    """Where there is only one there is nothing to share."""
    bench.begins(SICK)
    bench.now += LOOK + 0.1
    assert 1 + bench.fills_up(SICK, width) == most


def test_who_ends_without_an_answer_is_forgotten(bench: Bench) -> None:
    """The sessions' ends leave nothing behind, in whatever order."""
    begun = [*bench.begins(SICK, 3), *bench.begins(SICK | WELL, 2)]
    bench.now += LOOK + 0.1
    assert bench.at_work.hanging == begun
    assert bench.at_work.is_stuck
    for one in (begun[1], begun[4], begun[0], begun[2], begun[3]):
        bench.at_work.ends(one)
    bench.at_work.ends(99)
    assert (bool(bench.at_work), bench.at_work.is_stuck, bench.at_work.longest) == (False, False, 0.0)
    assert bench.at_work.unanswered("sick.test") == bench.at_work.unanswered("well.test") == 0


def test_what_a_session_waited_for_its_turn_here_is_none_of_the_pace(bench: Bench) -> None:
    """On a busy machine all are slow by that, and more of them would wait longer still."""
    (session,) = bench.begins(WELL)
    bench.now += 0.5
    bench.at_work.comes_forward(session, 0.4)
    assert bench.at_work.pace == pytest.approx(0.1)
    bench.at_work.begins(session, WELL, 0.4)
    bench.now += 0.1
    bench.at_work.comes_forward(session, 0.4)
    assert bench.at_work.pace == pytest.approx(0.1)
