"""What DNS said, kept for as long as it said so, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["CEILING", "FLOOR", "AnswerCache"]

FLOOR = 5.0  # seconds; a domain with a TTL of 0 must not cost a query for every message
CEILING = 3600.0  # seconds; a moved host must be found again

Value = TypeVar("Value")


class AnswerCache(Generic[Value]):
    """A bounded map whose entries expire. The oldest entry makes room for a new one.

    :param limit: entries at most.
    :param clock: monotonic seconds.
    """

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: dict[object, tuple[float, Value]] = {}

    def get(self, key: object) -> Value | None:
        """The value, where there is one that has not expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock():
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: object, value: Value, *, expires: float) -> None:
        """Keep the value until the clock shows *expires*."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (expires, value)

    def drop(self, key: object) -> None:
        """Forget it, where it is there."""
        self._entries.pop(key, None)

    def drop_where(self, is_wrong: Callable[[Value], bool]) -> None:
        """Forget every value of a kind."""
        self._entries = {key: entry for key, entry in self._entries.items() if not is_wrong(entry[1])}

    def __len__(self) -> int:
        return len(self._entries)
