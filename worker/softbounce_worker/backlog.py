"""What a lane has claimed and no session has taken yet: how much of it there should be, and what is taken together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from softbounce import transitions

from .work import Work

__all__ = ["DEEPEST", "Backlog"]

DEEPEST = 256


class Backlog:
    """The claimed envelopes that wait in a lane, first come, first taken.

    :param promote_if_expired: ends an envelope whose window closed meanwhile. False: it has not.
    """

    def __init__(self, promote_if_expired: Callable[[Work, int], bool]) -> None:
        self._promote_if_expired = promote_if_expired
        self._waiting: deque[Work] = deque()
        self._depth = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def wanted(self, width: int, coming: int) -> int:
        """How many more there should be, where so many sessions take from it and so many are on their way here."""
        depth = max(self._depth, width)
        held = len(self._waiting) + coming
        return depth - held if held <= depth // 2 else 0

    def is_low(self, width: int) -> bool:
        """Whether it is time for more."""
        return len(self._waiting) <= max(self._depth, width) // 2

    def deepen(self, width: int) -> None:
        """It ran dry while its lists had more: from now on it holds twice as much."""
        self._depth = min(DEEPEST, max(self._depth, width) * 2)

    def add(self, works: Iterable[Work]) -> None:
        """They come behind all others."""
        self._waiting.extend(works)

    def add_first(self, works: Sequence[Work]) -> None:
        """They come before all others, in their order."""
        self._waiting.extendleft(reversed(works))

    def take(self, most: int, now_ms: int) -> list[Work]:
        """Take the message at the head, with as many as allowed of its recipients that wait there together."""
        works: list[Work] = []
        while self._waiting and len(works) < most:
            work = self._waiting[0]
            if works and work.record.message != works[0].record.message:
                break
            self._waiting.popleft()
            if not self._has_expired(work, now_ms):
                works.append(work)
        return works

    def take_first(self) -> Work | None:
        """Take the head."""
        return self._waiting.popleft() if self._waiting else None

    def take_all(self) -> list[Work]:
        """Leave nothing."""
        works = list(self._waiting)
        self._waiting.clear()
        return works

    def take_innocent(self) -> list[Work]:
        """Leave nothing but suspects."""
        works = self.take_all()
        self.add(work for work in works if work.record.claims >= transitions.SUSPECT)
        return [work for work in works if work.record.claims < transitions.SUSPECT]

    def drop_expired(self, now_ms: int) -> None:
        """Promote what expired while it waited: behind slow sessions that can take long."""
        if any(work.record.expires_ms <= now_ms for work in self._waiting):
            self.add([work for work in self.take_all() if not self._has_expired(work, now_ms)])

    def _has_expired(self, work: Work, now_ms: int) -> bool:
        return work.record.expires_ms <= now_ms and self._promote_if_expired(work, now_ms)
