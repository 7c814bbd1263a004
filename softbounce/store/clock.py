"""The store's time: its server's clock, and a correction that all scripts add to it (``prelude.lua``).

A server's clock may be set wrong while mail waits. Whoever watches it (:mod:`softbounce.store.clock_watch`) then sets
the correction, so that the store's time runs on as if nothing had happened; set right again, there is none. Each shard
has its own, since shards may be on several servers.
"""

from __future__ import annotations

from typing import NamedTuple

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Answer, Call, Operation, first
from softbounce.store.keys import HOME
from softbounce.store.scripts import script

__all__ = ["StoreTime", "ask_time", "correct_clock", "note_time", "read_time", "time_of"]


class StoreTime(NamedTuple):
    """The store's now, ms; how much of it is correction, ms; and what was noted lately.

    :ivar noted_ms: a time that was believed, ms; 0: none was noted.
    :ivar noted_by: who noted it, and by which steady clock (:func:`softbounce.store.clock_watch.signature`).
    """

    now_ms: int
    correction_ms: int
    noted_ms: int = 0
    noted_by: bytes = b""

    @property
    def server_ms(self) -> int:
        """What the server's own clock says."""
        return self.now_ms - self.correction_ms


def ask_time(shard: int) -> Call:
    """The call whose answer :func:`time_of` reads."""
    return Call(shard, script("time"), (keys.key(shard, "clock"),), ())


def time_of(answer: Answer) -> StoreTime:
    """The store's time, by the answer to :func:`ask_time`."""
    if isinstance(answer, StoreError):
        raise answer
    return StoreTime(*answer)


def read_time(shard: int) -> Operation[StoreTime]:
    """The store's time."""
    return Operation((ask_time(shard),), lambda answers: time_of(answers[0]))


def correct_clock(shard: int, before_ms: int, after_ms: int, lease_ms: int) -> Operation[bool]:
    """Replace a shard's correction, if it is what the caller knows. In the home shard every process gets a new lease.

    :param lease_ms: its length: leases that were given by the wrong clock end too early, or never.
    :returns: False: another changed it first.
    """
    call = Call(
        shard,
        script("correct"),
        keys.of(shard, "clock", "leases"),
        (before_ms, after_ms, lease_ms if shard == HOME else ""),
    )
    return Operation((call,), lambda answers: first(answers) == 1)


def note_time(shard: int, now_ms: int, correction_ms: int, by: str = "") -> Operation[bool]:
    """Write down a time that is believed: who starts later can tell by it whether the clock was set meanwhile.

    :param correction_ms: the correction by which it was told.
    :param by: tells the time by a steady clock to who starts later on the same machine.
    :returns: False: the correction is another by now, and nothing was written.
    """
    call = Call(shard, script("note"), (keys.key(shard, "clock"),), (correction_ms, now_ms, by))
    return Operation((call,), lambda answers: first(answers) == 1)
