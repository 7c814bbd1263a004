"""After an attempt: what it makes of the envelope that it was for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from softbounce import counting
from softbounce.decide import Bounce, Cause, Decision, Defer, Delivered, decide
from softbounce.dsn import SUCCESS
from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.envelope import Attempt, Final, Flag, Record, State
from softbounce.history import History
from softbounce.parking import park
from softbounce.settings import Settings
from softbounce.transitions.attempts import UNCERTAIN_WHY, Seen, delivered_attempt, judged_attempt, keep, next_number
from softbounce.transitions.binding import look_ms, policy_of
from softbounce.transitions.change import Change, event_of
from softbounce.transitions.quiet_hours import out_of_quiet
from softbounce.transitions.states import bounce, end, hold_for, schedule
from softbounce.transitions.without_attempt import cancel, give_back, hold, postpone
from softbounce.verdict import Verdict, VerdictWord

__all__ = [
    "close_as_uncertain",
    "close_uncertain",
    "conclude",
    "deliver_late",
    "late_event",
    "return_to_lane",
    "unsuppress",
    "wait_for_domain",
    "wait_for_sender",
]

_DOMAINS_TROUBLE = "Its domain is in trouble there, not this mail; it waits until that is asked again."
_TAKEN_BACK = "That the address is dead is taken back: the site said so of far more addresses than ever before."
_SENDERS_TROUBLE = "Its sender domain is refused there; its mail waits until one envelope of it got through."
_DELIVERED_RULE = "builtin:accepted"


def conclude(record: Record, seen: Seen, verdict: Verdict, settings: Settings, now_ms: int) -> Change:
    """Conclude a charged attempt of a claimed envelope."""
    if verdict.word is VerdictWord.DELIVERED:
        return _delivered(record, seen, verdict, now_ms)
    if seen.is_time_sure:  # accepted by a clock that ran ahead, it would live for as long as that
        record.created_ms = min(record.created_ms, now_ms)
    policy = policy_of(record, settings)
    verdict = park(verdict, policy)
    now = from_epoch_ms(now_ms)
    decision = decide(policy, History.of(record), verdict, now, is_time_sure=seen.is_time_sure)
    decision = out_of_quiet(record, decision, settings)
    if seen.note:
        decision = replace(decision, why=f"{seen.note} {decision.why}")
    attempt = judged_attempt(record, seen, verdict, decision)
    keep(record, attempt)
    record.charged += 1
    return _settle(record, attempt, decision, settings, now_ms)


def _delivered(record: Record, seen: Seen, verdict: Verdict, now_ms: int) -> Change:
    attempt = delivered_attempt(seen, next_number(record), verdict.rule)
    keep(record, attempt)
    record.charged += 1
    record.envelope.final = _delivered_final(attempt, now_ms)
    return end(record, State.DELIVERED, attempt, asked=_asked(record, seen))


def _settle(record: Record, attempt: Attempt, decision: Decision, settings: Settings, now_ms: int) -> Change:
    match decision:
        case Bounce():
            return bounce(record, decision, now_ms)
        case Defer():
            if record.flags & Flag.CANCEL_ASKED:
                return cancel(record, now_ms)
            expires_ms = to_epoch_ms(decision.expires_at)
            next_ms = 0 if decision.at is None else to_epoch_ms(decision.at)
            record.envelope.planned = decision.planned
            if record.flags & Flag.HOLD_ASKED:
                record.next_ms, record.expires_ms = next_ms, expires_ms
                return hold(record, now_ms)
            event = event_of(record, "deferred", attempt=attempt, why=decision.why)
            again_ms = min(expires_ms, look_ms(record, settings, now_ms))
            return schedule(record, next_ms, expires_ms, event, look_ms=again_ms)
        case Delivered():  # pragma: no cover - conclude() took it already
            raise AssertionError("delivered is settled elsewhere")


def return_to_lane(record: Record, seen: Seen, verdict: Verdict) -> Change:
    """Conclude an attempt that the lane is to blame for: uncharged; the envelope waits in its lane, without a time."""
    attempt = judged_attempt(record, seen, verdict, None)
    keep(record, attempt)
    record.claims = 0
    return give_back(record, event_of(record, "deferred", attempt=attempt, why=attempt.why))


def wait_for_domain(record: Record, seen: Seen, verdict: Verdict, until_ms: int) -> Change:
    """Conclude an attempt that its recipient domain is to blame for: uncharged; the envelope waits until then."""
    return _wait(record, msgspec.structs.replace(seen, note=_DOMAINS_TROUBLE), verdict, until_ms)


def wait_for_sender(record: Record, seen: Seen, verdict: Verdict, until_ms: int) -> Change:
    """Conclude an attempt that its sender domain is to blame for: uncharged; the envelope waits until then."""
    return _wait(record, msgspec.structs.replace(seen, note=_SENDERS_TROUBLE), verdict, until_ms)


def _wait(record: Record, seen: Seen, verdict: Verdict, until_ms: int) -> Change:
    attempt = judged_attempt(record, seen, verdict, None)
    attempt = msgspec.structs.replace(attempt, next_ms=until_ms)
    keep(record, attempt)
    record.claims = 0
    return postpone(record, until_ms, seen.ended_ms, event_of(record, "deferred", attempt=attempt, why=attempt.why))


def close_uncertain(record: Record, seen: Seen, verdict: Verdict, settings: Settings, now_ms: int) -> Change:
    """Close a charged attempt that ended while marked and unanswered; ``on_uncertain`` decides.

    An event says so, ahead of the one about what becomes of the envelope: one for each copy there may be.
    """
    policy = policy_of(record, settings)
    if policy.on_uncertain == "resend":
        record.flags |= Flag.UNCERTAIN
        change = conclude(record, seen, verdict, settings, now_ms)
        change.ahead = _uncertain_event(record)
        return change
    ahead = close_as_uncertain(record, seen, verdict)
    change = _spared(record, now_ms, hold=policy.on_uncertain == "hold")
    change.ahead = ahead
    return change


def close_as_uncertain(record: Record, seen: Seen, verdict: Verdict) -> bytes:
    """Close an attempt as charged and uncertain, without a word on what becomes of the envelope; returns its event."""
    keep(record, judged_attempt(record, seen, verdict, None))
    record.charged += 1
    record.flags |= Flag.UNCERTAIN
    return _uncertain_event(record)


def _uncertain_event(record: Record) -> bytes:
    record.counts += ((counting.UNCERTAIN, 1),)
    return event_of(record, "uncertain", attempt=record.envelope.attempts[-1], why=UNCERTAIN_WHY)


def _spared(record: Record, now_ms: int, *, hold: bool) -> Change:
    """No second copy: a person decides, or it ends."""
    if not hold:
        why = "The remote may have taken the message; the policy sends it no second time."
        return bounce(record, Bounce(cause=Cause.UNCERTAIN, why=why), now_ms)
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    why = "The remote may have taken the message; the policy holds it for a person to decide."
    return hold_for(record, "uncertain", why, now_ms)


def deliver_late(record: Record, seen: Seen, now_ms: int) -> Change:
    """A real 250 came for an envelope that is no longer this attempt's: it wins, and says what it replaced.

    Where that attempt was closed as uncertain meanwhile, it gets its answer in its place, and stays uncertain. No
    policy is asked: none overrules a 250.
    """
    replaced = record.state.word if record.state.is_final else None
    attempts = record.envelope.attempts
    position = _closed_meanwhile(attempts, seen)
    if position is None:
        attempt = delivered_attempt(seen, next_number(record), _DELIVERED_RULE)
        keep(record, attempt)
        record.charged += 1
    else:
        number = attempts[position].number
        attempt = msgspec.structs.replace(delivered_attempt(seen, number, _DELIVERED_RULE), uncertain=True)
        attempts[position] = attempt
    why = "The host accepted the message; its answer was recorded late."
    final = _delivered_final(attempt, now_ms)
    record.envelope.final = msgspec.structs.replace(final, why=why, replaced=replaced)
    record.flags |= Flag.OVERLAPPED
    return end(record, State.DELIVERED, attempt, kind="delivered_late", asked=_asked(record, seen))


def unsuppress(record: Record) -> bytes:
    """Take back that the address of an envelope that bounced is dead: its site turned out not to be believed.

    It stays bounced. Changes its final in place; returns the event.
    """
    final = record.envelope.final
    assert final is not None  # noqa: S101 - it bounced
    final = msgspec.structs.replace(final, suppress=False, why=f"{final.why} {_TAKEN_BACK}")
    record.envelope.final = final
    return event_of(record, "unsuppressed", final=final, why=_TAKEN_BACK, cause=final.cause)


def late_event(record: Record) -> bytes:
    """The event of a real 250 whose envelope ended, and was forgotten, before it was recorded.

    :param record: as that 250 would have made it.
    """
    why = "The host accepted the message; when its answer was recorded, the envelope had ended and was forgotten."
    return event_of(record, "delivered_late", attempt=record.envelope.attempts[-1], why=why)


def _closed_meanwhile(attempts: Sequence[Attempt], seen: Seen) -> int | None:
    """Where the attempt stands that was closed as uncertain before its 250 was recorded.

    The sweep that closes it for a lost worker does not know when it began, and writes down its own time; no other
    attempt of the envelope begins before that. So it is the first uncertain one that began no earlier.
    """
    for position, earlier in enumerate(attempts):
        if earlier.uncertain and earlier.verdict is None and earlier.started_ms >= seen.started_ms:
            return position
    return None


def _asked(record: Record, seen: Seen) -> str:
    """Whether its sender wants to hear of the delivery from us: from the host, where that was asked to tell him.

    Who said by when hears of a host that does not know of that time, while it lasts (RFC 2852 §4.1.4.2).
    """
    dsn, by = record.envelope.dsn, record.envelope.deliver_by
    if dsn is not None and not seen.tells_sender and SUCCESS in dsn.notify:
        return SUCCESS
    if by is None:
        return ""
    is_unkept = not seen.keeps_time and not by.returns and seen.ended_ms < by.at_ms(record.created_ms)
    return SUCCESS if by.traces or is_unkept else ""


def _delivered_final(attempt: Attempt, now_ms: int) -> Final:
    why = "The host accepted the message."
    return Final(at_ms=now_ms, code=attempt.code, enhanced=attempt.enhanced, text=attempt.text, why=why)
