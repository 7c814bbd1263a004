"""What a record becomes: each function turns the record it is given into the one to store, and makes the event.

Pure but for changing the record in place; nothing reaches the store here. The caller guards the change by the claim
token or the version it saw, so a record that lost the race is simply dropped. Which transitions there are::

    attempting -> delivered | scheduled (deferred) | ready (lane's fault) | held | bounced | cancelled
    scheduled, ready -> bounced (promoted) | held | cancelled          held -> scheduled | bounced | cancelled
    bounced, cancelled, scheduled ... -> delivered                     a real 250 always wins

Nothing leads out of delivered, and nothing but a late 250 out of the other ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from softbounce.decide import Bounce, Cause, Decision, Defer, Delivered, decide, expires_at, rederive
from softbounce.duration import from_epoch_ms, in_words, to_epoch_ms
from softbounce.envelope import NO_TOKEN, Attempt, Final, Flag, Record, State
from softbounce.events import StoredEvent, encode_event
from softbounce.history import History
from softbounce.reply import Reply, Trouble
from softbounce.settings import Policy, Settings
from softbounce.stage import Stage
from softbounce.verdict import Verdict, VerdictWord

__all__ = [
    "Change",
    "Seen",
    "cancel",
    "conclude",
    "deliver_late",
    "expiry_ms",
    "give_back",
    "hold",
    "own_attempts",
    "policy_of",
    "promote",
    "release",
    "reschedule",
    "retry_now",
    "return_to_lane",
]

KEPT_ATTEMPTS = 100
KEPT_TEXT = 512
LONGEST_CLAIM_WAIT = timedelta(minutes=5)
ASKED = Flag.CANCEL_ASKED | Flag.HOLD_ASKED
_DELIVERED_RULE = "builtin:accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One attempt as the worker saw it.

    :ivar uncertain: it ended while marked and unanswered: the remote may have taken the message.
    """

    what: Reply | Trouble
    stage: Stage
    started_ms: int
    ended_ms: int
    host: str | None = None
    address: str | None = None
    uncertain: bool = False


@dataclass(slots=True)
class Change:
    """A record as it shall be stored, its event, and when to look at its expiry (``None``: as before)."""

    record: Record
    event: bytes
    look_ms: int | None = None


def policy_of(record: Record, settings: Settings) -> Policy:
    """The policy that binds an envelope under these settings."""
    envelope = record.envelope
    return settings.policy_for(stream=record.stream, domain=envelope.domain, site=envelope.site, sender=envelope.sender)


def history_of(record: Record, settings: Settings, now_ms: int) -> History:
    """The record's history; an operator's hold that still lasts counts up to now, when holds stop the window."""
    history = History.of(record)
    since = record.envelope.held_since_ms
    if since is None or not stops_window(record, settings):
        return history
    return replace(history, held=history.held + timedelta(milliseconds=max(0, now_ms - since)))


def stops_window(record: Record, settings: Settings) -> bool:
    """Whether the hold on a record makes its expiry stand still: an operator's does, a quarantine does not."""
    return settings.hold_pauses_window and record.envelope.held_why == "operator"


def expiry_ms(record: Record, settings: Settings, now_ms: int) -> int:
    """When the envelope expires as things stand: derived, never frozen."""
    return to_epoch_ms(expires_at(policy_of(record, settings), history_of(record, settings, now_ms)))


def own_attempts(record: Record) -> int:
    """How many charged attempts the envelope had."""
    return record.charged


# -- after an attempt -----------------------------------------------------------------------------------------------


def conclude(record: Record, seen: Seen, verdict: Verdict, settings: Settings, now_ms: int) -> Change:
    """Conclude a charged attempt of a claimed envelope."""
    if verdict.word is VerdictWord.DELIVERED:
        return _delivered(record, seen, verdict, now_ms)
    policy = policy_of(record, settings)
    decision = decide(policy, History.of(record), verdict, from_epoch_ms(now_ms))
    attempt = _attempt(record, seen, verdict, decision)
    _keep(record, attempt)
    record.charged += 1
    return _settle(record, attempt, decision, now_ms)


def _delivered(record: Record, seen: Seen, verdict: Verdict, now_ms: int) -> Change:
    attempt = _delivered_attempt(seen, _next_number(record), verdict.rule)
    _keep(record, attempt)
    record.charged += 1
    record.envelope.final = _delivered_final(attempt, now_ms)
    return _end(record, State.DELIVERED, attempt, now_ms)


def _delivered_attempt(seen: Seen, number: int, rule: str) -> Attempt:
    reply = seen.what
    assert isinstance(reply, Reply), "only a reply delivers"  # noqa: S101
    return Attempt(
        number=number,
        started_ms=seen.started_ms,
        ended_ms=seen.ended_ms,
        host=seen.host,
        address=seen.address,
        stage=seen.stage,
        code=reply.code,
        enhanced=reply.enhanced,
        text=reply.text[:KEPT_TEXT],
        verdict="delivered",
        rule=rule,
    )


