"""A number that the other side told by refusing one more: it climbs again, by one at a time, and ever more rarely.

Each refusal that finds the same number again makes the next try come twice as late: what never changes costs little.
Pure: seconds of one clock that never steps.
"""

from __future__ import annotations

from softbounce_worker.session.places import NO_LIMIT

__all__ = ["LearnedLimit"]

CLIMB = 30.0
"""Seconds after which it is tried with one more, at first."""
MOST_PATIENCE = 6
REMEMBERED = 600.0
"""Seconds after which it is forgotten, or when it has climbed a few times, whichever is later."""
CLIMBS_REMEMBERED = 4


class LearnedLimit:
    """One of them.

    :ivar number: as it was told; 0: it was not.
    :ivar patience: how often it was told again.
    """

    __slots__ = ("_learnt_at", "number", "patience")

    def __init__(self) -> None:
        self.number = 0
        self.patience = 0
        self._learnt_at = 0.0

    def now(self, now: float) -> float:
        """How many there may be."""
        if not self.number:
            return NO_LIMIT
        hold = CLIMB * float(2**self.patience)
        ago = now - self._learnt_at
        if ago >= max(REMEMBERED, CLIMBS_REMEMBERED * hold):
            return NO_LIMIT
        return self.number + ago // hold

    def learn(self, number: int, now: float) -> None:
        """So many were had when one more was refused."""
        is_known = self.now(now) < NO_LIMIT
        if is_known and number == self.number:
            self.patience = min(self.patience + 1, MOST_PATIENCE)
        elif not is_known or number < self.number:
            self.patience = 0
        self.number, self._learnt_at = number, now

    def recall(self, number: int, now: float) -> None:
        """So many were known before; not where something newer is."""
        if number > 0 and self.now(now) >= NO_LIMIT:
            self.number, self.patience, self._learnt_at = number, 0, now

    def known(self, now: float) -> int:
        """What is worth remembering; 0: nothing."""
        return self.number if self.now(now) < NO_LIMIT else 0
