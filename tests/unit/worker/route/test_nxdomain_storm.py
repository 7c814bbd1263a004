"""When a denial is believed: histories of answers as literal lists, and bounds that hold for any history."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.route.nxdomain_storm import LATEST, LONGEST, QUIET, WINDOW, Storm, StormTurn

SHARE = 0.5


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def storm_and_clock(share: float = SHARE) -> tuple[Storm, Clock]:
    """A calm one."""
    clock = Clock()
    return Storm(share, clock), clock


def tell(storm: Storm, answers: str) -> str:
    """Tell it of a new domain for each letter: f found, d denied, k denied and known. Which denials it believed."""
    believed = ""
    for number, answer in enumerate(answers):
        domain = f"{id(answers)}-{number}.test"
        if answer == "f":
            storm.found(domain)
        else:
            storm.denied(domain, was_known=answer == "k")
            believed += "+" if storm.believes(domain) else "-"
    return believed


@pytest.mark.parametrize(
    ("answers", "believed"),
    [
        pytest.param("d", "+", id="D07 one is the truth"),
        pytest.param("d" * 24, "+" * 24, id="24 are the truth"),
        pytest.param("d" * 27, "+" * 24 + "---", id="the 25th begins it"),
        pytest.param("f" * 500 + "d" * 28, "+" * 25 + "---", id="good answers before do not hide it for long"),
        pytest.param("fd" * 100, "+" * 100, id="half is not more than half"),
        pytest.param("ffd" * 100, "+" * 100, id="a third are typing errors"),
        pytest.param("k", "-", id="one that mail went to before is doubted"),
        pytest.param("k" * 5 + "d", "------", id="five that mail went to before begin it"),
        pytest.param("k" * 4 + "d", "----+", id="four do not"),
        pytest.param("k" + "d" * 22, "-" + "+" * 19 + "---", id="one of them weighs five"),
        pytest.param("f" * 50 + "k" * 9 + "d", "-" * 10, id="nine of them among fifty begin it"),
        pytest.param("f" * 50 + "k" * 8 + "d", "-" * 8 + "+", id="eight do not"),
    ],
)
def test_F21_which_denials_are_believed(answers: str, believed: str) -> None:
    """A few denials are the truth; many at once, or of domains that mail went to before, are not believed."""
    storm, _ = storm_and_clock()
    assert tell(storm, answers) == believed


def test_the_same_domain_counts_once() -> None:
    """A hundred looks at one domain that does not exist are one denial."""
    storm, _ = storm_and_clock()
    for _ in range(100):
        assert storm.denied("typo.test", was_known=False) is None
    assert storm.figures == (1, 1)


def test_old_answers_do_not_count() -> None:
    """As many denials as are believed, now and five minutes ago, are no storm."""
    storm, clock = storm_and_clock()
    tell(storm, "d" * 24)
    clock.now += WINDOW + 1
    assert tell(storm, "d" * 24) == "+" * 24


def test_it_ends_when_domains_are_found_again() -> None:
    """It ends when half of the share or less are denied, says so once, and may begin again."""
    storm, _ = storm_and_clock()
    tell(storm, "d" * 50)
    turns = [storm.found(f"good{number}.test") for number in range(50)]
    assert [turn for turn in turns if turn] == [StormTurn.ENDED]
    assert turns.index(StormTurn.ENDED) == 37  # 12 of the last 50 are denied
    assert not storm.is_raging
    assert "-" in tell(storm, "d" * 50)


def test_few_domains_end_it_too() -> None:
    """Five known domains begin it, and the five found again end it."""
    storm, _ = storm_and_clock()
    domains = [f"{letter}.test" for letter in "abcde"]
    turns = [storm.denied(domain, was_known=True) for domain in domains]
    turns += [storm.found(domain) for domain in domains]
    assert turns == [None] * 4 + [StormTurn.BEGAN] + [None] * 4 + [StormTurn.ENDED]
    assert storm.believes("a.test")


def test_a_queue_of_typing_errors_is_bounced_after_an_hour() -> None:
    """Ten thousand domains that do not exist are believed after an hour, and no new storm begins among them."""
    storm, clock = storm_and_clock()
    began = clock.now
    turns = []
    believed: set[str] = set()
    while len(believed) < 10_000:
        for number in range(10_000):
            domain = f"typo{number}.test"
            if domain not in believed:
                turns.append(storm.denied(domain, was_known=False))
                if storm.believes(domain):
                    believed.add(domain)
        clock.now += 300
        assert clock.now - began <= LONGEST + 600
    assert [turn for turn in turns if turn] == [StormTurn.BEGAN, StormTurn.WEARY]
    assert len(believed) == 10_000


def test_after_a_quiet_time_all_is_forgotten() -> None:
    """A storm in which nobody looked anything up for a while is over with the next answer."""
    storm, clock = storm_and_clock()
    tell(storm, "d" * 50)
    assert storm.is_raging
    clock.now += QUIET + 1
    assert storm.denied("typo.test", was_known=False) is StormTurn.ENDED
    assert storm.believes("typo.test")


def test_a_known_domain_that_is_gone_is_believed_after_five_minutes() -> None:
    """In calm the denial of a domain that mail went to before is believed when it was said for the whole window."""
    storm, clock = storm_and_clock()
    for seconds in (0, 30, 75, 142, 243):
        clock.now = 1000.0 + seconds
        storm.denied("gone.test", was_known=True)
        assert not storm.believes("gone.test")
    clock.now = 1000.0 + 395
    storm.denied("gone.test", was_known=True)
    assert storm.believes("gone.test")
    storm.found("gone.test")
    storm.denied("gone.test", was_known=True)
    assert not storm.believes("gone.test")


SECONDS = st.sampled_from((0.0, 60.0)) | st.floats(0, 400)
ANSWERS = st.lists(st.tuples(st.integers(0, 80), st.sampled_from("fddkk"), SECONDS), min_size=1, max_size=300)


def replay(
    storm: Storm, clock: Clock, answers: Iterable[tuple[int, str, float]]
) -> Iterable[tuple[StormTurn | None, str]]:
    """Tell it of answers about few domains in any order; what each changed."""
    for number, answer, later in answers:
        clock.now += later
        domain = f"d{number}.test"
        if answer == "f":
            yield storm.found(domain), domain
        else:
            yield storm.denied(domain, was_known=answer == "k"), domain


@given(st.integers(0, 80), ANSWERS)
def test_no_storm_outlasts_its_hour(burst: int, answers: list[tuple[int, str, float]]) -> None:
    """Whatever is answered: it rages for an hour and one answer at most, its turns alternate, its memory is bounded."""
    storm, clock = storm_and_clock()
    began = None
    for turn, _ in replay(storm, clock, [(number, "d", 0.0) for number in range(burst)] + answers):
        match turn:
            case StormTurn.BEGAN:
                assert began is None
                began = clock.now
                denied, total = storm.figures
                assert 5 <= denied <= total
            case StormTurn.WEARY:
                assert began is not None
            case StormTurn.ENDED:
                assert began is not None
                began = None
            case None:
                pass
        assert storm.figures[1] <= LATEST
        if storm.is_raging:
            assert began is not None
            assert clock.now - began < LONGEST


@given(st.lists(st.tuples(st.integers(0, 23), st.sampled_from("fd"), SECONDS), max_size=200))
def test_fewer_than_25_unknown_domains_are_always_believed(answers: list[tuple[int, str, float]]) -> None:
    """24 domains nobody knows can be denied in any order and as often as they like: each denial is believed."""
    storm, clock = storm_and_clock()
    for _, domain in replay(storm, clock, answers):
        assert storm.believes(domain)
