"""How many sessions an organisation gets: few at first, as many again as stand, no more than it was seen to take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from softbounce_worker.session.learned_limit import CLIMB, CLIMBS_REMEMBERED, REMEMBERED, LearnedLimit
from softbounce_worker.session.organisation import FIRST, Organisation
from softbounce_worker.session.places import NO_LIMIT


def in_loop(test: Callable[[Organisation], None]) -> None:
    """Try one organisation where a loop tells the time."""

    async def run() -> None:
        test(Organisation("provider.test"))

    asyncio.run(run())


def test_issue13_it_begins_with_few_and_doubles() -> None:
    """A host that takes three of four refuses one, not seventeen of twenty."""

    def test(site: Organisation) -> None:
        at_once = [site.at_once]
        for _ in range(5):
            site.stands()
            at_once.append(site.at_once)
        assert at_once == [FIRST, 2, 2, 3, 4, 5]
        assert site.limit == NO_LIMIT

    in_loop(test)


def test_issue13_after_trouble_it_begins_anew() -> None:
    """What it took before it went down says little of what it takes when it is back."""

    def test(site: Organisation) -> None:
        for _ in range(10):
            site.stands()
        for _ in range(10):
            site.ends()
        assert site.at_once == 10
        site.begin_anew()
        assert site.at_once == FIRST

    in_loop(test)


@pytest.mark.parametrize(("standing", "left"), [(2, 1), (3, 2), (4, 3), (6, 3), (7, 3), (10, 5), (20, 10)])
def test_issue13_too_many_are_fewer(standing: int, left: int) -> None:
    """Of a few one less, of many half."""

    def test(site: Organisation) -> None:
        for _ in range(standing):
            site.stands()
        assert site.are_too_many()
        assert site.limit == site.connections == left

    in_loop(test)


def test_issue13_a_single_session_that_is_too_many_says_nothing_of_their_number() -> None:
    """Then it is the pace that is meant."""

    def test(site: Organisation) -> None:
        site.stands()
        assert not site.are_too_many()
        assert not site.connections

    in_loop(test)


def test_issue13_half_as_many_where_most_refusals_blame_our_address() -> None:
    """One in three does nothing: a single tenant's or domain's trouble slows nobody else."""

    def test(site: Organisation) -> None:
        for _ in range(10):
            site.stands()
        for _ in range(200):
            site.took(1)
            site.took(1)
            assert not site.blames()
        assert [site.blames() for _ in range(6)].count(True) == 1
        assert site.connections == 5

    in_loop(test)


def test_issue13_told_only_it_learns_nothing() -> None:
    """Where a rule says so."""

    def test(site: Organisation) -> None:
        site.is_adaptive = False
        for _ in range(4):
            site.stands()
        site.are_too_many()
        site.is_too_fast(0.0)
        assert site.limit == site.at_once == NO_LIMIT
        assert (site.rate(0.0), site.rate(5.0)) == (0.0, 5.0)

    in_loop(test)


def test_issue13_the_slower_of_what_was_told_and_learned_binds() -> None:
    """A rate of the user's is never exceeded, nor one that the site was seen to have."""

    def test(site: Organisation) -> None:
        for _ in range(10):
            site.took(1)
        assert site.is_too_fast(0.0)
        learned = site.pace.rate
        assert 0 < learned <= 1
        assert site.rate(0.0) == site.rate(100.0) == learned
        assert site.rate(learned / 2) == learned / 2

    in_loop(test)


def test_issue13_a_learned_limit_climbs_ever_more_rarely() -> None:
    """By one after a while; found again, the next try comes twice as late; never refused again, it is forgotten."""
    limit = LearnedLimit()
    assert limit.now(0.0) == NO_LIMIT
    limit.learn(3, 0.0)
    assert [limit.now(at) for at in (0.0, CLIMB - 1, CLIMB, 2 * CLIMB)] == [3, 3, 4, 5]
    now = 0.0
    for patience in range(1, 9):
        now += 1
        limit.learn(3, now)
        hold = CLIMB * 2 ** min(patience, 6)
        assert (limit.now(now + hold - 1), limit.now(now + hold)) == (3, 4)
    assert limit.now(now + max(REMEMBERED, CLIMBS_REMEMBERED * hold)) == NO_LIMIT
    assert limit.known(now) == 3
    limit.learn(2, now)
    assert limit.now(now + CLIMB) == 3, "another limit than before is tried as soon as ever"
