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
    :param octets: what all values may take together, as *weigh* says of one; what is larger by itself is not kept.
    """

    def __init__(
        self,
        limit: int,
        clock: Callable[[], float],
        *,
        octets: int | None = None,
        weigh: Callable[[Value], int] | None = None,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._octets = octets
        self._weigh = weigh or (lambda _value: 0)
        self._entries: dict[object, tuple[float, Value, int]] = {}
        self._weight = 0

    def get(self, key: object) -> Value | None:
        """The value, where there is one that has not expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._clock():
            self.drop(key)
            return None
        return entry[1]

    def put(self, key: object, value: Value, *, expires: float) -> None:
        """Keep the value until the clock shows *expires*."""
        self.drop(key)
        weight = self._weigh(value)
        if self._octets is not None and weight > self._octets:
            return
        while self._entries and (len(self._entries) >= self._limit or self._is_too_heavy(weight)):
            self.drop(next(iter(self._entries)))
        self._entries[key] = (expires, value, weight)
        self._weight += weight

    def drop(self, key: object) -> None:
        """Forget it, where it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry[2]

    def drop_where(self, is_wrong: Callable[[Value], bool]) -> None:
        """Forget every value of a kind."""
        for key in [key for key, entry in self._entries.items() if is_wrong(entry[1])]:
            self.drop(key)

    def _is_too_heavy(self, more: int) -> bool:
        return self._octets is not None and self._weight + more > self._octets

    def __len__(self) -> int:
        return len(self._entries)
