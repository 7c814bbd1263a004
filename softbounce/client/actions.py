"""What an app or an operator does to one envelope: cancel, bounce, retry, hold, release, change, redirect.

Each reads the envelope, decides, and moves it only if it is still as it was read; when another change came first, it
looks again. So an answer that was lost is simply asked for anew: every action may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple, TypeVar

from softbounce import transitions
from softbounce.client.flow import Flow
from softbounce.client.held_streams import NO_WHOLES, Wholes, read_wholes
from softbounce.client.knowledge import Knowledge
from softbounce.client.one_line import check_one_line
from softbounce.client.record import find_record
from softbounce.client.terms import Chosen, check_terms, read_terms
from softbounce.envelope import GATE, NEWS_MS, STANDING, Flag, Record, State
from softbounce.errors import AlreadyEnded, StoreUnavailable, StoreUncertain
from softbounce.gate import closes_to
from softbounce.ids import format_id
from softbounce.settings import Settings
from softbounce.store.moving import Move, MoveResult, ask, move
from softbounce.transitions import Change, Terms

__all__ = [
    "Ask",
    "BounceAnswer",
    "CancelAnswer",
    "ChangeAnswer",
    "HoldAnswer",
    "ReleaseAnswer",
    "RetryAnswer",
    "Wish",
    "act_on",
    "bounce",
    "bounce_words",
    "cancel",
    "change",
    "decide_bounce",
    "decide_cancel",
    "decide_change",
    "decide_hold",
    "decide_release",
    "decide_retry",
    "hold",
    "release",
    "retry",
]

T = TypeVar("T")
TURNS = 20
LONGEST_REASON, LONGEST_NAME = 200, 64
ASKED = 1  # the answer of `ask`
NO_FLAG = Flag(0)


class CancelAnswer(StrEnum):
    """What became of a cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"  # an attempt is under way: it ends before the final dot if it can
    TOO_LATE = "too_late"  # delivered or bounced


class BounceAnswer(StrEnum):
    """What became of a bounce by hand."""

    BOUNCED = "bounced"
    BOUNCING = "bouncing"  # an attempt is under way: it ends before the final dot if it can
    TOO_LATE = "too_late"  # delivered or cancelled


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
    HOLD_STANDS = "hold_stands"  # so does the hold that it met: it would be held anew, so nothing was changed
    GATED = "gated"  # the staging gate holds it, and would anew: nothing was changed


class ChangeAnswer(StrEnum):
    """What became of a change of policy or window, or of a redirect."""

    CHANGED = "changed"
    CHANGING = "changing"  # an attempt is under way: it counts when that comes back
    UNCHANGED = "unchanged"  # it was so already


class Ask(NamedTuple):
    """Something for the worker to obey that tries an envelope.

    :ivar flag: none: only the record tells it.
    :ivar tells_more: the record says more of it.
    :ivar no_more: that is taken back.
    """

    flag: Flag
    tells_more: bool = False
    no_more: bool = False


Wish = tuple[T, Change | Ask | None]
"""The answer when it succeeds, and what has to be done for it: a change, something to ask of its worker, or nothing."""


def cancel(knowledge: Knowledge, identity: str) -> Flow[CancelAnswer]:
    """End an envelope that is not delivered yet.

    :raises NotFound: there is none (any more).
    """
    return (yield from act_on(knowledge, identity, decide_cancel))


def bounce(knowledge: Knowledge, identity: str, *, reason: str = "", by: str = "") -> Flow[BounceAnswer]:
    """End an envelope that is not delivered yet, as a bounce whose cause is ``operator``.

    :param reason: why, in words.
    :param by: who wants it so.
    :raises InvalidArgument: they are too long, or not to be printed.
    :raises NotFound: there is none (any more).
    """
    return (yield from act_on(knowledge, identity, partial(decide_bounce, why=bounce_words(reason, by))))


def bounce_words(reason: str, by: str) -> str:
    """A bounce by hand in a sentence.

    :raises InvalidArgument: its parts are too long, or not to be printed.
    """
    check_one_line("reason", reason, LONGEST_REASON)
    check_one_line("by", by, LONGEST_NAME)
    return f"{by or 'An operator'} ended it: {reason}" if reason else f"{by or 'An operator'} ended it by hand."


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


def release(knowledge: Knowledge, identity: str, *, past_gate: bool = False) -> Flow[ReleaseAnswer]:
    """Lift a hold: the envelope is tried when it was planned to be, or now when that has passed.

    One that is being tried, and was to be held when it comes back, is not.

    :param past_gate: also where the staging gate holds it: its recipient gets this message.
    :raises AlreadyEnded: it has ended.
    :raises NotFound: there is none (any more).
    """
    was_tried = False
    wholes = yield from read_wholes()

    def decide(record: Record, settings: Settings, now_ms: int) -> Wish[ReleaseAnswer]:
        nonlocal was_tried
        if was_tried and not _is_kept(record):  # an earlier turn had worked, its answer was lost
            return ReleaseAnswer.RELEASED, None
        was_tried = _is_kept(record)
        return decide_release(record, settings, now_ms, wholes, past_gate=past_gate)

    return (yield from act_on(knowledge, identity, decide))