def _delivered_final(attempt: Attempt, now_ms: int) -> Final:
    why = "the host accepted the message"
    return Final(at_ms=now_ms, code=attempt.code, enhanced=attempt.enhanced, text=attempt.text, why=why)


def deliver_late(record: Record, seen: Seen, settings: Settings, now_ms: int) -> Change:
    """A real 250 came for an envelope that is no longer this attempt's: it wins, and says what it replaced.

    Where that attempt was closed as uncertain meanwhile, it gets its answer in its place, and stays uncertain.
    *settings* are not asked for anything: no policy overrules a 250.
    """
    del settings
    replaced = record.state.word if record.state.is_final else None
    attempts = record.envelope.attempts
    position = _closed_meanwhile(attempts, seen)
    if position is None:
        attempt = _delivered_attempt(seen, _next_number(record), _DELIVERED_RULE)
        _keep(record, attempt)
        record.charged += 1
    else:
        number = attempts[position].number
        attempt = msgspec.structs.replace(_delivered_attempt(seen, number, _DELIVERED_RULE), uncertain=True)
        attempts[position] = attempt
    why = "the host accepted the message; the answer was recorded late"
    final = _delivered_final(attempt, now_ms)
    record.envelope.final = msgspec.structs.replace(final, why=why, replaced=replaced)
    record.flags |= Flag.OVERLAPPED
    change = _end(record, State.DELIVERED, attempt, now_ms)
    change.event = event_of(record, "delivered_late", attempt=attempt, why=why)
    return change


def _closed_meanwhile(attempts: Sequence[Attempt], seen: Seen) -> int | None:
    """Where the attempt stands that was closed as uncertain before its 250 was recorded.

    The sweep that closes it for a lost worker does not know when it began, and writes down its own time; no other
    attempt of the envelope begins before that. So it is the first uncertain one that began no earlier.
    """
    for position, earlier in enumerate(attempts):
        if earlier.uncertain and earlier.verdict is None and earlier.started_ms >= seen.started_ms:
            return position
    return None


def return_to_lane(record: Record, seen: Seen, verdict: Verdict, now_ms: int) -> Change:
    """Conclude an attempt that the lane is to blame for: uncharged; the envelope waits in its lane, without a time."""
    del now_ms
    attempt = _attempt(record, seen, verdict, None)
    _keep(record, attempt)
    record.claims = 0
    return give_back(record, event_of(record, "deferred", attempt=attempt, why=attempt.why))


def give_back(record: Record, event: bytes = b"") -> Change:
    """Put a claimed envelope back into its lane as if it had not been claimed."""
    _unclaim(record)
    record.claims = max(0, record.claims - 1)
    record.state = State.READY
    return Change(record, event)


def close_uncertain(record: Record, seen: Seen, verdict: Verdict, settings: Settings, now_ms: int) -> Change:
    """Close a charged attempt that ended while marked and unanswered; ``on_uncertain`` decides."""
    policy = policy_of(record, settings)
    if policy.on_uncertain == "resend":
        change = conclude(record, seen, verdict, settings, now_ms)
        record.flags |= Flag.UNCERTAIN
        return change
    attempt = _attempt(record, seen, verdict, None)
    _keep(record, attempt)
    record.charged += 1
    record.flags |= Flag.UNCERTAIN
    if policy.on_uncertain == "hold":
        if record.flags & Flag.CANCEL_ASKED:
            return cancel(record, now_ms)
        why = "The remote may have taken the message; the policy holds it for a person to decide."
        return _hold(record, "uncertain", why, now_ms)
    why = "The remote may have taken the message; the policy sends it no second time."
    return _bounce(record, Bounce(cause=Cause.UNCERTAIN, why=why), now_ms)


def _settle(record: Record, attempt: Attempt, decision: Decision, now_ms: int) -> Change:
    match decision:
        case Bounce():
            return _bounce(record, decision, now_ms)
        case Defer():
            if record.flags & Flag.CANCEL_ASKED:
                return cancel(record, now_ms)
            look_ms = to_epoch_ms(decision.expires_at)
            next_ms = 0 if decision.at is None else to_epoch_ms(decision.at)
            record.envelope.planned = decision.planned
            if record.flags & Flag.HOLD_ASKED:
                record.next_ms, record.expires_ms = next_ms, look_ms
                return _hold(record, "operator", "An operator holds it.", now_ms)
            return _schedule(record, next_ms, look_ms, event_of(record, "deferred", attempt=attempt, why=decision.why))
        case Delivered():  # pragma: no cover - conclude() took it already
            raise AssertionError("delivered is settled elsewhere")


