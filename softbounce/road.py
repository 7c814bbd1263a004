"""The road that mail leaves by: to whom it is handed, as whom, and how. What a ``[[route]]`` says of that.

A lane is one road to one site, or a part of it: a site that takes more than one process can carry has several, and its
number stands at the end of the name. The usual road leads to the MX hosts of a domain, from whichever address the
system takes, and a lane by it has its site's id for a name. Any other road is in its lane's name too, by a digest of
all that it is: so a lane never changes its road, and each process finds it among the published routes. No secret is
part of it.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from typing import Literal

import msgspec

from softbounce.site import MARK

__all__ = [
    "BY_HAND_ONLY",
    "MX",
    "UNIX",
    "Family",
    "Protocol",
    "Road",
    "RouteRule",
    "TlsMode",
    "base_of",
    "digest_in",
    "is_of_relay",
    "part_of",
]

Protocol = Literal["smtp", "lmtp"]
Family = Literal["both", "prefer6", "prefer4", "only4", "only6"]
TlsMode = Literal["none", "opportunistic", "required", "verified"]

DIGEST_OCTETS = 8
LONGEST_PART = 6
RELAY = "r"
"""In the place of a site's digest: whatever the domain is, the site is the one that the road leads to."""
PART = ":"
"""Before the number of a lane's part; part 0 has none."""
UNIX = "unix:"
"""Before the path, where a socket stands for an address."""
BY_HAND_ONLY = 2**31
"""So many attempts no envelope has: nothing takes a route after that many, by versions either that know no names."""


class Road(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A road. What is added to it later needs a default, or lanes are called otherwise than older versions do.

    :ivar host: a smarthost's name in lower case, or its address; ``None``: the domain's MX hosts, or :attr:`socket`.
    :ivar socket: the path of a unix socket.
    :ivar port: 0: the one that all mail hosts are reached at.
    :ivar tls: what is asked of TLS at least, beside what the rules ask.
    :ivar implicit_tls: the connection is TLS's from its first octet on (RFC 8314 §3.3).
    :ivar user: whom we log in as; the password is each process's own.
    :ivar login_in_clear: a password may be sent without TLS over a network.
    :ivar source: our own addresses, one a family at most; a family without one is not used. Empty: the system's choice.
    :ivar hostname: our name in EHLO; empty: as everywhere.
    :ivar family: which addresses are dialled, and which first; ``None``: as the lane's rule says.
    :ivar sign: its mail is signed as any; else whoever it leads to does that.
    """

    protocol: Protocol = "smtp"
    host: str | None = None
    socket: str | None = None
    port: int = 0
    tls: TlsMode | None = None
    implicit_tls: bool = False
    user: str | None = None
    login_in_clear: bool = False
    source: tuple[str, ...] = ()
    hostname: str = ""
    family: Family | None = None
    sign: bool = True

    @property
    def is_usual(self) -> bool:
        """Whether it is the one that mail takes without any route."""
        return self == MX

    @property
    def is_relay(self) -> bool:
        """Whether it leads to one place, whatever the recipient's domain is."""
        return self.host is not None or self.socket is not None

    @property
    def place(self) -> str:
        """Where a relay is, as it is shown and as globs of sites match it; a socket by its path."""
        if self.socket is not None:
            return (
                UNIX + "".join(one if one.isalnum() and one.isascii() else "-" for one in self.socket.strip("/"))[-200:]
            )
        return self.host or ""

    @property
    def is_local(self) -> bool:
        """Whether it stays on this machine: it leads to a socket, or to a loopback address."""
        if self.socket is not None:
            return True
        try:
            return self.host is not None and ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def digest(self) -> str:
        """What tells it from all others."""
        return _digest(self)

    def lane_of(self, site: str, part: int = 0) -> str:
        """The lane by which it leads to a site; a relay's is the same for every site."""
        if self.is_relay:
            whole = f"{self.place}{MARK}{RELAY}.{self.digest}"
        else:
            whole = site if self.is_usual else f"{site}.{self.digest}"
        return f"{whole}{PART}{part}" if part else whole

    def source_for(self, address: str) -> str | None:
        """Our own address towards another; ``None``: the system's choice."""
        family = ":" in address
        return next((one for one in self.source if (":" in one) is family), None)

    def takes(self, address: str) -> bool:
        """Whether an address is of a family that it may use."""
        return not self.source or self.source_for(address) is not None


MX = Road()
"""The usual one."""


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which mail takes a road: every condition that is given must fit.

    :ivar sender: a glob of the envelope's sender.
    :ivar site: a glob of the site that the domain's MX hosts are.
    :ivar after_attempts: so many attempts were charged to it.
    :ivar after_reason: one of its attempts ended for this reason.
    :ivar name: by which an operator sends mail this way, whatever the conditions say; empty: he does not.
    :ivar by_hand: no mail takes it otherwise. Then it is after :data:`BY_HAND_ONLY` attempts, too.
    :ivar is_gated: the staging gate lets its recipient have no mail. An older version that does not know of it sends
        all mail that way, and none to the world.
    """

    domain: str | None = None
    sender: str | None = None
    stream: str | None = None
    site: str | None = None
    after_attempts: int = 0
    after_reason: str | None = None
    road: Road = MX
    name: str = ""
    by_hand: bool = False
    is_gated: bool = False


@lru_cache(maxsize=1024)
def _digest(road: Road) -> str:
    return blake2b(msgspec.json.encode(road), digest_size=DIGEST_OCTETS).hexdigest()


def digest_in(lane: str) -> str:
    """The digest of a lane's road; empty: it is the usual one."""
    _, mark, tail = lane.rpartition(MARK)
    return tail.partition(PART)[0].partition(".")[2] if mark else ""


def is_of_relay(lane: str) -> bool:
    """Whether a lane leads to a smarthost, whatever its mail's domain is."""
    _, mark, tail = lane.rpartition(MARK)
    return bool(mark) and tail.partition(".")[0] == RELAY


def part_of(lane: str) -> int:
    """Which part of its road a lane is."""
    _, mark, tail = lane.rpartition(MARK)
    number = tail.partition(PART)[2] if mark else ""
    return int(number) if number.isdecimal() and number.isascii() and len(number) < LONGEST_PART else 0


def base_of(lane: str) -> str:
    """The site's id of a lane that leads to MX hosts, whichever its road is."""
    name, mark, tail = lane.rpartition(MARK)
    return f"{name}{mark}{tail.partition(PART)[0].partition('.')[0]}" if mark else lane
