"""Compares the event log with what the receiver of webhooks was told, for as long as it takes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import redis

from softbounce import Client, StoreError
from torture.evidence import Tail

__all__ = ["Telling"]

LOOK_EVERY = 2.0


class Telling:
    """What the receiver still has to hear.

    :param told: the receiver's account.
    """

    def __init__(self, store_url: str, told: Path) -> None:
        self._store_url = store_url
        self._told = Tail(told)
        self._after: str | None = None
        self._happened: set[str] = set()
        self._heard: set[str] = set()

    async def ended(self, within: float) -> int:
        """Wait until it has heard of everything, or for so many seconds; how many events it never heard of."""
        ends_at = time.monotonic() + within
        while True:
            try:
                await asyncio.to_thread(self._look)
            except (StoreError, redis.RedisError, OSError):
                continue
            untold = len(self._happened - self._heard)
            if not untold or time.monotonic() > ends_at:
                return untold
            await asyncio.sleep(LOOK_EVERY)

    def _look(self) -> None:
        self._heard.update(line.partition(b" ")[0].decode() for line in self._told.lines())
        with Client(self._store_url) as mail:
            for event in mail.events(after=self._after):
                self._after = event.cursor
                self._happened.add(event.cursor)
