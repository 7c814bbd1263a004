"""The store for whichever event loop asks: each has connections of its own, made when it first asks and closed with it.

An app may call ``asyncio.run`` once a mail, as task queues and synchronous frameworks do; it may run loops in several
threads; it may fork. A connection of one loop is of no use in another: what it sends leaves, and nobody hears the
answer.
Does not know what is asked; :mod:`softbounce.store.async_shards` carries it out.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator
from typing import NamedTuple, TypeAlias, TypeVar

from softbounce.errors import StoreUnavailable
from softbounce.store.async_shards import AsyncShards
from softbounce.store.call import Operation

__all__ = ["LoopShards"]

T = TypeVar("T")
Store: TypeAlias = "weakref.ref[LoopShards]"


class _Here(NamedTuple):
    """What one loop has, and the generator that the loop closes at its end."""

    shards: AsyncShards
    closing: AsyncGenerator[None, None]


class LoopShards:
    """The store, for any number of event loops, one after another or at once, in any thread."""

    def __init__(self, url: str, *, timeout: float, patience: float) -> None:
        self._url = url
        self._timeout = timeout
        self._patience = patience
        self._loops: dict[asyncio.AbstractEventLoop, _Here] = {}
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._new_shards()  # a URL that cannot be used is told now

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation on the running loop, and read its answers."""
        return await (await self._here()).run(operation)

    async def close(self) -> None:
        """Close the idle connections of the running loop, and of those that run in other threads."""
        with self._lock:
            loops, self._loops = self._loops, {}
        running = asyncio.get_running_loop()
        for loop, here in loops.items():
            if loop is running:
                await here.closing.aclose()
            elif loop.is_closed():
                here.shards.abandon()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(here.closing.aclose(), loop)

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop is at its end: what it had is being closed."""
        with self._lock:
            self._loops.pop(loop, None)

    def _new_shards(self) -> AsyncShards:
        return AsyncShards(self._url, timeout=self._timeout, patience=self._patience)

    async def _here(self) -> AsyncShards:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise StoreUnavailable("AsyncClient needs an event loop of asyncio; nothing was taken") from None
        if self._pid != os.getpid():  # in a child: its parent's connections and locks are not its own
            self._loops, self._lock, self._pid = {}, threading.RLock(), os.getpid()  # pragma: no cover - unmeasured
        with self._lock:
            here = self._loops.get(loop)
            if here is None:
                gone = [self._loops.pop(one) for one in list(self._loops) if one.is_closed()]
                shards = self._new_shards()
                closing = _close_at_the_end(loop, shards, weakref.ref(self))
                here = self._loops[loop] = _Here(shards, closing)
            else:
                return here.shards
        for one in gone:
            one.shards.abandon()
        # From here on the loop knows the generator, and closes it when it shuts down, as asyncio.run has it do.
        await anext(here.closing)
        return here.shards


async def _close_at_the_end(
    of: asyncio.AbstractEventLoop, shards: AsyncShards, store: Store
) -> AsyncGenerator[None, None]:
    """Waits until it is closed: by the loop, by the store's ``close``, or because nobody has the store any more."""
    try:
        yield
    finally:
        if (owner := store()) is not None:
            owner.forget(of)
        await shards.close()
