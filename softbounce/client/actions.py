"""What an app or an operator does to one envelope: cancel, retry, hold, release.

Each reads the envelope, decides, and moves it only if it is still as it was read; when another change came first, it
looks again. So an answer that was lost is simply asked for anew: every action may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import StrEnum
from typing import TypeVar

from softbounce import transitions
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.record import find_record
from softbounce.envelope import Flag, Record, State
from softbounce.errors import AlreadyEnded, StoreUnavailable, StoreUncertain
from softbounce.ids import format_id
from softbounce.settings import Settings
from softbounce.store.held_streams import held_among, read_holds
from softbounce.store.moving import Move, MoveResult, ask, move
from softbounce.transitions import Change

__all__ = [
    "CancelAnswer",
    "HoldAnswer",
    "ReleaseAnswer",
    "RetryAnswer",
    "Wish",
    "act_on",
    "cancel",
    "decide_cancel",
    "decide_hold",
    "decide_release",
    "decide_retry",
    "hold",
    "release",
    "retry",
]

T = TypeVar("T")
TURNS = 20
ASKED = 1  # the answer of `ask`


class CancelAnswer(StrEnum):
    """What became of a cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"  # an attempt is under way: it ends before the final dot if it can
    TOO_LATE = "too_late"  # delivered or bounced


class RetryAnswer(StrEnum):
    """What became of a retry."""

    SCHEDULED = "scheduled"  # for now
    READY = "ready"  # it waits in its lane for a slot already: nothing was changed
    ATTEMPTING = "attempting"  # it is being tried: nothing was changed
    HELD = "held"  # it is held, and a hold is lifted by `release` only: nothing was changed


class HoldAnswer(StrEnum):
    """What became of a hold."""

    HELD = "held"
    HOLDING = "holding"  # an attempt is under way: held when it comes back


class ReleaseAnswer(StrEnum):
    """What became of a release."""

    RELEASED = "released"
    NOT_HELD = "not_held"  # nothing was changed
    STREAM_HELD = "stream_held"  # its whole stream is: it would be held anew, so nothing was changed


Wish = tuple[T, Change | Flag | None]
"""The answer when it succeeds, and what has to be done for it: a change, a flag for its worker to obey, or nothing."""


def cancel(knowledge: Knowledge, identity: str) -> Flow[CancelAnswer]:
    """End an envelope that is not delivered yet.

    :raises NotFound: there is none (any more).
    """
    return (yield from act_on(knowledge, identity, decide_cancel))


def retry(knowledge: Knowledge, identity: str) -> Flow[RetryAnswer]:
    """Plan the next attempt for now. A lane that is closed still opens when its backoff ends.

    :raises AlreadyEnded: it has ended, and its message is gone.
    :raises NotFound: there is none (any more).
    """
    return (yield from act_on(knowledge, identity, decide_retry))


def hold(knowledge: Knowledge, identity: str) -> Flow[HoldAnswer]:
    """Hold an envelope until it is released. Its window stands still meanwhile, unless the settings say otherwise.

    :raises AlreadyEnded: it has ended.
    :raises NotFound: there is none (any more).
    """
    return (yield from act_on(knowledge, identity, decide_hold))


def release(knowledge: Knowledge, identity: str) -> Flow[ReleaseAnswer]:
    """Lift a hold: the envelope is tried when it was planned to be, or now when that has passed.

    :raises AlreadyEnded: it has ended.
    :raises NotFound: there is none (any more).
    """
    was_tried = False
    streams = yield from repeat(read_holds())

    def decide(record: Record, settings: Settings, now_ms: int) -> Wish[ReleaseAnswer]:
        nonlocal was_tried
        if was_tried and record.state is not State.HELD:  # an earlier turn had worked, its answer was lost
            return ReleaseAnswer.RELEASED, None
        was_tried = record.state is State.HELD
        return decide_release(record, settings, now_ms, held_among(streams))

    return (yield from act_on(knowledge, identity, decide))


def decide_cancel(record: Record, _: Settings, now_ms: int) -> Wish[CancelAnswer]:
    """What a cancel means for an envelope as it is."""
    if record.state is State.CANCELLED:
        return CancelAnswer.CANCELLED, None
    if record.state.is_final:
        return CancelAnswer.TOO_LATE, None
    if record.state is State.ATTEMPTING:
        return CancelAnswer.CANCELLING, Flag.CANCEL_ASKED
    return CancelAnswer.CANCELLED, transitions.cancel(record, now_ms)


def decide_retry(record: Record, settings: Settings, now_ms: int) -> Wish[RetryAnswer]:
    """What a retry means for an envelope as it is."""
    _refuse_ended(record, "retry")
    match record.state:
        case State.READY:
            return RetryAnswer.READY, None
        case State.ATTEMPTING:
            return RetryAnswer.ATTEMPTING, None
        case State.HELD:
            return RetryAnswer.HELD, None
        case _:
            return RetryAnswer.SCHEDULED, transitions.retry_now(record, settings, now_ms)


def decide_hold(record: Record, _: Settings, now_ms: int) -> Wish[HoldAnswer]:
    """What a hold means for an envelope as it is."""
    _refuse_ended(record, "hold")
    if record.state is State.HELD:
        return HoldAnswer.HELD, None
    if record.state is State.ATTEMPTING:
        return HoldAnswer.HOLDING, Flag.HOLD_ASKED
    return HoldAnswer.HELD, transitions.hold(record, now_ms)


def decide_release(
    record: Record, settings: Settings, now_ms: int, streams: Container[str] = frozenset()
) -> Wish[ReleaseAnswer]:
    """What a release means for an envelope as it is.

    :param streams: those that are held as a whole.
    """
    _refuse_ended(record, "release")
    if record.state is not State.HELD:
        return ReleaseAnswer.NOT_HELD, None
    if record.stream in streams:
        return ReleaseAnswer.STREAM_HELD, None
    return ReleaseAnswer.RELEASED, transitions.release(record, settings, now_ms)


def _refuse_ended(record: Record, act: str) -> None:
    if record.state.is_final:
        raise AlreadyEnded(format_id(record.id), record.state.word, act)


def act_on(knowledge: Knowledge, identity: str, decide: Callable[[Record, Settings, int], Wish[T]]) -> Flow[T]:
    """Read an envelope, decide, and change it as it was read; look again where another change came first."""
    known = yield from knowledge.current()
    for _ in range(TURNS):
        record, now_ms = yield from find_record(identity)
        version = record.version
        answer, wish = decide(record, known.settings, now_ms)
        if wish is None:
            return answer
        try:
            if isinstance(wish, Flag):
                done = yield ask(wish.value, record)
                if done == ASKED:
                    return answer
            else:
                one = Move(record=wish.record, version=version, look_ms=wish.look_ms, event=wish.event)
                (done,) = yield move([one], keep_events=known.settings.keep_events_max)
                if done == MoveResult.MOVED:
                    return answer
        except StoreUncertain:
            continue  # look at the envelope again: the act shows on it when it was carried out
    raise StoreUnavailable(f"envelope {identity} changed {TURNS} times while it was to be changed; try again")
