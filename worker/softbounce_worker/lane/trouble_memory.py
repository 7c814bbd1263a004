"""A lane's trouble as the store remembers it, across owners and restarts: from steady seconds to its times and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from softbounce.reply import Reply
from softbounce.settings import LaneRule
from softbounce.stage import Stage
from softbounce.store.lanes import DomainState, LaneState, SeenState, SenderState
from softbounce.transitions import Seen
from softbounce.verdict import Verdict
from softbounce_worker.lane.gate import JITTER, Gate
from softbounce_worker.lane.sender_trouble import ENOUGH_WHERE_TAKEN, SenderTrouble
from softbounce_worker.lane.signs import NOBODY, Told
from softbounce_worker.lane.trouble import DomainTrouble, TroubleMachine

__all__ = ["KEPT_DOMAINS", "KEPT_SENDERS", "recall", "remember", "told_by"]

KEPT_DOMAINS = KEPT_SENDERS = 100
KEPT_PARKED = 16
KEPT_TEXT, KEPT_WHY = 400, 200
IN_MID_SESSION = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_DATA})


def told_by(seen: Seen, verdict: Verdict) -> Told:
    """What is told of an outcome."""
    return Told(
        text=seen.what.text[:KEPT_TEXT],
        code=seen.what.code if isinstance(seen.what, Reply) else None,
        enhanced=seen.what.enhanced,
        reason=verdict.reason,
        stage=seen.stage,
        host=seen.host,
    )


def recall(state: LaneState, name: str, rule: LaneRule, now: float, now_ms: int) -> TroubleMachine:
    """The trouble of a lane whose state was stored."""
    trouble = TroubleMachine(name, rule)
    longest = rule.close_cap.total_seconds()
    _close_as(trouble.site, state, longest, now, now_ms)
    trouble.told = _told(state)
    trouble.has_no_session = state.code is None or state.stage not in IN_MID_SESSION
    for domain, one in list(state.domains.items())[:KEPT_DOMAINS]:
        gate = Gate(f"{name} {domain}")
        _close_as(gate, one, longest, now, now_ms)
        known = DomainTrouble(
            gate,
            since=now,
            noted_at=now - (now_ms - one.noted_ms) / 1000,
            recipients=set(one.recipients),
            senders=set(one.senders),
            told=_told(one),
        )
        trouble.remember(domain, known)
    for sender, its in list(state.senders.items())[:KEPT_SENDERS]:
        trouble.senders.remember(sender, _sender(Gate(f"{name} from {sender}"), its, longest, now, now_ms))
    return trouble


def _sender(gate: Gate, state: SenderState, longest: float, now: float, now_ms: int) -> SenderTrouble:
    parked = tuple(timedelta(milliseconds=one) for one in state.parked_ms[:KEPT_PARKED])
    if parked:
        longest = max(parked).total_seconds() * (1 + JITTER)
    _close_as(gate, state, longest, now, now_ms)
    return SenderTrouble(
        gate,
        noted_at=now - (now_ms - state.noted_ms) / 1000,
        refused=set(state.refused[:ENOUGH_WHERE_TAKEN]),
        parked=parked,
        told=_told(state),
        is_draining=state.is_draining,
    )


def remember(
    trouble: TroubleMachine, now: float, now_ms: int, disbelieved_until_ms: int, disbelieved: dict[str, int]
) -> LaneState:
    """What is stored of it."""
    site = trouble.site
    told = trouble.told if site.failures else Told()
    return LaneState(
        closed_until_ms=_until(site, now, now_ms),
        failures=site.failures,
        why=told.text[:KEPT_WHY],
        code=told.code,
        enhanced=told.enhanced,
        text=told.text,
        reason=told.reason,
        stage=told.stage,
        host=told.host,
        disbelieved_until_ms=disbelieved_until_ms,
        disbelieved=disbelieved,
        domains=dict(_domains(trouble.domains.items(), now, now_ms)),
        senders=dict(_senders(trouble.senders.known.items(), now, now_ms)),
    )


def _domains(
    domains: Iterable[tuple[str, DomainTrouble]], now: float, now_ms: int
) -> Iterable[tuple[str, DomainState]]:
    latest = sorted(domains, key=lambda one: one[1].gate.opens_at, reverse=True)[:KEPT_DOMAINS]
    for name, one in latest:
        yield (
            name,
            DomainState(
                closed_until_ms=_until(one.gate, now, now_ms),
                failures=one.gate.failures,
                code=one.told.code,
                enhanced=one.told.enhanced,
                text=one.told.text[:KEPT_WHY],
                reason=one.told.reason,
                stage=one.told.stage,
                host=one.told.host,
                recipients=tuple(sorted(one.recipients)),
                noted_ms=now_ms - round((now - one.noted_at) * 1000),
                senders=tuple(sorted(one.senders)),
            ),
        )


def _senders(
    senders: Iterable[tuple[str, SenderTrouble]], now: float, now_ms: int
) -> Iterable[tuple[str, SenderState]]:
    """Those that closed first, and of these those that are closed for longest."""
    kept = [one for one in senders if one[1].is_closed or one[1].refused or one[1].is_draining]
    kept.sort(key=lambda one: (one[1].is_closed, one[1].gate.opens_at, one[1].noted_at), reverse=True)
    for name, one in kept[:KEPT_SENDERS]:
        yield (
            name,
            SenderState(
                closed_until_ms=_until(one.gate, now, now_ms),
                failures=one.gate.failures,
                code=one.told.code,
                enhanced=one.told.enhanced,
                text=one.told.text[:KEPT_WHY],
                reason=one.told.reason,
                stage=one.told.stage,
                host=one.told.host,
                refused=tuple(sorted(one.refused)),
                noted_ms=now_ms - round((now - one.noted_at) * 1000),
                parked_ms=tuple(one // timedelta(milliseconds=1) for one in one.parked[:KEPT_PARKED]),
                is_draining=one.is_draining,
            ),
        )


def _until(gate: Gate, now: float, now_ms: int) -> int:
    return now_ms + round((gate.opens_at - now) * 1000) if gate.failures else 0


def _close_as(gate: Gate, state: SeenState, longest: float, now: float, now_ms: int) -> None:
    if state.closed_until_ms <= 0:
        return
    left = (state.closed_until_ms - now_ms) / 1000  # longer than any backoff: the clock was set back since
    gate.failures = max(1, state.failures)
    gate.opens_at = now + min(left, longest)


def _told(state: SeenState) -> Told:
    told = Told(
        text=state.text or state.why,
        code=state.code,
        enhanced=state.enhanced,
        reason=state.reason,
        stage=state.stage,
        host=state.host,
    )
    return NOBODY if told == NOBODY else told  # one for all lanes that saw nothing
