"""What is told of a service while something is wrong: the engine in process, its scheduler a loop of three lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from delivery import Delivery

from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.published import publish_settings
from softbounce.store.wake_ups import listen

__all__ = ["as_service"]


@asynccontextmanager
async def as_service(mail: Delivery, settings: Settings) -> AsyncIterator[None]:
    """What a scheduler does beside releasing: it listens, and has published the settings."""
    await mail.store.run(publish_settings(settings, over=0))
    heard = asyncio.Event()
    listening = asyncio.create_task(
        listen(mail.store, [keys.key(keys.HOME, "wake")], lambda _channel, _text: heard.set())
    )
    try:
        await asyncio.wait_for(heard.wait(), 10)
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])
