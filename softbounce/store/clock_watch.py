"""Watches the clock of a store's server against one that never steps: a clock that was set wrong must end no mail.

All times in the store are its server's, as it says them. Everybody who ends mail by them watches for himself: each
scheduler and each worker, each shard's server. His doubts bind nobody else. That a clock is believed is noted in the
store, and ends the doubts of others: of two schedulers of which one was paused, the other is right.

**The rule.** A clock that moves by more than a minute between two looks *stepped*: for an hour nothing is promoted by
it, unless it is back before, or somebody believes it. Then it is believed, whoever is right. The due times that it
jumped over are held back for as long: they come up when they would have. Smaller steps, and drift, are followed: no two
machines agree for ever.

What happens in each case:

- *Set ahead*, by an hour or five days: new mail goes out, and is retried as the policy says, since all that is written
  from now on is of the new time. Old mail waits as it would have. After an hour what is still held back is due, and
  what is old by the clock is promoted. *Set right within the hour*: promotion goes on at once; what was written
  meanwhile lies in the future, and is mended (:func:`softbounce.transitions.mend`).
- *Set back*: new mail goes out. What is planned lies too far in the future, and is mended some seconds later: it waits
  once more as long as it did, an hour at most. Mail that comes now is dated by the last time that was believed
  (``seen``), so that it is not old when the clock is set right. What was planned meanwhile is then held back until it
  would have come up; what was due before the clock went back is not. After an hour what is dated in the future is of
  now.
- *Set while nobody watched*: a scheduler notes each ten seconds which time it believes, and its machine's steady clock
  beside it. Who starts on that machine, since when that was not started anew, compares with what the time must be.
  Elsewhere he can only tell that it must be about the time noted last: if it is not, he doubts it for an hour, and
  holds nothing back, because the pause may have been as long.
- *The watcher's machine paused*, and its steady clock with it (a snapshot of a virtual machine): to him the server's
  clock went ahead. So he promotes nothing for an hour, and holds back what came due in the pause for as long as that
  lasted, an hour at most; where another watched meanwhile, its next note sets him right. *The server's machine
  paused*, and its clock is set right after it: a step ahead as any other. A process that was stopped, or a machine
  that slept, has a steady clock that went on.
- *Another server*, after a failover, whose clock is off: a step as any other. *The servers of a cluster* may differ as
  they like: what is in a shard is of its own server's time.
- *It steps again and again*: each step has its hour; in between back where it was, it is believed.

Leases do not go by this clock (the sweep times them itself), nor does retention while it is doubted: ``seen`` stands
still, and what ended is as old as that says. Logs nothing and sets nothing; the caller does.
"""

from __future__ import annotations

import math
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from softbounce.store.clock import StoreTime

__all__ = ["DOUBT", "FAR", "ClockWatch", "signature", "steady_seconds"]

FAR = 60.0
"""Seconds by which a clock may move between two looks and still be followed without a word."""
LATE = 10.0
"""Seconds. An answer that took longer says too little of the clock; whoever asked may have slept in between."""
DOUBT = 3600.0
"""Seconds for which a clock that stepped is not believed."""
FOLLOWED = 5.0
"""Seconds after which all who watch have seen a step, and write nothing by the time of before."""
LONGEST_SIGNATURE = 200


class _Step(NamedTuple):
    """A step ahead: how far the clock was ahead before it, where it landed, and until when that matters, in seconds."""

    ahead: float
    landed: float
    until: float


