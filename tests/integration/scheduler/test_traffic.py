"""What went in and out, minute by minute: noted by the scheduler, told by the client."""

from __future__ import annotations

import struct
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from softbounce_scheduler.traffic import TrafficNotes

from softbounce import Client, InvalidArgument, TrafficPoint
from softbounce.counting import ended
from softbounce.store.metrics import add_counts
from softbounce.store.traffic import A_DAY, MINUTE_MS, read_totals

if TYPE_CHECKING:
    from conftest import Bench


def tell(bench: Bench, **asked: int) -> list[TrafficPoint]:
    """What a client is told."""
    with Client(bench.bag.store.url) as mail:
        return mail.traffic(**asked)


def noted(bench: Bench, ago: int, *, accepted: int, waiting: int = 0) -> None:
    """A note of some minutes ago, at the very beginning of the minute."""
    minute = bench.bag.enlist() // MINUTE_MS - ago
    octets = struct.pack(">7Q", minute * MINUTE_MS, accepted, 0, 0, 0, 0, waiting)
    bench.bag.raw.hset(bench.bag.key("traffic"), minute % A_DAY, octets)


def test_issue15_a_minute_is_noted_once(bench: Bench) -> None:
    """Whoever comes first in a minute notes it; another scheduler, or one that begins anew, changes nothing."""
    bench.bag.begin()
    key = bench.bag.key("traffic")
    left = bench.run(lambda parts: TrafficNotes(parts.view).note())
    assert 0 < left <= MINUTE_MS
    before = bench.bag.raw.hgetall(key)
    bench.bag.scheduled(recipients=3)
    bench.run(lambda parts: TrafficNotes(parts.view).note())
    after = bench.bag.raw.hgetall(key)
    assert len(after) in {1, 2}  # the minute may have ended meanwhile
    assert before.items() <= after.items()


def test_issue15_what_is_kept_of_traffic_is_a_day(bench: Bench) -> None:
    """The same minute of the day before is written over; what else stands there is no note."""
    bench.bag.begin()
    for wrong in (struct.pack(">7Q", 5, *[1] * 6), b"", b"nonsense"):
        for field in range(A_DAY):
            bench.bag.raw.hset(bench.bag.key("traffic"), field, wrong)
        assert tell(bench, minutes=A_DAY) == []
        bench.run(lambda parts: TrafficNotes(parts.view).note())
        assert len(tell(bench, minutes=2)) == 1
        assert bench.bag.raw.hlen(bench.bag.key("traffic")) == A_DAY
    bench.bag.raw.set(bench.bag.key("traffic"), "a string")
    bench.run(lambda parts: TrafficNotes(parts.view).note())
    assert len(tell(bench, minutes=2)) == 1


def test_issue15_traffic_tells_of_each_while_once(bench: Bench) -> None:
    """Points follow each other without a gap, the last one ends now, and a minute that nobody noted is in the next."""
    bench.bag.begin()
    bench.bag.scheduled(recipients=9)
    name, _ = ended("bounced", "rejected")
    bench.bag.store.run(add_counts({name: 4, "attempts|soft|rcpt|greylist": 7, "ended|delivered_late|": 2}))
    for ago, accepted in ((30, 1), (5, 2), (2, 8)):
        noted(bench, ago, accepted=accepted, waiting=ago)
    points = tell(bench, minutes=10)
    assert [(one.accepted, one.waiting) for one in points] == [(6, 2), (1, 9)]
    assert [one.until_at - one.from_at for one in points[:-1]] == [timedelta(minutes=3)]
    assert points[0].until_at == points[1].from_at
    assert (points[1].bounced, points[1].deferred, points[1].delivered) == (4, 7, 2)
    assert sum(one.accepted for one in tell(bench, minutes=60)) == 8
    noted(bench, 1, accepted=500)  # by a shard that was a newer copy
    assert [one.accepted for one in tell(bench, minutes=2)] == [492, 0]


def test_issue15_traffic_in_steps(bench: Bench) -> None:
    """A step of minutes reads no more of the notes than it shows; the bounds of both are said."""
    bench.bag.begin()
    now = bench.bag.enlist() // MINUTE_MS
    for ago in range(40):
        noted(bench, ago, accepted=0)
    stepped = tell(bench, minutes=30, step=10)
    assert len(stepped) == sum((now - ago) % 10 == 0 for ago in range(31))
    assert {one.until_at - one.from_at for one in stepped[:-1]} == {timedelta(minutes=10)}
    for wrong in ({"minutes": 0}, {"minutes": A_DAY + 1}, {"step": 0}, {"step": 61}):
        with pytest.raises(InvalidArgument, match="give 1 to"):
            tell(bench, **wrong)
    assert bench.bag.store.run(read_totals(1)).accepted == 0
