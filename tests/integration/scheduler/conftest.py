"""The scheduler's parts on an empty store, each step by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from mailbag import Mailbag, open_bag
from servers import Valkey
from softbounce_scheduler.expiry import Expiry
from softbounce_scheduler.jobs import JobSender
from softbounce_scheduler.release import Releaser
from softbounce_scheduler.scrub import Scrub
from softbounce_scheduler.store_view import StoreView
from softbounce_scheduler.sweep import Sweeper

from softbounce.jobs import jobs_place
from softbounce.settings import Settings
from softbounce.store.shards import AsyncShards

T = TypeVar("T")


@dataclass
class Parts:
    """The parts of a scheduler, with one view of the store."""

    view: StoreView
    releaser: Releaser
    sweeper: Sweeper
    expiry: Expiry
    scrub: Scrub


@dataclass
class Bench:
    """Runs steps of the scheduler's parts on a store."""

    bag: Mailbag
    settings: Settings
    lease_ms: int = 0

    def run(self, step: Callable[[Parts], Coroutine[Any, Any, T]]) -> T:
        """Run one step, by parts that have seen nothing yet."""

        async def run() -> T:
            store = AsyncShards(self.bag.store.url)
            job_sender = JobSender(jobs_place(self.bag.store))
            view = StoreView(store, 1)
            view.settings = self.settings
            try:
                releaser = Releaser(view, job_sender, 0)
                sweeper = Sweeper(view, releaser, self.lease_ms)
                return await step(Parts(view, releaser, sweeper, Expiry(view, 0), Scrub(view, sweeper)))
            finally:
                job_sender.close()
                await store.close()

        return asyncio.run(run())


@pytest.fixture
def bench(store_server: Valkey) -> Iterator[Bench]:
    """An empty store, whose books are audited afterwards."""
    with open_bag(store_server.url) as bag:
        yield Bench(bag, Settings())
        bag.audit()
