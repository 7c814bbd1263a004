"""In which company suspects are tried, and how many processes end until the one that kills is alone."""

from __future__ import annotations

from random import Random

import pytest
from softbounce_worker.claim.suspects import GROUPS, Group, groups_of

from softbounce.envelope import Record
from softbounce.ids import envelope_id

LEVEL = 16.0


def suspect(number: int, *, claims: int = 3, lane: str = "a.test", recipient: int = 0) -> Record:
    """A claimed envelope of a message of its own."""
    record = Record(id=envelope_id(number.to_bytes(14), recipient), lane=lane)
    record.claims = claims
    return record


def members(group: Group) -> set[bytes]:
    """The ids in a group."""
    return {record.id for record in group.records}


def test_few_are_tried_one_by_one() -> None:
    """Each alone, in the order of their lanes."""
    groups = groups_of([suspect(number, lane=f"{number % 2}.test") for number in range(GROUPS)])
    assert all(group.is_one for group in groups)
    assert len(groups) == GROUPS
    assert [group.records[0].lane for group in groups] == ["0.test"] * (GROUPS // 2) + ["1.test"] * (GROUPS // 2)


@pytest.mark.parametrize("number", [1, GROUPS, GROUPS + 1, 1000, 2000])
def test_all_groups_together_have_the_process_for_a_bounded_time(number: int) -> None:
    """However many there are: each in one group, and sixteen seconds for all at the third claim."""
    groups = groups_of([suspect(one) for one in range(number)])
    assert len(groups) <= GROUPS
    assert sum(len(group.records) for group in groups) == number == len(set().union(*map(members, groups)))
    assert sum(group.seconds for group in groups) == pytest.approx(LEVEL)


@pytest.mark.parametrize(("spent", "size"), [(0.0, 8), (8.0, 16), (15.0, 125), (500.0, 500)])
def test_those_that_come_later_have_what_is_left_of_the_time(spent: float, size: int) -> None:
    """In larger groups, therefore; when nothing is left, all in one, and for a moment still."""
    groups = groups_of([suspect(one) for one in range(500)], {3: spent, 4: 7.0})
    assert max(len(group.records) for group in groups) == size
    assert sum(group.seconds for group in groups) == pytest.approx(max(LEVEL - spent, LEVEL / GROUPS))


def test_those_lost_oftener_come_last_and_may_take_longer() -> None:
    """In groups of their own: those that share one were lost equally often."""
    groups = groups_of([suspect(0, claims=5), suspect(1, claims=3), suspect(2, claims=4), suspect(3, claims=255)])
    assert [group.records[0].claims for group in groups] == [3, 4, 5, 255]
    assert [group.seconds for group in groups] == [LEVEL, 2 * LEVEL, 4 * LEVEL, 512.0]


def test_recipients_of_one_message_by_one_lane_are_one_suspect() -> None:
    """What is in the message kills for each of them; by another lane it may be the host's answer that does."""
    groups = groups_of(
        [suspect(7, recipient=number, lane=f"{number % 2}.test") for number in range(500)] + [suspect(8)]
    )
    assert [len(group.records) for group in groups] == [250, 250, 1]
    assert all(group.is_one for group in groups)


@pytest.mark.parametrize(("number", "ends"), [(GROUPS, 1), (1000, 2), (2000, 2)])
def test_the_one_that_kills_is_found_and_all_others_go_free(number: int, ends: int) -> None:
    """Each end blames one group; the one that kills is alone after few more ends, whatever the others' order."""
    for seed in range(20):
        random = Random(seed)  # noqa: S311 - reproducible
        records = [suspect(one, lane=f"{random.randrange(30)}.test") for one in range(number)]
        killer = random.choice(records)
        waiting, found = records, None
        for _ in range(ends):
            groups = groups_of(waiting)
            found = next(group for group in groups if killer in group.records)
            waiting = [record for group in groups[groups.index(found) :] for record in group.records]
            for record in found.records:
                record.claims += 1
        assert found is not None
        assert found.records == [killer]
