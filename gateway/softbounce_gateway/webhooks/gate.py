"""Whether a receiver is away, as a pure state machine: what it answers and the time go in, how many may go comes out.

Trouble has a scope. A receiver that cannot be reached, or says that it can take nothing now (429, 503), is *closed* at
once; one that fails otherwise when it refused the events of twenty envelopes, or was silent to those of five, and took
none between: a receiver that cannot do with some of the events gets the others without a pause. What fails for one
envelope is that envelope's own trouble. Closed, it gets one event at a time, after pauses that grow by its
policy and end at five minutes; what it takes opens it, and from then on it gets one more at a time with each that it
takes, so that what has just come up again is not run over.
"""

from __future__ import annotations

from datetime import timedelta

__all__ = ["Gate"]

REFUSING, SILENT = 20, 5
"""Envelopes whose events fail in a row are a receiver that fails."""
LONGEST_PAUSE = timedelta(minutes=5)


class Gate:
    """One receiver's.

    :param most: events that it gets at one time.
    :ivar closed_until: by the caller's clock, seconds; 0: it is open.
    :ivar probes: attempts in a row that found it away.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = most
        self._refused: set[bytes] = set()
        self._unanswered: set[bytes] = set()
        self._is_probing = False
        self.closed_until = 0.0
        self.probes = 0

    @property
    def is_closed(self) -> bool:
        """Whether it is away."""
        return self.closed_until > 0

    def room(self, under_way: int, now: float) -> int:
        """How many more may go now."""
        if not self.is_closed:
            return max(0, self._allowed - under_way)
        return int(under_way == 0 and now >= self.closed_until)

    def began(self) -> None:
        """One goes."""
        self._is_probing = self.is_closed

    def taken(self) -> bool:
        """It took one; whether that opened it."""
        self._forget()
        was_closed, self.closed_until, self.probes, self._is_probing = self.is_closed, 0.0, 0, False
        self._allowed = 1 if was_closed else min(self._most, self._allowed + 1)
        return was_closed

    def refused(self, line: bytes, *, is_silent: bool) -> bool:
        """It did not take one of this envelope's; whether that speaks against the receiver."""
        self._refused.add(line)
        if is_silent:
            self._unanswered.add(line)
        return self.is_closed or len(self._refused) >= REFUSING or len(self._unanswered) >= SILENT

    def close(self, now: float, pause: timedelta, stated: timedelta | None) -> None:
        """It is away.

        :param pause: what its policy says for so many :attr:`probes`, the one that just failed included.
        :param stated: what it asks for itself.
        """
        until = now + (stated or min(pause, LONGEST_PAUSE)).total_seconds()
        if not self.is_closed or self._is_probing:
            self.probes += 1
            self.closed_until = until
        elif stated is not None:  # what was under way when it closed says no more than that, but for how long
            self.closed_until = max(self.closed_until, until)
        self._is_probing = False
        self._allowed = 1

    def reset(self) -> None:
        """Somebody says that it is there."""
        self._forget()
        self.closed_until, self.probes, self._is_probing = 0.0, 0, False

    def _forget(self) -> None:
        self._refused.clear()
        self._unanswered.clear()
