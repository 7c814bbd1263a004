"""How long mail hosts take, stage by stage: from what we said last to their answer, as `/metrics` shows it.

A host's own time: what its answer waits here for its turn is not in it. A stage that nobody answered in time counts
with the time that it was given; one whose connection broke does not count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from softbounce.counting import SMTP_SECONDS, slots, smtp
from softbounce.stage import Stage

__all__ = ["StageTimes"]

*SLOTS, SUM = slots(SMTP_SECONDS)


class StageTimes:
    """What one process saw, until somebody takes it."""

    __slots__ = ("_kept", "_numbers", "_seconds")

    def __init__(self) -> None:
        self._numbers = {stage: [0] * len(SLOTS) for stage in Stage}
        self._seconds = dict.fromkeys(Stage, 0.0)
        self._kept: Counter[str] = Counter()

    def note(self, stage: Stage, seconds: float) -> None:
        """A stage took so long."""
        self._numbers[stage][bisect_left(SMTP_SECONDS, seconds)] += 1
        self._seconds[stage] += seconds

    def take(self) -> Counter[str]:
        """Counters, and what they grew by since they were taken last."""
        taken, self._kept = self._kept, Counter()
        for stage, numbers in self._numbers.items():
            if any(numbers):
                taken.update({smtp(stage, slot): number for slot, number in zip(SLOTS, numbers, strict=True) if number})
                taken[smtp(stage, SUM)] += round(self._seconds[stage] * 1000)
                self._numbers[stage], self._seconds[stage] = [0] * len(SLOTS), 0.0
        return taken

    def put_back(self, taken: Counter[str]) -> None:
        """What was taken, and nobody could write down."""
        self._kept.update(taken)