def _schedule(record: Record, next_ms: int, look_ms: int, event: bytes) -> Change:
    _unclaim(record)
    record.claims = 0
    record.state = State.SCHEDULED
    record.next_ms, record.expires_ms = next_ms, look_ms
    return Change(record, event, look_ms)


def _bounce(record: Record, decision: Bounce, now_ms: int) -> Change:
    last = _telling_attempt(record)
    record.envelope.final = Final(
        at_ms=now_ms,
        cause=decision.cause,
        code=last.code if last else None,
        enhanced=last.enhanced if last else None,
        text=last.text if last else "",
        reason=last.reason if last else None,
        suppress=bool(last and last.suppress and decision.cause is Cause.REJECTED),
        why=decision.why,
    )
    return _end(record, State.BOUNCED, last, now_ms)


def _telling_attempt(record: Record) -> Attempt | None:
    """The attempt whose reply tells most: the last one with a real reply, else the last one."""
    attempts = record.envelope.attempts
    return next((one for one in reversed(attempts) if one.code is not None), attempts[-1] if attempts else None)


def _end(record: Record, state: State, attempt: Attempt | None, now_ms: int) -> Change:
    del now_ms
    _unclaim(record)
    record.claims = 0
    record.state = state
    record.next_ms = 0
    final = record.envelope.final
    assert final is not None  # noqa: S101
    kind = state.word
    return Change(record, event_of(record, kind, attempt=attempt, why=final.why, cause=final.cause))


def _unclaim(record: Record) -> None:
    record.token = NO_TOKEN
    record.flags &= ~(Flag.MARKED | Flag.ALONE)


# -- without an attempt ---------------------------------------------------------------------------------------------


def reschedule(record: Record, claim_wait: bool, now_ms: int) -> Change:  # noqa: FBT001 - read as a plain answer
    """Put an envelope whose process is gone back to *scheduled*, uncharged; the later the oftener it was claimed.

    One that was alone in its process when that ended is quarantined: it may well be what ended it.
    """
    was_alone = bool(record.flags & Flag.ALONE)
    _unclaim(record)
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    if record.flags & Flag.HOLD_ASKED:
        return hold(record, now_ms)
    if was_alone:
        times = f"{record.claims} times in a row its worker ended while it had this envelope, the last time alone"
        why = f"Quarantined: {times}. Look at the message, then release or cancel it; its window runs on."
        return _hold(record, "quarantined", why, now_ms)
    record.state = State.SCHEDULED
    wait = min(timedelta(seconds=2 ** min(record.claims, 20)), LONGEST_CLAIM_WAIT) if claim_wait else timedelta(0)
    record.next_ms = now_ms + wait // timedelta(milliseconds=1)
    why = f"The worker that had it is gone; it is tried again in {in_words(wait)}."
    return Change(record, event_of(record, "released", why=why))


def promote(record: Record, settings: Settings, now_ms: int, lane_trouble: Final | None = None) -> Change:
    """A soft bounce outlived its window: hard from now on, with its last real reply, or the lane's last failure."""
    policy = policy_of(record, settings)
    window = record.envelope.window_ms
    length = policy.window if window is None else timedelta(milliseconds=window)
    owner = f"policy {policy.name}" if window is None else "the send's own window"
    tries = record.charged
    counted = f"{tries} attempt{'' if tries == 1 else 's'}"
    why = f"Still undelivered after {counted} when its window of {in_words(length)} closed ({owner})."
    change = _bounce(record, Bounce(cause=Cause.PROMOTED, why=why), now_ms)
    final = record.envelope.final
    if not record.envelope.attempts and lane_trouble is not None and final is not None:
        record.envelope.final = Final(
            at_ms=now_ms,
            cause=Cause.PROMOTED,
            code=lane_trouble.code,
            enhanced=lane_trouble.enhanced,
            text=lane_trouble.text,
            reason=lane_trouble.reason,
            why=why,
        )
    return change


def cancel(record: Record, now_ms: int) -> Change:
    """End an envelope because the app or an operator asked for it."""
    record.envelope.final = Final(at_ms=now_ms, why="It was cancelled before it was delivered.")
    return _end(record, State.CANCELLED, None, now_ms)


def hold(record: Record, now_ms: int) -> Change:
    """Hold an envelope that is not being attempted, because an operator asked for it."""
    return _hold(record, "operator", "An operator holds it.", now_ms)


def _hold(record: Record, reason: str, why: str, now_ms: int) -> Change:
    _unclaim(record)
    record.flags &= ~Flag.HOLD_ASKED
    record.claims = 0
    record.state = State.HELD
    record.envelope.held_since_ms = now_ms
    record.envelope.held_why = reason
    return Change(record, event_of(record, "quarantined" if reason == "quarantined" else "held", why=why))


