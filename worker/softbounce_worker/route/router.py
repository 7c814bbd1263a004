"""From a domain to the hosts and addresses that take its mail.

The rules stand in :mod:`softbounce_worker.route.mail_hosts`, the questions in :mod:`.resolver`, whether to believe that
a domain does not exist in :mod:`.nxdomain_guard`; here they meet. Nothing is dialled. A host that cannot be looked up
costs the others nothing but the wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, groupby, islice, zip_longest
from typing import TypeGuard

import structlog
from softbounce_config.process_settings import RouteSettings

from softbounce.address import ascii_domain
from softbounce.reply import Trouble, TroubleKind
from softbounce.site import shown_of
from softbounce_worker.route.address_policy import AddressPolicy
from softbounce_worker.route.answer_cache import CEILING, FLOOR, AnswerCache
from softbounce_worker.route.mail_hosts import (
    Host,
    Listed,
    Lookup,
    Miss,
    Route,
    conclude,
    is_host_name,
    listed_hosts,
    worth_asking,
)
from softbounce_worker.route.nxdomain_guard import DENIALS, Known, NxdomainGuard
from softbounce_worker.route.own_addresses import OwnAddresses
from softbounce_worker.route.reading import CNAMES
from softbounce_worker.route.relay_hosts import RelayHosts
from softbounce_worker.route.resolver import (
    ENTRY_OCTETS,
    RECORD_OCTETS,
    TOO_MUCH_SECONDS,
    Budget,
    DnsAnswer,
    Found,
    Resolver,
)
from softbounce_worker.route.site import load_suffixes, site_of
from softbounce_worker.route.wire import RecordKind

__all__ = ["RouteSettings", "Router"]

ADDRESSES = 8  # of one host
QUERIES = 64  # for one domain: an MX, two for each of twenty hosts, and some aliases
TIMEOUTS = 3  # for one domain, as many times the time for one answer
RECORDS = 2000  # for one domain: twenty hosts with fifty addresses are 1,000
ROUTES = 10_000
ROUTES_OCTETS = 32 << 20
IDENTITY = "[identity] addresses"
UNTOLD = frozenset({Found.NOTHING, Found.TOO_MUCH})

log = structlog.get_logger()


class Router:
    """Finds routes, and remembers them for as long as DNS lets it.

    :ivar relays: finds smarthosts, which are nobody's MX.
    :ivar policy: which addresses may be dialled.
    :ivar policy_port: where hosts tell domains' policies.
    :param known: who knows domains that mail went to before.
    :param clock: monotonic seconds.
    :raises ConfigError: a name server cannot be read, or the system has none.
    """

    def __init__(
        self, settings: RouteSettings, *, known: Known | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        load_suffixes()
        self.policy = AddressPolicy(allow_private=settings.allow_private)
        self.policy_port = settings.policy_port
        self._resolver = Resolver(settings.nameservers, settings.timeout, trusted=settings.trusted, clock=clock)
        self._patience = settings.timeout.total_seconds() * TIMEOUTS
        self.relays = RelayHosts(self._resolver, self._patience)
        self._own_hostname = settings.own_hostname.lower().removesuffix(".")
        self._own = OwnAddresses(settings.own_addresses)
        self._clock = clock
        self._routes: AnswerCache[Route | Trouble] = AnswerCache(ROUTES, clock, octets=ROUTES_OCTETS, weigh=_octets_of)
        self._guard = (
            NxdomainGuard(settings.nxdomain_storm, clock, known, self._forget_denials)
            if settings.nxdomain_storm
            else None
        )

    async def route(self, domain: str) -> Route | Trouble:
        """Where mail for *domain* goes now. Never raises for anything that DNS holds or fails to hold.

        :param domain: in U-labels or A-labels, or an address literal, which is its own host.
        """
        known = self._routes.get(domain)
        if known is not None:
            return known
        if domain.startswith("["):
            return self._literal(domain)
        try:
            name = ascii_domain(domain)
        except ValueError as error:
            text = f"not a domain: {error}"
            return Trouble(kind=TroubleKind.NO_SUCH_DOMAIN, text=text, permanent=True, enhanced="5.1.2")
        try:
            async with asyncio.timeout(self._patience):
                result, expires = await self._find(name)
        except TimeoutError:
            text = f"the name servers did not answer all questions about {domain} in time"
            return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3")
        if self._guard is not None:
            if _is_denial(result):
                result = await self._guard.judge(domain, result)
                expires = expires if result.permanent else self._clock() + FLOOR
            elif isinstance(result, Route) or result.permanent:
                self._guard.found(domain)
        self._routes.put(domain, result, expires=expires)
        return result

    async def reach(self, site: str, listed: tuple[Listed, ...]) -> Route | Trouble:
        """The hosts of a site, by its own names and nobody's domain: whoever moves away takes no other's mail along.

        Asks for the addresses alone, where none of its domains was looked up lately.

        :param listed: what its id stands for.
        """
        known = self._routes.get(site)
        if known is not None:
            return known
        if len(listed) == 1 and listed[0].name.startswith("["):
            return self._literal(listed[0].name)
        try:
            async with asyncio.timeout(self._patience):
                result, expires = await self._meet(
                    shown_of(site), listed, self._clock() + CEILING, Budget(QUERIES, RECORDS)
                )
        except TimeoutError:
            text = f"the name servers did not answer all questions about the hosts of {shown_of(site)} in time"
            return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3")
        self._routes.put(site, result, expires=expires)
        return result

    async def texts_of(self, name: str) -> DnsAnswer:
        """The texts that are published under a name."""
        return await self._resolver.look_up(name, RecordKind.TXT, Budget(CNAMES + 1, RECORDS))

    async def tlsa_of(self, name: str) -> DnsAnswer:
        """What is published under a name about certificates (RFC 6698)."""
        return await self._resolver.look_up(name, RecordKind.TLSA, Budget(CNAMES + 1, RECORDS))

    async def authentic_names_of(self, host: str) -> tuple[str, ...]:
        """The names of a host whose addresses DNSSEC proves: where its aliases lead, and its own. None: it does not."""
        budget = Budget(QUERIES, RECORDS)
        kinds = (RecordKind.A, RecordKind.AAAA)
        answers = await asyncio.gather(*(self._resolver.look_up(host, kind, budget) for kind in kinds))
        told = [answer for answer in answers if answer.found is Found.RECORDS]
        if not told or not all(answer.is_secure for answer in told):
            return ()
        aliases = [answer.name for answer in told if answer.name is not None and is_host_name(answer.name)]
        return tuple(dict.fromkeys((*aliases[:1], host)))

    async def addresses_of(self, name: str) -> Lookup:
        """The addresses of a host that takes no mail, and may be dialled all the same: checked as mail hosts' are."""
        listed = Listed(name=name, preference=0)
        try:
            async with asyncio.timeout(self._patience):
                lookup, _ = await self._look_up(listed, Budget(QUERIES, RECORDS))
        except TimeoutError:
            return Lookup(listed=listed, miss=Miss.TEMPORARY, detail="could not be looked up in time")
        return lookup

    def _forget_denials(self) -> None:
        self._routes.drop_where(_is_denial)

    async def _find(self, name: str) -> tuple[Route | Trouble, float]:
        budget = Budget(QUERIES, RECORDS)
        answer = await self._resolver.look_up(name, RecordKind.MX, budget)
        if answer.found in UNTOLD:
            text = f"the mail hosts of {name} could not be looked up: {answer.detail}"
            return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.4.3"), answer.expires
        if answer.found is Found.NO_SUCH_NAME and not await self._has_addresses(name, budget):
            text = f"the domain {name} does not exist"
            trouble = Trouble(kind=TroubleKind.NO_SUCH_DOMAIN, text=text, permanent=True, enhanced="5.4.4")
            return trouble, answer.expires
        exchanges = list(_exchanges(answer))
        listed = listed_hosts(exchanges)
        if not answer.records:
            listed = (Listed(name=name, preference=0),)  # the implicit MX
        elif not listed and any(text != "." for _, text in exchanges):
            text = f"no MX record of {name} names a host"
            trouble = Trouble(kind=TroubleKind.NO_MAIL_HOST, text=text, permanent=True, enhanced="5.4.4")
            return trouble, answer.expires
        elif not listed:
            text = f"the domain {name} takes no mail (null MX)"
            trouble = Trouble(kind=TroubleKind.NULL_MX, text=text, permanent=True, enhanced="5.1.10")
            return trouble, answer.expires
        route, expires = await self._meet(name, listed, answer.expires, budget)
        return (replace(route, is_secure=answer.is_secure) if isinstance(route, Route) else route), expires

    async def _has_addresses(self, name: str, budget: Budget) -> bool:
        """Whether a name has addresses, or may have, of which a server says that it does not exist.

        Some say so of every name without an MX record. What exists has no MX record then (RFC 5321 §5.1).
        """
        lookup, _ = await self._look_up(Listed(name=name, preference=0), budget)
        return lookup.miss is not Miss.NO_ADDRESS

    async def _meet(
        self, domain: str, listed: tuple[Listed, ...], until: float, budget: Budget
    ) -> tuple[Route | Trouble, float]:
        """Look the listed hosts up, all at once, and conclude."""
        asked, own_preference = worth_asking(listed, self._own_hostname)
        found = await asyncio.gather(*(self._look_up(host, budget) for host in asked))
        expires = min((until, *(host_expires for _, host_expires in found)))
        hosts = conclude(domain, [lookup for lookup, _ in found], own_preference)
        if isinstance(hosts, Trouble):
            return hosts, self._clock() + TOO_MUCH_SECONDS if budget.is_spent else expires
        is_whole = all(lookup.miss is not Miss.TEMPORARY for lookup, _ in found)
        route = self._route(listed, hosts, expires - self._clock(), is_whole=is_whole)
        self._routes.put(route.site, route, expires=expires)
        return route, expires

    async def _look_up(self, listed: Listed, budget: Budget) -> tuple[Lookup, float]:
        answers = await asyncio.gather(
            self._resolver.look_up(listed.name, RecordKind.A, budget),
            self._resolver.look_up(listed.name, RecordKind.AAAA, budget),
        )
        if any(answer.is_alias for answer in answers):
            log.info("mail_host_alias_followed", host=listed.name)  # outside the standard (RFC 2181 §10.3), and common
        return self._judge(listed, answers), min(answer.expires for answer in answers)

    def _judge(self, listed: Listed, answers: Iterable[DnsAnswer]) -> Lookup:
        """The addresses to dial. The two kinds alternate, IPv4 first, each in the order of the server's answer."""
        families = [_addresses(answer) for answer in answers]
        addresses = [address for address in chain.from_iterable(zip_longest(*families)) if address is not None]
        if any(self._own.holds(address) for address in addresses[: 2 * ADDRESSES]):
            return Lookup(listed=listed, miss=Miss.SELF, detail=f"has one of our own addresses ({IDENTITY})")
        allowed = (address for address in addresses if self.policy.check(address) is None)
        if dialled := tuple(islice(allowed, ADDRESSES)):
            return Lookup(listed=listed, addresses=dialled)
        for answer in answers:
            if answer.found in UNTOLD:
                return Lookup(listed=listed, miss=Miss.TEMPORARY, detail=f"could not be looked up: {answer.detail}")
        if addresses:
            detail = f"at {addresses[0]} {self.policy.check(addresses[0])}"
            return Lookup(listed=listed, miss=Miss.REFUSED, detail=detail)
        return Lookup(listed=listed, miss=Miss.NO_ADDRESS, detail="has none")

    def _literal(self, domain: str) -> Route | Trouble:
        """The address itself is the host (RFC 5321 §4.1.3), under the same address policy."""
        address = domain.strip("[]").removeprefix("IPv6:")
        listed = Listed(name=domain, preference=0)
        reason = self.policy.check(address)
        if reason is None and self._own.holds(address):
            lookup = Lookup(listed=listed, miss=Miss.SELF, detail=f"is one of our own addresses ({IDENTITY})")
        elif reason is not None:
            lookup = Lookup(listed=listed, miss=Miss.REFUSED, detail=reason)
        else:
            lookup = Lookup(listed=listed, addresses=(address,))
        hosts = conclude(domain, [lookup], None)
        return hosts if isinstance(hosts, Trouble) else self._route((listed,), hosts, CEILING)

    @staticmethod
    def _route(listed: tuple[Listed, ...], hosts: tuple[Host, ...], ttl: float, *, is_whole: bool = True) -> Route:
        site = site_of([[host.name for host in group] for _, group in groupby(listed, lambda host: host.preference)])
        return Route(
            site=site, shown=shown_of(site), listed=listed, hosts=hosts, ttl=max(ttl, FLOOR), is_whole=is_whole
        )


def _is_denial(result: Route | Trouble) -> TypeGuard[Trouble]:
    return isinstance(result, Trouble) and result.permanent and result.kind in DENIALS


def _exchanges(answer: DnsAnswer) -> Iterable[tuple[int, str]]:
    return (record for record in answer.records if isinstance(record, tuple))


def _addresses(answer: DnsAnswer) -> Iterable[str]:
    return (record for record in answer.records if isinstance(record, str))


def _octets_of(route: Route | Trouble) -> int:
    """About how much memory it takes."""
    if isinstance(route, Trouble):
        return ENTRY_OCTETS + len(route.text)
    hosts = sum(RECORD_OCTETS * (2 + len(host.addresses)) + len(host.name) for host in route.hosts)
    listed = sum(RECORD_OCTETS + len(host.name) for host in route.listed)
    return ENTRY_OCTETS + len(route.shown) + listed + hosts
