"""The hosts of a lane's site: which of them an envelope had better not be tried at, and whether another can be had.

RFC 5321 §5.1: a client tries each address of the list in order, until one takes the mail. So whoever was deferred at
one host goes to another the next time, and what one host cannot do is asked of the next.

Hosts that greylist may share what they saw, and then the second one takes it; or each keeps its own, and forgets who is
not back within hours. So every other try goes back to where sender and recipient have been known longest.

A host may refuse us over IPv6 for want of a PTR record, or over IPv4 for a blocklist, and not over the other: after
such a refusal the next try takes the other family.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from softbounce.envelope import Attempt, Record
from softbounce.reply import Trouble
from softbounce_worker.lane.evidence import may_be_greylisting
from softbounce_worker.lane.families import ABOUT_ADDRESSES, ALL, Families, family_of
from softbounce_worker.route import Host, Listed, Route
from softbounce_worker.session.conversation import Place
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.transaction import LACKS, unsendable
from softbounce_worker.work import NO_HOSTS, Wants, Work

__all__ = ["SiteHosts", "is_lack"]

LOOKS_BACK = 32
SOFT = "soft"


class SiteHosts:
    """What is known of the hosts of one site. A host is shunned by its name, or by one of its addresses.

    :ivar listed: the names that it has, in their order.
    :ivar families: which of their addresses are dialled.
    """

    __slots__ = ("_health", "_hosts", "_is_whole", "families", "listed")

    def __init__(self, health: HostHealth, families: Families = ALL) -> None:
        self.listed: tuple[Listed, ...] = ()
        self.families = families
        self._hosts: tuple[Host, ...] = ()
        self._is_whole = False
        self._health = health

    def learn(self, route: Route) -> None:
        """These can be dialled, as far as they have addresses of a family that is."""
        self.listed = route.listed
        self._hosts = self.fitting(route).hosts
        self._is_whole = route.is_whole

    def fitting(self, route: Route) -> Route:
        """The same with only those of its hosts' addresses that are dialled, in their order."""
        if self.families is ALL:
            return route
        families = ((host, self.families.of(host.addresses)) for host in route.hosts)
        hosts = tuple(replace(host, addresses=addresses) for host, addresses in families if addresses)
        return replace(route, hosts=hosts)

    def failed(self, address: str) -> None:
        """Nothing comes from there: it is tried last for a while."""
        self._health.failed(address)

    def serves(self, place: Place, wants: Wants) -> bool:
        """Whether a session there may carry what wants this.

        It was opened with no less than is asked of TLS. A host that is shunned may where no other can be had now.
        """
        if not place.posture.covers(wants.posture, place.host, by_dane=place.by_dane):
            return False
        if wants.shuns.isdisjoint((place.host, place.address)):
            return True
        return not self.has_another(wants.shuns | wants.posture.forbids)

    def has_another(self, shunned: frozenset[str]) -> bool:
        """Whether one can be asked now that is not shunned."""
        return any(shunned.isdisjoint(place) for place in self._that_are_up())

    def deferred_by(self, record: Record) -> frozenset[str]:
        """The hosts that the next try had better not go to, because of those that deferred it so far.

        After a try elsewhere it goes to the address that may have greylisted it first; else to the host whose reply is
        the oldest.
        """
        tries = [one for one in record.envelope.attempts[-LOOKS_BACK:] if self._is_deferral(one)]
        if not tries:
            return NO_HOSTS
        others = self._deferred_by(tries)
        refusing = self._of_refusing_family(tries)
        both = others | refusing
        return both if any(both.isdisjoint(place) for place in self._places()) else refusing or others

    def _deferred_by(self, tries: Sequence[Attempt]) -> frozenset[str]:
        first = next(filter(may_be_greylisting, tries), None)
        if first is None:
            return self._latest(tries)
        addresses = frozenset(address for host in self._hosts for address in host.addresses)
        if first.address in addresses:
            others, is_back = addresses - {first.address}, tries[-1].address == first.address
        else:  # the host has others by now
            others, is_back = frozenset(host.name for host in self._hosts) - {first.host}, tries[-1].host == first.host
        return self._latest(tries) if is_back else others

    def _of_refusing_family(self, tries: Sequence[Attempt]) -> frozenset[str]:
        """The addresses of the family over which we were refused, where the other was not yet."""
        refusing = {family_of(one.address) for one in tries if one.address and one.reason in ABOUT_ADDRESSES}
        addresses = frozenset(address for _, address in self._places())
        of_it = frozenset(address for address in addresses if family_of(address) in refusing)
        return of_it if of_it != addresses else frozenset()

    def another_family(self, record: Record, address: str) -> str | None:
        """The family that is left to be tried after a refusal for reasons of policy at an address, if one is."""
        own = family_of(address)
        refused = {family_of(one.address) for one in record.envelope.attempts if one.address and self._is_refusal(one)}
        left = {family_of(other) for _, other in self._places()} - {own} - refused
        return next(iter(left), None)

    def _is_refusal(self, attempt: Attempt) -> bool:
        return attempt.reason in ABOUT_ADDRESSES and self._is_deferral(attempt)

    def _is_deferral(self, attempt: Attempt) -> bool:
        return attempt.verdict in {SOFT, None} and any(host.name == attempt.host for host in self._hosts)

    def _latest(self, tries: Sequence[Attempt]) -> frozenset[str]:
        """The hosts that deferred it last, but for one."""
        most = len({host.name for host in self._hosts}) - 1
        latest = dict.fromkeys(one.host for one in reversed(tries) if one.host is not None)
        return frozenset(list(latest)[:most])

    def find_one_for(self, work: Work) -> bool:
        """Let it shun what could not take it so far. Whether another place can be asked now, that may take it.

        A host that deferred it the last time is better than one that was tried just now.
        """
        out = work.tried | work.posture.forbids
        places = [place for place in self._that_are_up() if out.isdisjoint(place) and not self._lacks(work, place[1])]
        work.shuns |= work.tried
        if not any(work.shuns.isdisjoint(place) for place in places):
            work.shuns = work.tried
        return bool(places)

    def all_lack(self, work: Work) -> bool:
        """Whether every host of the site said, in its reply to EHLO, that it cannot take this.

        An address where no session can be had is not waited for, when its host said so at another.
        """
        hosts = (host for host in self._hosts if host.name not in work.posture.forbids)
        return self._is_whole and all(self._host_lacks(work, host) for host in hosts)

    def _host_lacks(self, work: Work, host: Host) -> bool:
        known = [address for address in host.addresses if not self._health.is_down(address)]
        return bool(known) and all(self._lacks(work, address) for address in known)

    def _lacks(self, work: Work, address: str) -> bool:
        offer = self._health.offer_at(address, over_tls=work.posture.is_required)
        return offer is not None and is_lack(unsendable(work, offer))

    def _places(self) -> Iterator[tuple[str, str]]:
        return ((host.name, address) for host in self._hosts for address in host.addresses)

    def addresses(self) -> list[str]:
        """Where they are."""
        return [address for _, address in self._places()]

    def _that_are_up(self) -> Iterator[tuple[str, str]]:
        return (place for place in self._places() if not self._health.is_down(*place))


def is_lack(trouble: Trouble | None) -> bool:
    """Whether it is what this one host does not offer, and not something that no host could take."""
    return trouble is not None and trouble.kind in LACKS
