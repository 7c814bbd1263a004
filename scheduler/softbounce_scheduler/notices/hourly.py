"""How many notices each address gets in an hour: a bounce of everything is told, and buries nobody.

In bounded memory. What was counted is written down with the place up to which the log was followed, so that another
scheduler, or a later one, goes on with it: who restarts the service is not buried by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest

import msgspec

from softbounce.store.nonsense import ignore

__all__ = ["Hourly"]

HOUR_MS = 3_600_000
MOST_ADDRESSES = 10_000
MOST_NOTED = 1_000
"""Addresses whose counts are written down, those with the most: of others a restart forgets some notices."""


@dataclass(slots=True)
class _Count:
    hour: int
    written: int = 0
    left_out: int = 0


class _Noted(msgspec.Struct, array_like=True, frozen=True):
    """One of them as it is written down."""

    address: str
    hour: int
    written: int
    left_out: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Noted]).decode


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

    def note(self) -> bytes:
        """What was counted in the latest hour, to be written down."""
        hour = max((count.hour for count in self._counts.values()), default=0)
        those = [
            _Noted(address, count.hour, count.written, count.left_out)
            for address, count in self._counts.items()
            if count.hour == hour and count.written
        ]
        return _encode(nlargest(MOST_NOTED, those, key=lambda one: one.written)) if those else b""

    def go_on_with(self, octets: bytes) -> None:
        """Count on from what was written down. What cannot be read says nothing."""
        try:
            noted = _decode(octets) if octets else []
        except msgspec.DecodeError:
            ignore("notices", octets)
            return
        for one in noted[:MOST_NOTED]:
            self._counts[one.address] = _Count(one.hour, max(0, one.written), max(0, one.left_out))

    def _of(self, address: str, at_ms: int) -> _Count:
        hour = at_ms // HOUR_MS
        count = self._counts.pop(address, None)
        if count is None or count.hour < hour:
            count = _Count(hour)
        self._counts[address] = count
        if len(self._counts) > MOST_ADDRESSES:
            del self._counts[next(iter(self._counts))]
        return count
