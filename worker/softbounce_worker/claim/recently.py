"""Whether an envelope was sent on lately already: then two see its road differently, and it goes in circles."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Recently"]

MOST = 20_000


class Recently:
    """What was noted within some seconds.

    :param time: the loop's clock.
    """

    def __init__(self, seconds: float, time: Callable[[], float]) -> None:
        self._seconds = seconds
        self._time = time
        self._noted: dict[bytes, float] = {}

    def is_again(self, identity: bytes) -> bool:
        """Note it. True: it was within the time before."""
        now = self._time()
        before = self._noted.pop(identity, None)
        if len(self._noted) >= MOST:
            del self._noted[next(iter(self._noted))]
        self._noted[identity] = now
        return before is not None and now - before < self._seconds
