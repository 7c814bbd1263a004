"""What a host takes within a span that it does not tell is found out, with few refusals, and kept to."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.session.pace import SLOWEST, LearnedPace, Pace

SESSIONS = 3
ANSWER = 0.05


class Host(Protocol):
    """Takes so many."""

    def takes(self, now: float) -> bool:
        """Whether one more is taken now."""
        ...


@dataclass
class ByTheClock:
    """So many in each minute of its clock, or whatever the span is."""

    most: int
    span: float
    phase: float
    begun: float = -1.0
    taken: int = 0

    def takes(self, now: float) -> bool:
        """Refused ones do not count."""
        begun = (now + self.phase) // self.span
        if begun != self.begun:
            self.begun, self.taken = begun, 0
        if self.taken >= self.most:
            return False
        self.taken += 1
        return True


@dataclass
class Sliding:
    """So many in any span."""

    most: int
    span: float
    taken: deque[float] = field(default_factory=deque[float])

    def takes(self, now: float) -> bool:
        """Refused ones do not count."""
        while self.taken and now - self.taken[0] >= self.span:
            self.taken.popleft()
        if len(self.taken) >= self.most:
            return False
        self.taken.append(now)
        return True


@dataclass
class Bucket:
    """So many a span, and a burst of so many."""

    most: int
    span: float
    burst: float
    level: float = -1.0
    at: float = 0.0

    def takes(self, now: float) -> bool:
        """Refused ones do not count."""
        if self.level < 0:
            self.level = self.burst
        self.level = min(self.burst, self.level + (now - self.at) * self.most / self.span)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@dataclass
class Outcome:
    """When messages were taken, and when refused."""

    taken: list[float] = field(default_factory=list[float])
    refused: list[float] = field(default_factory=list[float])

    def since(self, when: float) -> tuple[int, int]:
        """How many of either from then on."""
        return sum(one >= when for one in self.taken), sum(one >= when for one in self.refused)


def send(host: Host, pace: Pace, seconds: float) -> Outcome:
    """Three sessions send as fast as they may; each answer takes a moment."""
    outcome, next_send = Outcome(), 0.0
    free = [0.0] * SESSIONS
    answers: list[tuple[float, float, bool]] = []

    def hear(until: float) -> None:
        nonlocal next_send
        while answers and answers[0][0] <= until:
            now, began, is_taken = heapq.heappop(answers)
            if is_taken:
                outcome.taken.append(now)
                pace.taken(1, now)
            else:
                outcome.refused.append(now)
                if wait := pace.refused(began, now):
                    next_send = max(next_send, now + wait)

    while True:
        now = max(heapq.heappop(free), next_send)
        hear(now)
        now = max(now, next_send)
        if now > seconds:
            return outcome
        if pace.rate:
            next_send = now + 1 / pace.rate
        heapq.heappush(answers, (now + ANSWER, now, host.takes(now)))
        heapq.heappush(free, now + ANSWER)


HOSTS: dict[str, tuple[Callable[[], Host], float]] = {  # and messages a second
    "20 in a minute": (lambda: Sliding(20, 60), 20 / 60),
    "20 a minute, a burst of 20": (lambda: Bucket(20, 60, 20), 20 / 60),
    "20 a minute, a burst of 3": (lambda: Bucket(20, 60, 3), 20 / 60),
    "5 in ten seconds": (lambda: Sliding(5, 10), 0.5),
    "14 in a second": (lambda: Sliding(14, 1), 14.0),
    "300 in a minute": (lambda: Sliding(300, 60), 5.0),
    "100 in an hour": (lambda: Sliding(100, 3600), 100 / 3600),
}


@pytest.mark.parametrize("name", HOSTS)
def test_issue13_a_limit_that_nobody_told_is_found(name: str) -> None:
    """Within minutes most of it is used, and of all attempts fewer than one in twenty are refused."""
    make, allowed = HOSTS[name]
    found = max(300.0, 200 / allowed)
    outcome = send(make(), Pace(), 4 * found)
    taken, refused = outcome.since(found)
    assert taken >= 0.85 * allowed * 3 * found
    assert refused <= 0.05 * (taken + refused)
    assert len(outcome.refused) <= 0.05 * (len(outcome.taken) + len(outcome.refused))


def test_issue13_a_limit_by_the_clock_is_found() -> None:
    """A host that counts from the full minute is met at any second of it: nine tenths are used, over all of them."""
    used: list[float] = []
    for second in range(0, 60, 6):
        outcome = send(ByTheClock(20, 60, second), Pace(), 1200)
        taken, refused = outcome.since(300)
        used.append(taken / (900 * 20 / 60))
        assert refused <= 0.05 * (taken + refused)
        assert len(outcome.refused) <= 0.05 * (len(outcome.taken) + len(outcome.refused))
    assert sum(used) / len(used) >= 0.9
    assert min(used) >= 0.8


def test_issue13_a_limit_that_is_lifted_is_noticed() -> None:
    """From twenty a minute to a thousand: within some hours fifty times as many go."""

    class Lifted(Sliding):
        def takes(self, now: float) -> bool:
            if now > 600:
                self.most = 1000
            return super().takes(now)

    outcome = send(Lifted(20, 60), Pace(), 15_000)
    assert outcome.since(14_400)[0] >= 9 * 0.8 * 1000


def test_report_fluent_smtp_214_who_is_refused_begins_the_hour_anew() -> None:
    """A hundred an hour, and every refusal lasts for another hour (WPManageNinja/fluent-smtp#214): some get through."""

    class Angry(Sliding):
        refused_at = -3600.0

        def takes(self, now: float) -> bool:
            if now - self.refused_at < self.span or not super().takes(now):
                self.refused_at = now
                return False
            return True

    outcome = send(Angry(100, 3600), Pace(), 24 * 3600)
    assert len(outcome.refused) <= 40
    assert len(outcome.taken) >= 0.3 * 24 * 100


def test_issue13_several_refusals_of_one_moment_are_one() -> None:
    """Those that set out before the first was heard say nothing new."""
    pace = Pace()
    for at in range(20):
        pace.taken(1, at / 10)
    assert pace.refused(1.9, 2.0) == pytest.approx(10)
    assert pace.rate == pytest.approx(20 / 10 * 0.97)
    assert [pace.refused(began, 2.1) for began in (1.9, 1.95, 2.0)] == [0, 0, 0]
    assert pace.rate == pytest.approx(20 / 10 * 0.97)


def test_issue13_what_was_learned_is_recalled() -> None:
    """After a restart it goes on as fast as before, and no faster."""
    pace = Pace()
    pace.recall(LearnedPace(rate=20 / 60, span=60.0, patience=2), 0.0)
    assert pace.learned == LearnedPace(rate=20 / 60, span=60.0, patience=2)
    outcome = send(Sliding(20, 60), pace, 600)
    assert len(outcome.taken) >= 0.9 * 200
    assert len(outcome.refused) <= 3


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5000), st.floats(0, 100))))
def test_issue13_whatever_is_answered_something_goes(steps: list[tuple[bool, float, float]]) -> None:
    """No history of answers stops mail for longer than the longest span, or makes a pace of nothing."""
    pace, now = Pace(), 0.0
    for is_taken, seconds, ago in steps:
        now += seconds
        if is_taken:
            pace.taken(1, now)
        else:
            assert 0 <= pace.refused(now - ago, now) <= 1 / SLOWEST
        assert not pace.rate or SLOWEST <= pace.rate < 1e6
