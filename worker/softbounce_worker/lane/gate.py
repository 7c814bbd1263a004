"""One gate, of a site or of one domain there: open, closed for a while, or feeling its way with one canary at a time.

The table says all of it: what may happen in which phase, what follows, and why. Time comes in, in seconds of a clock
that never steps; nothing here reads one. How long it closes grows each time it fails again, and is up to a fifth
shorter than that, by the gate's name: many that closed together do not open at one instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

from softbounce.settings import LaneRule

__all__ = ["JITTER", "STEPS", "Gate", "Input", "Output", "Phase", "Step"]

PATIENCE, LONGEST_PATIENCE = 5.0, 300.0
"""Seconds after which another canary goes beside one without an outcome; doubled until one has an outcome; at most."""
MOMENT, MOMENTS = 1.0, 30
"""What is worth waiting for while others find out, seconds; and so many times less than it is closed for at most."""
LEAST, LEAST_SHARE = 0.05, 4
"""Seconds below which it is over before a busy process has seen it; a closing has so many of them all the same."""
JITTER = 0.2
"""The share by which a closing may be shorter."""


class Phase(StrEnum):
    """What it is."""

    OPEN = "open"
    CLOSED = "closed"
    PROBING = "probing"
    WAITING = "waiting"


class Input(StrEnum):
    """What may happen."""

    ENOUGH = "enough evidence"
    FAILED = "the canary met the same"
    GOOD = "any other reply"
    ASKED = "one wants to go"
    BACK = "the canary came back untried"
    URGED = "an operator wants to know now"
    TIME = "its time is up"


class Output(StrEnum):
    """What follows."""

    CLOSE = "close for n seconds"
    OPEN = "open"
    LET_ONE_GO = "let one go"
    NOTHING = "nothing"


class Step(NamedTuple):
    """What follows from an input in a phase, and why."""

    phase: Phase
    output: Output
    why: str


OPEN, CLOSED, PROBING, WAITING = Phase
ENOUGH, FAILED, GOOD, ASKED, BACK, URGED, TIME = Input
CLOSE, OPENS, LET_ONE_GO, NOTHING = Output
OPENED = Step(OPEN, OPENS, "it was not the evidence that it closed for: the backlog flows at once")
NO_NEWS = "what was under way when it closed says nothing new"

STEPS: dict[tuple[Phase, Input], Step] = {
    (OPEN, ENOUGH): Step(CLOSED, CLOSE, "so that one sick place is not asked a thousand times"),
    (OPEN, FAILED): Step(OPEN, NOTHING, "another reply had opened it meanwhile"),
    (OPEN, GOOD): Step(OPEN, NOTHING, "as it should be"),
    (OPEN, ASKED): Step(OPEN, LET_ONE_GO, "and all others too"),
    (OPEN, BACK): Step(OPEN, NOTHING, "another reply had opened it meanwhile"),
    (OPEN, URGED): Step(OPEN, NOTHING, "all may go already"),
    (CLOSED, ENOUGH): Step(CLOSED, NOTHING, NO_NEWS),
    (CLOSED, FAILED): Step(CLOSED, NOTHING, NO_NEWS),
    (CLOSED, GOOD): OPENED,
    (CLOSED, ASKED): Step(CLOSED, NOTHING, "it waits, uncharged"),
    (CLOSED, BACK): Step(CLOSED, NOTHING, "its time will come again"),
    (CLOSED, URGED): Step(PROBING, NOTHING, "its time is up: one may try, and what it meets decides as ever"),
    (CLOSED, TIME): Step(PROBING, NOTHING, "whoever asks first may try"),
    (PROBING, ENOUGH): Step(PROBING, NOTHING, NO_NEWS),
    (PROBING, FAILED): Step(CLOSED, CLOSE, "for longer; no session could be had for it, or it was late"),
    (PROBING, GOOD): OPENED,
    (PROBING, ASKED): Step(WAITING, LET_ONE_GO, "the canary"),
    (PROBING, BACK): Step(PROBING, NOTHING, "nothing was learnt"),
    (PROBING, URGED): Step(PROBING, NOTHING, "whoever asks first may try already"),
    (WAITING, ENOUGH): Step(WAITING, NOTHING, NO_NEWS),
    (WAITING, FAILED): Step(CLOSED, CLOSE, "for longer"),
    (WAITING, GOOD): OPENED,
    (WAITING, ASKED): Step(WAITING, NOTHING, "one at a time"),
    (WAITING, BACK): Step(PROBING, NOTHING, "nothing was learnt"),
    (WAITING, URGED): Step(WAITING, NOTHING, "one is asking already"),
    (WAITING, TIME): Step(PROBING, NOTHING, "a host that hangs on one keeps nobody else from it"),
}
"""Every phase and input. Where TIME is missing, nothing happens by time alone."""


@dataclass(slots=True)
class Gate:
    """A gate. One that never closed, or opened again, has no failures.

    :ivar name: what its jitter comes from.
    :ivar failures: how often it closed in a row.
    :ivar opens_at: until when it is closed.
    :ivar length: for how long it closed the last time, seconds.
    :ivar canary: the envelope that went ahead, the latest where one before had no outcome for too long.
    :ivar failed_canary: the one because of which it closed the last time.
    """

    name: str
    failures: int = 0
    opens_at: float = 0.0
    length: float = 0.0
    canary: bytes | None = None
    failed_canary: bytes | None = None
    canary_since: float = 0.0
    canary_until: float = 0.0
    patience: float = PATIENCE

    def phase(self, now: float) -> Phase:
        """The phase at a time: what ends by time alone has ended."""
        if not self.failures:
            return OPEN
        if now < self.opens_at:
            return CLOSED
        return WAITING if self.canary is not None and now < self.canary_until else PROBING

    @property
    def moment(self) -> float:
        """A moment, in seconds: no more than matters beside the time for which it closes."""
        if not self.length:
            return MOMENT
        return min(MOMENT, max(self.length / MOMENTS, min(LEAST, self.length / LEAST_SHARE)))

    def step(
        self,
        what: Input,
        now: float,
        rule: LaneRule,
        canary: bytes | None = None,
        delays: Sequence[timedelta] = (),
    ) -> Output:
        """Take a step by the table.

        :param canary: whoever asks.
        :param delays: it closes for these instead of what the rule says, at least, the last one repeating.
        """
        before = self.phase(now)
        step = STEPS[before, what]
        match step.output:
            case Output.CLOSE:
                self._close(now, rule, delays)
            case Output.OPEN:
                self.failures, self.opens_at, self.canary, self.patience = 0, 0.0, None, PATIENCE
            case Output.LET_ONE_GO if before is not OPEN:
                self.canary, self.canary_since, self.canary_until = canary, now, now + self.patience
                self.patience = min(2 * self.patience, LONGEST_PATIENCE)
            case _:
                if what is BACK:
                    self.canary = None
                elif what is URGED and before is CLOSED:
                    self.opens_at = now
        return step.output

    def wait(self, now: float) -> float:
        """After how many seconds to ask again; 0: one may go.

        While a canary is out, that is as long again as it has been: soon where it is answered soon, and seldom in all.
        """
        match self.phase(now):
            case Phase.CLOSED:
                return self.opens_at - now
            case Phase.WAITING:
                return min(self.canary_until - now, max(self.moment, now - self.canary_since))
            case _:
                return 0.0

    def _close(self, now: float, rule: LaneRule, delays: Sequence[timedelta]) -> None:
        self.failures += 1
        longest = rule.close_first.total_seconds() * rule.close_factor ** min(self.failures - 1, 64)
        share = crc32(f"{self.name}|{self.failures}".encode()) / 2**32
        if delays:
            self.length = delays[min(self.failures, len(delays)) - 1].total_seconds() * (1 + JITTER * share)
        else:
            self.length = min(rule.close_cap.total_seconds(), longest) * (1 - JITTER * share)
        self.opens_at = now + self.length
        self.canary, self.failed_canary, self.patience = None, self.canary, PATIENCE
