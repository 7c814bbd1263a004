"""The settings that travel in the store: policies, rules and limits by which everyone decides.

Checked values only. Reading files and the environment is the work of ``softbounce_config``; a :class:`Settings` is
what it publishes, and what a ``Client`` without any file falls back to (:data:`BUILT_IN`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Literal, TypeVar

import msgspec

from softbounce.gate import GateRules
from softbounce.globs import Globs, matches
from softbounce.road import Family, RouteRule, TlsMode
from softbounce.suppression import SuppressRules

__all__ = [
    "BUILT_IN",
    "DAYS",
    "DEFAULT",
    "GREYLIST_DELAYS",
    "NOT_OURS",
    "SHORTEST_WINDOW",
    "Allowance",
    "AssignRule",
    "BrakeRule",
    "GateRules",
    "LaneRule",
    "Notices",
    "NoticesAbout",
    "OnUncertain",
    "Policy",
    "QuietRule",
    "QuotaOver",
    "QuotaPer",
    "QuotaRule",
    "ReplyRule",
    "ReturnsRule",
    "RouteRule",
    "SenderFault",
    "Settings",
    "StreamRule",
    "SuppressRules",
    "TlsMode",
    "TlsRule",
    "TlsVersion",
]

OnUncertain = Literal["resend", "hold", "bounce"]
SenderFault = Literal["park", "bounce"]
NoticesAbout = Literal["submission", "all", "none"]
TlsVersion = Literal["1.2", "1.3"]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QuotaPer = Literal["stream", "sender", "tenant", "all"]
QuotaOver = Literal["wait", "refuse"]
GREYLIST_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (330, 360, 600, 900, 1800, 3600, 7200, 14_400))
"""Most greylisters let pass after five minutes, some after ten or thirty; a site's second host may begin anew."""
SHORTEST_WINDOW = timedelta(seconds=1)
"""In a playground in which time passes faster: within a shorter one not even a first attempt could be made."""
R = TypeVar("R")
NOT_OURS = "!"
"""Before a wait that came from the store alone: it is never imported."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again, and how long a soft bounce may stay soft.

    :ivar window: from creation (or ``at``, when later) to expiry.
    :ivar first: the first wait; wait n is ``min(cap, first * factor ** (n - 1))``.
    :ivar delays: literal waits instead, the last one repeating; empty: the formula.
    :ivar greylist: the waits while a host greylists, the last one repeating; empty: those that count for all. ``None``:
        :data:`GREYLIST_DELAYS`, where the policy has no waits of its own.
    :ivar wait: ``"package.module:strategy"``, a tenacity wait strategy instead.
    :ivar jitter: the share by which a wait may be longer or shorter, applied after ``cap``.
    :ivar max_attempts: charged attempts after which a soft bounce is promoted; 0: no limit.
    :ivar final_attempt: whether the last wait is cut so that one last attempt starts just before expiry.
    :ivar sender_fault: what becomes of a final refusal that blames our IP, DNS or signature.
    """

    name: str
    window: timedelta = timedelta(days=5)
    first: timedelta = timedelta(minutes=5, seconds=30)
    factor: float = 2.0
    cap: timedelta = timedelta(hours=4)
    jitter: float = 0.08
    delays: tuple[timedelta, ...] = ()
    wait: str = ""
    max_attempts: int = 0
    final_attempt: bool = True
    warn_after: timedelta = timedelta(hours=4)
    on_uncertain: OnUncertain = "resend"
    sender_fault: SenderFault = "park"
    greylist: tuple[timedelta, ...] | None = None


DEFAULT = Policy(name="default")


class AssignRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy an envelope gets: every glob that is given must fit."""

    policy: str
    stream: str | None = None
    domain: str | None = None
    site: str | None = None
    sender: str | None = None


class StreamRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream may have of a lane.

    :ivar name: of the stream, as a glob.
    :ivar weight: how much of it, where other streams' mail waits too, as weighed against theirs.
    :ivar bulk: its mail goes to many who asked for it once, and has to offer them a way out.
    """

    name: str
    weight: float = 1.0
    bulk: bool = False


class ReplyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply means here: every condition that is given must fit; unset answers keep the built-in verdict's."""

    name: str
    code: str | None = None
    enhanced: str | None = None
    site: str | None = None
    stage: str | None = None
    text: str | None = None
    retry: bool | None = None
    reason: str | None = None
    fault: str | None = None
    suppress: bool | None = None
    delays: tuple[timedelta, ...] = ()
    window: timedelta | None = None


