"""The table of health: how often all that mail depends on is looked at, and which lists are asked about us."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from softbounce.address import ascii_domain
from softbounce_config.fields import DurationOrZero, Notation, Section

__all__ = ["HealthSection"]

SHORTEST = timedelta(minutes=1)
MOST_LISTS = 20


def _every(value: timedelta) -> timedelta:
    if timedelta(0) < value < SHORTEST:
        raise ValueError("must be at least 1m, or 0: never")
    return value


def _list(value: object) -> str:
    if not isinstance(value, str) or "." not in value:
        raise ValueError('should be the domain of a list, such as "zen.spamhaus.org"')
    return ascii_domain(value.lower().removesuffix("."))


def _lists(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ValueError('should be a list of domains, as in ["zen.spamhaus.org"]')


BlockList = Annotated[str, BeforeValidator(_list), Notation("domain")]
BlockLists = Annotated[tuple[BlockList, ...], BeforeValidator(_lists), Notation("list of domains", list, is_list=True)]


class HealthSection(Section):
    """The looks that `up` takes at all that mail depends on, as `softbounce doctor` does ([operations](operations.md)).

    What they find is kept in the store: `softbounce doctor --last` shows it, and an event `health_changed` tells of
    what turned bad, or good again. They call no mail host.
    """

    every: Annotated[DurationOrZero, AfterValidator(_every)] = Field(
        default=timedelta(minutes=15), description="How often each machine is looked at. 0: never."
    )
    blocklists: BlockLists = Field(
        default=(),
        max_length=MOST_LISTS,
        description='Lists of bad senders that are asked whether they have our addresses, as `["zen.spamhaus.org"]`, '
        "by the name servers of `[dns]`. Read their terms: many answer nobody who asks by a public resolver.",
    )
