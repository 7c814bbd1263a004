"""What a process is told when it starts, as plain structs. Their defaults stand here, and nowhere else.

The file's fields (:mod:`softbounce_config.sections`) take theirs from here, as they take those of what travels in the
store from :mod:`softbounce.settings`. Who has no default here or there gets its value from the file's field alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from softbounce_config.webhook_secret import Secret

__all__ = [
    "INTERFACES",
    "Canonicalization",
    "DialSettings",
    "DkimSettings",
    "Login",
    "RouteSettings",
    "Timeouts",
    "Transcripts",
    "WebhookSettings",
]

INTERFACES = "interfaces"
Transcripts = Literal["failed", "all", "none"]
Canonicalization = Literal["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each stage may take, seconds (RFC 5321 §4.5.3.2)."""

    connect: float = 30.0
    greeting: float = 300.0
    ehlo: float = 300.0
    starttls: float = 60.0
    auth: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end_of_data: float = 600.0
    rset: float = 20.0
    quit: float = 5.0
    idle: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are to a smarthost. Its ``repr`` does not tell the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialSettings:
    """What a process says and obeys when it dials.

    :ivar connections_per_address: sessions at one address over all lanes, where no rule of a lane allows more.
    :ivar tlsrpt: the socket of a collector of TLS results; none: there is none.
    :ivar transcripts: which attempts keep what was said.
    """

    hostname: str
    port: int = 25
    timeouts: Timeouts = field(default_factory=Timeouts)
    connections_per_address: int = 20
    tlsrpt: Path | None = None
    transcripts: Transcripts = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """How a process finds its way.

    :ivar nameservers: ``"192.0.2.53"``, ``"127.0.0.1:5300"``, ``"[::1]:5300"``; none: the system's.
    :ivar trusted: addresses of those whose word on DNSSEC is believed, beside those on loopback.
    :ivar timeout: for one answer of DNS.
    :ivar own_hostname: an MX with this name is ourselves.
    :ivar own_addresses: so is one with any of these: our own, and those of a NAT or proxy before us;
        :data:`INTERFACES` stands for those of the machine, as they are.
    :ivar allow_private: whether loopback and private addresses may be dialled.
    :ivar nxdomain_storm: which share of the domains looked up must be said not to exist until that is not believed any
        more; 0: always believed.
    :ivar policy_port: where policies of domains are fetched (RFC 8461): not DNS's to say, nor a message's.
    """

    nameservers: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=5)
    own_hostname: str
    own_addresses: tuple[str, ...] = (INTERFACES,)
    allow_private: bool = False
    nxdomain_storm: float = 0.5
    policy_port: int = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Who is told of events by HTTP.

    :ivar secret: what signs, the new one first; or
    :ivar secret_file: where it is; or
    :ivar secret_env: the variable that holds it.
    :ivar kinds: of events; none: all.
    :ivar streams: globs; none: all.
    :ivar policy: by its name; none: the usual one.
    :ivar timeout: for one event, all in all.
    :ivar connections: events at one time.
    :ivar allow_http: it may be told in clear.
    :ivar allow_private: its name may lead into our own network.
    """

    name: str
    url: str
    secret: tuple[Secret, ...] = ()
    secret_file: Path | None = None
    secret_env: str | None = None
    kinds: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    policy: str | None = None
    timeout: timedelta = timedelta(seconds=15)
    connections: int = 8
    allow_http: bool = False
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSettings:
    """With what a process signs the mail of some domains.

    :ivar domain: a glob of the From field's domain.
    :ivar d: the domain that signs; none: the From field's own.
    :ivar key_file: where the private key is; or
    :ivar key_env: the variable that holds it.
    :ivar canonicalization: of header and body.
    :ivar expire: how long a signature stands; none: for ever.
    """

    domain: str
    selector: str
    d: str | None = None
    key_file: Path | None = None
    key_env: str | None = None
    canonicalization: Canonicalization = "relaxed/relaxed"
    expire: timedelta | None = None
