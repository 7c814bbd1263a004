"""The tables of alerts: who is told of trouble, how, and of which."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from softbounce_config.fields import Duration, DurationOrZero, Globs, Notation, RuleName, Section
from softbounce_config.reports import AsciiAddressOrEmpty, StreamName

__all__ = ["MOST_ALERTS", "WAYS", "AlertSection"]

MOST_ALERTS = 20
MOST_WORDS = 32
LONGEST_WORD = 1024
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
WAYS = ("to", "command", "webhook")


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(
            'should be a list of words, as in ["/usr/local/bin/page", "--team", "mail"]: no shell reads it'
        )
    if len(value) > MOST_WORDS or any(len(one) > LONGEST_WORD or "\0" in one for one in value):
        raise ValueError(f"should be at most {MOST_WORDS} words of {LONGEST_WORD} characters")
    if value and not value[0].startswith("/"):
        raise ValueError("should begin with the whole path of the program, as in /usr/local/bin/page")
    return tuple(value)


def _clock(value: object) -> str:
    if not isinstance(value, str) or (value and CLOCK.fullmatch(value) is None):
        raise ValueError('should be a time of day in UTC, as in "07:00", or "": none')
    return value


Command = Annotated[tuple[str, ...], BeforeValidator(_command), Notation("list of words", list, is_list=True)]
ClockTime = Annotated[str, BeforeValidator(_clock), Notation("HH:MM or empty")]


class AlertSection(Section):
    """Who is told of trouble ([docs/alerts.md](alerts.md)): once when it stands for long, and again when it is over.

    Each table has one way: `to`, `command` or `webhook`. Read by each process when it starts.
    """

    name: RuleName = Field(description="What it is called in the store and the log. What stands is kept by this name.")
    to: AsciiAddressOrEmpty = Field(
        default="", description="Tell by mail to this address, in `stream`: give that a `[[route]]` of its own."
    )
    sent_from: AsciiAddressOrEmpty = Field(
        default="", description="The From field of that mail. Empty: `softbounce` at `[identity] hostname`."
    )
    stream: StreamName = Field(default="alerts", description="The stream of that mail.")
    command: Command = Field(
        default=(),
        description="Tell by running this program, a list of words that no shell reads. It gets the alert as JSON on "
        "its standard input, has 30 seconds, and is done when it exits with 0.",
    )
    webhook: RuleName | None = Field(
        default=None, description="Tell by HTTP: the name of a `[[webhook]]`, whose URL and secret are used."
    )
    after: Duration = Field(default=timedelta(minutes=10), description="Tell of what stands for so long.")
    level: Literal["bad", "warn"] = Field(
        default="warn",
        description="`bad`: only where mail does not go, or a check failed; `warn`: what is worth a look too.",
    )
    kinds: Globs = Field(default=(), description='Of which kinds of trouble, as `["closed*", "health"]`. Empty: all.')
    oldest: DurationOrZero = Field(
        default=timedelta(0), description="Tell also where mail waits that was accepted longer ago than this. 0: never."
    )
    most_an_hour: int = Field(
        default=20, ge=1, le=1000, description="So many are told within an hour; what is beyond it waits for its turn."
    )
    summary: ClockTime = Field(default="", description="When, in UTC, a summary is told each day. Empty: never.")
