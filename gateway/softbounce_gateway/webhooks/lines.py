"""The events that a receiver is to be told, in memory: one line for each envelope, of which only the head may go. Pure.

So the events of an envelope are told in order, whatever becomes of each, and one that is not taken holds up none but
those behind it. Which line goes next: first come, first served among those that were not tried yet, and those whose
next attempt is due by when it is.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from dataclasses import dataclass
from heapq import heappop, heappush

from softbounce.client.event_log import LogPosition
from softbounce.events import StoredEvent
from softbounce.store.webhooks import Untold
from softbounce_gateway.webhooks.window import Slot

__all__ = ["Line", "Lines", "Waiting", "line_of", "place_of"]

PLACE = struct.Struct(">HQQI")
LAST = 0xFFFFFFFF
Line = bytes


def place_of(shard: int, place: LogPosition) -> bytes:
    """An event's own place in the log, for ever the same, in the order of the log."""
    return PLACE.pack(shard, place.ms, place.sequence, place.events or LAST)


def line_of(stored: StoredEvent) -> Line:
    """Whose line an event stands in: its envelope's, or that of what it is about."""
    return stored.id or f"{stored.stream}\n{stored.host or ''}".encode()


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """An event that is to be told.

    :ivar slot: of the window; ``None``: it is noted as untold, so that the window need not wait for it.
    """

    place: bytes
    event: Untold
    slot: Slot | None = None

    @property
    def line(self) -> Line:
        """Its line."""
        return line_of(self.event.stored)


class Lines:
    """All lines of a receiver."""

    def __init__(self) -> None:
        self._lines: dict[Line, deque[Waiting]] = {}
        self._fresh: OrderedDict[Line, None] = OrderedDict()
        self._due: list[tuple[int, int, Line]] = []
        self._number = 0
        self._turn = 0
        self.places: set[bytes] = set()

    def __contains__(self, line: object) -> bool:
        return line in self._lines

    def all(self) -> list[Waiting]:
        """Every event that waits, each line in order."""
        return [one for line in self._lines.values() for one in line]

    def behind(self, line: Line) -> list[Waiting]:
        """The events of a line, its head first."""
        return list(self._lines.get(line, ()))

    def add(self, one: Waiting) -> None:
        """An event comes behind all others of its line."""
        line = self._lines.setdefault(one.line, deque())
        line.append(one)
        self.places.add(one.place)
        if len(line) == 1:
            self._offer(one)

    def next_due(self) -> int | None:
        """When the next attempt of one that was tried is due, ms; ``None``: there is none."""
        return self._due[0][0] if self._due else None

    @property
    def has_fresh(self) -> bool:
        """Whether there is one that was not tried, or is to be tried at once."""
        return bool(self._fresh)

    def begin(self, now_ms: int) -> Waiting | None:
        """The event that goes next; it stays the head of its line, which waits for what comes of it.

        What is due and what is fresh take turns, so that neither keeps the other from a receiver that takes one at a
        time.
        """
        is_due = bool(self._due) and self._due[0][0] <= now_ms
        self._turn += 1
        if is_due and not (self._fresh and self._turn % 2):
            line = heappop(self._due)[2]
        elif self._fresh:
            line, _ = self._fresh.popitem(last=False)
        else:
            return None
        return self._lines[line][0]

    def done(self, one: Waiting) -> None:
        """It goes; the one behind it is the head now."""
        self.places.discard(one.place)
        line = self._lines[one.line]
        line.popleft()
        if line:
            self._offer(line[0])
        else:
            del self._lines[one.line]

    def again(self, one: Waiting) -> None:
        """It stays the head, and is tried when its ``next_ms`` says."""
        self._offer(one)

    def bring_forward(self, since_ms: int) -> None:
        """What was tried last since then is tried now: what it waited for is over."""
        due, self._due = self._due, []
        for entry in sorted(due):
            head = self._lines[entry[2]][0].event
            if head.tries and head.tries[-1].ended_ms >= since_ms:
                head.next_ms = 0
                self._fresh[entry[2]] = None
            else:
                heappush(self._due, entry)

    def _offer(self, one: Waiting) -> None:
        if one.event.next_ms:
            self._number += 1
            heappush(self._due, (one.event.next_ms, self._number, one.line))
        else:
            self._fresh[one.line] = None
