"""What takes longer to find out than a page may take: found out beside it, shared by all, and shown until it is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import structlog

__all__ = ["Found", "Remembered"]

T = TypeVar("T")
log = structlog.get_logger("softbounce.http")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found.

    :ivar value: ``None``: nothing yet.
    :ivar at: when; ``None``: nothing yet.
    :ivar is_looking: it is being looked at now.
    :ivar failed: why the last look found nothing; empty: it did.
    """

    value: T | None
    at: datetime | None
    is_looking: bool
    failed: str


class Remembered(Generic[T]):
    """One thing that is looked at, by one task at a time.

    :param seconds: after these it is old, and looked at anew by whoever asks next.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._value: T | None = None
        self._at: datetime | None = None
        self._old_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._failed = ""

    async def get(self, look: Callable[[], Awaitable[T]], *, patience: float, anew: bool = False) -> Found[T]:
        """What is known, which may be nothing yet.

        :param look: finds out.
        :param patience: seconds that a first look is waited for.
        :param anew: also where what is known is not old.
        """
        if self._task is None and (anew or time.monotonic() >= self._old_at):
            self._task = asyncio.create_task(self._look(look))
        if self._task is not None and self._value is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), patience)
        return self.known()

    def known(self) -> Found[T]:
        """What is known; nobody looks for it."""
        return Found(self._value, self._at, self._task is not None, self._failed)

    async def _look(self, look: Callable[[], Awaitable[T]]) -> None:
        try:
            self._value, self._at, self._failed = await look(), datetime.now(UTC), ""
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            log.warning("look_failed", error=str(error)[:500])
            self._failed = f"{type(error).__name__}: {error}"[:300]
        finally:
            self._old_at = time.monotonic() + self._seconds
            self._task = None
