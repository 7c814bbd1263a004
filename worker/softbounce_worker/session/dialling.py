"""Has a session with one of a site's hosts: calls the next address when one fails (RFC 5321 §3.1, §5.1).

:mod:`.calling` has what is said at each. Knows nothing of messages. What failed last is told as the reason when no
session could be had; but where a host would take mail that asks for less of TLS, that is: it is no trouble of the site.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softbounce_config.process_settings import DialSettings, Timeouts

from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.posture import Posture
from softbounce_worker.session.calling import Calling, NotHad, say_goodbye
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.race import race
from softbounce_worker.session.slots import Slots
from softbounce_worker.smtp import Extensions
from softbounce_worker.smtp.extensions import NO_EXTENSIONS
from softbounce_worker.work import Wants

__all__ = ["DialSettings", "Dialled", "Dialling", "Failed", "HostHealth", "Opening", "Timeouts", "say_goodbye"]

ADDRESSES_TRIED = 8
NOT_NOW = 4
LIMITS_MET = 3
"""So often one opening dials anew where the host took no more sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A session: a connection that is past EHLO.

    :ivar by_ehlo: the host took EHLO, so what it does not offer it does not have. After HELO nobody knows.
    :ivar posture: what was asked of TLS.
    :ivar tls: what it is protected by.
    """

    connection: Connection
    host: str
    address: str
    health: HostHealth
    by_ehlo: bool
    posture: Posture
    tls: Tls

    @property
    def offered(self) -> Extensions:
        """What the host offers."""
        return self.connection.smtp.extensions or NO_EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No session could be had: what happened last, and where.

    :ivar is_limit: sessions of ours stand there: the host takes no more of them, and that is all.
    :ivar is_about_tls: a host would take mail that asks for less.
    """

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None
    is_limit: bool = False
    is_about_tls: bool = False


NOWHERE = Failed(
    what=Trouble(kind=TroubleKind.NO_MAIL_HOST, text="no address to try"),
    stage=Stage.ROUTE,
    host=None,
    address=None,
)


ANYTHING = Wants()


class Opening:
    """A session that is being opened, as those see it who wait for it.

    :ivar lane: whose it is.
    :ivar wants: what the mail wants of it that the session is for; hosts that it shuns come behind the others.
    :ivar address: what is dialled now.
    :ivar silent_since: loop time since when nothing came from there.
    :ivar is_silent: that was long ago.
    :ivar is_challenger: it began because others were silent.
    :ivar waits: for a place at the address: nothing was dialled yet.
    """

    __slots__ = ("address", "began_at", "is_challenger", "is_silent", "lane", "silent_since", "waits", "wants")

    def __init__(
        self,
        wants: Wants = ANYTHING,
        now: float = 0.0,
        *,
        lane: object = None,
        is_challenger: bool = False,
    ) -> None:
        self.lane = lane
        self.wants = wants
        self.address: str | None = None
        self.began_at = self.silent_since = now
        self.is_silent = False
        self.is_challenger = is_challenger
        self.waits = False

    def dials(self, address: str) -> None:
        """The next address has its turn."""
        self.address = address
        self.silent_since = asyncio.get_running_loop().time()
        self.is_silent = self.waits = False