class ClockWatch:
    """What a server's clock said so far. Its times are ms of that clock; ``at`` is of :func:`steady_seconds`.

    :ivar doubted_at: since when the clock is not believed, of :func:`steady_seconds`; ``None``: it is.
    :ivar mend_at: from when on it is to be looked for what lies in the future, and mended; ``None``: that was done.
    """

    def __init__(self) -> None:
        self.doubted_at: float | None = None
        self.mend_at: float | None = None
        self._ahead: float | None = None
        self._believed = 0.0
        self._looked_at = self._answered_at = -math.inf
        self._seen_ms = 0
        self._behind_since = math.inf
        self._step: _Step | None = None

    def look(self, told: StoreTime, asked_at: float, answered_at: float) -> bool:
        """Take note of the time as it was told between two moments. False: it cannot be gone by; ask again."""
        if answered_at - asked_at > LATE or asked_at < self._answered_at:
            return self._fits(told.now_ms / 1000, asked_at, answered_at)  # too old to teach anything
        self._answered_at = answered_at
        at = (asked_at + answered_at) / 2
        ahead = told.now_ms / 1000 - at
        if self._ahead is None:
            self._believed, self._looked_at = _noted(told, at)
            self._ahead, self.mend_at = self._believed, at + FOLLOWED  # it may have been set, and back, unseen
        self._compare(ahead - self._ahead, ahead, at)
        self._ahead, self._looked_at = ahead, at
        if self.doubted_at == at:
            self._seen_ms = told.seen_ms
        if self.doubted_at is not None:
            self._doubt(self.doubted_at, told, at)
        if self.doubted_at is None:
            self._believed = ahead
        return True

    @property
    def is_sure(self) -> bool:
        """Whether mail may be ended by this clock."""
        return self._ahead is not None and self.doubted_at is None

    @property
    def off_seconds(self) -> float:
        """How far the clock is ahead of the time that is believed."""
        return 0.0 if self._ahead is None else self._ahead - self._believed

    def now_ms(self, at: float) -> int:
        """The clock's time; only after a look."""
        assert self._ahead is not None, "nobody has looked at this clock"  # noqa: S101
        return round((at + self._ahead) * 1000)

    def earliest_ms(self, at: float) -> int:
        """The clock's time, or the one that is believed where that is earlier; 0 before a look."""
        return 0 if self._ahead is None else round((at + min(self._ahead, self._believed)) * 1000)

    def held_ms(self, at: float) -> tuple[int, int] | None:
        """Between which times what is planned is due only because the clock jumped over it."""
        step = self._step
        if step is None or at >= step.until or at + step.ahead >= step.landed:
            return None
        return round((at + step.ahead) * 1000), round(step.landed * 1000)

    def _compare(self, moved: float, ahead: float, at: float) -> None:
        """See whether the clock stepped since the last look."""
        if abs(moved) <= FAR:
            return
        if moved < 0 and self.doubted_at is None:
            self._behind_since = at + self._believed
        self.doubted_at = at
        if moved < 0:
            self._step, self.mend_at = None, at + FOLLOWED
            return
        before = ahead - moved if self._step is None or self.held_ms(at) is None else self._step.ahead
        landed = ahead + self._looked_at
        if abs(ahead - self._believed) <= FAR:  # back: only what was planned while it was behind is due too early
            landed = min(landed, self._behind_since - FAR)
        self._step = _Step(before, landed, at + DOUBT)

    def _doubt(self, since: float, told: StoreTime, at: float) -> None:
        """See whether the doubt is over: it lasted its time, the clock is back, or is noted since to be believed."""
        if told.seen_ms != self._seen_ms and abs(told.now_ms - told.seen_ms) <= FAR * 1000:
            self._step = None
        elif abs(self.off_seconds) > FAR and at < since + DOUBT:
            return
        self.doubted_at, self.mend_at = None, at + FOLLOWED

    def _fits(self, now: float, asked_at: float, answered_at: float) -> bool:
        return self._ahead is not None and asked_at - FAR <= now - self._ahead <= answered_at + FAR


def steady_seconds() -> float:
    """Seconds of a clock of this machine that nobody can set; where the system has one, it counts while that sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def signature(now_ms: int, at: float) -> str:
    """What tells the time to who starts later on this machine: itself, and how far the time is ahead of its clock."""
    return f"{_machine()} {now_ms - round(at * 1000)}" if _machine() else ""


def _noted(told: StoreTime, at: float) -> tuple[float, float]:
    """How far the clock must be ahead by what was noted, and when that was, by the steady clock."""
    ahead = told.now_ms / 1000 - at
    if not told.seen_ms:
        return ahead, at
    machine, _, ahead_ms = told.seen_by[:LONGEST_SIGNATURE].decode(errors="replace").partition(" ")
    seen = told.seen_ms / 1000
    if machine and machine == _machine() and ahead_ms.isascii() and ahead_ms.isdecimal():
        return int(ahead_ms) / 1000, seen - int(ahead_ms) / 1000
    return seen - at, seen - ahead  # no later than that: it may have been noted a while ago


@cache
def _machine() -> str:
    """What tells this start of the machine, and what its steady clock shows here, from others; empty: nothing does."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    try:
        return boot + str(Path("/proc/self/ns/time").readlink())  # a container may have a steady clock of its own
    except OSError:
        return boot
