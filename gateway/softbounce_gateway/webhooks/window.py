"""How far the event log was dealt with: what was read of it and is not settled yet holds the cursor back. Pure.

An event is settled when the receiver took it, when it is noted as untold, or when it is none of this receiver's. Each
shard has a place of its own, before which all is settled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from softbounce.client.event_log import Cursor, LogPosition

__all__ = ["Slot", "Window"]


class Slot:
    """An event that was read.

    :ivar place: behind it.
    """

    __slots__ = ("is_settled", "place")

    def __init__(self, place: LogPosition) -> None:
        self.place = place
        self.is_settled = False


class Window:
    """What was read behind a cursor."""

    def __init__(self, cursor: Sequence[LogPosition]) -> None:
        self._low = list(cursor)
        self._slots: list[deque[Slot]] = [deque() for _ in cursor]
        self._unsettled = 0

    def __len__(self) -> int:
        """How many events are not settled."""
        return self._unsettled

    def pass_over(self, shard: int, place: LogPosition) -> None:
        """An event is none of this receiver's."""
        slots = self._of(shard)
        if not slots:
            self._low[shard] = place
        elif slots[-1].is_settled:
            slots[-1].place = place
        else:
            passed = Slot(place)
            passed.is_settled = True
            slots.append(passed)

    def add(self, shard: int, place: LogPosition) -> Slot:
        """An event is to be told."""
        slot = Slot(place)
        self._of(shard).append(slot)
        self._unsettled += 1
        return slot

    def settle(self, slot: Slot) -> None:
        """It is settled."""
        if not slot.is_settled:
            slot.is_settled = True
            self._unsettled -= 1

    @property
    def cursor(self) -> Cursor:
        """Behind all that is settled without a gap."""
        for shard, slots in enumerate(self._slots):
            while slots and slots[0].is_settled:
                self._low[shard] = slots.popleft().place
        return tuple(self._low)

    def _of(self, shard: int) -> deque[Slot]:
        while shard >= len(self._slots):
            self._slots.append(deque())
            self._low.append(LogPosition())
        return self._slots[shard]
