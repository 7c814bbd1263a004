"""Has a session with one of a site's hosts: calls the next address when one fails (RFC 5321 §3.1, §5.1).

:mod:`.calling` has what is said at each. Knows nothing of messages. What failed last is told as the reason when no
session could be had; but where a host would take mail that asks for less of TLS, that is: it is no trouble of the site.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from softbounce_config.process_settings import DialSettings, Timeouts

from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.dane.records import Told
from softbounce_worker.posture import Posture
from softbounce_worker.session.calling import Calling
from softbounce_worker.session.connection import Connection
from softbounce_worker.session.greeting import say_goodbye
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.not_had import NotHad
from softbounce_worker.session.race import race
from softbounce_worker.session.slots import Slots
from softbounce_worker.smtp import Extensions, Lost
from softbounce_worker.smtp.extensions import NO_EXTENSIONS
from softbounce_worker.tls_results.kinds import TlsFailure, TlsResult
from softbounce_worker.transcript import Notes, Recorder, recording
from softbounce_worker.transcript.recorder import Dials
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
    :ivar notes: what was said, at all that were tried.
    :ivar is_ours: it is our own fault: a login that is refused, a road that we may not take.
    :ivar failure: what went wrong with TLS, as it is counted.
    """

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None
    is_limit: bool = False
    is_about_tls: bool = False
    is_ours: bool = False
    failure: TlsFailure | None = None
    notes: Notes | None = None


NOWHERE = Failed(
    what=Trouble(kind=TroubleKind.NO_MAIL_HOST, text="no address to try"),
    stage=Stage.ROUTE,
    host=None,
    address=None,
)


FORBIDDEN = Failed(
    what=Trouble(
        kind=TroubleKind.TLS_FAILED, text="the domain's MTA-STS policy names none of its mail hosts", enhanced="4.7.4"
    ),
    stage=Stage.STARTTLS,
    host=None,
    address=None,
    is_about_tls=True,
    failure=TlsFailure(TlsResult.VALIDATION_FAILURE),
)
UNPROVABLE = Failed(
    what=Trouble(
        kind=TroubleKind.NEEDS_REQUIRETLS,
        text="the message needs REQUIRETLS, and neither DNSSEC nor an MTA-STS policy proves the domain's mail hosts",
        permanent=True,
        enhanced="5.7.30",
    ),
    stage=Stage.ROUTE,
    host=None,
    address=None,
    is_about_tls=True,
)
ANYTHING = Wants()
log = structlog.get_logger("softbounce.worker")


class Opening:
    """A session that is being opened, as those see it who wait for it.

    :ivar lane: whose it is.
    :ivar wants: what the mail wants of it that the session is for; hosts that it shuns come behind the others.
    :ivar address: what is dialled now.
    :ivar silent_since: loop time since when nothing came from there.
    :ivar is_silent: that was long ago.
    :ivar is_challenger: it began because others were silent.
    :ivar waits: for a place at the address: nothing was dialled yet.
    :ivar recorder: notes what is said.
    """

    __slots__ = (
        "address",
        "began_at",
        "is_challenger",
        "is_silent",
        "lane",
        "recorder",
        "silent_since",
        "waits",
        "wants",
    )

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
        self.recorder = Recorder("none")

    def dials(self, address: str) -> None:
        """The next address has its turn."""
        self.recorder.note(Dials(self.recorder.host, address))
        self.goes_on_at(address)

    def goes_on_at(self, address: str) -> None:
        """An address that was dialled already has its turn."""
        self.address = address
        self.silent_since = asyncio.get_running_loop().time()
        self.is_silent = self.waits = False

    def missed(self, outcome: NotHad) -> None:
        """There was not even a connection: nobody else notes that."""
        if outcome.stage is Stage.CONNECT and isinstance(outcome.what, Trouble):
            self.recorder.heard([Lost(trouble=outcome.what, stage=outcome.stage)])


