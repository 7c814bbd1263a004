"""The sessions of a lane that are at work: how fast they are, which of them hang, and for which domains.

What hangs leaves room to others, as large bodies do: a recipient domain whose transactions get no answer has no more
sessions than it leaves free. So one alone has half, two have a third each, and who comes later finds some. An answer to
any of its transactions speaks for those that are out, so that a single recipient who hangs keeps nobody waiting. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from itertools import islice, takewhile
from typing import Generic, Protocol, TypeVar

from softbounce_worker.empty import EMPTY

__all__ = ["LOOK", "AtWork"]

LOOK = 1.0
"""Seconds without an answer after which something may hang, and after which those that wait are looked at again."""
SLOWER = 4
"""A session that takes so many times longer than usual hangs: those that wait are not for it."""
LATEST = 0.2
"""The weight of the latest transaction in the pace."""
SPARE_FROM = 3
"""From so many places on, one stays free where a canary would hang too."""
S = TypeVar("S", bound=Hashable)


class Clock(Protocol):
    """What tells the time; an event loop does."""

    def time(self) -> float:
        """Seconds of a clock that never steps."""
        ...


class AtWork(Generic[S]):
    """Who is; whoever began first comes first.

    :ivar pace: seconds that a transaction takes of late; 0: not known.
    :param clock: it tells the time, in seconds.
    """

    __slots__ = ("_begun", "_clock", "_unanswered", "pace")

    def __init__(self, clock: Clock) -> None:
        self.pace = 0.0
        self._clock = clock
        self._begun: dict[S, tuple[float, float, AbstractSet[str]]] = EMPTY
        self._unanswered: dict[str, dict[S, None]] = EMPTY  # by domain, since its last answer

    def __bool__(self) -> bool:
        """Whether any is."""
        return bool(self._begun)

    def begins(self, session: S, domains: AbstractSet[str], queued: float = 0.0) -> None:
        """It begins a transaction for recipients of these domains.

        :param queued: seconds in which it has waited for its turn in this process so far.
        """
        if self._begun is EMPTY:
            self._begun, self._unanswered = {}, {}
        self._begun[session] = self._clock.time(), queued, domains
        for domain in domains:
            self._unanswered.setdefault(domain, {})[session] = None

    def comes_forward(self, session: S, queued: float = 0.0) -> None:
        """It had its answers. What it waited for its turn here is none of the pace: more sessions would wait longer.

        :param queued: as above, by now.
        """
        began_at, queued_then, domains = self._begun.pop(session)
        seconds = self._clock.time() - began_at - (queued - queued_then)
        self.pace += (seconds - self.pace) * (LATEST if self.pace else 1.0)
        for domain in domains:
            self._unanswered.pop(domain, None)

    def ends(self, session: S) -> None:
        """It is no more; where it was at work, without an answer."""
        begun = self._begun.pop(session, None)
        for domain in begun[2] if begun is not None else ():
            waiting = self._unanswered.get(domain, {})
            waiting.pop(session, None)
            if not waiting:
                self._unanswered.pop(domain, None)

    def take_no_room(self) -> None:
        """None is, and nothing but the pace is to be remembered."""
        self._begun = self._unanswered = EMPTY

    @property
    def longest(self) -> float:
        """For how many seconds the one that began first has been at it."""
        return next((self._seconds(session) for session in self._begun), 0.0)

    @property
    def hanging(self) -> list[S]:
        """Those whose transaction takes far longer than any does here."""
        return list(takewhile(self._hangs, self._begun))

    @property
    def any_hangs(self) -> bool:
        """Whether there are such."""
        return any(self._hangs(session) for session in islice(self._begun, 1))

    @property
    def is_stuck(self) -> bool:
        """Whether a domain hangs."""
        return any(self._is_stuck(domain) for domain in self._unanswered)

    def unanswered(self, domain: str) -> int:
        """How many transactions of a domain that hangs are without an answer; 0: it does not."""
        return len(self._unanswered[domain]) if self._is_stuck(domain) else 0

    def leaves_room(self, domain: str, width: int, *, is_canary: bool = False) -> bool:
        """Whether a domain may have one more of so many places: it does not hang, or leaves more to others than it has.

        :param is_canary: it is to find out whether the domain hangs still; it may have any place but the last.
        """
        own = self.unanswered(domain)
        if not own:
            return True
        taken = set(self.hanging)
        for stuck in filter(self._is_stuck, self._unanswered):
            taken.update(self._unanswered[stuck])
        free = width - len(taken)
        return own < free or (is_canary and free > (width >= SPARE_FROM))

    def _is_stuck(self, domain: str) -> bool:
        return any(self._hangs(session) for session in islice(self._unanswered.get(domain, ()), 1))

    def _hangs(self, session: S) -> bool:
        return self._seconds(session) > max(LOOK, SLOWER * self.pace)

    def _seconds(self, session: S) -> float:
        return self._clock.time() - self._begun[session][0]
