"""The ``[[route]]`` tables: which mail leaves by another road than its domain's MX hosts, and which road that is.

Routes travel in the store, their passwords do not: where one is found is read by each process from its own file.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from softbounce.road import BY_HAND_ONLY, MX, Family, Protocol, Road, RouteRule, TlsMode
from softbounce_config.dkim import Variable
from softbounce_config.fields import Glob, Hostname, NameGlob, Notation, RuleName, Section, TextPath
from softbounce_config.hosts import LARGEST_PORT, check_hostname
from softbounce_config.rules import ReasonWord

__all__ = ["RouteSection"]

ROUTE = RouteRule()
SMTP, SUBMISSION, SUBMISSIONS, LMTP = 25, 587, 465, 24
LONGEST_USER = 255
LONGEST_SOCKET = 107
"""Octets of a unix socket's path that every system takes."""


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"should be {what}, in quotes")


def _relay(value: object) -> str:
    """A host name, or an address: ``192.0.2.1``, and IPv6 in brackets or without."""
    text = _text(value, "a host name or an address")
    is_bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ip_address(text[1:-1] if is_bracketed else text)
    except ValueError:
        name = check_hostname(text.removesuffix("."))
        if name.startswith("["):
            raise ValueError("an address stands without a tag: 192.0.2.1 or 2001:db8::1") from None
        return name
    if "%" in text:
        raise ValueError("an address with a zone is none that others can be told")
    return str(address)


def _socket(value: object) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value, "the path of a socket")
    if not text or "\0" in text:
        raise ValueError("should be the path of a socket")
    if len(text.encode()) > LONGEST_SOCKET:
        raise ValueError(f"is longer than the {LONGEST_SOCKET} octets that a socket's path may have")
    return Path(text)


def _user(value: object) -> str:
    text = _text(value, "a name")
    if not 0 < len(text) <= LONGEST_USER or not text.isprintable():
        raise ValueError(f"should have 1 to {LONGEST_USER} printable characters")
    return text


def _source(value: object) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list | tuple) or not entries:
        raise ValueError('should be addresses, as in ["192.0.2.1", "2001:db8::1"]')
    addresses = [_address(entry) for entry in entries]
    families = [address.version for address in addresses]
    if len(set(families)) < len(families):
        raise ValueError("has more than one address of a family")
    if any(address.is_unspecified or address.is_multicast for address in addresses):
        raise ValueError("should be an address of this machine's own")
    return tuple(str(address) for address in addresses)


def _address(value: object) -> IPv4Address | IPv6Address:
    text = _text(value, "an address")
    try:
        return ip_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error


RelayHost = Annotated[str, BeforeValidator(_relay), Notation("host name or address")]
SocketPath = Annotated[Path, BeforeValidator(_socket), Notation("path")]
User = Annotated[str, BeforeValidator(_user), Notation("name")]
Sources = Annotated[tuple[str, ...], BeforeValidator(_source), Notation("list of addresses", list, is_list=True)]


