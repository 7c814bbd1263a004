"""What is noted of a receiver in the store, and the lease by which this process may tell it."""

from __future__ import annotations

import time
from collections.abc import Callable

from softbounce.errors import StoreError
from softbounce.store.shards import AsyncShards
from softbounce.store.webhooks import Changes, Owned, Receiver, hold_receiver

__all__ = ["Ledger", "NotOurs"]

LEASE = 15.0
RENEWED_AFTER = 5.0
NOTED_AFTER = 0.5
"""So long what was told may be told again, where the process is killed."""
MARGIN = 2.0
MANY = 500


class NotOurs(Exception):
    """Another process owns the receiver."""


class Ledger:
    """One receiver's.

    :param token: by which this process owns it.
    :param keep_events: how many events the log keeps.
    :ivar receiver: as it is to be noted next.
    :ivar changes: what is to be noted beside it.
    """

    def __init__(self, store: AsyncShards, name: str, token: bytes, keep_events: Callable[[], int]) -> None:
        self._store = store
        self._name = name
        self._token = token
        self._keep_events = keep_events
        self._base = (0, 0.0)
        self._held_until = 0.0
        self._noted = 0.0
        self.receiver = Receiver(cursor="")
        self.changes = Changes()

    @property
    def now_ms(self) -> int:
        """The store's time, as far as it is known."""
        ms, at = self._base
        return ms + int((time.monotonic() - at) * 1000)

    @property
    def is_held(self) -> bool:
        """Whether nobody else may tell the receiver now."""
        return time.monotonic() < self._held_until

    def is_due(self, *, is_dirty: bool) -> bool:
        """Whether it is time to note."""
        since = time.monotonic() - self._noted
        return since >= (NOTED_AFTER if is_dirty else RENEWED_AFTER) or len(self.changes) >= MANY

    @property
    def due_in(self) -> float:
        """Seconds until it is."""
        return max(0.0, NOTED_AFTER + self._noted - time.monotonic())

    async def take(self) -> Receiver | None:
        """Own the receiver; as it was noted, ``None``: it is new.

        :raises NotOurs: another process does.
        """
        return (await self._hold(LEASE, None, Changes())).receiver

    async def note(self, *, lets_go: bool = False) -> None:
        """Note all, and own it for longer. What could not be noted is noted the next time.

        :raises NotOurs: another process owns it by now.
        """
        changes, self.changes = self.changes, Changes()
        self.receiver.noted_ms = self.now_ms
        try:
            await self._hold(0 if lets_go else LEASE, self.receiver, changes)
        except StoreError:
            later, self.changes = self.changes, changes
            changes.told += later.told
            changes.dead += later.dead
            changes.undead += later.undead
            changes.untold |= later.untold
            raise

    async def _hold(self, lease: float, receiver: Receiver | None, changes: Changes) -> Owned:
        began = time.monotonic()
        owned = await self._store.run(
            hold_receiver(
                self._name,
                self._token,
                lease_ms=int(lease * 1000),
                receiver=receiver,
                changes=changes,
                keep_events=self._keep_events(),
            )
        )
        self._base = (owned.now_ms, time.monotonic())
        if not owned.is_ours:
            self._held_until = 0.0
            raise NotOurs
        self._held_until = began + max(0.0, lease - MARGIN)
        self._noted = time.monotonic()
        return owned
