"""Which rows are claimed: none waits for others, and what may end relays goes alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from softbounce.outbox.relay.choosing import ALONE_AFTER, BATCH_OCTETS, NEVER_AFTER, Bounds, choose
from softbounce.outbox.relay.statements import Candidate

BOUNDS = Bounds(rows=8, message_octets=20_000_000, keys_last=timedelta(days=6))


def row(number: int, octets: int = 1000, tries: int = 0, doubt: timedelta = timedelta(0)) -> Candidate:
    """A row that may be claimed."""
    return Candidate(number, octets, tries, doubt // timedelta(milliseconds=1))


def rows(first: int, number: int) -> list[Candidate]:
    """So many, by their numbers."""
    return [row(first + one) for one in range(number)]


@pytest.mark.parametrize(
    ("due", "new", "chosen"),
    [
        (0, 20, [100, 101, 102, 103, 104, 105, 106, 107]),
        (20, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (20, 20, [1, 2, 100, 101, 102, 103, 104, 105]),
        (20, 3, [1, 2, 3, 4, 5, 100, 101, 102]),
        (1, 20, [1, 100, 101, 102, 103, 104, 105, 106]),
        (0, 0, []),
    ],
)
def test_issue14_neither_new_rows_nor_old_ones_wait_for_the_others(due: int, new: int, chosen: list[int]) -> None:
    """A quarter of a batch is for what is due again, however much is new, and the rest for what is new."""
    assert choose(rows(1, due), rows(100, new), BOUNDS).ids == chosen


def test_issue14_a_batch_is_bounded_in_octets() -> None:
    """A hundred large messages are not read at once; one that is larger than the bound goes by itself."""
    large = [row(number, BATCH_OCTETS // 3) for number in range(1, 8)]
    assert choose([], large, BOUNDS).ids == [1, 2, 3]
    assert choose([], [row(1, BATCH_OCTETS * 2), row(2)], BOUNDS).ids == [1]


def test_issue14_a_row_that_no_message_can_be_is_not_read() -> None:
    """Nothing is loaded to find out that it is too large."""
    choice = choose([], [row(1, 10**9), row(2)], BOUNDS)
    assert choice.ids == [2]
    assert "1000000000 octets" in choice.aside[1]


def test_issue14_what_may_end_relays_goes_alone_and_in_the_end_not_at_all() -> None:
    """The innocent rows of its batch are not taken down with it a fourth time."""
    suspect = row(1, tries=ALONE_AFTER)
    assert choose([suspect, row(2)], rows(100, 3), BOUNDS).ids == [1]
    assert choose([row(2), suspect], rows(100, 3), BOUNDS).ids == [2, 100, 101, 102]
    choice = choose([row(1, tries=NEVER_AFTER), row(2)], [], BOUNDS)
    assert (choice.ids, list(choice.aside)) == ([2], [1])


def test_issue14_what_was_in_doubt_for_as_long_as_keys_last_is_not_sent_again() -> None:
    """Its key may be forgotten, so handing it over might send it twice: a person decides."""
    choice = choose([row(1, tries=1, doubt=timedelta(days=6)), row(2, tries=1, doubt=timedelta(days=5))], [], BOUNDS)
    assert choice.ids == [2]
    assert "may have been handed over 6 d ago" in choice.aside[1]


def test_issue14_the_place_behind_which_to_go_on_is_that_of_the_last_new_row() -> None:
    """Not of what is due again, whose numbers say nothing."""
    assert choose(rows(900, 2), rows(100, 3), BOUNDS).behind == 102
    assert choose(rows(900, 2), [], BOUNDS).behind == 0