def change(knowledge: Knowledge, identity: str, chosen: Chosen, *, act: str = "change") -> Flow[ChangeAnswer]:
    """Give an envelope a policy, a window or a route, or take such a choice back.

    :param act: ``change`` or ``redirect``, each of which knows what is its own.
    :raises AlreadyEnded: it has ended.
    :raises InvalidArgument: there is no such policy or route, or the act knows none.
    :raises NotFound: there is none (any more).
    """
    terms = read_terms(act, chosen)
    check_terms(terms, (yield from knowledge.current()).settings)
    was_asked = False

    def decide(record: Record, settings: Settings, now_ms: int) -> Wish[ChangeAnswer]:
        nonlocal was_asked
        answer, wish = decide_change(record, settings, now_ms, terms=terms, act=act)
        if was_asked and answer is ChangeAnswer.UNCHANGED:  # an earlier turn had worked, its answer was lost
            answer = ChangeAnswer.CHANGING if record.state is State.ATTEMPTING else ChangeAnswer.CHANGED
        was_asked = True
        return answer, wish

    return (yield from act_on(knowledge, identity, decide))


def decide_cancel(record: Record, _: Settings, now_ms: int) -> Wish[CancelAnswer]:
    """What a cancel means for an envelope as it is."""
    if record.state is State.CANCELLED:
        return CancelAnswer.CANCELLED, None
    if record.state.is_final:
        return CancelAnswer.TOO_LATE, None
    if record.state is State.ATTEMPTING:
        return CancelAnswer.CANCELLING, Ask(Flag.CANCEL_ASKED)
    return CancelAnswer.CANCELLED, transitions.cancel(record, now_ms)


def decide_bounce(record: Record, _: Settings, now_ms: int, *, why: str) -> Wish[BounceAnswer]:
    """What a bounce by hand means for an envelope as it is."""
    if record.state is State.BOUNCED:
        return BounceAnswer.BOUNCED, None
    if record.state.is_final:
        return BounceAnswer.TOO_LATE, None
    if record.state is State.ATTEMPTING:
        record.envelope.bounce_asked = why
        return BounceAnswer.BOUNCING, Ask(Flag.CANCEL_ASKED, tells_more=True)
    return BounceAnswer.BOUNCED, transitions.bounce_by_hand(record, now_ms, why)


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


def decide_hold(record: Record, _: Settings, now_ms: int, *, action: bytes = b"") -> Wish[HoldAnswer]:
    """What a hold means for an envelope as it is.

    :param action: by which action.
    """
    _refuse_ended(record, "hold")
    if record.state is State.HELD:
        return HoldAnswer.HELD, None
    record.envelope.held_by = action
    if record.state is State.ATTEMPTING:
        return HoldAnswer.HOLDING, Ask(Flag.HOLD_ASKED, tells_more=bool(action))
    return HoldAnswer.HELD, transitions.hold(record, now_ms)


def decide_change(  # noqa: PLR0913 - as every decision, and what was chosen by whom
    record: Record, settings: Settings, now_ms: int, *, terms: Terms, act: str = "change", action: bytes = b""
) -> Wish[ChangeAnswer]:
    """What other terms mean for an envelope as it is.

    :param action: which held it until this is done.
    """
    _refuse_ended(record, act)
    lets_go = bool(action) and _is_kept(record) and record.envelope.held_by == action
    if terms.are_of(record.envelope) and not lets_go:
        return ChangeAnswer.UNCHANGED, None
    if record.state is not State.ATTEMPTING:
        return ChangeAnswer.CHANGED, transitions.change_terms(record, settings, now_ms, terms, lets_go=lets_go)
    transitions.give_terms(record, settings, terms)
    record.next_ms = NEWS_MS
    if not lets_go:
        return ChangeAnswer.CHANGING, Ask(NO_FLAG, tells_more=True)
    record.envelope.held_by = b""
    return ChangeAnswer.CHANGING, Ask(Flag.HOLD_ASKED, tells_more=True, no_more=True)


def decide_release(
    record: Record,
    settings: Settings,
    now_ms: int,
    wholes: Wholes = NO_WHOLES,
    *,
    past_gate: bool = False,
) -> Wish[ReleaseAnswer]:
    """What a release means for an envelope as it is.

    :param wholes: what is held as a whole.
    :param past_gate: a person wants just this one to pass the staging gate.
    """
    _refuse_ended(record, "release")
    if record.state is State.ATTEMPTING and _is_kept(record):
        record.envelope.held_by = b""
        return ReleaseAnswer.RELEASED, Ask(Flag.HOLD_ASKED, tells_more=True, no_more=True)
    if record.state is not State.HELD:
        return ReleaseAnswer.NOT_HELD, None
    if record.stream in wholes.streams:
        return ReleaseAnswer.STREAM_HELD, None
    envelope = record.envelope
    if envelope.held_why == STANDING and envelope.held_by in wholes.standing:
        return ReleaseAnswer.HOLD_STANDS, None
    is_closed = closes_to(settings.gate, envelope.recipient, past_gate=past_gate)
    if envelope.held_why == GATE and is_closed and settings.gate is not None and settings.gate.holds_others:
        return ReleaseAnswer.GATED, None
    return ReleaseAnswer.RELEASED, transitions.release(record, settings, now_ms, past_gate=past_gate)


def _is_kept(record: Record) -> bool:
    """Whether it is held, or will be as soon as its attempt is over."""
    return record.state is State.HELD or bool(record.flags & Flag.HOLD_ASKED)


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
            if isinstance(wish, Ask):
                flag = -wish.flag.value if wish.no_more else wish.flag.value
                done = yield ask(flag, record, tells_more=wish.tells_more)
                if done == ASKED:
                    return answer
            else:
                one = Move(
                    record=wish.record, version=version, look_ms=wish.look_ms, event=wish.event, ahead=wish.ahead
                )
                (done,) = yield move([one], keep_events=known.settings.keep_events_max)
                if done == MoveResult.MOVED:
                    return answer
        except StoreUncertain:
            continue  # look at the envelope again: the act shows on it when it was carried out
    raise StoreUnavailable(f"envelope {identity} changed {TURNS} times while it was to be changed; try again")