class Dialling:
    """Has sessions with hosts, as far as there are places at their addresses.

    :param most: how many sessions there may be at one address, as the lane has it.
    """

    def __init__(self, limits: DialSettings, deadlines: Deadlines, health: HostHealth, slots: Slots) -> None:
        self._calling = Calling(limits, deadlines, health)
        self._health = health
        self._slots = slots

    async def open(self, hosts: Sequence[tuple[str, tuple[str, ...]]], most: int, opening: Opening) -> Dialled | Failed:
        """Try hosts (name, addresses) in their order until one session stands; those that failed lately come last.

        Who has a session gives its place back with :meth:`Slots.leave`.
        """
        failed = NOWHERE
        places = self._health.in_order(hosts, opening.wants.shuns)
        left = Counter(host for host, _ in places)
        waiting = list(_worth_trying(places))
        while waiting:
            host = waiting[0][0]
            tried = await self._try(waiting[0], _rival_of(waiting), most, opening)
            outcome = tried.outcome
            if isinstance(outcome, Connection):
                self._health.worked(host, tried.address)
                return _dialled(outcome, host, tried.address, opening.wants.posture, self._health)
            if outcome.is_about_tls or not failed.is_about_tls:
                failed = _failed(outcome, host, tried.address, is_limit=tried.is_limit)
            for address in (tried.address, *tried.unreachable):
                waiting.remove((host, address))
                left[host] -= 1
                if not (tried.is_limit or outcome.is_about_tls):
                    self._health.failed(address)
                    if not left[host]:
                        self._health.failed(host)
        return failed

    async def _try(self, place: tuple[str, str], rival: str | None, most: int, opening: Opening) -> Tried:
        """A connection that is past EHLO, or what came instead, and whether that was a limit of the host's.

        :param rival: another address of the host, to be dialled too where this one is silent.
        """
        host, address = place
        unreachable: tuple[str, ...] = ()
        tries = beside = 0
        while True:
            opening.waits = self._slots.is_full(address, most)
            await self._slots.enter(address, most, opening.lane)
            stands = False
            try:
                opening.dials(address)
                first: Connection | Trouble | None = None
                if rival is not None:
                    address, first, unreachable = await self._reach(address, rival, most, opening)
                    rival = None
                outcome = await self._call((host, address), first, opening.wants.posture)
                stands = isinstance(outcome, Connection)
            finally:
                if stands:
                    self._slots.stands(address)
                else:
                    beside = self._slots.stood_since(address, opening.silent_since)
                    self._slots.leave(address, stood=False)
            tries += 1
            is_limit = not stands and _may_be_limit(outcome) and await self._slots.was_limit(address, beside)
            if not is_limit or tries == LIMITS_MET:
                return Tried(outcome, address, is_limit, unreachable)

    async def _call(
        self, place: tuple[str, str], first: Connection | Trouble | None, posture: Posture
    ) -> Connection | NotHad:
        if isinstance(first, Trouble):
            return NotHad(what=first, stage=Stage.CONNECT)
        stands = False
        try:
            outcome = await self._calling.call(*place, posture, first)
            stands = outcome is first
        finally:
            if first is not None and not stands:
                first.abort()
        return outcome

    async def _reach(
        self, address: str, rival: str, most: int, opening: Opening
    ) -> tuple[str, Connection | Trouble, tuple[str, ...]]:
        """Which of two addresses is there first, the connection, and whether the rival could not be reached at all.

        We have a place at the first, and one at that which is returned afterwards. The rival gets none by waiting.
        """
        has_place: set[str] = set()

        def may_begin(rival: str) -> bool:
            if self._slots.enter_at_once(rival, most):
                has_place.add(rival)
            return rival in has_place

        won = False
        try:
            raced = await race(address, rival, self._calling.connect, may_begin)
            won = raced.winner is not None and raced.winner[0] == rival
        finally:
            if has_place and not won:
                self._slots.leave(rival, stood=False)
        if raced.winner is None:
            return address, raced.failed[address], (rival,) if rival in raced.failed else ()
        if won:
            self._slots.leave(address, stood=False)
            self._health.was_slow(address)
            opening.dials(rival)
        return *raced.winner, ()


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one address, or of two.

    :ivar address: of which of them.
    :ivar is_limit: sessions of ours stand there: the host takes no more of them, and that is all.
    :ivar unreachable: another one, which could not be connected to.
    """

    outcome: Connection | NotHad
    address: str
    is_limit: bool
    unreachable: tuple[str, ...]


def _rival_of(places: Sequence[tuple[str, str]]) -> str | None:
    """The next address of the first place's host that is of the other kind, IPv4 or IPv6."""
    host, first = places[0]
    return next((address for name, address in places[1:] if name == host and (":" in address) != (":" in first)), None)


def _worth_trying(places: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Not too many, in their order. No host keeps another from the list, however many addresses it has."""
    asked: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for position, (host, _) in enumerate(places):
        turns.append((asked[host], position))
        asked[host] += 1
    chosen = sorted(position for _, position in sorted(turns)[:ADDRESSES_TRIED])
    return [places[position] for position in chosen]


def _may_be_limit(outcome: Connection | NotHad) -> bool:
    """Whether a host says so, or may mean, that it takes no more sessions: RFC 5321 has no word for it but 421."""
    if isinstance(outcome, Connection):
        return False
    if isinstance(outcome.what, Reply):
        return outcome.stage in {Stage.GREETING, Stage.EHLO} and outcome.what.code // 100 == NOT_NOW
    return outcome.stage in {Stage.CONNECT, Stage.GREETING}


def _failed(outcome: NotHad, host: str, address: str, *, is_limit: bool) -> Failed:
    return Failed(
        what=outcome.what,
        stage=outcome.stage,
        host=host,
        address=address,
        is_limit=is_limit,
        is_about_tls=outcome.is_about_tls,
    )


def _dialled(connection: Connection, host: str, address: str, posture: Posture, health: HostHealth) -> Dialled:
    offered = connection.smtp.extensions or NO_EXTENSIONS
    by_ehlo = offered is not NO_EXTENSIONS
    if by_ehlo:
        health.offered(address, offered)
    return Dialled(
        connection=connection,
        host=host,
        address=address,
        health=health,
        by_ehlo=by_ehlo,
        posture=posture,
        tls=connection.tls,
    )
