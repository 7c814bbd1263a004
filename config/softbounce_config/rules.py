"""The tables that travel in the store: policies, and the rules that assign them, read replies and bound lanes.

Each is the file's notation of a struct in :mod:`softbounce.settings`, field by field.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from softbounce.settings import AssignRule, LaneRule, Policy, ReplyRule
from softbounce.stage import Stage
from softbounce.verdict import Fault, FineFault, Reason
from softbounce_config.fields import (
    CodeGlob,
    Duration,
    DurationOrZero,
    Durations,
    EnhancedGlob,
    Glob,
    Notation,
    Rate,
    RuleName,
    Section,
    WaitName,
)

__all__ = ["AssignSection", "LaneSection", "PolicySection", "ReplySection"]

STAGES = tuple(stage.value for stage in Stage)
REASONS = tuple(reason.value for reason in Reason)
FAULTS = tuple(dict.fromkeys([*(fault.value for fault in Fault), *(fault.value for fault in FineFault)]))


def _one_of(words: tuple[str, ...]) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in words:
            raise ValueError(f"should be one of {', '.join(words)}")
        return value

    return BeforeValidator(check)


StageWord = Annotated[str, _one_of(STAGES), Notation("stage")]
ReasonWord = Annotated[str, _one_of(REASONS), Notation("reason")]
FaultWord = Annotated[str, _one_of(FAULTS), Notation("fault")]


class PolicySection(Section):
    """When to try again, and how long a soft bounce may stay soft. What a policy leaves out has the default below.

    The waits come from `first`, `factor` and `cap`, or from `delays`, or from `wait`. Wait n is
    min(`cap`, `first` x `factor`^(n-1)), where n counts the attempts that were charged.
    """

    window: Duration = Field(
        default=timedelta(days=5), description="A soft bounce older than this becomes a hard bounce."
    )
    first: Duration = Field(default=timedelta(minutes=5), description="The first wait.")
    factor: float = Field(
        default=2.0, ge=1, le=1000, allow_inf_nan=False, description="By how much each wait is longer than the last."
    )
    cap: Duration = Field(default=timedelta(hours=4), description="The longest wait.")
    jitter: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        allow_inf_nan=False,
        description="The share by which a wait may be longer or shorter, so that messages spread. Applied after `cap`.",
    )
    delays: Durations = Field(
        default=(), description="The waits one by one instead; the last one repeats. Excludes `wait`."
    )
    wait: WaitName = Field(
        default="", description="A tenacity wait strategy of your own instead: `package.module:strategy`."
    )
    max_attempts: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="After so many charged attempts a soft bounce becomes hard. 0: no limit.",
    )
    final_attempt: bool = Field(
        default=True, description="Whether one last attempt is made just before the window closes."
    )
    warn_after: DurationOrZero = Field(
        default=timedelta(hours=4), description="When an envelope that still waits is reported as late. 0: never."
    )
    on_uncertain: Literal["resend", "hold", "bounce"] = Field(
        default="resend",
        description="What happens after an attempt whose final dot may have arrived and got no answer: a second copy, "
        "an operator's decision, or a bounce.",
    )

    def rule(self, name: str) -> Policy:
        """The policy as it is published."""
        return Policy(name=name, **dict(self))


class AssignSection(Section):
    """Which policy an envelope gets. The first table whose globs all fit wins; where none does, `default`."""

    stream: Glob | None = Field(default=None, description="The app's class of mail.")
    domain: Glob | None = Field(default=None, description="The recipient's domain.")
    site: Glob | None = Field(default=None, description="The site, once it is known.")
    sender: Glob | None = Field(default=None, description="The envelope's sender.")
    policy: RuleName = Field(description="The policy's name.")

    def rule(self) -> AssignRule:
        """The rule as it is published."""
        return AssignRule(**dict(self))


class ReplySection(Section):
    """What a reply means here. The first table whose conditions all fit wins, before the built-in rules.

    Conditions are `code`, `enhanced`, `site`, `stage` and `text`, at least one; what the others leave out keeps the
    built-in answer.
    """

    name: RuleName = Field(description="What `show` and `explain` call the rule. Once only.")
    code: CodeGlob | None = Field(default=None, description='The reply code: `"552"`, `"55?"`, `"4*"`.')
    enhanced: EnhancedGlob | None = Field(
        default=None, description='The enhanced status code (RFC 3463): `"5.1.1"`, `"4.2.*"`.'
    )
    site: Glob | None = Field(default=None, description="The site that replied.")
    stage: StageWord | None = Field(default=None, description=f"Where it replied: {', '.join(STAGES)}.")
    text: Glob | None = Field(default=None, description="Words in the reply's text; case does not matter.")
    retry: bool | None = Field(default=None, description="Whether the same message may be accepted later.")
    reason: ReasonWord | None = Field(default=None, description=f"What it is about: {', '.join(REASONS)}.")
    fault: FaultWord | None = Field(default=None, description=f"Whose fault it is: {', '.join(FAULTS)}.")
    suppress: bool | None = Field(default=None, description="Whether the address is dead for all mail.")
    delays: Durations = Field(default=(), description="The waits after such a reply, instead of the policy's.")
    window: Duration | None = Field(default=None, description="The window after such a reply, instead of the policy's.")

    def rule(self) -> ReplyRule:
        """The rule as it is published."""
        return ReplyRule(**dict(self))


class LaneSection(Section):
    """How hard a site may be pushed, and for how long its lane closes after trouble. The first that fits wins."""

    site: Glob = Field(default="*", description="The site.")
    connections: int = Field(
        default=20, ge=1, le=10_000, description="How many sessions it may have at a time, over all its sites."
    )
    connections_per_address: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="How many sessions one of its addresses may have. 0: as `[smtp] connections_per_address` says, or "
        "`connections` where that is more.",
    )
    rate: Rate = Field(default=0.0, description="How many messages all its sites may get in a time. 0: no limit.")
    messages_per_connection: int = Field(
        default=100, ge=0, description="After so many messages a session is closed. 0: no limit."
    )
    close_first: Duration = Field(
        default=timedelta(seconds=30), description="For how long a lane closes when no session could be had."
    )
    close_factor: float = Field(
        default=1.5, ge=1, le=1000, allow_inf_nan=False, description="By how much longer each time it fails again."
    )
    close_cap: Duration = Field(default=timedelta(minutes=5), description="The longest that it closes for.")
    greylist: Duration = Field(
        default=timedelta(minutes=30),
        description="How long greylisting may take: only a 4xx so long after the first one speaks against its domain.",
    )

    def rule(self) -> LaneRule:
        """The rule as it is published."""
        return LaneRule(**dict(self))