class RouteSection(Section):
    """Which mail takes another road than its domain's MX hosts, and which. The first table that fits wins, as a whole.

    A table fits where all of its conditions do: `domain`, `sender`, `stream`, `site`, `after_attempts`, `after_reason`.
    Where none fits, mail goes to the MX hosts. With `host` or `socket` it goes there instead, and nothing is looked up
    for the recipient's domain. How hard a smarthost may be pushed is said by a `[[lane]]` whose `site` is its `host`.

    Passwords never travel in the store: each process reads them, and which roads it may take, from its own file. A
    login that is refused is nobody's mail's fault: all mail of that road waits, and nothing bounces for it.
    """

    name: RuleName | None = Field(
        default=None,
        description="By which an operator sends mail this way, whatever the conditions of routes say: "
        "`softbounce redirect --route NAME`.",
    )
    by_hand: bool = Field(
        default=ROUTE.by_hand,
        description="No mail takes this way but what an operator sends by it. Excludes conditions.",
    )
    domain: NameGlob | None = Field(default=None, description="The recipient's domain.")
    sender: NameGlob | None = Field(default=None, description="The envelope's sender.")
    stream: Glob | None = Field(default=None, description="The app's class of mail.")
    site: NameGlob | None = Field(default=None, description="The site that the recipient domain's MX hosts are.")
    after_attempts: int = Field(
        default=ROUTE.after_attempts,
        ge=0,
        le=100_000,
        description="After so many charged attempts, whichever road they took.",
    )
    after_reason: ReasonWord | None = Field(
        default=None,
        description="After an attempt that ended for this reason, as `show` says it: `ip_reputation`, say. A refusal "
        "for that reason is no bounce then, but a reason to take this road.",
    )
    host: RelayHost | None = Field(
        default=None,
        description="The smarthost: a name, whose addresses are looked up (not its MX), or an address. Private ones "
        "too.",
    )
    socket: SocketPath | None = Field(
        default=None, description="Or the path of a unix socket, relative to this file. Nothing is asked of TLS there."
    )
    protocol: Protocol = Field(
        default=MX.protocol, description="LMTP (RFC 2033) hands mail to a delivery agent, such as Dovecot."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_PORT,
        description="Not given: 465 with `implicit_tls`, 587 with `user`, 24 for LMTP, 25 at other smarthosts; for MX "
        "hosts as `[smtp] port` says.",
    )
    implicit_tls: bool | None = Field(
        default=None,
        description="TLS from the first octet on, as port 465 has it (RFC 8314). Not given: at port 465.",
    )
    tls: TlsMode | None = Field(
        default=None,
        description="What is asked of TLS at least; a `[[tls]]` table that fits may ask for more. Not given: "
        "`verified` with `user`, for a password is for its host only, else what `[[tls]]` says.",
    )
    user: User | None = Field(default=None, description="Whom to log in as: by PLAIN, LOGIN or CRAM-MD5 (RFC 4954).")
    password_file: TextPath | None = Field(
        default=None, description="The file with the password, a line that nobody else should be able to read."
    )
    password_env: Variable | None = Field(
        default=None, description="Instead of a file: the environment variable that holds the password."
    )
    login_in_clear: bool = Field(
        default=MX.login_in_clear,
        description="Whether a password may leave without TLS, by a network that is not loopback.",
    )
    source: Sources | None = Field(
        default=None,
        description="Our own addresses to dial from, one of IPv4, one of IPv6 or both. A family without one is not "
        "used. Not given: the system's choice.",
    )
    hostname: Hostname = Field(
        default=MX.hostname, description="Our name in EHLO on this road. Empty: that of `[identity]`."
    )
    family: Family | None = Field(
        default=None, description="Which addresses are dialled, and which first. Not given: as `[[lane]]` says."
    )
    sign: bool = Field(
        default=MX.sign,
        description="Whether `[[dkim]]` counts on this road. A smarthost that signs by itself may refuse what has a "
        "signature (Amazon SES does), or change what is signed.",
    )

    @property
    def road(self) -> Road:
        """The road, with what follows from the rest."""
        implicit = self.port == SUBMISSIONS if self.implicit_tls is None else self.implicit_tls
        implicit = implicit and self.socket is None
        return Road(
            protocol=self.protocol,
            host=self.host,
            socket=None if self.socket is None else str(self.socket),
            port=self._port(implicit=implicit),
            tls=self.tls or ("verified" if self.user is not None and self.socket is None else None),
            implicit_tls=implicit,
            user=self.user,
            login_in_clear=self.login_in_clear,
            source=self.source or (),
            hostname=self.hostname,
            family=self.family,
            sign=self.sign,
        )

    def _port(self, *, implicit: bool) -> int:
        if self.port is not None:
            return self.port
        if self.host is None:
            return SUBMISSIONS if implicit else 0
        if implicit:
            return SUBMISSIONS
        if self.protocol == "lmtp":
            return LMTP
        return SMTP if self.user is None else SUBMISSION

    def rule(self) -> RouteRule:
        """The rule as it is published."""
        return RouteRule(
            domain=self.domain,
            sender=self.sender,
            stream=self.stream,
            site=self.site,
            after_attempts=BY_HAND_ONLY if self.by_hand else self.after_attempts,
            after_reason=self.after_reason,
            road=self.road,
            name=self.name or "",
            by_hand=self.by_hand,
        )
