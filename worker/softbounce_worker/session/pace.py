"""How fast an organisation takes mail, as far as it has said so: learned where it refuses, and tried again by and by.

Hosts limit what they take in a second, a minute, an hour, and mostly do not say which. So the first refusal is a guess:
what was taken until then is what they allow in the shortest span. Where nothing at all is taken after a span, it was a
longer one. From then on each refusal is measured: what was taken within the last span is what fits into one.

The pace climbs again while it holds: twice as fast where it was only guessed, by a tenth where refusals have confirmed
it, and ever more rarely, so that few messages are spent on asking. Pure: seconds of one clock that never steps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["SLOWEST", "LearnedPace", "Pace"]

SPANS = (10.0, 60.0, 600.0, 3600.0)
"""Seconds within which hosts count."""
SLOWEST = 1 / SPANS[-1]
"""Messages a second at least: what asks for less has said no."""
SLICES = 20
"""A span is counted in so many."""
SPARE = 0.97
"""Of what fits into a span: clocks differ, and a host may count from another instant."""
SAME = 0.25
"""Two measurements that differ by less are one limit."""
GUESSED, CONFIRMED = 2.0, 1.1
"""How much faster it is tried."""
MOST_PATIENCE = 3
"""A climb waits for four times as long after each refusal that confirms, up to 4 to the power of this."""
ASKED_ONCE = 30
"""So many messages go between two climbs at least: few are spent on asking."""
ASKED_AGAIN, MOST_ASKED_AGAIN = 40, 8
"""Within a span that allows more than so many messages one is tried again before it is over; so often at most."""
FEW = 7
LONGEST_WAIT = 3600.0
RUN = 60.0
"""Seconds without mail after which what was taken before says nothing of a pace."""
FORGOTTEN = 86_400.0
NONE: deque[list[float]] = deque(maxlen=0)
BEYOND = 50.0
"""So many times faster than it was ever refused: there is no limit any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPace:
    """What is worth remembering.

    :ivar rate: messages a second.
    :ivar span: seconds within which the host counts, as far as one knows.
    :ivar patience: how many refusals have confirmed it.
    """

    rate: float
    span: float
    patience: int = 0


