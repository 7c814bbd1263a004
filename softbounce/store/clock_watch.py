"""Watches the store's time against a clock that never steps: a server's clock that was set wrong must end no mail.

The store's time decides what is due and what has expired. Set five days ahead it would try all mail at once, and
promote what that does not deliver. So a step of more than a minute is not followed: the watch tells by how much the
server's clock is to be corrected for the time to run on as it did. Back within a minute, it needs no correction.
Smaller steps, and drift, are followed: no two machines agree for ever. A correction that somebody else set is believed:
another that watches, or an operator who says that the clock is right. Logs nothing and sets nothing; the caller does.

A clock may also be set while nobody watches. Whoever begins to watch finds a time that was believed once. Where it was
noted on the same machine, since when that was not started anew, its steady clock tells what the time is now. Elsewhere
the earliest is believed that is not before it: the time as it is told, or the server's own without its correction, or,
where both are earlier, that time itself; a step ahead that nobody saw looks like a pause as long.
"""

from __future__ import annotations

import math
import time
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from softbounce.store.clock import StoreTime

__all__ = ["LATE", "ClockWatch", "Sight", "Stray", "believable_ms", "signature", "steady_seconds"]

STEP = 1.0
"""Seconds by which the clocks may move apart between two looks and still be drifting."""
FAR = 60.0
LATE = 10.0
"""Seconds. An answer that took longer says too little of the clock; whoever asked may have slept in between."""

STRAYS_FOLLOW_MS = 10_000
"""For how long after it was seen a step may go on doing harm, until it is corrected."""


class Sight(Enum):
    """What a look at the clock tells."""

    RUNS = "runs"
    STEPPED = "stepped"  # a little, or because somebody believes it; leases on it may seem to have ended
    FAR = "far"  # it stepped by more than a minute, and is to be corrected
    UNSURE = "unsure"  # the answer came late, or was overtaken by another, and does not fit: ask again


class Stray(NamedTuple):
    """From when to when, by itself, a clock was wrong and nobody knew, ms; and how far it was ahead, ms.

    Nothing that was dated rightly lies there: it is all later than the right time was when that was found out.
    """

    from_ms: int
    to_ms: int
    ahead_ms: int


class ClockWatch:
    """What a server's clock said so far.

    :ivar wanted_ms: the correction by which the time would run on; ``None``: it does.
    :ivar stray: after a step ahead: what was written before it was corrected lies in the future.
    :ivar is_far: the server's clock is more than a minute from where it should be: nothing may be promoted.
    """

    def __init__(self) -> None:
        self.wanted_ms: int | None = None
        self.stray: Stray | None = None
        self.is_far = False
        self._last: float | None = None
        self._last_at = 0.0
        self._answered_at = -math.inf
        self._trusted = 0.0
        self._correction_ms = 0

    def look(self, told: StoreTime, asked_at: float, answered_at: float) -> Sight:
        """Take note of the store's time as it was between two readings of :func:`steady_seconds`."""
        is_late, overlaps = answered_at - asked_at > LATE, asked_at < self._answered_at
        if overlaps or is_late:
            # It may be older than what is known already; so it teaches nothing, and is only compared.
            earliest, latest = self._trusted + asked_at - FAR, self._trusted + answered_at + FAR
            is_known = self.has_looked and told.correction_ms == self._correction_ms
            return Sight.RUNS if is_known and earliest <= told.now_ms / 1000 <= latest else Sight.UNSURE
        self._answered_at = answered_at
        at = (asked_at + answered_at) / 2
        ahead = told.now_ms / 1000 - at
        last, self._last = self._last, ahead
        unseen, self._last_at = at - self._last_at, at
        if last is None:
            believed_ms = believable_ms(told, at)
            unseen = max(0, believed_ms - told.noted_ms) / 1000
            self._trusted, self._correction_ms = believed_ms / 1000 - at, told.correction_ms
        elif told.correction_ms != self._correction_ms:
            if told.correction_ms != self.wanted_ms:  # another's; ours may have come when the clock was right again
                self._trusted = ahead
            self._correction_ms = told.correction_ms
        off = ahead - self._trusted
        if abs(off) > FAR:
            if self.wanted_ms is None and off > 0:
                since_ms = told.now_ms - round(min(unseen + LATE, off) * 1000)
                self.stray = Stray(since_ms, told.now_ms + STRAYS_FOLLOW_MS, round(off * 1000))
            wanted_ms = told.correction_ms - round(off * 1000)
            self.wanted_ms = wanted_ms if abs(wanted_ms) > FAR * 1000 else 0
        else:
            self._trusted, self.wanted_ms = ahead, None
        self.is_far = told.correction_ms != 0 or self.wanted_ms is not None
        if self.wanted_ms is not None:
            return Sight.FAR
        return Sight.RUNS if last is None or abs(ahead - last) <= STEP else Sight.STEPPED

    @property
    def has_looked(self) -> bool:
        """Whether there was a look."""
        return self._last is not None

    def time_ms(self, at: float) -> int:
        """The store's time as it runs on, at a moment of :func:`steady_seconds`; only after a look."""
        return round((at + self._trusted) * 1000)


def believable_ms(told: StoreTime, at: float) -> int:
    """For who has not watched before: what the time is by that which was noted, at a moment of the steady clock."""
    if not told.noted_ms:
        return told.now_ms
    machine, _, ahead_ms = told.noted_by.decode(errors="replace").partition(" ")
    if machine and machine == _machine() and ahead_ms.isdecimal():
        return int(ahead_ms) + round(at * 1000)
    earliest_ms = told.noted_ms - round(FAR * 1000)
    return next((one for one in sorted((told.server_ms, told.now_ms)) if one >= earliest_ms), told.noted_ms)


def steady_seconds() -> float:
    """Seconds of a clock of this machine that nobody can set; where the system has one, it counts while that sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def signature(now_ms: int, at: float) -> str:
    """What tells the time to who starts later on this machine: itself, and how far the time is ahead of its clock."""
    return f"{_machine()} {now_ms - round(at * 1000)}" if _machine() else ""


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
