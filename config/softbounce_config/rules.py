"""The tables that travel in the store: policies, and the rules that assign them, read replies and bound lanes.

Each is the file's notation of a struct in :mod:`softbounce.settings`, field by field.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.road import Family
from softbounce.settings import (
    GREYLIST_DELAYS,
    AssignRule,
    LaneRule,
    OnUncertain,
    Policy,
    ReplyRule,
    SenderFault,
    StreamRule,
    TlsMode,
    TlsRule,
    TlsVersion,
)
from softbounce.stage import Stage
from softbounce.verdict import Fault, FineFault, Reason
from softbounce_config.fields import (
    CodeGlob,
    Duration,
    DurationOrZero,
    Durations,
    EnhancedGlob,
    Glob,
    NameGlob,
    Notation,
    Rate,
    Roots,
    RuleName,
    Section,
    WaitName,
)
from softbounce_config.units import format_duration

__all__ = ["AssignSection", "LaneSection", "PolicySection", "ReasonWord", "ReplySection", "StreamSection", "TlsSection"]

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

# Whose defaults the fields take, so that each stands once. A condition that is not given is None in both.
POLICY = Policy(name="")
STREAM = StreamRule(name="")
REPLY = ReplyRule(name="")
LANE = LaneRule()
TLS = TlsRule()


class PolicySection(Section):
    """When to try again, and how long a soft bounce may stay soft. What a policy leaves out has the default below.

    The waits come from `first`, `factor` and `cap`, or from `delays`, or from `wait`. Wait n is
    min(`cap`, `first` x `factor`^(n-1)), where n counts the attempts that were charged.
    """

    window: Duration = Field(default=POLICY.window, description="A soft bounce older than this becomes a hard bounce.")
    first: Duration = Field(default=POLICY.first, description="The first wait.")
    factor: float = Field(
        default=POLICY.factor,
        ge=1,
        le=1000,
        allow_inf_nan=False,
        description="By how much each wait is longer than the last.",
    )
    cap: Duration = Field(default=POLICY.cap, description="The longest wait.")
    jitter: float = Field(
        default=POLICY.jitter,
        ge=0,
        le=0.9,
        allow_inf_nan=False,
        description="The share by which a wait may be longer or shorter, so that messages spread. Applied after `cap`.",
    )
    delays: Durations = Field(
        default=POLICY.delays, description="The waits one by one instead; the last one repeats. Excludes `wait`."
    )
    wait: WaitName = Field(
        default=POLICY.wait, description="A tenacity wait strategy of your own instead: `package.module:strategy`."
    )
    max_attempts: int = Field(
        default=POLICY.max_attempts,
        ge=0,
        le=100_000,
        description="After so many charged attempts a soft bounce becomes hard. 0: no limit.",
    )
    final_attempt: bool = Field(
        default=POLICY.final_attempt, description="Whether one last attempt is made just before the window closes."
    )
    warn_after: DurationOrZero = Field(
        default=POLICY.warn_after,
        description="After how long an envelope that still waits is told to be late, by an event `warned`. 0: never.",
    )
    on_uncertain: OnUncertain = Field(
        default=POLICY.on_uncertain,
        description="What happens after an attempt whose final dot may have arrived and got no answer: a second copy, "
        "an operator's decision, or a bounce.",
    )

    sender_fault: SenderFault = Field(
        default=POLICY.sender_fault,
        description="What becomes of a 5xx that blames your IP, DNS or signature: `park` waits for hours at a time, "
        "until the window closes, for you to mend it; `bounce` gives up at once.",
    )
    greylist: Durations | None = Field(
        default=POLICY.greylist,
        description="The waits while a host greylists, one by one; the last one repeats. Without it they are "
        f"{', '.join(format_duration(one) for one in GREYLIST_DELAYS)}; but where a policy has waits of its own "
        "(`first`, `factor`, `cap`, `delays` or `wait`), these count.",
    )

    def rule(self, name: str) -> Policy:
        """The policy as it is published."""
        return Policy(name=name, **dict(self))


class AssignSection(Section):
    """Which policy an envelope gets. The first table whose globs all fit wins; where none does, `default`."""

    stream: Glob | None = Field(default=None, description="The app's class of mail.")
    domain: NameGlob | None = Field(default=None, description="The recipient's domain.")
    site: NameGlob | None = Field(default=None, description="The site, once it is known.")
    sender: NameGlob | None = Field(default=None, description="The envelope's sender.")
    policy: RuleName = Field(description="The policy's name.")

    def rule(self) -> AssignRule:
        """The rule as it is published."""
        return AssignRule(**dict(self))


class StreamSection(Section):
    """What a stream gets of a lane while other streams' mail waits there too. The first table that fits wins.

    A stream without a table has the weight 1. Within a stream tenants get alike, whatever they have waiting.
    """

    name: Glob = Field(description="The stream, as the app says in `send`.")
    weight: float = Field(
        default=STREAM.weight,
        ge=0.01,
        le=1000,
        allow_inf_nan=False,
        description="How many of its messages go to one of a stream with the weight 1.",
    )
    bulk: bool = Field(
        default=STREAM.bulk,
        description="Its mail goes to many. A message without one-click unsubscribe (RFC 8058) is taken, and warned "
        "of: by the receipt, and by its event `accepted`.",
    )

    def rule(self) -> StreamRule:
        """The rule as it is published."""
        return StreamRule(**dict(self))


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
    site: NameGlob | None = Field(default=None, description="The site that replied.")
    stage: StageWord | None = Field(default=None, description=f"Where it replied: {', '.join(STAGES)}.")
    text: Glob | None = Field(default=None, description="Words in the reply's text; case does not matter.")
    retry: bool | None = Field(default=None, description="Whether the same message may be accepted later.")
    reason: ReasonWord | None = Field(default=None, description=f"What it is about: {', '.join(REASONS)}.")
    fault: FaultWord | None = Field(default=None, description=f"Whose fault it is: {', '.join(FAULTS)}.")
    suppress: bool | None = Field(default=None, description="Whether the address is dead for all mail.")
    delays: Durations = Field(
        default=REPLY.delays, description="The waits after such a reply, instead of the policy's."
    )
    window: Duration | None = Field(default=None, description="The window after such a reply, instead of the policy's.")

    def rule(self) -> ReplyRule:
        """The rule as it is published."""
        return ReplyRule(**dict(self))


class LaneSection(Section):
    """How hard a site may be pushed, and for how long its lane closes after trouble. The first that fits wins."""

    site: NameGlob = Field(default=LANE.site, description="The site.")
    connections: int = Field(
        default=LANE.connections,
        ge=1,
        le=10_000,
        description="How many sessions it may have at a time, over all its sites.",
    )
    connections_per_address: int = Field(
        default=LANE.connections_per_address,
        ge=0,
        le=10_000,
        description="How many sessions one of its addresses may have. 0: as `[smtp] connections_per_address` says, or "
        "`connections` where that is more.",
    )
    rate: Rate = Field(default=LANE.rate, description="How many messages all its sites may get in a time. 0: no limit.")
    messages_per_connection: int = Field(
        default=LANE.messages_per_connection,
        ge=0,
        description="After so many messages a session is closed. 0: no limit.",
    )
    recipients_per_message: int = Field(
        default=LANE.recipients_per_message,
        ge=1,
        le=1000,
        description="How many recipients one transaction may have. A host that takes fewer and says so gets fewer.",
    )
    parts: int = Field(
        default=LANE.parts,
        ge=1,
        le=64,
        description="Into how many lanes its mail is split, for as many worker processes, where one alone cannot carry "
        "as much as the site takes. The limits above are for all together; each part closes, opens and probes alone.",
    )
    adaptive: bool = Field(
        default=LANE.adaptive,
        description="Whether a site is begun with few sessions, gets more as they stand, and less where it refuses "
        "some for being too many or too fast. What was learned so is kept for a day and climbs again: "
        "`softbounce lanes` shows it. The limits above bind all the same.",
    )
    close_first: Duration = Field(
        default=LANE.close_first, description="For how long a lane closes when no session could be had."
    )
    close_factor: float = Field(
        default=LANE.close_factor,
        ge=1,
        le=1000,
        allow_inf_nan=False,
        description="By how much longer each time it fails again.",
    )
    close_cap: Duration = Field(default=LANE.close_cap, description="The longest that it closes for.")
    greylist: Duration = Field(
        default=LANE.greylist,
        description="How long greylisting may take: only a 4xx so long after the first one speaks against its domain.",
    )
    family: Family = Field(
        default=LANE.family,
        description="Which addresses of its hosts are dialled, IPv4 or IPv6, and which first. A host that refuses one "
        "family for a reason of policy is tried by the other before the mail bounces.",
    )

    def rule(self, source: str = "") -> LaneRule:
        """The rule as it is published.

        :param source: where it is from, in words.
        """
        return LaneRule(source=source, **dict(self))


class TlsSection(Section):
    """What is asked of TLS. The first table whose globs all fit wins; where none does, `opportunistic`.

    Where a domain's mail asks for what none of its hosts gives, it waits with the reason, and nobody else's does. A
    session carries mail of such domains only as ask for no more than it was opened with.
    """

    mode: TlsMode = Field(
        default=TLS.mode,
        description="In clear always; by STARTTLS where that works, else in clear; encrypted, whoever answers; or "
        "encrypted, and with a certificate that is valid for the MX host's name.",
    )
    domain: NameGlob | None = Field(default=None, description="The recipient's domain.")
    site: NameGlob | None = Field(default=None, description="The site.")
    minimum_version: TlsVersion = Field(
        default=TLS.minimum_version,
        description="The oldest version of TLS that is spoken. `opportunistic` goes in clear to a host without.",
    )
    roots: Roots | None = Field(
        default=None,
        description="A PEM file of authorities that are trusted beside the system's, where a certificate has to be "
        "valid; relative to this file. It is read with the configuration, and travels with it.",
    )
    dane: bool = Field(
        default=TLS.dane,
        description="Whether what DNS says of a host's certificate (DANE, RFC 7672) binds too, where DNSSEC proves it "
        '(`[dns] trusted`): it may ask for more than `mode`, never for less. With mode = "none" nothing does.',
    )
    mta_sts: bool = Field(
        default=TLS.mta_sts,
        description="Whether a policy that the domain publishes (MTA-STS, RFC 8461) binds too: it may ask for more "
        'than `mode`, never for less. With mode = "none" none does.',
    )

    def rule(self) -> TlsRule:
        """The rule as it is published."""
        return TlsRule(**{**dict(self), "roots": self.roots and self.roots.pem})
