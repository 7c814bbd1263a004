"""The ways into *scheduled*, *held* and the ends, whatever led there: what a record of each state looks like."""

from __future__ import annotations

from softbounce import counting
from softbounce.decide import Bounce, Cause
from softbounce.envelope import NEWS_MS, NO_TOKEN, Attempt, Final, Flag, Record, State
from softbounce.transitions.change import Change, event_of

__all__ = ["bounce", "end", "hold_for", "schedule", "unclaim"]

OF_A_CLAIM = Flag.MARKED | Flag.ALONE | Flag.TRIED
"""Flags that end with the claim."""


def schedule(record: Record, next_ms: int, expires_ms: int, event: bytes, *, look_ms: int) -> Change:
    """Into *scheduled*: due at one time, its expiry to be looked at at another."""
    unclaim(record)
    record.claims = 0
    record.state = State.SCHEDULED
    record.next_ms, record.expires_ms = next_ms, expires_ms
    return Change(record, event, look_ms)


def hold_for(record: Record, reason: str, why: str, since_ms: int) -> Change:
    """Into *held*, for a reason of one word, and in words."""
    unclaim(record)
    record.flags = record.flags.without(Flag.HOLD_ASKED)
    record.claims = 0
    record.state = State.HELD
    record.envelope.held_since_ms = since_ms
    record.envelope.held_why = reason
    kind = "quarantined" if reason == "quarantined" else "held"
    return Change(record, event_of(record, kind, why=why, reason=reason))


def bounce(record: Record, decision: Bounce, now_ms: int, lane_trouble: Final | None = None) -> Change:
    """Into *bounced*, with the reply that tells most: of an attempt, else of the lane that kept it waiting."""
    last = _telling_attempt(record)
    told = last or lane_trouble
    record.envelope.final = Final(
        at_ms=now_ms,
        cause=decision.cause,
        code=told.code if told else None,
        enhanced=told.enhanced if told else None,
        text=told.text if told else "",
        reason=told.reason if told else None,
        suppress=bool(last and last.suppress and decision.cause is Cause.REJECTED),
        why=decision.why,
    )
    return end(record, State.BOUNCED, last)


def _telling_attempt(record: Record) -> Attempt | None:
    """The attempt whose reply tells most: the last one with a real reply, else the last one."""
    attempts = record.envelope.attempts
    return next((one for one in reversed(attempts) if one.code is not None), attempts[-1] if attempts else None)


def end(record: Record, state: State, attempt: Attempt | None, *, kind: str = "", asked: str = "") -> Change:
    """Into one of the ends; the record has its final already.

    :param kind: of the event, where it is not called as the state is.
    :param asked: that the sender asked to be told of it, if he did.
    """
    unclaim(record)
    record.claims = 0
    record.state = state
    record.next_ms = 0
    final = record.envelope.final
    assert final is not None  # noqa: S101
    kind = kind or state.word
    record.counts += (counting.ended(kind, final.cause),)
    if state is State.DELIVERED:
        record.counts += counting.delivered_after(final.at_ms - max(record.created_ms, record.envelope.at_ms or 0))
    event = event_of(record, kind, attempt=attempt, final=final, why=final.why, cause=final.cause, asked=asked)
    return Change(record, event)


def unclaim(record: Record) -> None:
    """Nobody has it any more."""
    record.token = NO_TOKEN
    record.flags = record.flags.without(OF_A_CLAIM)
    if record.next_ms == NEWS_MS:  # whoever ends the claim has read them
        record.next_ms = 0
