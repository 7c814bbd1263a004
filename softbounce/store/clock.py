"""The store's time: what its server's clock says, and which time was believed last. Each shard has its own.

A clock may be set wrong; :mod:`softbounce.store.clock_watch` says what follows from that.
"""

from __future__ import annotations

from typing import NamedTuple

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["StoreTime", "ask_time", "note_time", "read_time", "time_of"]


class StoreTime(NamedTuple):
    """The server's now, ms; and what was noted of it last.

    :ivar seen_ms: the time that was believed last, ms; 0: nobody has noted any.
    :ivar seen_by: by which steady clock (:func:`softbounce.store.clock_watch.signature`).
    """

    now_ms: int
    seen_ms: int = 0
    seen_by: bytes = b""


def ask_time(shard: int) -> Call:
    """The call whose answer :func:`time_of` reads."""
    return Call(shard, script("time"), (keys.key(shard, "clock"),), ())


def time_of(answer: StoreAnswer) -> StoreTime:
    """The store's time, by the answer to :func:`ask_time`."""
    if isinstance(answer, StoreError):
        raise answer
    return StoreTime(*answer)


def read_time(shard: int) -> Operation[StoreTime]:
    """The store's time."""
    return Operation((ask_time(shard),), lambda answers: time_of(answers[0]))


def note_time(shard: int, now_ms: int, by: str = "") -> Operation[bool]:
    """Write down that the server's clock is believed: who starts later can tell by it whether it was set meanwhile.

    :param now_ms: what it said to whom believes it.
    :param by: tells the time by a steady clock to who starts later on the same machine.
    :returns: False: it was set since, and nothing was written.
    """
    call = Call(shard, script("note"), (keys.key(shard, "clock"),), (now_ms, by))
    return Operation((call,), lambda answers: first(answers) == 1)