class Dialling:
    """Has sessions with hosts on one road, as far as there are places at their addresses.

    :ivar health: what is remembered of those hosts.
    """

    def __init__(self, calling: Calling, health: HostHealth, slots: Slots) -> None:
        self.health = health
        self._calling = calling
        self._slots = slots

    async def open(self, hosts: Sequence[tuple[str, tuple[str, ...]]], most: int, opening: Opening) -> Dialled | Failed:
        """Try hosts (name, addresses) in their order until one session stands; those that failed lately come last.

        Who has a session gives its place back with :meth:`Slots.leave`.

        :param most: how many sessions there may be at one address, as the lane has it.
        """
        opening.recorder = Recorder(self._calling.transcripts)
        with recording(opening.recorder):
            outcome = await self._try_each(hosts, most, opening)
        return replace(outcome, notes=opening.recorder.opening) if isinstance(outcome, Failed) else outcome

    async def _try_each(
        self, hosts: Sequence[tuple[str, tuple[str, ...]]], most: int, opening: Opening
    ) -> Dialled | Failed:
        if opening.wants.posture.is_unprovable:
            return UNPROVABLE
        allowed = [one for one in hosts if await self._is_allowed(one[0], opening.wants.posture)]
        failed = FORBIDDEN if hosts and not allowed else NOWHERE
        places = self.health.in_order(allowed, opening.wants.shuns)
        left = Counter(host for host, _ in places)
        waiting = list(_worth_trying(places))
        while waiting:
            host = opening.recorder.host = waiting[0][0]
            rival = _rival_of(waiting, opening.wants.shuns) if self._calling.may_race else None
            tried = await self._try(waiting[0], rival, most, opening)
            outcome = tried.outcome
            if isinstance(outcome, Connection):
                self.health.worked(host, tried.address)
                self._compare_tls(outcome, host, tried.address, opening.wants.posture)
                return _dialled(outcome, host, tried.address, opening.wants.posture, self.health)
            opening.missed(outcome)
            if outcome.is_ours:
                return _failed(outcome, host, tried.address, is_limit=False)
            if outcome.is_about_tls or not failed.is_about_tls:
                failed = _failed(outcome, host, tried.address, is_limit=tried.is_limit)
            for address in (tried.address, *tried.unreachable):
                waiting.remove((host, address))
                left[host] -= 1
                if not (tried.is_limit or outcome.is_about_tls):
                    self.health.failed(address)
                    if not left[host]:
                        self.health.failed(host)
        return failed

    def _compare_tls(self, connection: Connection, host: str, address: str, posture: Posture) -> None:
        """Say it where sessions there were better protected until now: somebody may be in the middle."""
        if posture.mode == "none":
            return
        now = connection.tls
        before = self.health.has_tls(address, now.version or "")
        if before:
            words = {"before": before, "now": now.version or "none", "why": now.clear or ""}
            log.warning("tls_got_weaker", host=host, address=address, **words)

    async def _is_allowed(self, host: str, posture: Posture) -> bool:
        """Whether a policy lets mail go there; one that DANE proves may be unknown to the policy (RFC 8461 §2)."""
        if host not in posture.forbids:
            return True
        return posture.dane and (await self._calling.dane(host)).told in {Told.RECORDS, Told.UNKNOWN}

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
        apart: dict[str, Recorder] = {}

        def may_begin(rival: str) -> bool:
            if self._slots.enter_at_once(rival, most):
                has_place.add(rival)
            return rival in has_place

        async def connect(where: str) -> Connection | Trouble:
            apart[where] = Recorder(self._calling.transcripts)
            if where == rival:
                apart[where].note(Dials(opening.recorder.host, rival))
            with recording(apart[where]):
                return await self._calling.connect(where)

        won = False
        try:
            raced = await race(address, rival, connect, may_begin)
            won = raced.winner is not None and raced.winner[0] == rival
        finally:
            if has_place and not won:
                self._slots.leave(rival, stood=False)
        if raced.winner is None:
            return address, raced.failed[address], (rival,) if rival in raced.failed else ()
        winner, connection = raced.winner
        opening.recorder.take(apart[winner])
        connection.recorder = opening.recorder
        if won:
            self._slots.leave(address, stood=False)
            self.health.was_slow(address)
            opening.goes_on_at(rival)
        return winner, connection, ()


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


def _rival_of(places: Sequence[tuple[str, str]], shunned: frozenset[str]) -> str | None:
    """The next address of the first place's host that is of the other kind, IPv4 or IPv6, and not shunned."""
    host, first = places[0]
    others = (address for name, address in places[1:] if name == host and (":" in address) != (":" in first))
    return next((address for address in others if address not in shunned), None)


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
        is_ours=outcome.is_ours,
        failure=outcome.failure,
    )


def _dialled(connection: Connection, host: str, address: str, posture: Posture, health: HostHealth) -> Dialled:
    offered = connection.smtp.extensions or NO_EXTENSIONS
    by_ehlo = offered is not NO_EXTENSIONS
    if by_ehlo:
        health.offered(address, offered, over_tls=connection.tls.version is not None)
    return Dialled(
        connection=connection,
        host=host,
        address=address,
        health=health,
        by_ehlo=by_ehlo,
        posture=posture,
        tls=connection.tls,
    )
