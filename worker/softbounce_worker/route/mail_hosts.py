"""Which hosts take a domain's mail, and in which order: rules about records, without asking anybody.

RFC 5321 §5.1 (MX and implicit MX, order, oneself in the list), RFC 7505 (null MX).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from softbounce.reply import Trouble, TroubleKind

__all__ = ["Host", "Listed", "Lookup", "Miss", "Route", "conclude", "is_host_name", "listed_hosts", "worth_asking"]

HOSTS = 20  # an attacker may list hundreds
# Wider than RFC 1123 §2.1 by the underscore, which is in use. What else a name may hold in DNS is for no log or TLS.
HOST_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A host as an MX record lists it: lower case, no final dot."""

    name: str
    preference: int


class Miss(Enum):
    """Why a host cannot be dialled."""

    NO_ADDRESS = auto()
    TEMPORARY = auto()
    REFUSED = auto()  # by the address policy
    SELF = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What became of a listed host.

    :ivar addresses: those that may be dialled, in the order to dial them.
    :ivar miss: set where there are none.
    """

    listed: Listed
    addresses: tuple[str, ...] = ()
    miss: Miss | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host that can be dialled.

    :ivar addresses: at most eight, checked against the address policy: dial these, never the name.
    """

    name: str
    preference: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a domain's mail goes.

    :ivar site: the site's id.
    :ivar shown: the site as people see it.
    :ivar listed: all MX names of the site, which is what its id stands for.
    :ivar hosts: by preference, the lowest first; the order among equals is the server's.
    :ivar ttl: seconds for which this was known to hold when it was asked.
    :ivar is_whole: no other host of the domain may turn up later: none is left out because it cannot be found now.
    :ivar is_secure: DNSSEC proves that these are the domain's hosts.
    """

    site: str
    shown: str
    listed: tuple[Listed, ...]
    hosts: tuple[Host, ...]
    ttl: float
    is_whole: bool = True
    is_secure: bool = False

    def in_order(self, random: Random) -> list[Host]:
        """The hosts in the order to try them: equal preferences are shuffled anew with each call (RFC 5321 §5.1)."""
        hosts = list(self.hosts)
        random.shuffle(hosts)
        hosts.sort(key=lambda host: host.preference)  # a stable sort keeps the shuffle among equals
        return hosts


def is_host_name(name: str) -> bool:
    """Whether a host can be named so: lower case, no final dot, and no number at the end, which is an address."""
    return HOST_NAME.fullmatch(name) is not None and not name.rpartition(".")[2].isdecimal()


def listed_hosts(records: Iterable[tuple[int, str]]) -> tuple[Listed, ...]:
    """Every host of the MX records once, the best preference first.

    A ``.`` beside other hosts is a mistake of the domain's owner and left out. So is what no host can be named: it is
    a stranger's text, and gets into no name of ours, no log and no key.

    :param records: preference and name, the name in any case, with or without final dot.
    """
    best: dict[str, int] = {}
    for preference, text in records:
        name = text.lower().removesuffix(".")
        if is_host_name(name) and preference < best.get(name, 1 << 16):
            best[name] = preference
    return tuple(
        Listed(name=name, preference=preference)
        for name, preference in sorted(best.items(), key=lambda entry: entry[1])
    )


def worth_asking(listed: Sequence[Listed], own_hostname: str) -> tuple[tuple[Listed, ...], int | None]:
    """The hosts whose addresses matter: better than ourselves, and not more than twenty.

    :returns: those, and our own preference where we are listed by name.
    """
    own = next((host.preference for host in listed if host.name == own_hostname), None)
    better = tuple(host for host in listed if own is None or host.preference < own)
    return better[:HOSTS], own


def conclude(domain: str, lookups: Sequence[Lookup], own_preference: int | None) -> tuple[Host, ...] | Trouble:
    """The hosts to dial, or why there are none.

    Oneself in the list, by name (*own_preference*) or by address, cuts off this and every higher preference: sending
    there would send the mail round in circles. With nothing left one of two things is true: nobody is better than we
    are, and mail for the domain should have ended here (5.4.6); or somebody is, and cannot be found now (4.4.4).
    Among hosts without an address a temporary failure outweighs all others: the next look may find one.
    """
    preferences = [lookup.listed.preference for lookup in lookups if lookup.miss is Miss.SELF]
    if own_preference is not None:
        preferences.append(own_preference)
    own = min(preferences, default=None)
    better = [lookup for lookup in lookups if own is None or lookup.listed.preference < own]
    hosts = tuple(
        Host(name=lookup.listed.name, preference=lookup.listed.preference, addresses=lookup.addresses)
        for lookup in better
        if lookup.addresses
    )
    if hosts:
        return hosts
    if own is not None and not better:
        return Trouble(
            kind=TroubleKind.MAIL_LOOP,
            text=f"mail for {domain} would come back to this host{_which(lookups)}",
            permanent=True,
            enhanced="5.4.6",
        )
    if own is not None:
        return Trouble(
            kind=TroubleKind.DNS_TEMPORARY,
            text=f"no better mail host of {domain} than this one has an address now",
            enhanced="4.4.4",
        )
    return _why_none(domain, better)


def _which(lookups: Sequence[Lookup]) -> str:
    """By which of its hosts, where an address of ours says so: that may be another mail server's too."""
    own = next((lookup for lookup in lookups if lookup.miss is Miss.SELF), None)
    return f": {own.listed.name} {own.detail}" if own is not None else ""


def _why_none(domain: str, lookups: Sequence[Lookup]) -> Trouble:
    weights = (Miss.TEMPORARY, Miss.REFUSED, Miss.NO_ADDRESS)
    failed = min(lookups, key=lambda lookup: weights.index(lookup.miss or Miss.NO_ADDRESS))
    detail = f": {failed.listed.name} {failed.detail}"
    match failed.miss:
        case Miss.TEMPORARY:
            text = f"no mail host of {domain} could be looked up{detail}"
            return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3")
        case Miss.REFUSED:
            text = f"no mail host of {domain} has an address that may be dialled{detail}"
            return Trouble(kind=TroubleKind.ADDRESS_REFUSED, text=text, permanent=True, enhanced="5.4.4")
        case _:
            text = f"no mail host of {domain} has an address{detail}"
            return Trouble(kind=TroubleKind.NO_MAIL_HOST, text=text, permanent=True, enhanced="5.4.4")
