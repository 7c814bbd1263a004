"""The tables of quotas and of quiet hours, which travel in the store as structs of :mod:`softbounce.settings`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, InstanceOf, create_model

from softbounce.quiet import zone_of
from softbounce.settings import DAYS, Allowance, QuietRule, QuotaOver, QuotaPer, QuotaRule
from softbounce_config.fields import Glob, NameGlob, Notation, RuleName, Section
from softbounce_config.units import format_messages, format_octets, parse_messages, parse_octets

__all__ = ["QuietSection", "QuotaSection", "minute_of"]

TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00))")
ZONE = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*")
QUOTA = QuotaRule(name="")
QUIET = QuietRule(from_minute=0, to_minute=0, zone="UTC")


def _messages(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if isinstance(value, str):
        return parse_messages(value)
    raise ValueError('should be a rate in quotes, as in "1000/h"')


def _octets(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if isinstance(value, str):
        return parse_octets(value)
    raise ValueError('should be a size for each unit of time, in quotes, as in "1GiB/d"')


def minute_of(text: str) -> int | None:
    """The minute of a day that a time such as ``"22:00"`` is, ``"24:00"`` being its end; ``None``: it is no time."""
    found = TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute = (found[1], found[2]) if found[1] else (found[3], found[4])
    return int(hour) * 60 + int(minute)


def _time(value: object) -> str:
    if not isinstance(value, str) or minute_of(value) is None:
        raise ValueError('should be a time of the day in quotes, as in "22:00"')
    return value


def _zone(value: object) -> str:
    if not isinstance(value, str) or ZONE.fullmatch(value) is None or zone_of(value) is None:
        raise ValueError('is no time zone that is known here; write "Europe/Berlin", or "UTC"')
    return value


def _days(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"should be a list of days: {', '.join(DAYS)}")
    for day in value:
        if day not in DAYS:
            raise ValueError(f"{day!r} is no day; those are {', '.join(DAYS)}")
    return tuple(value)


Messages = Annotated[InstanceOf[Allowance], BeforeValidator(_messages), Notation("rate", format_messages)]
Octets = Annotated[InstanceOf[Allowance], BeforeValidator(_octets), Notation("size a time", format_octets)]
TimeOfDay = Annotated[str, BeforeValidator(_time), Notation("time")]
Zone = Annotated[str, BeforeValidator(_zone), Notation("time zone")]
Days = Annotated[tuple[str, ...], BeforeValidator(_days), Notation("list of days", list, is_list=True)]


class QuotaSection(Section):
    """How much mail is accepted, and when it begins. Every table whose globs fit counts; the strictest binds.

    What a quota names may come at once; what is over it begins later by itself, evenly, or is refused. An envelope
    counts when it is accepted, also one that is `at` later, and is not older for what it waits here. With several
    shards each has its part of a quota, and at least one envelope at a time. A limit that is changed begins anew.
    """

    name: RuleName = Field(description="What `explain` and errors call it. Once only.")
    stream: Glob | None = Field(default=QUOTA.stream, description="Of which streams the mail is under it.")
    sender: NameGlob | None = Field(default=QUOTA.sender, description="Of which envelope senders.")
    tenant: Glob | None = Field(
        default=QUOTA.tenant, description="Of which tenants: as the send said, else the sender's domain."
    )
    per: QuotaPer = Field(
        default=QUOTA.per,
        description="What is counted apart: each stream, each sender, each tenant, or all that fits together.",
    )
    messages: Messages | None = Field(default=QUOTA.messages, description="How many envelopes in a time.")
    octets: Octets | None = Field(
        default=QUOTA.octets,
        description='How many octets in a time, of each envelope those of its message: `"1GiB/d"`.',
    )
    waiting: int = Field(
        default=QUOTA.waiting,
        ge=0,
        le=1_000_000_000,
        description="How many envelopes may be unfinished at a time. 0: no limit. What is over it is always refused.",
    )
    over: QuotaOver = Field(
        default=QUOTA.over,
        description="What becomes of mail that is over `messages` or `octets`: it begins later, within a year, or the "
        "app gets `QuotaExceeded` and nothing is stored.",
    )

    def rule(self) -> QuotaRule:
        """The rule as it is published."""
        return QuotaRule(**dict(self))


if TYPE_CHECKING:
    _Beginning = Section
else:  # a key that is a word of Python's own
    _Beginning = create_model(
        "_Beginning", __base__=Section, **{"from": (TimeOfDay, Field(description='When they begin: `"22:00"`.'))}
    )


class QuietSection(_Beginning):
    """Quiet hours: no attempt begins while the clock on the wall there is between two times. All tables that fit count.

    A first attempt or a retry that would begin then begins when they end, within five minutes, and the envelope is not
    older for it. Where clocks are set back, an hour that comes twice is quiet twice.
    """

    stream: Glob | None = Field(default=None, description="Of which streams the mail waits.")
    sender: NameGlob | None = Field(default=None, description="Of which envelope senders.")
    tenant: Glob | None = Field(
        default=None, description="Of which tenants: as the send said, else the sender's domain."
    )
    to: TimeOfDay = Field(description="When they end; on the next day, where that is not after `from`.")
    zone: Zone = Field(description='The time zone of both, by its name in the IANA database: `"Europe/Berlin"`.')
    days: Days = Field(default=QUIET.days, description="The days on which they begin.")

    def rule(self) -> QuietRule:
        """The rule as it is published."""
        start, end = minute_of(getattr(self, "from")), minute_of(self.to)
        assert start is not None  # noqa: S101 - both are checked
        assert end is not None  # noqa: S101
        return QuietRule(
            from_minute=start % 1440,
            to_minute=end,
            zone=self.zone,
            days=self.days,
            stream=self.stream,
            sender=self.sender,
            tenant=self.tenant,
        )
