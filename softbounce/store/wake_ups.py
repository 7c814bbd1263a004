"""Listens to wake-ups. They may be lost at any time: whoever listens also looks by itself now and then.

Sharded channels, each on the node that has its shard: the same code serves one server and a cluster. When one
subscription is lost, or a channel moves, all are made again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import RedisError

from softbounce.errors import StoreError
from softbounce.store.shards import AsyncShards

__all__ = ["listen"]

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
LOOK_EVERY = 5.0
"""Seconds after which a subscription looks whether calls meet another server by now. It hears nothing of that by itself
where the server before lives on, and a name or an address leads elsewhere."""
log = logging.getLogger("softbounce")
Hear = Callable[[bytes, bytes], None]


class _Moved(Exception):
    """A node gave a channel away, or other servers are in use by now."""


async def listen(store: AsyncShards, channels: Sequence[bytes], hear: Hear) -> None:
    """Call ``hear(channel, text)`` for each wake-up until cancelled.

    After each (re)connection it is called once a channel with an empty text: something may have been missed.
    """
    pause = FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            subscriptions = await store.pubsubs(channels)
            if len(subscriptions) == 1:
                await _follow(store, *subscriptions[0], hear)
            else:
                async with asyncio.TaskGroup() as group:
                    for pubsub, some in subscriptions:
                        group.create_task(_follow(store, pubsub, some, hear))
        except* (RedisError, OSError, EOFError, StoreError, _Moved):
            store.doubt()
        except* Exception:  # whatever it is: wake-ups may be lost, and the next ones need not be
            log.exception("listening failed and begins anew")
            store.doubt()
        if loop.time() - began > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def _follow(store: AsyncShards, pubsub: Any, channels: Sequence[bytes], hear: Hear) -> None:  # noqa: ANN401 - redis-py has no type for it
    began_with = store.server
    try:
        for channel in channels:  # one by one: a cluster refuses a command about the channels of two shards
            await pubsub.ssubscribe(channel)
        while True:
            message = await pubsub.get_message(timeout=LOOK_EVERY)
            began_with = began_with or store.server
            if store.server != began_with:
                raise _Moved
            if message is None:
                continue
            match message["type"]:
                case "ssubscribe":  # from now on; also when the library has reconnected by itself
                    _tell(hear, message["channel"], b"")
                case "smessage":
                    _tell(hear, message["channel"], message["data"])
                case "sunsubscribe":
                    raise _Moved
                case _:
                    pass
    finally:
        await pubsub.aclose()
        await pubsub.connection_pool.disconnect()


def _tell(hear: Hear, channel: bytes, text: bytes) -> None:
    """Pass a wake-up on. One that its hearer stumbles over is only that one."""
    try:
        hear(channel, text)
    except Exception:
        log.exception("a wake-up could not be heard: %r", text[:100])
