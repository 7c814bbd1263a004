"""Standing holds, from the scheduler's side: each ends at its end, and what it held goes on.

Envelopes meet a hold when a worker claims them; here only what is held is walked over, and only when a hold has ended.
Its entry stays until a walk has been made that began when no worker held anything by it any more: whoever dies in the
middle leaves it, and the next scheduler walks. Two schedulers at once do the same twice, with one effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from softbounce.standing import StandingHold
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.standing_holds import end_hold, forget_hold

from .expiry import Expiry
from .store_view import LATE_WORKERS_MS, StoreView

__all__ = ["StandingHoldsKeeper"]

LOOK_EVERY = 5.0
"""Seconds. Somebody who adds or ends one says so."""
log = structlog.get_logger("softbounce.scheduler")


class StandingHoldsKeeper:
    """Sees to their ends.

    :param queues: of each shard, what walks over it.
    """

    def __init__(self, view: StoreView, queues: Sequence[Expiry]) -> None:
        self._view = view
        self._queues = queues
        self._woken = asyncio.Event()
        self._walked: set[tuple[str, int]] = set()
        self._pause = 0.0

    def wake(self) -> None:
        """One may have begun or ended."""
        self._woken.set()

    async def step(self) -> None:
        """Look at all of them: end those whose end has come, and release what those held that have ended."""
        try:
            async with asyncio.timeout(self._pause):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        self._pause = 1.0  # where the following fails
        store = self._view.store
        now_ms = (await store.run(read_time(keys.HOME))).now_ms
        holds = await self._view.read_standing()
        for name, hold in holds.items():
            if not hold.ended_ms and hold.is_over(now_ms):
                keep = self._view.settings.keep_events_max
                if await store.run(end_hold(name, hold, now_ms, why="Its end has come.", keep_events=keep)) == 1:
                    log.info("standing_hold_ended", hold=name)
        holds = await self._view.read_standing()
        await self._release({name: hold for name, hold in holds.items() if hold.ended_ms}, now_ms)
        ends = [hold.until_ms for hold in holds.values() if not hold.ended_ms and hold.until_ms]
        ends += [hold.ended_ms + LATE_WORKERS_MS for hold in holds.values() if hold.ended_ms]
        wait = min((end - now_ms for end in ends), default=LOOK_EVERY * 1000) / 1000
        self._pause = min(LOOK_EVERY, max(0.05, wait))

    async def _release(self, ended: Mapping[str, StandingHold], now_ms: int) -> None:
        """Walk at once when one has ended, and once more when no worker holds anything by it any more."""
        quiet = {name: hold for name, hold in ended.items() if now_ms - hold.ended_ms >= LATE_WORKERS_MS}
        new = {(name, hold.revision) for name, hold in ended.items()}
        if quiet or not new <= self._walked:
            changed = sum([await queue.release_free() for queue in self._queues])
            log.info("standing_holds_released", holds=sorted(ended), envelopes_changed=changed)
        self._walked = new
        for name, hold in quiet.items():
            await self._view.store.run(forget_hold(name, hold))