def release(record: Record, settings: Settings, now_ms: int) -> Change:
    """Lift a hold: to *scheduled*, at the time that was planned, or now."""
    if stops_window(record, settings) and record.envelope.held_since_ms is not None:
        record.envelope.held_ms += max(0, now_ms - record.envelope.held_since_ms)
    record.envelope.held_since_ms = None
    record.envelope.held_why = None
    look_ms = expiry_ms(record, settings, now_ms)
    next_ms = max(now_ms, record.next_ms)
    return _schedule(record, next_ms, look_ms, event_of(record, "released", why="The hold was lifted."))


def retry_now(record: Record, settings: Settings, now_ms: int) -> Change:
    """Plan the next attempt for now, because an operator asked for it."""
    record.envelope.planned = True
    look_ms = expiry_ms(record, settings, now_ms)
    return _schedule(record, now_ms, look_ms, event_of(record, "released", why="An operator asked for an attempt now."))


def replan(record: Record, settings: Settings, now_ms: int) -> Change | None:
    """Re-derive a scheduled envelope's next attempt and expiry after a reload; ``None``: nothing changes."""
    policy = policy_of(record, settings)
    history = history_of(record, settings, now_ms)
    now = from_epoch_ms(now_ms)
    next_at, expires = rederive(policy, history, now)
    next_ms = 0 if next_at is None else to_epoch_ms(next_at)
    expires_ms = to_epoch_ms(expires)
    if record.envelope.planned and record.envelope.attempts and record.next_ms and record.next_ms < expires_ms:
        next_ms = record.next_ms
    if not record.envelope.attempts and record.next_ms:
        next_ms = record.next_ms
    if (next_ms, expires_ms) == (record.next_ms, record.expires_ms):
        return None
    record.next_ms, record.expires_ms = next_ms, expires_ms
    return Change(record, b"", expires_ms)


# -- what is kept ---------------------------------------------------------------------------------------------------


def _attempt(record: Record, seen: Seen, verdict: Verdict, decision: Decision | None) -> Attempt:
    """The attempt as it is kept; without a decision it is one that the lane, or nobody, is charged for."""
    reply = seen.what if isinstance(seen.what, Reply) else None
    next_at = decision.at if isinstance(decision, Defer) else None
    charged = decision is not None or seen.uncertain
    return Attempt(
        number=_next_number(record),
        started_ms=seen.started_ms,
        ended_ms=seen.ended_ms,
        host=seen.host,
        address=seen.address,
        stage=seen.stage,
        code=reply.code if reply else None,
        enhanced=seen.what.enhanced,
        text=seen.what.text[:KEPT_TEXT],
        verdict=None if seen.uncertain else str(verdict.word),
        reason=verdict.reason,
        fault=verdict.fault,
        rule=verdict.rule,
        charged=charged,
        uncertain=seen.uncertain,
        next_ms=None if next_at is None else to_epoch_ms(next_at),
        delays_ms=tuple(round(delay.total_seconds() * 1000) for delay in verdict.delays),
        window_ms=None if verdict.window is None else round(verdict.window.total_seconds() * 1000),
        suppress=verdict.suppress,
        why=_why(seen, decision),
    )


def _why(seen: Seen, decision: Decision | None) -> str:
    if decision is not None:
        return decision.why
    if seen.uncertain:
        return "It ended after the final dot may have left, and without an answer."
    return "The site is in trouble, not this mail; it waits in its lane."


def _next_number(record: Record) -> int:
    """Attempts are numbered as they were made; a number is never used again, though old attempts are forgotten."""
    attempts = record.envelope.attempts
    return attempts[-1].number + 1 if attempts else 1


def _keep(record: Record, attempt: Attempt) -> None:
    """Append an attempt; a long history loses its oldest uncharged ones, then its second-oldest, never its first."""
    attempts = record.envelope.attempts
    attempts.append(attempt)
    if len(attempts) > KEPT_ATTEMPTS:
        position = next((at for at, one in enumerate(attempts[:-1]) if not one.charged), 1)
        attempts.pop(position)


def event_of(
    record: Record, kind: str, *, attempt: Attempt | None = None, why: str = "", cause: str | None = None
) -> bytes:
    """The encoded event of a transition."""
    return encode_event(
        StoredEvent(
            kind=kind,
            id=record.id,
            recipient=record.envelope.recipient,
            stream=record.stream,
            attempt=attempt.number if attempt else 0,
            host=attempt.host if attempt else None,
            stage=attempt.stage if attempt else None,
            code=attempt.code if attempt else None,
            enhanced=attempt.enhanced if attempt else None,
            text=attempt.text if attempt else "",
            reason=attempt.reason if attempt else None,
            cause=cause,
            why=why,
            next_ms=attempt.next_ms if attempt else None,
        )
    )
