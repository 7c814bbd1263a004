"""The tables of what comes back of mail, which travel in the store as structs of :mod:`softbounce.settings`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.address import ascii_domain
from softbounce.settings import ReturnsRule
from softbounce_config.fields import Glob, Notation, Section

__all__ = ["ReturnsSection"]

RETURNS = ReturnsRule()
LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9.+_-]{0,30}[a-z0-9])?")


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"should be {what}, in quotes")


def _return_domain(value: object) -> str:
    domain = _text(value, "a domain").lower()
    try:
        return ascii_domain(domain) if domain else domain
    except ValueError as error:
        raise ValueError(str(error)) from None


def _local_part(value: object) -> str:
    if not isinstance(value, str) or (value and LOCAL_PART.fullmatch(value) is None):
        raise ValueError("should be what stands before the @, in small letters: up to 32 of a-z 0-9 . + _ -")
    return value


ReturnDomain = Annotated[str, BeforeValidator(_return_domain), Notation("domain or empty")]
LocalPart = Annotated[str, BeforeValidator(_local_part), Notation("local part or empty")]


class ReturnsSection(Section):
    """Where mail comes back to, so that softbounce hears of it. The first table whose globs fit decides.

    Such mail leaves with a return path of its own for each recipient, which is signed: `MAIL FROM:<b...@DOMAIN>`. So it
    goes one recipient a transaction. Mail that no table fits leaves with its sender's own address. Where bounces and
    complaints come in: `[gateway] returns`.
    """

    domain: ReturnDomain = Field(
        default=RETURNS.domain,
        description="The domain of the return paths, whose MX is a listener of `[gateway] returns`: "
        '`"bounce.example.com"`. Empty: the sender\'s own address stays.',
    )
    sender: Glob | None = Field(default=RETURNS.sender, description="Of which envelope senders.")
    stream: Glob | None = Field(default=RETURNS.stream, description="Of which streams.")
    feedback: LocalPart = Field(
        default=RETURNS.feedback,
        description="The address that mailbox providers are to send complaints to, what stands before the @ of it: "
        '`"fbl"` is `fbl@DOMAIN`. Empty: none; complaints that come to a return path are heard all the same.',
    )

    def rule(self) -> ReturnsRule:
        """The rule as it is published."""
        return ReturnsRule(**dict(self))
