"""The store's time, as a worker knows it: what each shard's server told last, carried on by a clock that never steps.

The machine's wall clock is not asked: set an hour ahead, it would promote and delay mail that has time. What a server
tells is followed; whether mail may be ended by it, :mod:`softbounce.store.clock_watch` says.
"""

from __future__ import annotations

import asyncio

import structlog
from softbounce_config.loops import keep_going

from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.store.clock import read_time
from softbounce.store.clock_watch import ClockWatch, steady_seconds
from softbounce.store.shards import AsyncShards

__all__ = ["StoreClock"]

LOOK_EVERY = 1.0
"""Seconds."""
log = structlog.get_logger("softbounce.worker")


class StoreClock:
    """The time of each shard. It is known after :meth:`begin`."""

    def __init__(self, store: AsyncShards, shards: int) -> None:
        self._store = store
        self._watches = [ClockWatch() for _ in range(shards)]

    def now_ms(self, shard: int) -> int:
        """A shard's now."""
        return self._watches[shard].now_ms(steady_seconds())

    def now_of(self, identity: bytes) -> int:
        """The now of the shard that has an envelope."""
        return self._watches[shard_of(identity)].now_ms(steady_seconds())

    def is_sure(self, identity: bytes) -> bool:
        """Whether the clock of the shard that has an envelope can be believed so far that mail is ended by it."""
        return self._watches[shard_of(identity)].is_sure

    async def begin(self) -> None:
        """Look at all clocks.

        :raises StoreError: one cannot be asked.
        """
        await asyncio.gather(*map(self._look, range(len(self._watches))))

    async def follow(self) -> None:
        """Look at them every second, for ever; while one cannot be asked, its time runs on."""
        await keep_going("clock", self._look_again, log)

    async def _look_again(self) -> None:
        await asyncio.sleep(LOOK_EVERY)
        looks = await asyncio.gather(*map(self._look, range(len(self._watches))), return_exceptions=True)
        for error in looks:
            if error is not None and not isinstance(error, StoreError):
                raise error

    async def _look(self, shard: int) -> None:
        asked_at = steady_seconds()
        told = await self._store.run(read_time(shard))
        self._watches[shard].look(told, asked_at, steady_seconds())
