"""The scheduler's own loop of sweeps: when it looks for lost workers, and when it takes nothing from anyone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from mailbag import PROCESS, Mailbag, open_bag
from proxy import Proxy
from servers import Valkey
from softbounce_scheduler.service import Scheduler

from softbounce.envelope import State
from softbounce.jobs import jobs_place
from softbounce.store.shards import AsyncShards

LEASE = timedelta(seconds=1)


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store, whose books are audited afterwards."""
    with open_bag(store_server.url) as bag:
        yield bag
        bag.audit()


@asynccontextmanager
async def scheduling(bag: Mailbag, url: str, *, sweep: float) -> AsyncIterator[None]:
    """A scheduler, until left; one that ends by itself is an error."""
    store = AsyncShards(url)
    scheduler = Scheduler(store, jobs_place(bag.store), shards=1, sweep=timedelta(seconds=sweep), lease=LEASE)
    running = asyncio.create_task(scheduler.run())
    try:
        yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await store.close()


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition that others bring about; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def ends_in(bag: Mailbag, seconds: float) -> None:
    """Let the worker's lease end then."""
    now, micros = bag.raw.time()
    bag.raw.zadd(bag.key("leases"), {PROCESS: now * 1000 + micros // 1000 + round(seconds * 1000)})


def test_F07_a_lease_that_ends_between_two_sweeps_waits_for_no_sweep(bag: Mailbag) -> None:
    """What a dead worker held goes back when its lease ends, not up to a whole sweep interval later."""
    (record,) = bag.claimed()

    async def scene() -> float:
        async with scheduling(bag, bag.store.url, sweep=2.0):
            ends_in(bag, 2.6)  # the sweeps come after 2 s and 4 s
            return await until(lambda: bag.record(record.id).state is State.SCHEDULED, 5)

    assert 2.6 <= asyncio.run(scene()) < 3.4


def test_F13_a_store_that_was_away_during_one_call_ends_no_lease(bag: Mailbag, store_server: Valkey) -> None:
    """The scheduler waited for it in a single call that saw no error: nobody could renew meanwhile all the same."""
    (record,) = bag.claimed()
    bag.ready(lane="elsewhere")

    def has_swept() -> bool:
        return bool(bag.raw.hexists(bag.key("hint"), "elsewhere"))

    async def scene() -> None:
        with Proxy(store_server.socket_path) as proxy:
            async with scheduling(bag, proxy.url, sweep=0.3):
                await until(has_swept, 3)
                await asyncio.sleep(LEASE.total_seconds())  # it has known the store for longer than a lease
                assert bag.record(record.id).state is State.ATTEMPTING
                ends_in(bag, 1.2)
                await asyncio.sleep(0.7)  # it sees that
                with proxy.away():
                    await asyncio.sleep(1.5)
                bag.raw.hdel(bag.key("hint"), "elsewhere")
                await until(has_swept, 0.9)
                assert bag.record(record.id).state is State.ATTEMPTING
                ends_in(bag, 60)  # it could renew by now
                await asyncio.sleep(LEASE.total_seconds())
                assert bag.record(record.id).state is State.ATTEMPTING

    asyncio.run(scene())
