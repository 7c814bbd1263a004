"""Keeps the process's lease, from a thread of its own: an event loop that is busy for a moment must not lose it.

A loop that has not ticked for half a minute is wedged; for that one the lease is not renewed any more. A lease that
lapsed is never renewed: the process ends, and its successor starts under a new name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from softbounce.errors import StoreError
from softbounce.store import membership
from softbounce.store.shards import Shards

__all__ = ["LeaseKeeper"]

WEDGED = 30.0
log = structlog.get_logger("softbounce.worker")


class LeaseKeeper(threading.Thread):
    """Renews the lease three times in its length.

    :param lost: called once, in this thread, when the lease is gone for good.
    """

    def __init__(self, store: Shards, process: str, lease_seconds: float, lost: Callable[[], object]) -> None:
        super().__init__(name="lease", daemon=True)
        self.ticked_at = time.monotonic()
        self._renewed_at = time.monotonic()
        self._store = store
        self._process = process
        self._lease_seconds = lease_seconds
        self._lost = lost
        self._ending = threading.Event()

    def run(self) -> None:
        """Renew until stopped or lost."""
        while not self._ending.wait(self._lease_seconds / 3):
            if time.monotonic() - self.ticked_at > WEDGED:
                log.error("loop_wedged", seconds=round(time.monotonic() - self.ticked_at))
                continue
            sent_at = time.monotonic()
            try:
                is_renewed = self._store.run(membership.renew(self._process, round(self._lease_seconds * 1000)))
            except StoreError as error:
                log.warning("lease_not_renewed", error=str(error))
                continue
            if not is_renewed:
                self._lost()
                return
            self._renewed_at = sent_at

    @property
    def is_fresh(self) -> bool:
        """Whether the lease was renewed less than its length ago."""
        return time.monotonic() - self._renewed_at < self._lease_seconds

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