class LaneRule(msgspec.Struct, frozen=True, kw_only=True):
    """How hard a site may be pushed, and how a lane that saw trouble closes and opens.

    :ivar connections: sessions at most, over all sites of an organisation.
    :ivar connections_per_address: sessions at one address, whosever they are; 0: as many as everywhere, or as
        :attr:`connections` where this rule was written down.
    :ivar rate: messages a second, over all sites of an organisation; 0: no limit.
    :ivar messages_per_connection: after so many the connection is closed; 0: no limit.
    :ivar recipients_per_message: recipients of one transaction at most.
    :ivar adaptive: it is begun with few sessions, and what the site refuses as too many or too fast is learned.
    :ivar greylist: a further 4xx says something of its domain only so long after the first one.
    :ivar family: which addresses are dialled, and which first.
    :ivar source: where it is from, in words; empty: built in.
    :ivar parts: into so many lanes a road to it is split, which different processes may have.
    """

    site: str = "*"
    connections: int = 20
    connections_per_address: int = 0
    rate: float = 0.0
    messages_per_connection: int = 100
    recipients_per_message: int = 100
    adaptive: bool = True
    close_first: timedelta = timedelta(seconds=30)
    close_factor: float = 1.5
    close_cap: timedelta = timedelta(minutes=5)
    greylist: timedelta = timedelta(minutes=30)
    family: Family = "both"
    source: str = ""
    parts: int = 1

    def most_at_address(self, everywhere: int) -> int:
        """How many sessions there may be at one address, where so many may be everywhere."""
        return self.connections_per_address or (everywhere if self == LaneRule() else max(everywhere, self.connections))


class TlsRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of TLS for a domain's mail, or at a site: every glob that is given must fit.

    :ivar mode: ``opportunistic`` takes what it gets, and clear text at worst; ``required`` wants it encrypted, by
        whomever; ``verified`` wants a certificate for the MX host's name too, from an authority that is trusted.
    :ivar minimum_version: nothing older is spoken (RFC 8996).
    :ivar roots: certificates of authorities that are trusted beside the system's, as PEM.
    :ivar dane: what DNS says of a host's certificate (RFC 7672) binds too, where DNSSEC proves that.
    :ivar mta_sts: a policy that the domain publishes by HTTPS (RFC 8461) binds too, and asks for more than this.
    """

    mode: TlsMode = "opportunistic"
    domain: str | None = None
    site: str | None = None
    minimum_version: TlsVersion = "1.2"
    roots: str | None = None
    dane: bool = True
    mta_sts: bool = True


class BrakeRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a stream is held: a share of its last messages that a host had a word on was refused.

    :ivar of: so many of its last messages count, and none that is older than a day.
    :ivar at_least: of fewer nothing is made.
    :ivar hard: the share, 0 to 1, of those refused for good that is too much; ``None``: any is borne.
    :ivar sender_fault: the same of those refused for the sender's reputation, authentication or policy.
    :ivar complaints: the same of those that their recipients called spam.
    """

    stream: str = "*"
    of: int = 1000
    at_least: int = 100
    hard: float | None = None
    sender_fault: float | None = None
    complaints: float | None = None


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """So many in a time; all of them may come at once."""

    number: int
    period: timedelta


class QuotaRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much mail is accepted, and when it begins: of each stream, sender or tenant, or of all that the globs fit.

    :ivar per: what is counted apart.
    :ivar messages: envelopes in a time; ``None``: no limit.
    :ivar octets: octets in a time, of each envelope those of its message; ``None``: no limit.
    :ivar waiting: unfinished envelopes at a time; 0: no limit. What is over it is refused in any case.
    :ivar over: what is over the other two begins later by itself, or is refused.
    """

    name: str
    stream: str | None = None
    sender: str | None = None
    tenant: str | None = None
    per: QuotaPer = "all"
    messages: Allowance | None = None
    octets: Allowance | None = None
    waiting: int = 0
    over: QuotaOver = "wait"


class QuietRule(msgspec.Struct, frozen=True, kw_only=True):
    """Quiet hours: no attempt of what the globs fit begins while the clock on the wall there is between two times.

    :ivar from_minute: of the day, from 0.
    :ivar to_minute: of the day, up to 1440; not after ``from_minute``: of the next day.
    :ivar zone: a name of the IANA time zone database.
    :ivar days: the days on which they begin, of :data:`DAYS`.
    """

    from_minute: int
    to_minute: int
    zone: str
    days: tuple[str, ...] = DAYS
    stream: str | None = None
    sender: str | None = None
    tenant: str | None = None


class ReturnsRule(msgspec.Struct, frozen=True, kw_only=True):
    """By which return path mail leaves, so that what comes back of it is known: every glob that is given must fit.

    :ivar domain: of the return paths, which are signed; empty: the sender's own address.
    :ivar feedback: the local part at that domain which complaints are sent to; empty: there is none.
    """

    domain: str = ""
    sender: str | None = None
    stream: str | None = None
    feedback: str = ""


class Notices(msgspec.Struct, frozen=True, kw_only=True):
    """Which mail tells its sender, by mail, what became of it (RFC 3464).

    :ivar about: of what came by SMTP or LMTP, of all, or of none.
    :ivar to: who gets them instead of the sender; empty: the sender.
    :ivar sent_from: the address of their From field; empty: MAILER-DAEMON of our own host.
    :ivar delay: whether one tells of a delay, where the sender did not say.
    :ivar stream: that they are sent in.
    :ivar whole_up_to: octets up to which a message is returned whole.
    :ivar most_an_hour: to one address.
    """

    about: NoticesAbout = "submission"
    to: str = ""
    sent_from: str = ""
    delay: bool = True
    stream: str = "notices"
    whole_up_to: int = 64 * 1024
    most_an_hour: int = 1000


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One published version of all that decides. ``version`` grows by one with each publication; 0: built in.

    :ivar copies_octets: in a playground, so much of what is accepted is kept for looking at; 0: nothing.
    :ivar speed: in a playground, how many times as fast time passes: what policies, rules and lanes say here is divided
        by it already, a send's own ``window``, ``at`` and ``spread`` are when it is accepted.
    """

    version: int = 0
    policies: dict[str, Policy] = msgspec.field(default_factory=lambda: {DEFAULT.name: DEFAULT})
    assign: tuple[AssignRule, ...] = ()
    reply: tuple[ReplyRule, ...] = ()
    lane: tuple[LaneRule, ...] = ()
    tls: tuple[TlsRule, ...] = ()
    route: tuple[RouteRule, ...] = ()
    brake: tuple[BrakeRule, ...] = ()
    quota: tuple[QuotaRule, ...] = ()
    quiet: tuple[QuietRule, ...] = ()
    disabled_rules: tuple[str, ...] = ()
    rule_pack: str = ""
    hold_pauses_window: bool = True
    max_message_octets: int = 25 * 1024 * 1024
    keep_finished: timedelta = timedelta(days=3)
    keep_finished_max_octets: int = 512 * 1024 * 1024
    keep_bodies: timedelta = timedelta(days=3)
    keep_bodies_max_octets: int = 512 * 1024 * 1024
    keep_keys: timedelta = timedelta(days=7)
    keep_events: timedelta = timedelta(days=3)
    keep_events_max: int = 200_000
    stream: tuple[StreamRule, ...] = ()
    suppress: SuppressRules = SuppressRules()
    copies_octets: int = 0
    speed: float = 1.0
    returns: tuple[ReturnsRule, ...] = ()
    gate: GateRules | None = None
    notices: Notices = Notices()

    @property
    def waits(self) -> frozenset[str]:
        """The strategies of the user's own that policies name."""
        return frozenset(policy.wait for policy in self.policies.values() if policy.wait)

    @property
    def waits_not_ours(self) -> list[str]:
        """Those of them that are not imported."""
        return sorted(wait.removeprefix(NOT_OURS) for wait in self.waits if wait.startswith(NOT_OURS))

    def with_own_waits(self, own: Container[str]) -> Settings:
        """The same, with each wait marked that is not among *own*.

        Who may write settings into the store must not choose what a process imports: that is for its own
        configuration to say. A marked wait stays one (its recorded answers count), but is asked no more.
        """
        if all(wait in own for wait in self.waits):
            return self
        policies = {
            name: msgspec.structs.replace(policy, wait=NOT_OURS + policy.wait)
            if policy.wait and policy.wait not in own
            else policy
            for name, policy in self.policies.items()
        }
        return msgspec.structs.replace(self, policies=policies)

    def policy_for(self, *, stream: str, domain: str, site: str | None, sender: str) -> Policy:
        """The policy of an envelope: that of the first assign rule that fits, else ``default``."""
        rule = _at(self.assign, self._assign_globs.first(stream, domain, site, sender))
        return self.policies[DEFAULT.name if rule is None else rule.policy]

    def lane_rule_for(self, site: str | None) -> LaneRule:
        """The limits of a site: those of the first lane rule that fits, else the built-in ones."""
        return _at(self.lane, self._lane_globs.first(site)) or NO_RULE

    @cached_property
    def is_any_split(self) -> bool:
        """Whether some lane is served in parts."""
        return any(rule.parts > 1 for rule in self.lane)

    def brake_for(self, stream: str) -> BrakeRule | None:
        """When a stream is held: the first brake rule that fits says so; ``None``: never."""
        return _at(self.brake, self._brake_globs.first(stream))

    def weight_of(self, stream: str) -> float:
        """How much of a lane a stream may have: the weight of the first rule that fits, else 1."""
        rule = _at(self.stream, self._stream_globs.first(stream))
        return 1.0 if rule is None else rule.weight

    def is_bulk(self, stream: str) -> bool:
        """Whether a stream's mail goes to many, by the first rule that fits."""
        rule = _at(self.stream, self._stream_globs.first(stream))
        return rule is not None and rule.bulk

    def is_exempt(self, stream: str) -> bool:
        """Whether a stream's mail goes in spite of complaints and streaks."""
        return any(matches(glob, stream) for glob in self.suppress.exempt)

    def return_domain_of(self, *, sender: str, stream: str) -> str:
        """Where mail of a sender and a stream comes back to; empty: to the sender. The null sender stays one."""
        rule = _at(self.returns, self._returns_globs.first(sender, stream)) if sender else None
        return "" if rule is None else rule.domain

    def tls_rule_for(self, *, domain: str, site: str | None) -> tuple[str, TlsRule]:
        """What is asked of TLS: the first rule that fits, by the name that `show` has for it, else the built-in one."""
        at = self._tls_globs.first(domain, site)
        return ("default", TlsRule()) if at is None else (f"tls[{at}]", self.tls[at])

    def quotas_of(self, stream: str, sender: str, tenant: str) -> tuple[QuotaRule, ...]:
        """The quotas that some mail is under: all whose globs fit."""
        return tuple(self.quota[at] for at in self._quota_globs.fitting(stream, sender, tenant))

    def quiet_hours_of(self, stream: str, sender: str, tenant: str) -> tuple[QuietRule, ...]:
        """The quiet hours of some mail: every rule whose globs fit."""
        return tuple(self.quiet[at] for at in self._quiet_globs.fitting(stream, sender, tenant))

    def routes_for(self, *, domain: str, sender: str, stream: str) -> Iterator[int]:
        """The numbers of the routes that some mail may take by whose it is, in order."""
        return self._route_globs.fitting(domain, sender, stream)

    def routes_for_any(self, *, domain: str, stream: str) -> Iterator[int]:
        """The same, whoever is the sender."""
        return self._any_route_globs.fitting(domain, stream)

    @cached_property
    def _assign_globs(self) -> Globs:
        return Globs((rule.stream, rule.domain, rule.site, rule.sender) for rule in self.assign)

    @cached_property
    def _lane_globs(self) -> Globs:
        return Globs((rule.site,) for rule in self.lane)

    @cached_property
    def _brake_globs(self) -> Globs:
        return Globs((rule.stream,) for rule in self.brake)

    @cached_property
    def _stream_globs(self) -> Globs:
        return Globs((rule.name,) for rule in self.stream)

    @cached_property
    def _returns_globs(self) -> Globs:
        return Globs((rule.sender, rule.stream) for rule in self.returns)

    @cached_property
    def _tls_globs(self) -> Globs:
        return Globs((rule.domain, rule.site) for rule in self.tls)

    @cached_property
    def _quota_globs(self) -> Globs:
        return Globs((rule.stream, rule.sender, rule.tenant) for rule in self.quota)

    @cached_property
    def _quiet_globs(self) -> Globs:
        return Globs((rule.stream, rule.sender, rule.tenant) for rule in self.quiet)

    @cached_property
    def _route_globs(self) -> Globs:
        return Globs((rule.domain, rule.sender, rule.stream) for rule in self.route)

    @cached_property
    def _any_route_globs(self) -> Globs:
        return Globs((rule.domain, rule.stream) for rule in self.route)


def _at(rules: Sequence[R], position: int | None) -> R | None:
    """The rule at a position; ``None``: none fits."""
    return None if position is None else rules[position]


NO_RULE = LaneRule()
BUILT_IN = Settings()
