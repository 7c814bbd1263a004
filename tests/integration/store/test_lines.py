"""Lines: what waits for the same thing comes forward together, and nothing that has a clock of its own by then."""

from __future__ import annotations

from mailbag import TOKEN, Mailbag

from softbounce.envelope import Record, State
from softbounce.store import keys
from softbounce.store.lines import bring, line_name
from softbounce.store.moving import Move

FAR_MS = 3_000_000_000_000
LINE = line_name("a.test~0", "from", "tenant.test")


def put_in_line(bag: Mailbag, number: int) -> list[Record]:
    """So many envelopes that are scheduled for late, and stand in line."""
    records = bag.claimed(recipients=number)
    for record in records:
        record.state, record.next_ms = State.SCHEDULED, FAR_MS
        bag.move(Move(record=record, token=TOKEN, line=LINE))
    return bag.records([record.id for record in records])


def test_the_first_in_line_come_forward_and_the_rest_waits(one: Mailbag) -> None:
    """In their order, due at once; what is left is told."""
    records = put_in_line(one, 5)
    assert one.store.run(bring(0, LINE, 2)) == (2, 3)
    brought = one.records([record.id for record in records[:2]])
    assert all(record.next_ms < FAR_MS for record in brought)
    assert {one.zset("due")[record.id] for record in brought} == {record.next_ms for record in brought}
    assert [record.next_ms for record in one.records([record.id for record in records[2:]])] == [FAR_MS] * 3
    assert one.release() == 2
    assert one.store.run(bring(0, LINE)) == (3, 0)
    assert one.store.run(bring(0, LINE)) == (0, 0)


def test_whoever_has_a_time_of_its_own_by_then_is_not_brought(one: Mailbag) -> None:
    """It was planned anew, held or ended since: the entry is stale."""
    planned, held, gone, waits = put_in_line(one, 4)
    planned.next_ms = FAR_MS - 1
    for record, state in ((planned, State.SCHEDULED), (held, State.HELD), (gone, State.CANCELLED)):
        one.put(record, state)
    assert one.store.run(bring(0, LINE)) == (1, 0)
    assert one.record(planned.id).next_ms == FAR_MS - 1
    assert one.record(held.id).state is State.HELD
    assert one.record(waits.id).next_ms < FAR_MS


def test_one_comes_later_where_that_is_asked_and_never_later_than_planned(one: Mailbag) -> None:
    """The next canary is due when its sender is asked again."""
    (record,) = put_in_line(one, 1)
    assert one.store.run(bring(0, LINE, 1, 30_000)) == (1, 0)
    later = one.record(record.id).next_ms
    assert later < FAR_MS
    (soon,) = one.claimed()
    soon.state, soon.next_ms = State.SCHEDULED, later - 25_000
    one.move(Move(record=soon, token=TOKEN, line=LINE))
    assert one.store.run(bring(0, LINE, 1, 30_000)) == (0, 0)
    assert one.record(soon.id).next_ms == later - 25_000


def test_a_line_is_forgotten_when_all_in_it_are_stale(one: Mailbag) -> None:
    """Two days after the last one was put there; what stands in it came by its own time long before."""
    put_in_line(one, 1)
    left_ms = int(one.raw.pttl(keys.line(0, LINE)))
    assert 0 < left_ms <= 2 * 86_400_000
