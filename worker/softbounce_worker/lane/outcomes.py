"""What an outcome makes of an envelope: the sign that it is for the lane, and the change that follows. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.parking import park
from softbounce.settings import Settings
from softbounce.transitions import Change, Seen
from softbounce.verdict import Verdict, VerdictWord
from softbounce_worker.lane.evidence import NAMED, Evidence, Scope, blames_by_words, first_refusal_ms
from softbounce_worker.lane.signs import Sign, Told
from softbounce_worker.work import Work

__all__ = ["change_of", "sign_of"]


def sign_of(  # noqa: PLR0913, PLR0917 - one outcome
    work: Work, seen: Seen, evidence: Evidence, told: Told, verdict: Verdict, settings: Settings
) -> Sign:
    """What an outcome says of an envelope to the lane's trouble.

    A final refusal of the sender that its policy waits out is the sender's; one that ends the envelope is its own.

    Since when it is refused counts only by a clock that can be believed: one that was set ahead makes all tries old.
    """
    first_ms = first_refusal_ms(work.record)
    refused_for = None
    if first_ms is not None:
        refused_for = max(0, seen.started_ms - first_ms) / 1000 if seen.is_time_sure else 0.0
    parked: tuple[timedelta, ...] = ()
    if verdict.may_park and verdict.word is VerdictWord.HARD:
        judged = park(verdict, transitions.policy_of(work.record, settings))
        if judged.word is VerdictWord.SOFT:
            evidence, parked = Evidence.SENDER, judged.delays
    return Sign(
        evidence=evidence,
        identity=work.record.id,
        recipient=work.record.envelope.recipient,
        domain=work.domain,
        sender=work.sender_domain,
        refused_for=refused_for,
        is_named=seen.stage in NAMED,
        blames_by_words=blames_by_words(verdict),
        parked=parked,
        told=told,
    )


def change_of(  # noqa: PLR0913, PLR0917 - one outcome, and what it is decided by
    record: Record, seen: Seen, verdict: Verdict, waits: Scope, settings: Settings, until_ms: int
) -> Change:
    """What becomes of an envelope: on its own clock it is charged; where something wider waits, it waits with that.

    :param waits: what waits because of this.
    :param until_ms: until when its recipient domain waits, or its sender.
    """
    if seen.uncertain:
        return transitions.close_uncertain(record, seen, verdict, settings, seen.ended_ms)
    match waits:
        case Scope.NOTHING | Scope.ENVELOPE:
            return transitions.conclude(record, seen, verdict, settings, seen.ended_ms)
        case Scope.DOMAIN:
            return transitions.wait_for_domain(record, seen, verdict, until_ms)
        case Scope.SENDER:
            verdict = park(verdict, transitions.policy_of(record, settings))
            return transitions.wait_for_sender(record, seen, verdict, until_ms)
        case Scope.SITE | Scope.ADDRESS | Scope.UNRESOLVED:
            return transitions.return_to_lane(record, seen, verdict)
        case _:
            assert_never(waits)
