"""Counts what became of TLS, a day at a time, and tells a local collector of it where one is configured.

A domain counts once a session, and once each time that no session could be had for its mail. What a process counted
goes to the store now and then; what a collector is told, :mod:`.collector` says. Neither ever keeps mail waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog
from softbounce_config.loops import keep_going

from softbounce.duration import from_epoch_ms
from softbounce.errors import StoreError
from softbounce.store.keys import HOME
from softbounce.store.tls_results import SUCCESS, TlsCount, add_results
from softbounce_worker.process import WorkerProcess
from softbounce_worker.tls_results.collector import Collector
from softbounce_worker.tls_results.kinds import Seen

__all__ = ["TlsTally"]

EVERY = 10.0
log = structlog.get_logger("softbounce.worker")


class TlsTally:
    """The counts of one process."""

    def __init__(self, process: WorkerProcess, collector: Collector | None = None) -> None:
        self._process = process
        self._collector = collector
        self._counts: Counter[TlsCount] = Counter()

    def note(self, seen: Seen) -> None:
        """Count it."""
        day = from_epoch_ms(self._process.clock.now_ms(HOME))
        self._counts[TlsCount(f"{day:%Y-%m-%d}", seen.policy.word, seen.result.word if seen.result else SUCCESS)] += 1
        if self._collector is not None:
            self._collector.tell(seen)

    async def run(self) -> None:
        """Write down what was counted, until cancelled."""
        await keep_going("tls results", self._step, log)

    async def _step(self) -> None:
        await asyncio.sleep(EVERY)
        await self.flush()

    async def flush(self) -> None:
        """Write down what was counted.

        :raises StoreError: the store went away; it gets them the next time.
        """
        counts, self._counts = self._counts, Counter()
        if counts:
            try:
                await self._process.store.run(add_results(counts))
            except StoreError:
                self._counts.update(counts)
                raise

    async def close(self) -> None:
        """Count nothing more."""
        if self._collector is not None:
            self._collector.close()
        try:
            await self.flush()
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
