"""How many notices each address gets in an hour: a bounce of everything is told, and buries nobody.

Counted in this process, so another scheduler, or a later one, counts anew. In bounded memory.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Hourly"]

HOUR_MS = 3_600_000
MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class _Count:
    hour: int
    written: int = 0
    left_out: int = 0


class Hourly:
    """Counts."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def take(self, address: str, at_ms: int, most: int) -> int:
        """Count one more notice to an address, for what happened then; how many more may follow; -1: it is too many."""
        count = self._of(address, at_ms)
        if count.written >= most:
            count.left_out += 1
            return -1
        count.written += 1
        return most - count.written

    def give_back(self, address: str) -> None:
        """One that was counted was not written: its turn comes again."""
        if (count := self._counts.get(address)) is not None and count.written:
            count.written -= 1

    def left_out(self, address: str) -> int:
        """How many were too many in the hour that is counted for an address."""
        count = self._counts.get(address)
        return 0 if count is None else count.left_out

    def _of(self, address: str, at_ms: int) -> _Count:
        hour = at_ms // HOUR_MS
        count = self._counts.pop(address, None)
        if count is None or count.hour < hour:
            count = _Count(hour)
        self._counts[address] = count
        if len(self._counts) > MOST_ADDRESSES:
            del self._counts[next(iter(self._counts))]
        return count
