"""Jobs die with the process that took them: when processes come or go, lanes that nobody has are hinted at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from mailbag import LANE, TOKEN, Mailbag

from softbounce.envelope import State
from softbounce.jobs import QUEUE
from softbounce.store import membership
from softbounce.store.membership import ProcessInfo

if TYPE_CHECKING:
    from conftest import Bench, Parts

OTHER = "another-process"


def hinted(bag: Mailbag) -> int:
    """How many jobs dramatiq has."""
    with redis.Redis.from_url(bag.store.url, db=1) as jobs:
        return jobs.llen(f"dramatiq:{QUEUE}")


def test_F10_a_process_that_comes_or_goes_has_jobs_sent_again_at_once(bench: Bench) -> None:
    """Not only half a minute later; once for each coming and going, and never for a lane that has a living owner."""
    bag = bench.bag
    bag.ready()
    info = ProcessInfo(pid=1, host="here", started_ms=0)
    numbers: list[int] = []

    async def scene(parts: Parts) -> None:
        async def sweep() -> None:
            await parts.sweeper.sweep()
            numbers.append(hinted(bag))

        await sweep()
        await sweep()
        bag.store.run(membership.enlist(OTHER, info, shards=1, lease_ms=60_000))
        await sweep()
        await sweep()
        bag.raw.zadd(bag.key("leases"), {OTHER: 1})
        await sweep()
        await sweep()
        bag.store.run(membership.enlist(OTHER, info, shards=1, lease_ms=60_000))
        bag.raw.hset(bag.key("owner"), LANE, OTHER)
        await sweep()

    bench.run(scene)
    assert numbers == [1, 1, 2, 2, 3, 3, 3]
    bag.raw.hdel(bag.key("owner"), LANE)


def test_F10_a_job_taken_along_is_sent_again_when_the_lane_has_work_once_more(bench: Bench) -> None:
    """What a killed process held waits for some seconds first, so there is nothing to hint at when it is missed."""
    bag = bench.bag
    bag.ready()
    info = ProcessInfo(pid=1, host="here", started_ms=0)
    numbers: list[int] = []

    async def scene(parts: Parts) -> None:
        async def sweep() -> None:
            await parts.sweeper.sweep()
            numbers.append(hinted(bag))

        await sweep()
        (record,) = bag.claim()
        bag.store.run(membership.enlist(OTHER, info, shards=1, lease_ms=60_000))
        await sweep()
        bag.put(record, State.READY, token=TOKEN)
        await sweep()
        await sweep()

    bench.run(scene)
    assert numbers == [1, 1, 2, 2]
