"""When a site is not believed that its addresses do not exist."""

from __future__ import annotations

import pytest
from softbounce_worker.lane.denial_guard import DenialGuard, as_not_believed
from softbounce_worker.lane.denials import LONGEST, DenialTurn, SiteDenials

from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord


class Clock:
    """Seconds that pass when told so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def site(clock: Clock) -> SiteDenials:
    """A site of which nothing is known."""
    return SiteDenials(clock)


def give_past(site: SiteDenials, clock: Clock, *, denied: int = 2, of: int = 100) -> None:
    """A past with so many denials."""
    for number in range(of):
        clock.now += 10
        if number < denied:
            site.denied(-number - 1, was_known=False)
        else:
            site.taken(-number - 1)
    clock.now += 400


def test_issue10_12_a_fresh_list_is_believed_however_bad_it_is(site: SiteDenials) -> None:
    """Without a past, and without one address that took mail, nobody can tell what is unusual."""
    assert [site.denied(number, was_known=False) for number in range(500)] == [None] * 500
    assert not site.is_raging


def test_issue10_12_far_more_than_ever_before_is_not_believed(site: SiteDenials, clock: Clock) -> None:
    """Ten of ten are denied where two of a hundred were; it ends when few are again."""
    give_past(site, clock)
    turns = [site.denied(number, was_known=False) for number in range(12)]
    assert turns == [None] * 9 + [DenialTurn.BEGAN, None, None]
    assert site.is_raging
    ends = [site.taken(number) for number in range(100, 200)]
    assert ends.count(DenialTurn.ENDED) == 1
    assert not site.is_raging


def test_issue10_12_a_bad_past_raises_the_measure(site: SiteDenials, clock: Clock) -> None:
    """Of a site where a fifth is denied as a rule, half is no news."""
    give_past(site, clock, denied=20)
    for number in range(100):
        assert site.denied(2 * number, was_known=False) is None
        assert site.taken(2 * number + 1) is None


def test_issue10_12_addresses_that_took_mail_need_no_past(site: SiteDenials) -> None:
    """Five of them are enough; one address alone, asked again and again, is one."""
    assert [site.denied(number, was_known=True) for number in (1, 2, 3, 4, 5)] == [None] * 4 + [DenialTurn.BEGAN]
    assert site.is_raging


def test_issue10_12_one_address_is_one_however_often_it_is_asked(site: SiteDenials) -> None:
    """A storm is about many."""
    assert [site.denied(1, was_known=True) for _ in range(50)] == [None] * 50


def test_issue10_12_an_hour_later_it_is_believed(site: SiteDenials, clock: Clock) -> None:
    """And no new storm begins in the same weather; after a quiet quarter of an hour one may."""
    for number in range(5):
        site.denied(number, was_known=True)
    for number in range(100):
        clock.now += 40
        turn = site.denied(1000 + number, was_known=False)
        if turn is DenialTurn.WEARY:
            break
    assert not site.is_raging
    assert all(site.denied(5000 + number, was_known=True) is None for number in range(50))
    clock.now += 1000
    assert site.denied(9000, was_known=True) is DenialTurn.ENDED
    turns = [site.denied(9001 + number, was_known=True) for number in range(5)]
    assert DenialTurn.BEGAN in turns


def test_issue10_12_memory_is_bounded(site: SiteDenials, clock: Clock) -> None:
    """Fifty addresses, whatever comes."""
    for number in range(10_000):
        clock.now += 0.01
        site.denied(number, was_known=False)
    assert site.figures == (50, 50)


def test_issue10_12_an_address_that_took_mail_is_asked_again_before_it_is_given_up(clock: Clock) -> None:
    """For an hour, less what jitter takes; then it is believed, and an address nobody knows at once."""
    guard = DenialGuard(clock)
    guard.taken("a.test", "r@a.test")
    why, turn = guard.denied("a.test", "r@a.test")
    assert ("took mail lately" in why, turn) == (True, None)
    assert guard.denied("a.test", "other@a.test") == ("", None)
    clock.now += 54 * 60
    assert guard.denied("a.test", "r@a.test") == ("", None)


def test_issue10_12_a_storm_that_another_process_saw_rages_on(clock: Clock) -> None:
    """For as long as it has left."""
    guard = DenialGuard(clock)
    guard.expect("a.test", 600)
    assert guard.denied("a.test", "r1@a.test")[0]
    clock.now += 601
    assert guard.denied("a.test", "r2@a.test") == ("", DenialTurn.WEARY)
    assert LONGEST == 3600


def test_issue10_12_a_guard_forgets_the_oldest(clock: Clock) -> None:
    """Sites and addresses are bounded, and what is forgotten is believed."""
    guard = DenialGuard(clock)
    guard.taken("a.test", "first@a.test")
    for number in range(60_000):
        guard.taken(f"{number}.test", f"r@{number}.test")
    assert len(guard._sites) <= 2000
    assert len(guard._took) <= 50_000
    assert guard.denied("a.test", "first@a.test") == ("", None)


def test_issue10_12_what_stands_in_for_a_denial_is_soft_and_suppresses_nobody() -> None:
    """It waits an hour, under a name of its own."""
    denial = Verdict(
        word=VerdictWord.HARD,
        suppress=True,
        fault=Fault.RECIPIENT,
        fine_fault=FineFault.RECIPIENT,
        reason=Reason.BAD_MAILBOX,
        rule="builtin:bad-mailbox",
    )
    verdict = as_not_believed(denial)
    assert (verdict.retry, verdict.suppress, verdict.reason) == (True, False, Reason.BAD_MAILBOX)
    assert [delay.total_seconds() for delay in verdict.delays] == [3600]
