"""Writes ``docs/comparison.md``: our default policy and lane beside the published defaults of others, on virtual time.

    python script/comparison.py

Ours are the real ones: :func:`softbounce.classify.classify`, :func:`softbounce.decide.decide` with the built-in
policy, and the lane's :class:`~softbounce_worker.lane.trouble.TroubleMachine`. The others are modelled by what they
publish, their memory of hosts included; what a model leaves out stands beside it. Every connection counts, canaries
too.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

from softbounce_worker.lane.trouble import NOBODY, TroubleMachine

from softbounce.classify import classify, parse_reply_text
from softbounce.decide import Defer, decide
from softbounce.duration import in_words, to_epoch_ms
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.settings import BUILT_IN, LaneRule
from softbounce.stage import Stage
from softbounce.verdict import Verdict

MESSAGES = 200
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
START = datetime(2000, 1, 1, tzinfo=UTC)
NEVER = float("inf")

OUTAGES_EACH = 10
SPREAD = 0.2
"""By so much they are longer or shorter, so that no phase of anybody's schedule decides."""
Next = Callable[[int, float, float], float | None]
"""When to try again, in seconds since the message came: after so many attempts, the last one then, and so long after
the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One mail server, as it is published.

    :ivar after: its schedule; ``None`` as an answer: it gives up.
    :ivar host_dead: for how long a host is left alone after some failures in a row, and how many.
    :ivar runs: its queue is looked at so often; 0: each message has a timer of its own.
    :ivar flushes: a success makes all that waits due at once.
    :ivar by_host: the schedule is the host's, shared by all messages.
    :ivar lacks: what the model leaves out.
    """

    name: str
    after: Next
    says: str
    host_dead: tuple[float, int] | None = None
    runs: float = 0.0
    flushes: bool = False
    by_host: bool = False
    lacks: str = ""


def listed(*waits: float, most: int = 0, window: float = NEVER, ahead: bool = False) -> Next:
    """Waits one by one, the last one repeating, for so many attempts or so long.

    :param ahead: it gives up when the next attempt would be too late, not when one was.
    """

    def after(attempts: int, age: float, _: float) -> float | None:
        at = age + waits[min(attempts, len(waits)) - 1]
        if (most and attempts >= most) or age >= window or (ahead and at > window):
            return None
        return at

    return after


def by_age(least: float, longest: float, window: float) -> Next:
    """As long again as the message is old, within bounds."""

    def after(_: int, age: float, __: float) -> float | None:
        return None if age >= window else age + min(max(age, least), longest)

    return after


def exim(_: int, age: float, gap: float) -> float | None:
    """Two hours by the quarter, then half as long again each time for 16 hours, then every six hours, for four days."""
    if age >= 4 * DAY:
        return None
    if age < 2 * HOUR:
        return age + 15 * MINUTE
    return age + (max(HOUR, 1.5 * gap) if age < 16 * HOUR else 6 * HOUR)


PEERS = (
    Peer(
        name="Postfix",
        says="300 to 4,000 s, as long again as the message is old, 5 days",
        after=by_age(300, 4000, 5 * DAY),
        host_dead=(300.0, 3),
        runs=300.0,
        lacks="concurrency feedback",
    ),
    Peer(
        name="Exim",
        says="15 min for 2 h, then 1 h times 1.5, then 6 h, 4 days; queue run every 30 min",
        after=exim,
        runs=1800.0,
        by_host=True,
        lacks="other messages over a connection that is open",
    ),
    Peer(
        name="Cisco ESA",
        says="60 s to 3,600 s, 72 h; the growth is not published, doubling is assumed",
        after=listed(60, 120, 240, 480, 960, 1920, 3600, window=72 * HOUR, ahead=True),
        flushes=True,
        lacks="when a host that is down is probed (not published)",
    ),
    Peer(
        name="KumoMTA",
        says="20 min, doubled without a cap, 7 days",
        after=listed(*(1200.0 * 2**n for n in range(12)), window=7 * DAY, ahead=True),
        lacks="the counter that defers a ready queue after 100 failures",
    ),
    Peer(name="Postal", says="300 s times 1.3, 18 attempts", after=listed(*(300 * 1.3**n for n in range(18)), most=18)),
    Peer(name="Haraka", says="64 s, doubled, 13 attempts", after=listed(*(64.0 * 2**n for n in range(13)), most=13)),
    Peer(
        name="Stalwart",
        says="2, 5, 10, 15, 30 min, 1 h, then 2 h, 3 days",
        after=listed(120, 300, 600, 900, 1800, 3600, 7200, window=3 * DAY, ahead=True),
    ),
    Peer(name="mox", says="450 s, doubled, 8 attempts", after=listed(*(450.0 * 2**n for n in range(8)), most=8)),
)


