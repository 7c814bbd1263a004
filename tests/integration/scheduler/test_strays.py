"""What was taken by a clock that ran ahead, and nobody knew, is dated anew: all of it, once, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softbounce.envelope import Record
from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import steady_seconds

if TYPE_CHECKING:
    from conftest import Bench, Parts

HOUR = 3_600_000
MANY = 2500
CLOSE = 50


def taken(bench: Bench, now_ms: int, number: int) -> list[Record]:
    """Mail that is dated by a clock that runs ahead by an hour."""
    bag = bench.bag
    records = bag.scheduled(recipients=number)
    for record in records:
        record.created_ms = record.next_ms = now_ms + HOUR + 5
        record.expires_ms = record.created_ms + 24 * HOUR
    bag.raw.hset(bag.key("e"), mapping={record.id: record.pack() for record in records})
    bag.raw.zadd(bag.key("due"), {record.id: record.next_ms for record in records})
    return records


def mend(bench: Bench, now_ms: int) -> None:
    """A scheduler that sees the step, and then that it is corrected."""

    async def steps(parts: Parts) -> None:
        at = steady_seconds()
        await parts.board.believes(0, StoreTime(now_ms, 0), at)
        await parts.board.believes(0, StoreTime(now_ms + HOUR, 0), at + 0.001)
        assert parts.board.stray(0) is not None
        bench.bag.raw.delete(bench.bag.key("clock"))  # the step was played: there is nothing to correct
        await parts.releaser.step()
        assert parts.board.stray(0) is None
        await parts.releaser.step()

    bench.run(steps)


def test_F20_thousands_of_strays_are_all_dated_anew(bench: Bench) -> None:
    """Also where more ordinary mail is planned for then than one look shows."""
    bag = bench.bag
    now_ms = bag.raw.time()[0] * 1000
    ordinary = bag.scheduled(recipients=MANY, not_before_ms=now_ms + HOUR)
    strays = taken(bench, now_ms, MANY)
    mend(bench, now_ms)
    for record in bag.records([one.id for one in strays]):
        assert abs(record.created_ms - now_ms) < CLOSE
        assert record.expires_ms == record.created_ms + 24 * HOUR
    assert all(one.next_ms == now_ms + HOUR for one in bag.records([one.id for one in ordinary]))


def test_F20_a_stray_that_is_not_to_go_before_a_time_waits_for_it(bench: Bench) -> None:
    """Its ``at`` is a time of the app's, and not of the clock's."""
    bag = bench.bag
    now_ms = bag.raw.time()[0] * 1000
    (record,) = taken(bench, now_ms, 1)
    record.envelope.at_ms = now_ms + HOUR // 2
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    mend(bench, now_ms)
    after = bag.record(record.id)
    assert abs(after.created_ms - now_ms) < CLOSE
    assert after.next_ms == now_ms + HOUR // 2
