"""What is kept of an envelope's attempts: what each saw, what was made of it, and how many are remembered."""

from __future__ import annotations

import msgspec

from softbounce import counting
from softbounce.decide import Decision, Defer
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Attempt, Record, Tls
from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage
from softbounce.verdict import Verdict

__all__ = [
    "KEPT_ATTEMPTS",
    "KEPT_TEXT",
    "KEPT_TRANSCRIPTS",
    "KEPT_UNCERTAIN",
    "Seen",
    "delivered_attempt",
    "judged_attempt",
    "keep",
    "next_number",
]

KEPT_ATTEMPTS = 100
KEPT_UNCERTAIN = 100
"""Beside the others."""
KEPT_TEXT = 512
KEPT_TRANSCRIPTS = 3
"""Of the latest attempts that have one."""
UNCERTAIN_WHY = "It ended after the final dot may have left, and without an answer."


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the worker saw it.

    :ivar uncertain: it ended while marked and unanswered: the remote may have taken the message.
    :ivar note: a sentence that goes before the decision's.
    :ivar tls: how its session was protected.
    :ivar transcript: what was said, packed.
    :ivar is_time_sure: the clock that it ended by is believed so far that the window may close by it.
    :ivar tells_sender: the host was asked to tell the sender of a delivery, if he wants to hear of it (RFC 3461).
    :ivar keeps_time: the host knows by when it is to be delivered (RFC 2852).
    """

    what: Reply | Trouble
    stage: Stage
    started_ms: int
    ended_ms: int
    host: str | None = None
    address: str | None = None
    uncertain: bool = False
    note: str = ""
    is_time_sure: bool = True
    tls: Tls | None = None
    transcript: bytes = b""
    tells_sender: bool = False
    keeps_time: bool = False


def judged_attempt(record: Record, seen: Seen, verdict: Verdict, decision: Decision | None) -> Attempt:
    """The attempt as it is kept; without a decision it is one that the lane, or nobody, is charged for."""
    reply = seen.what if isinstance(seen.what, Reply) else None
    next_at = decision.at if isinstance(decision, Defer) else None
    charged = decision is not None or seen.uncertain
    return Attempt(
        number=next_number(record),
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
        tls=seen.tls,
        transcript=seen.transcript,
        stated_ms=None if verdict.stated is None else round(verdict.stated.total_seconds() * 1000),
    )


def _why(seen: Seen, decision: Decision | None) -> str:
    if decision is not None:
        return decision.why
    if seen.uncertain:
        return UNCERTAIN_WHY
    if seen.note:
        return seen.note
    if seen.stage is Stage.ROUTE:
        return "Where its domain's mail goes cannot be told now; that is not this mail's fault, and it waits."
    return "The site is in trouble, not this mail; it waits in its lane."


def delivered_attempt(seen: Seen, number: int, rule: str) -> Attempt:
    """The attempt as it is kept, when its reply was a 250."""
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
        tls=seen.tls,
        transcript=seen.transcript,
    )


def next_number(record: Record) -> int:
    """Attempts are numbered as they were made; a number is never used again, though old attempts are forgotten."""
    attempts = record.envelope.attempts
    return attempts[-1].number + 1 if attempts else 1


def keep(record: Record, attempt: Attempt) -> None:
    """Append an attempt; of a long history some are forgotten, never the first nor the last.

    An uncertain one may be a copy, so these have places of their own, and one that is forgotten is still counted. Of
    the others the oldest uncharged ones go, then the oldest.
    """
    envelope = record.envelope
    attempts = envelope.attempts
    attempts.append(attempt)
    record.counts += (counting.attempts(attempt.verdict, attempt.stage, attempt.reason),)
    if attempt.transcript:
        _forget_transcripts(attempts)
    uncertain = [at for at, one in enumerate(attempts) if one.uncertain]
    if len(uncertain) > KEPT_UNCERTAIN:
        del attempts[next(at for at in uncertain if at > 0)]
        envelope.uncertain_forgotten += 1
    elif len(attempts) - len(uncertain) > KEPT_ATTEMPTS:
        certain = [at for at, one in enumerate(attempts[:-1]) if not one.uncertain]
        del attempts[next((at for at in certain if not attempts[at].charged), next(at for at in certain if at > 0))]


def _forget_transcripts(attempts: list[Attempt]) -> None:
    """Only the latest few keep theirs."""
    having = [at for at, one in enumerate(attempts) if one.transcript]
    for at in having[:-KEPT_TRANSCRIPTS]:
        attempts[at] = msgspec.structs.replace(attempts[at], transcript=b"")
