"""Keeps the process's lease, from a thread of its own: an event loop that is busy for a moment must not lose it.

A loop that has not ticked for half a minute is wedged; for that one the lease is not renewed any more. A lease that
lapsed is never renewed: the process ends, and its successor starts under a new name. Nor is a lease prolonged by a
process that learns nothing of it: once a lease ran out by our own count, the store has to answer first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from softbounce.errors import StoreError
from softbounce.store import membership
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME
from softbounce.store.shards import Shards

__all__ = ["LeaseKeeper"]

WEDGED = 30.0
log = structlog.get_logger("softbounce.worker")


class LeaseKeeper(threading.Thread):
    """Renews the lease at once, and then three times in its length.

    A third is counted from when the renewal before was sent: a slow answer does not make the next one later.

    :param given_at: when the first lease was asked for; it may have begun then.
    :param lost: called once, in this thread, when the lease is gone for good.
    """

    def __init__(
        self, store: Shards, process: str, lease_seconds: float, *, given_at: float, lost: Callable[[], object]
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self.ticked_at = time.monotonic()
        self._renewed_at = given_at
        self._store = store
        self._process = process
        self._lease_seconds = lease_seconds
        self._lost = lost
        self._ending = threading.Event()

    def run(self) -> None:
        """Renew until stopped or lost."""
        every = self._lease_seconds / 3
        sent_at = self._renewed_at - every
        while not self._ending.wait(max(0.0, sent_at + every - time.monotonic())):
            sent_at = time.monotonic()
            if time.monotonic() - self.ticked_at > WEDGED:
                log.error("loop_wedged", seconds=round(time.monotonic() - self.ticked_at))
                continue
            try:
                if not self.is_fresh:
                    self._store.run(read_time(HOME))  # an answer, whatever it says
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
        """End the thread: what the process still holds lapses with the lease."""
        self._ending.set()
