"""The tables of what comes back of mail and of the notices that we write, which travel in the store as structs."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.address import ascii_domain, parse_address
from softbounce.errors import InvalidAddress
from softbounce.settings import Notices, NoticesAbout, ReturnsRule
from softbounce_config.fields import Glob, NameGlob, Notation, Section, Size

__all__ = ["NoticesSection", "ReturnsSection"]

RETURNS = ReturnsRule()
NOTICES = Notices()
STREAM = re.compile(r"[a-z0-9_.\-]{0,64}")
LARGEST_WHOLE = 4 * 1024 * 1024
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


def _address(value: object) -> str:
    address = _text(value, "an address")
    try:
        return parse_address(address).canonical if address else address
    except InvalidAddress as error:
        raise ValueError(error.reason) from None


def _ascii_address(value: object) -> str:
    address = _address(value)
    if not address.isascii():
        raise ValueError("has characters beyond ASCII, which not every mail host takes")
    return address


def _stream(value: object) -> str:
    if not isinstance(value, str) or STREAM.fullmatch(value) is None:
        raise ValueError("should be a stream: up to 64 of the characters a-z 0-9 _ . -")
    return value


ReturnDomain = Annotated[str, BeforeValidator(_return_domain), Notation("domain or empty")]
LocalPart = Annotated[str, BeforeValidator(_local_part), Notation("local part or empty")]
AddressOrEmpty = Annotated[str, BeforeValidator(_address), Notation("address or empty")]
AsciiAddressOrEmpty = Annotated[str, BeforeValidator(_ascii_address), Notation("address or empty")]
StreamName = Annotated[str, BeforeValidator(_stream), Notation("stream")]


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
    sender: NameGlob | None = Field(default=RETURNS.sender, description="Of which envelope senders.")
    stream: Glob | None = Field(default=RETURNS.stream, description="Of which streams.")
    feedback: LocalPart = Field(
        default=RETURNS.feedback,
        description="The address that mailbox providers are to send complaints to, what stands before the @ of it: "
        '`"fbl"` is `fbl@DOMAIN`. Empty: none; complaints that come to a return path are heard all the same.',
    )

    def rule(self) -> ReturnsRule:
        """The rule as it is published."""
        return ReturnsRule(**dict(self))


class NoticesSection(Section):
    """Mail to senders about what became of theirs (RFC 3464): that it bounced, or that it is late.

    What the sender asked for at SMTP (NOTIFY, RET, ENVID, ORCPT of RFC 3461) is obeyed. Never about mail from the null
    sender, and so never about a notice. Signed like other mail, where a `[[dkim]]` fits the domain of `sent_from`.
    """

    about: NoticesAbout = Field(
        default=NOTICES.about,
        description="Of which mail: `submission`, what came by SMTP or LMTP; `all`, what an app handed over from "
        "Python, by HTTP or an outbox too; `none`.",
    )
    to: AddressOrEmpty = Field(
        default=NOTICES.to, description="Who gets them instead of the sender. Empty: the sender."
    )
    sent_from: AsciiAddressOrEmpty = Field(
        default=NOTICES.sent_from,
        description="The address of their From field; the sender of the envelope is null whatever it is. Empty: "
        "`MAILER-DAEMON` at `[identity] hostname`.",
    )
    delay: bool = Field(
        default=NOTICES.delay,
        description="Whether one tells of a delay (`warn_after` of the policy), where the sender did not say which "
        "news he wants.",
    )
    stream: StreamName = Field(default=NOTICES.stream, description="The stream that they are sent in.")
    whole_up_to: Size = Field(
        default=NOTICES.whole_up_to,
        le=LARGEST_WHOLE,
        description="A message of up to this size comes back whole, where its sender did not ask for the header only "
        "(RET=HDRS); of a larger one the header. 0: always the header. At most 4MiB.",
    )
    most_an_hour: int = Field(
        default=NOTICES.most_an_hour,
        ge=1,
        le=1_000_000,
        description="How many notices one address gets in an hour. The last one says so; what is beyond it is not "
        "written.",
    )

    def rule(self) -> Notices:
        """The struct as it is published."""
        return Notices(**dict(self))
