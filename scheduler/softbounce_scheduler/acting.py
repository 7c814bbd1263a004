"""Carries out actions (:mod:`softbounce.client.action_run`): each step is a bounded one, between which others go on."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from softbounce.client.action_run import run_some
from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.store.shards import AsyncShards

__all__ = ["Acting"]

REST = 0.005
"""Seconds between two steps, so that what is due is not kept waiting behind them."""


class Acting:
    """The actions that this process carries out."""

    def __init__(self, store: AsyncShards) -> None:
        self._store = store
        self._knowledge = Knowledge()
        self._owner = f"scheduler-{secrets.token_hex(6)}"
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be another."""
        self._woken.set()

    async def step(self) -> None:
        """One step of each, and the rest that it leaves."""
        self._woken.clear()
        wait = await await_flow(run_some(self._knowledge, self._owner), self._store)
        if not wait:
            await asyncio.sleep(REST)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._woken.wait()