class Pace:
    """The pace of one organisation.

    :ivar rate: messages a second at most; 0: nothing is known.
    """

    __slots__ = (
        "_climbs_at",
        "_is_series",
        "_learnt_at",
        "_patience",
        "_paused_at",
        "_refused_rate",
        "_run_began",
        "_run_taken",
        "_series_began",
        "_span",
        "_taken",
        "_taken_at",
        "rate",
    )

    def __init__(self) -> None:
        self.rate = 0.0
        self._run_began = self._taken_at = float("-inf")
        self._run_taken = 0
        self._span = 0
        self._taken: deque[list[float]] = NONE  # [when a slice began, how many were taken in it]
        self._paused_at = self._learnt_at = float("-inf")
        self._climbs_at = 0.0
        self._patience = 0
        self._is_series = False
        self._series_began = 0.0
        self._refused_rate = 0.0

    @property
    def span(self) -> float:
        """Seconds within which the host counts, as far as one knows."""
        return SPANS[self._span]

    @property
    def learned(self) -> LearnedPace | None:
        """What is worth remembering."""
        return LearnedPace(rate=self.rate, span=self.span, patience=self._patience) if self.rate else None

    def recall(self, learned: LearnedPace, now: float) -> None:
        """So much was known before."""
        self.rate, self._patience = learned.rate, max(0, min(learned.patience, MOST_PATIENCE))
        self._span = next((at for at, span in enumerate(SPANS) if span >= learned.span), len(SPANS) - 1)
        self._taken = deque()
        self._refused_rate = self.rate
        self._learnt_at = now
        self._climb_later(now)

    def taken(self, number: int, now: float) -> None:
        """So many messages were."""
        if not self.rate:
            if now - self._taken_at > RUN:
                self._run_began, self._run_taken = now, 0
            self._run_taken += number
            self._taken_at = now
            return
        self._is_series = False
        self._count(number, now)
        self._climb(now)

    def refused(self, began: float, now: float) -> float:
        """One was, for coming too fast. For how many seconds nothing more goes; 0: that was known.

        :param began: when it set out: those that did so before the last refusal was heard are of that one.
        """
        if began <= self._paused_at:
            return 0.0
        self._paused_at = self._learnt_at = now
        if not self.rate:
            self._begin(now)
            wait = self.span
        elif self._is_series:
            wait = self._lengthen(now)
        else:
            wait = self._measure(now)
        if not self._is_series:
            self._is_series, self._series_began = True, now
        self._climb_later(now + wait)
        return wait

    # -- what a refusal says ----------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        """The first: what was taken of late is what fits into the shortest span."""
        seconds = max(now - self._run_began, 1e-3)
        taken = max(1.0, self._run_taken * min(1.0, self.span / seconds)) if now - self._taken_at <= RUN else 1.0
        self._taken = deque([[now, taken]])
        self._set(taken / self.span * SPARE)

    def _lengthen(self, now: float) -> float:
        """Nothing was taken since the first of a series. After a whole span it is a longer one that it counts in."""
        waited = now - self._series_began
        if waited < self.span:
            tries = min(max(1.0, self.rate * self.span / ASKED_AGAIN), MOST_ASKED_AGAIN)
            return min(self.span / tries, self.span - waited)
        if self._span + 1 < len(SPANS):
            self._span += 1
            self._set(self._taken_in(self.span, self._series_began) / self.span * SPARE)
        else:  # it may count from whoever it refused last
            self._set(self.rate / 2)
            waited = 0.0
        self._patience = 0
        return max(self.span - waited, 1 / self.rate)

    def _measure(self, now: float) -> float:
        """Some were: as many as it takes in a span."""
        found = self._took(now) * SPARE
        spent = self._taken_in(self.span, now) / self.rate  # seconds of the span, as fast as they went
        is_same = abs(found - self._refused_rate) <= SAME * self._refused_rate
        self._patience = min(self._patience + 1, MOST_PATIENCE) if is_same else 0
        self._set(min(max(found, self.rate / 2), self.rate * SPARE))
        return max(1 / self.rate, self.span - spent)

    def _set(self, rate: float) -> None:
        self.rate = self._refused_rate = max(rate, SLOWEST)

    # -- and what comes of no refusal -------------------------------------------------------------------------------

    def _climb_later(self, now: float) -> None:
        seconds = max(self.span, ASKED_ONCE / self.rate if self._patience else 0.0) * 4**self._patience
        self._climbs_at = now + min(seconds, max(LONGEST_WAIT, self.span))

    def _climb(self, now: float) -> None:
        """Faster, where this pace was kept up for long enough, and mail waits for it."""
        if now < self._climbs_at:
            return
        is_full = self._taken_in(self.span, now) >= self.rate * self.span / 2
        self._climb_later(now)
        if now - self._learnt_at > FORGOTTEN or self.rate > self._refused_rate * BEYOND:
            self.rate, self._taken, self._span, self._patience = 0.0, NONE, 0, 0
            self._run_began, self._run_taken, self._taken_at = now, 0, now
            return
        if not is_full:
            return
        if self.rate > self._refused_rate:  # it was tried, and held: it may be another limit by now
            self._patience = max(0, self._patience - 1)
        self.rate *= CONFIRMED if self._patience else GUESSED

    # -- counting ---------------------------------------------------------------------------------------------------

    @property
    def _long(self) -> float:
        """Seconds over which it is measured: a few messages tell nothing."""
        return max(self.span, FEW / self.rate)

    def _count(self, number: int, now: float) -> None:
        slices = self._taken
        if slices and now - slices[-1][0] < self.span / SLICES:
            slices[-1][1] += number
        else:
            slices.append([now, number])
            while now - slices[0][0] >= max(self._long, SPANS[min(self._span + 1, len(SPANS) - 1)]):
                slices.popleft()

    def _took(self, now: float) -> float:
        """How many a second it took of late."""
        return self._taken_in(self._long, now) / self._long

    def _taken_in(self, seconds: float, now: float) -> float:
        return max(1.0, sum(number for began, number in self._taken if now - began < seconds))