@dataclass(slots=True)
class Outcome:
    """What came of a scenario.

    :ivar waits: how long each delivered message waited after it could have been taken, seconds.
    """

    attempts: int = 0
    lost: int = 0
    waits: list[float] = field(default_factory=list[float])

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.attempts + other.attempts, self.lost + other.lost, self.waits + other.waits)

    def cells(self) -> str:
        """As the table has it."""
        messages = len(self.waits) + self.lost
        mean, worst = (
            in_words(timedelta(seconds=round(one))) for one in (sum(self.waits) / len(self.waits), max(self.waits))
        )
        lost = f", **{self.lost / messages:.1%} lost**" if self.lost else ""
        return f"{mean} / {worst}, {self.attempts / messages:.1f}{lost}"


def each(outage: Callable[[float], Outcome], lasts: float) -> Outcome:
    """Several outages of about a length."""
    shares = (1 + SPREAD * (2 * number / (OUTAGES_EACH - 1) - 1) for number in range(OUTAGES_EACH))
    return sum((outage(lasts * share) for share in shares), Outcome())


def arrivals(span: float) -> list[float]:
    """When messages come: at random over a time, the same for all."""
    draw = random.Random(span)  # noqa: S311 - no secret hangs on it
    return sorted(draw.uniform(0, span) for _ in range(MESSAGES))


def outage_of(peer: Peer, lasts: float) -> Outcome:
    """The host gives no session for so long, while messages come."""
    outcome, host = Outcome(), _Host(peer)
    tie = count()
    queue = [(at, next(tie), at, 0, at) for at in arrivals(lasts)]
    while queue:
        now, _, came, attempts, before = heapq.heappop(queue)
        if now < host.next_try:
            if peer.by_host:
                heapq.heappush(queue, (_run(peer, host.next_try), next(tie), came, attempts, before))
                continue
            later = peer.after(attempts + 1, now - came, now - before)  # deferred without a connection, by its own age
            heapq.heappush(queue, (_run(peer, came + (later or 0.0)), next(tie), came, attempts + 1, now))
            continue
        outcome.attempts += 1
        if now >= lasts:
            outcome.waits.append(now - lasts)
            host.opened()
            if peer.flushes:
                queue = [(min(at, now), order, *rest) for at, order, *rest in queue]
                heapq.heapify(queue)
            continue
        host.failed(now)
        later = peer.after(attempts + 1, now - came, now - before)
        if peer.by_host:
            heapq.heappush(queue, (_run(peer, host.next_try), next(tie), came, attempts + 1, now))
        elif later is None:
            outcome.lost += 1
        else:
            heapq.heappush(queue, (_run(peer, came + later), next(tie), came, attempts + 1, now))
    return outcome


class _Host:
    """What a peer remembers of a host."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._in_a_row = 0
        self._first = self._last = NEVER
        self.next_try = 0.0

    def failed(self, now: float) -> None:
        """No session could be had."""
        self._in_a_row += 1
        self._first = min(self._first, now)
        if self._peer.by_host:
            gap = max(0.0, now - self._last)
            self.next_try = self._first + (self._peer.after(0, now - self._first, gap) or 0.0)
            self._last = now
        elif self._peer.host_dead and self._in_a_row >= self._peer.host_dead[1]:
            self._in_a_row, self.next_try = 0, now + self._peer.host_dead[0]

    def opened(self) -> None:
        """A session was had."""
        self._in_a_row, self.next_try = 0, 0.0
        self._first = self._last = NEVER


def _run(peer: Peer, at: float) -> float:
    """The queue run by which something due is seen."""
    return at if not peer.runs else -(-at // peer.runs) * peer.runs


def deferred_by(peer: Peer, lasts: float) -> Outcome:
    """Each message is told "not now" at its recipient until so long after its first attempt."""
    outcome = Outcome()
    for came in arrivals(DAY):
        age, attempts, gap = 0.0, 1, 0.0
        while age < lasts:
            later = peer.after(attempts, age, gap)
            if later is None:
                outcome.lost += 1
                break
            gap = _run(peer, came + later) - came - age
            age += gap
            attempts += 1
        else:
            outcome.waits.append(age - lasts)
        outcome.attempts += attempts
    return outcome


def our_outage(lasts: float) -> Outcome:
    """The lane closes, a canary goes now and then, and all follow the first that is answered."""
    outcome, machine = Outcome(), TroubleMachine(f"site {lasts}", LaneRule())
    waiting = 0
    for came in [*arrivals(lasts), NEVER]:
        while machine.is_probing and machine.site.opens_at <= came:
            now = machine.site.opens_at
            outcome.attempts += 1
            machine.send_canary(b"canary", now)
            if now < lasts:
                machine.no_session(NOBODY, now)
                continue
            machine.open(now)
            outcome.attempts += waiting - 1
            outcome.waits.extend([now - lasts] * waiting)
            waiting = 0
        if came is NEVER:
            break
        if not machine.is_probing:
            outcome.attempts += 1
            machine.no_session(NOBODY, came)
        waiting += 1
    return outcome


def our_deferrals(reply: str, stage: Stage, lasts: float) -> Outcome:
    """The real verdict on a reply, and the real decision after each attempt."""
    verdict = classify(parse_reply_text(reply), stage=stage, site=None, settings=BUILT_IN)
    outcome = Outcome()
    for number in range(MESSAGES):
        age = 0.0
        attempts = 1
        for at in _decided(number.to_bytes(16) + bytes(2), verdict):
            if age >= lasts:
                break
            age, attempts = at, attempts + 1
        if age < lasts:
            outcome.lost += 1
        else:
            outcome.waits.append(age - lasts)
        outcome.attempts += attempts
    return outcome


def _decided(identity: bytes, verdict: Verdict) -> Iterator[float]:
    """The attempts after the first, each in seconds after it, as long as it is told the same."""
    past: list[Attempt] = []
    history = History(id=identity, created_at=START, attempts=past)
    now = START
    while True:
        decision = decide(BUILT_IN.policies["default"], history, verdict, now)
        if not isinstance(decision, Defer) or decision.at is None:
            return
        ms = to_epoch_ms(now)
        past.append(Attempt(number=len(past) + 1, started_ms=ms, ended_ms=ms, rule=verdict.rule, reason=verdict.reason))
        now = decision.at
        yield (now - START) / timedelta(seconds=1)


OUTAGES = (10 * MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY)
GREYLISTS = (5 * MINUTE, 30 * MINUTE)
GREYLISTED = "450 4.7.1 Greylisted"
FULL = "452 4.2.2 The mailbox is full"
BLOCKED = "554 5.7.1 Client host blocked using bl.example"
QUOTA, MENDED = 12 * HOUR, 20 * HOUR

HEAD = """\
# Beside others, on paper

