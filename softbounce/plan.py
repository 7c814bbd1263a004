"""A policy on paper: every attempt it would make for an envelope that is always told "not now", and its promotion.

The plan is made by :func:`softbounce.decide.decide` itself, one imagined soft verdict after another, so it cannot
differ from what the service does. Real verdicts with delays or a window of their own, closed lanes and holds change
the picture; a plan knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from softbounce.decide import Bounce, Defer, decide
from softbounce.duration import MILLISECOND, in_words, to_epoch_ms
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.quiet import opens_ms
from softbounce.settings import Policy, QuietRule, Settings
from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord

__all__ = ["Mark", "Plan", "PlanOfMail", "PlannedAttempt", "PromotedBy", "plan", "plan_of_mail", "without_jitter"]

START = datetime(2000, 1, 1, tzinfo=UTC)
MOST_ATTEMPTS = 2000
NOT_NOW = Verdict(
    word=VerdictWord.SOFT,
    fault=Fault.SYSTEM,
    fine_fault=FineFault.RECEIVER_SYSTEM,
    reason=Reason.UNKNOWN,
    rule="plan",
)


class Mark(StrEnum):
    """What kind of attempt it is."""

    REGULAR = "regular"
    LAST = "last"


class PromotedBy(StrEnum):
    """Which limit comes first."""

    WINDOW = "window"
    MAX_ATTEMPTS = "max_attempts"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAttempt:
    """One attempt of a plan.

    :ivar number: from 1.
    :ivar offset: when it starts, counted from the creation of the envelope (or its ``at``).
    :ivar mark: whether it is the last.
    :ivar why: the sentence of the decision that planned it; empty for the first.
    """

    number: int
    offset: timedelta
    mark: Mark
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All attempts and the end.

    :ivar policy: the policy's name.
    :ivar attempts: in order; at most 2,000.
    :ivar promoted_at: when the soft bounce becomes a hard one, counted like the offsets.
    :ivar promoted_by: which limit makes it so.
    :ivar is_sample: a custom wait was asked, which may answer differently next time.
    :ivar is_cut: there would be more attempts than a plan lists; the last listed one is not the last.
    """

    policy: str
    attempts: tuple[PlannedAttempt, ...]
    promoted_at: timedelta
    promoted_by: PromotedBy
    is_sample: bool = False
    is_cut: bool = False

    def to_dict(self, policy: Policy) -> dict[str, Any]:
        """As JSON has it; *policy* is the one that it was made by, jitter included."""
        return {
            "policy": self.policy,
            "window_ms": policy.window // MILLISECOND,
            "jitter": policy.jitter,
            "attempts": [
                {"number": one.number, "offset_ms": one.offset // MILLISECOND, "last": one.mark is Mark.LAST}
                for one in self.attempts
            ],
            "promoted_ms": self.promoted_at // MILLISECOND,
            "promoted_by": str(self.promoted_by),
            "sample": self.is_sample,
            "cut": self.is_cut,
        }


def plan(
    policy: Policy,
    *,
    id: bytes = bytes(16),  # noqa: A002 - public
    latency: timedelta = timedelta(0),
    starts_at: datetime = START,
    quiet: tuple[QuietRule, ...] = (),
) -> Plan:
    """Every attempt that a policy makes when each fails softly after *latency*, and the moment of promotion.

    :param id: the envelope that it is made for: the jitter hangs on its message. See :func:`without_jitter`.
    :param starts_at: when it is accepted, where there are quiet hours.
    :param quiet: the quiet hours that its mail has: attempts are put off to their end, the window as well.
    """
    offsets = [_opens(quiet, starts_at) - starts_at]
    reasons = ["Quiet hours put it off."] if offsets[0] else [""]
    past: list[Attempt] = []
    history = History(id=id, created_at=starts_at, at=starts_at + offsets[0], attempts=past)
    promoted_by, is_cut, is_sample = PromotedBy.WINDOW, False, False
    promoted_at = policy.window + offsets[0]
    while True:
        started = starts_at + offsets[-1]
        ended = started + latency
        decision = decide(policy, history, NOT_NOW, ended)
        if isinstance(decision, Bounce):
            promoted_at = ended - starts_at
            if 0 < policy.max_attempts <= len(offsets):
                promoted_by = PromotedBy.MAX_ATTEMPTS
            break
        if not isinstance(decision, Defer) or decision.at is None:
            break
        if len(offsets) == MOST_ATTEMPTS:
            is_cut = True
            break
        is_sample = is_sample or decision.planned
        past.append(_imagined(len(offsets), started, ended))
        opens = _opens(quiet, decision.at)
        late = opens - decision.at
        history, promoted_at = replace(history, held=history.held + late), promoted_at + late
        offsets.append(opens - starts_at)
        reasons.append(f"{decision.why} Quiet hours put that off by {in_words(late)}." if late else decision.why)
    attempts = tuple(
        PlannedAttempt(
            number=number,
            offset=offset,
            mark=Mark.LAST if number == len(offsets) and not is_cut else Mark.REGULAR,
            why=why,
        )
        for number, (offset, why) in enumerate(zip(offsets, reasons, strict=True), start=1)
    )
    return Plan(
        policy=policy.name,
        attempts=attempts,
        promoted_at=promoted_at,
        promoted_by=promoted_by,
        is_sample=is_sample,
        is_cut=is_cut,
    )


class PlanOfMail(NamedTuple):
    """A plan, and by what it was made.

    :ivar policy: jitter included, which the plan leaves out.
    :ivar is_quiet: whether such mail has quiet hours.
    """

    plan: Plan
    policy: Policy
    is_quiet: bool


def plan_of_mail(  # noqa: PLR0913 - what may be told of mail, all by name
    settings: Settings,
    *,
    stream: str = "",
    domain: str = "",
    site: str | None = None,
    sender: str = "",
    tenant: str = "",
    starts_at: datetime = START,
) -> PlanOfMail:
    """The plan of such mail that is accepted then, under these settings."""
    policy = settings.policy_for(stream=stream, domain=domain, site=site, sender=sender)
    hours = settings.quiet_hours_of(stream, sender, tenant or sender.rpartition("@")[2])
    return PlanOfMail(plan(without_jitter(policy), starts_at=starts_at, quiet=hours), policy, bool(hours))


def _opens(quiet: tuple[QuietRule, ...], at: datetime) -> datetime:
    """When an attempt begins that was to begin then."""
    return at + (opens_ms(quiet, to_epoch_ms(at)) - to_epoch_ms(at)) * MILLISECOND if quiet else at


def without_jitter(policy: Policy) -> Policy:
    """The same policy with every wait at its nominal length."""
    return msgspec.structs.replace(policy, jitter=0.0)


def _imagined(number: int, started: datetime, ended: datetime) -> Attempt:
    return Attempt(
        number=number,
        started_ms=to_epoch_ms(started),
        ended_ms=to_epoch_ms(ended),
        verdict=NOT_NOW.word,
        rule=NOT_NOW.rule,
    )
