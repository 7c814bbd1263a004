"""How many sessions may be open: in all, with one organisation, at one address; who waits, and which one makes way.

Each costs the same whatever the number of lanes. Who finds no place waits in a line; a session that idles makes way at
once, and one that had its place for a turn does so after its transaction. A host that refuses one more while some of
ours stand there has told its limit: that is learned, and climbs again by and by. It is no trouble of anybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from weakref import WeakValueDictionary

from softbounce_worker.session.address_places import AddressPlaces, Waiter
from softbounce_worker.session.organisation import Organisation
from softbounce_worker.session.places import Member, Places, Stayer

__all__ = ["Slots"]

TURN = 1.0
"""Seconds that a session keeps its place for while others wait for it, but for those in which it waited for us."""
MOST_ADDRESSES, FORGOTTEN_TOGETHER = 10_000, 1000


class Slots:
    """All places of a process.

    :ivar capacity: sessions at most.
    :ivar per_address: sessions at one address, where no rule says otherwise.
    :ivar processes: how many share what an organisation allows.
    :ivar elsewhere: the organisations that other processes' lanes lead to.
    """

    def __init__(self, capacity: int, per_address: int) -> None:
        self.capacity = capacity
        self.per_address = per_address
        self.processes = 1
        self.elsewhere: AbstractSet[str] = frozenset()
        self._is_closed = False
        self._all = Places()
        self._organisations: WeakValueDictionary[str, Organisation] = WeakValueDictionary()
        self._addresses: dict[str, AddressPlaces] = {}

    # -- in all, and with one organisation ----------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether one more session may be opened (read from any thread)."""
        return not self._is_closed and self._all.has_room(self.capacity)

    @property
    def taken(self) -> int:
        """How many sessions there are."""
        return self._all.taken

    def close(self) -> None:
        """No session is opened any more: the process ends."""
        self._is_closed = True

    def join(self, name: str) -> Organisation:
        """The organisation that a lane leads to, until it parts."""
        organisation = self._organisations.get(name)
        if organisation is None:
            organisation = self._organisations[name] = Organisation(name)
        organisation.members += 1
        return organisation

    def rate(self, organisation: Organisation, told: float) -> float:
        """Messages a second that this process may send to an organisation, where so many are told; 0: no limit."""
        return organisation.rate(self.share(organisation, told) if told else 0.0)

    def share(self, organisation: Organisation, most: float) -> float:
        """What this process may have of what an organisation allows: its other sites may be another process's."""
        is_shared = organisation.members > 1 or organisation.name in self.elsewhere
        return most / self.processes if is_shared else most

    def most(self, organisation: Organisation, connections: int) -> int:
        """How many sessions with an organisation this process may have, where so many are allowed."""
        return int(max(1, min(round(self.share(organisation, connections)), organisation.limit)))

    def take(self, member: Member, organisation: Organisation, most: int, *, waits: bool = True) -> bool:
        """Take a place for one more session. False: none is left, and the member comes when one is.

        :param waits: or not: it has one already that may yet do.
        """
        if self._is_closed:
            return False
        for places, limit in ((organisation, self.most(organisation, most)), (self._all, self.capacity)):
            if not places.has_room(limit):
                if waits:
                    places.wait(member, limit)
                return False
        organisation.taken += 1
        self._all.taken += 1
        return True

    def is_waiting(self, member: Member, organisation: Organisation) -> bool:
        """Whether it comes when there is a place."""
        return self._all.is_waiting(member) or organisation.is_waiting(member)

    def give_back(self, organisation: Organisation) -> None:
        """A session ended."""
        organisation.give_back()
        self._all.give_back()

    def part(self, member: Member, organisation: Organisation) -> None:
        """It leads there no more, and waits for nothing."""
        organisation.members -= 1
        organisation.forget(member)
        self._all.forget(member)

    def make_way(self) -> None:
        """The session that idled longest ends: work comes for which there is no place."""
        for session in self._all.idle:
            session.leave()
            return

    # -- sessions that idle -----------------------------------------------------------------------------------------

    def idles(self, session: Stayer, lane: object, organisation: Organisation) -> None:
        """It has nothing to do; where others wait for its place, it ends."""
        kinds = self._kinds(session, organisation)
        for places in kinds:
            places.idles(session)
        if any(places.others_wait(lane) for places in kinds):
            session.leave()

    def works(self, session: Stayer, organisation: Organisation) -> None:
        """It idles no more, or is asked to end."""
        for places in self._kinds(session, organisation):
            places.works(session)

    def others_wait(self, lane: object, organisation: Organisation) -> bool:
        """Whether another lane waits for a place with an organisation, or for any."""
        return any(places.others_wait(lane) for places in (self._all, organisation))

    def is_wanted(self, session: Stayer, lane: object, organisation: Organisation, *, turns: int = 1) -> bool:
        """Whether a session had its place for so many turns, and others wait for it."""
        at = self._addresses.get(session.address)
        is_sought = self._all.others_wait(lane) or organisation.others_wait(lane)
        if not (is_sought or (at is not None and at.others_wait(lane))):
            return False
        return asyncio.get_running_loop().time() - session.turn_began >= turns * TURN

    def _kinds(self, session: Stayer, organisation: Organisation) -> tuple[Places, ...]:
        at = self._addresses.get(session.address)
        return (self._all, organisation) if at is None else (self._all, organisation, at)

    # -- at one address ---------------------------------------------------------------------------------------------

    def is_full(self, address: str, most: int) -> bool:
        """Whether who may have so many there had to wait."""
        at = self._addresses.get(address)
        return at is not None and not at.has_room(most)

    async def enter(self, address: str, most: int, lane: object) -> None:
        """Take a place at an address, as soon as there is one; :meth:`leave` gives it back.

        Who waits has no place in the process meanwhile, or those that wait at one address would have them all. It gets
        one back when it comes, before anybody else: a session there has ended, so one is free.
        """
        at = self._at(address)
        if at.has_room(most):
            at.taken += 1
            return
        await Waiter(at, self._all, lane).wait(most)

    def enter_at_once(self, address: str, most: int) -> bool:
        """Take a place at an address, if there is one now."""
        at = self._at(address)
        if at.has_room(most):
            at.taken += 1
            return True
        return False

    def stands(self, address: str) -> None:
        """A session is had there."""
        self._at(address).stands()

    def leave(self, address: str, *, stood: bool) -> None:
        """A place there is free again."""
        at = self._at(address)
        at.leaves(stood=stood)
        if not at.is_in_use:
            del self._addresses[address]

    def stood_since(self, address: str, when: float) -> int:
        """How many sessions stood there together since a loop time, at least."""
        return self._at(address).stood_since(when)

    async def was_limit(self, address: str, beside: int) -> bool:
        """One more was refused there, and has left. Whether that is the host's limit: sessions of ours stand there.

        :param beside: how many stood while it was dialled.
        """
        at = self._at(address)
        is_one = await at.judge_refusal(beside)
        if not at.is_in_use:
            self._addresses.pop(address, None)
        return is_one

    def learned_at(self, addresses: Iterable[str]) -> dict[str, int]:
        """How many sessions the hosts at some addresses take, as far as they told."""
        now = asyncio.get_running_loop().time()
        known = {address: at.learned.known(now) for address in addresses if (at := self._addresses.get(address))}
        return {address: number for address, number in known.items() if number}

    def recall(self, learned: Mapping[str, int]) -> None:
        """So many were known before."""
        now = asyncio.get_running_loop().time()
        for address, number in learned.items():
            self._at(address).learned.recall(number, now)

    def _at(self, address: str) -> AddressPlaces:
        at = self._addresses.get(address)
        if at is None:
            if len(self._addresses) >= MOST_ADDRESSES:
                self._forget_some()
            at = self._addresses[address] = AddressPlaces()
        return at

    def _forget_some(self) -> None:
        """Limits of old are found out again."""
        unused = (address for address, at in self._addresses.items() if not (at.taken or at.others_wait(None)))
        for address in list(islice(unused, FORGOTTEN_TOGETHER)):
            del self._addresses[address]
