"""Sees at start that the store's user may use the channels that wake-ups go by, and says which right is missing.

A server gives a new user none unless it is told to. Nothing is lost without them, and everything is late: mail waits
for the next sweep each time. Whether keys and commands may be used is not asked here: what needs them fails by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import NoPermissionError, RedisError
from softbounce_config import Config

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.errors import StartFailed

__all__ = ["check_channels"]

WITHIN = 5.0
"""Seconds for each server. One that does not answer is waited for by those who work with it."""


async def check_channels(store: AsyncShards, config: Config) -> None:
    """Speak and listen on the channels of each shard, as the scheduler and the workers will.

    :raises StartFailed: a server does not let this user (exit code 2).
    :raises StoreError: the store went away.
    """
    if config.is_embedded:  # we may do everything there
        return
    channels = [keys.key(shard, "wake") for shard in range(config.store.shards)]
    channels += [keys.key(keys.HOME, "news"), keys.to_process("nobody")]
    found = await asyncio.gather(*(_refusal(pubsub, some) for pubsub, some in await store.pubsubs(channels)))
    refused = next(filter(None, found), "")
    if not refused:
        return
    (who,) = await store.call([Call.read(keys.HOME, b"ACL", b"WHOAMI")])
    user = "USER" if isinstance(who, StoreError) else who.decode("utf-8", "replace")
    # Who has all channels already may be given no pattern: the server takes that for a mistake.
    channels_too = "&sb:* " if " channel" in refused else ""
    raise StartFailed(
        f"the store at {redact(store.url)} does not let its user use the channels by which schedulers and workers wake "
        f"each other: {refused}. No mail would be lost, and all of it late.\n"
        "  Give it the right, on each server:\n"
        f"    ACL SETUSER {user} {channels_too}+spublish +ssubscribe +sunsubscribe",
        exit_code=2,
    )


async def _refusal(pubsub: Any, channels: Sequence[bytes]) -> str:  # noqa: ANN401 - redis-py has no type for it
    """What a server does not let us do, in its words; empty: it lets us, or does not tell."""
    speaker = redis.asyncio.Redis(connection_pool=pubsub.connection_pool)
    doing = ""
    try:
        async with asyncio.timeout(WITHIN):
            for channel in channels:
                doing = f"SPUBLISH {channel.decode()}"
                await speaker.execute_command("SPUBLISH", channel, b"")
                doing = f"SSUBSCRIBE {channel.decode()}"
                await pubsub.ssubscribe(channel)
                await pubsub.get_message(timeout=WITHIN)
    except NoPermissionError as error:
        return f"{doing}: {error}"
    except (RedisError, OSError, EOFError):
        return ""
    finally:
        await pubsub.aclose()
        await pubsub.connection_pool.disconnect()
    return ""
