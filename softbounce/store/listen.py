"""Listens to wake-ups. They may be lost at any time: whoever listens also looks by itself now and then.

Sharded channels, so that the same code serves a standalone server and a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from softbounce.store.shards import AsyncShards

__all__ = ["listen"]

LONGEST_PAUSE = 2.0


async def listen(store: AsyncShards, channels: Sequence[bytes], hear: Callable[[bytes, bytes], None]) -> None:
    """Call ``hear(channel, text)`` for each wake-up until cancelled.

    After each (re)connection it is called once a channel with an empty text: something may have been missed.
    """
    pause = 0.05
    while True:
        pubsub = store.pubsub()
        try:
            pubsub.ignore_subscribe_messages = False
            await pubsub.ssubscribe(*channels)
            while True:
                message = await pubsub.get_message(timeout=30.0)
                pause = 0.05
                if message is None:
                    continue
                if message["type"] == "ssubscribe":  # from now on; also when the library has reconnected by itself
                    hear(message["channel"], b"")
                elif message["type"] == "smessage":
                    hear(message["channel"], message["data"])
        except (RedisError, OSError, EOFError):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            await pubsub.aclose()
