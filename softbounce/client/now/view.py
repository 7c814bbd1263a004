"""What *now* is: the answer in a sentence, how much is where, and what is wrong, the worst first. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from softbounce.client.shown import rfc3339
from softbounce.client.traffic import TrafficPoint

__all__ = ["AgeBand", "Finding", "Level", "Now", "Recent", "Scope"]

Scope = Literal["us", "network", "store", "site", "sender"]
"""Whose trouble it is: this service or its operator; DNS and the way out; the store; one site; one sender."""
Level = Literal["bad", "warn", "note"]
"""``bad``: mail does not go. ``warn``: some does not, or a person has to decide. ``note``: somebody wanted it so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    :ivar kind: one word of a closed set, for programs.
    :ivar about: whose trouble it is, as a site or a stream: with the kind what makes it the same as before; for
        whoever compares two looks, and not shown.
    :ivar what: it, in a short sentence.
    :ivar why: the reason, in words; what a host said stands in it as it said it.
    :ivar since: since when, as far as one knows.
    :ivar waiting: about how many envelopes wait for it; ``None``: all, or nobody can tell.
    :ivar next: what happens by itself, and when; empty: nothing does.
    :ivar command: what helps, or tells more, word for word. ``act``: what that does, in words.
    :ivar place: the page of the screen that shows it.
    """

    kind: str
    scope: Scope
    level: Level
    what: str
    why: str = ""
    since: datetime | None = None
    waiting: int | None = None
    next: str = ""
    command: tuple[str, ...] = ()
    act: str = ""
    place: str = "/ui"
    about: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "scope": self.scope,
            "level": self.level,
            "what": self.what,
            "why": self.why,
            "since": None if self.since is None else rfc3339(self.since),
            "waiting": self.waiting,
            "next": self.next,
            "command": list(self.command),
            "act": self.act,
            "place": self.place,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeBand:
    """About so many live envelopes were accepted no longer ago than so many seconds, and longer than the band before.

    :ivar seconds: ``None``: longer.
    """

    seconds: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What happened since then: how many were accepted, delivered, deferred and bounced."""

    since: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How the service does.

    :ivar at: the store's now; this machine's, where the store is away.
    :ivar flows: ``yes``, ``partly`` or ``no``. ``sentence``: the same in words, with the first reason.
    :ivar states: envelopes by state; *ended*: those that are over and kept.
    :ivar recent: the traffic of the last ten minutes. ``traffic``: of the last hour, minute by minute.
    :ivar ages: the live ones by age. ``is_estimate``: ages, reasons and what waits are of a sample.
    :ivar reasons: about how many live envelopes were put off last for which reason.
    :ivar findings: the worst first. ``more``: so many further ones are not among them.
    """

    at: datetime
    flows: Literal["yes", "partly", "no"]
    sentence: str
    states: Mapping[str, int] = field(default_factory=dict)
    recent: Recent | None = None
    traffic: Sequence[TrafficPoint] = ()
    ages: Sequence[AgeBand] = ()
    oldest: datetime | None = None
    is_estimate: bool = False
    reasons: Mapping[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    more: int = 0
    workers: int = 0
    schedulers: int = 0
    lanes: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        recent = self.recent
        return {
            "at": rfc3339(self.at),
            "flows": self.flows,
            "sentence": self.sentence,
            "states": dict(self.states),
            "recent": None if recent is None else {"since": rfc3339(recent.since), "counts": dict(recent.counts)},
            "traffic": [one.to_dict() for one in self.traffic],
            "ages": [{"seconds": one.seconds, "count": one.count} for one in self.ages],
            "oldest": None if self.oldest is None else rfc3339(self.oldest),
            "is_estimate": self.is_estimate,
            "reasons": dict(self.reasons),
            "findings": [one.to_dict() for one in self.findings],
            "more": self.more,
            "workers": self.workers,
            "schedulers": self.schedulers,
            "lanes": dict(self.lanes),
        }