<!-- Generated by script/comparison.py. -->

Our default policy and lane beside the published defaults of others, on virtual time: ten outages of about each length
(a fifth shorter to a fifth longer), {messages} messages in each, the same for all. Each cell says how long mail waited
**after it could have been taken**, mean / longest, then how many connections a message cost. What we do is computed by
the code that does it; the others are modelled by what they publish, last column. Figures on real processes are in the
README.

## The host is down

Messages come all the while, evenly. Nobody can be delivered before it is over; the question is how soon after.
"""
NOTE = """
**Reading it.** One envelope goes ahead of the others at intervals that grow from 30 seconds to 5 minutes, and the first
that is answered takes all others along: that is why the wait hardly grows with the outage. Where each message has its
own clock, a long outage leaves it far away in its schedule. Exim remembers hosts and so makes fewer connections than we
do, at the price of hours. Cisco ESA, as it is modelled here, has seconds for seven times our connections.

## One recipient is deferred

Greylisting of so many minutes counts from the first attempt. A full mailbox has room again after {quota}; our address
is on a blocklist for {mended}, and hosts refuse with a 5xx: others bounce, ours parks.
"""


def page() -> str:
    """The page."""
    lines = [HEAD.format(messages=MESSAGES)]
    lines += _table([in_words(timedelta(seconds=one)) for one in OUTAGES])
    lines.append(
        _row("**softbounce**", [each(our_outage, one).cells() for one in OUTAGES], "the lane's own state machine")
    )
    for peer in PEERS:
        lacks = f"; not modelled: {peer.lacks}" if peer.lacks else ""
        lines.append(
            _row(peer.name, [each(partial(outage_of, peer), one).cells() for one in OUTAGES], f"{peer.says}{lacks}")
        )
    lines.append(NOTE.format(quota=in_words(timedelta(seconds=QUOTA)), mended=in_words(timedelta(seconds=MENDED))))
    heads = [f"greylisted {in_words(timedelta(seconds=one))}" for one in GREYLISTS]
    lines += _table([*heads, "mailbox full", "our address refused"])
    ours = [our_deferrals(GREYLISTED, Stage.RCPT, one) for one in GREYLISTS]
    ours += [our_deferrals(FULL, Stage.RCPT, QUOTA), our_deferrals(BLOCKED, Stage.RCPT, MENDED)]
    lines.append(_row("**softbounce**", [one.cells() for one in ours], "`decide` with the built-in policy"))
    for peer in PEERS:
        cells = [deferred_by(peer, one).cells() for one in (*GREYLISTS, QUOTA)]
        lines.append(_row(peer.name, [*cells, "all lost, 1.0"], "as above"))
    return "\n".join(lines) + "\n"


def _table(heads: list[str]) -> list[str]:
    return [f"| | {' | '.join(heads)} | by |", f"|---|{'---|' * len(heads)}---|"]


def _row(name: str, cells: list[str], by: str) -> str:
    return f"| {name} | {' | '.join(cells)} | {by} |"


if __name__ == "__main__":
    sys.stdout.write(page())
