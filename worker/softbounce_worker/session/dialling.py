"""Has a session with one of a site's hosts: calls the next address when one fails (RFC 5321 §3.1, §5.1).

:mod:`.calling` has what is said at each. Knows nothing of messages. What failed last is told as the reason when no
session could be had; but where a host would take mail that asks for less of TLS, that is: it is no trouble of the site.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from softbounce_config.process_settings import DialSettings, Timeouts

from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.posture import Posture
from softbounce_worker.session.calling import Calling, NotHad, say_goodbye
from softbounce_worker.session.connection import Connection
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.slots import Slots
from softbounce_worker.smtp import Extensions, Lost
from softbounce_worker.smtp.extensions import NO_EXTENSIONS
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
    """

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None
    is_limit: bool = False
    is_about_tls: bool = False
    is_ours: bool = False
    notes: Notes | None = None


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
        self.address = address
        self.recorder.note(Dials(self.recorder.host, address))
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
        failed = NOWHERE
        places = self.health.in_order(hosts, opening.wants.shuns)
        left = Counter(host for host, _ in places)
        for host, address in _worth_trying(places):
            opening.recorder.host = host
            outcome, is_limit = await self._try((host, address), most, opening)
            if isinstance(outcome, Connection):
                self.health.worked(host, address)
                return _dialled(outcome, host, address, opening.wants.posture, self.health)
            opening.missed(outcome)
            if outcome.is_ours:
                return _failed(outcome, host, address, is_limit=False)
            if outcome.is_about_tls or not failed.is_about_tls:
                failed = _failed(outcome, host, address, is_limit=is_limit)
            left[host] -= 1
            if not (is_limit or outcome.is_about_tls):
                self.health.failed(address)
                if not left[host]:
                    self.health.failed(host)
        return failed

    async def _try(self, place: tuple[str, str], most: int, opening: Opening) -> tuple[Connection | NotHad, bool]:
        """A connection that is past EHLO, or what came instead, and whether that was a limit of the host's."""
        address = place[1]
        tries = beside = 0
        while True:
            opening.waits = self._slots.is_full(address, most)
            await self._slots.enter(address, most, opening.lane)
            stands = False
            try:
                opening.dials(address)
                outcome = await self._calling.call(*place, opening.wants.posture)
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
                return outcome, is_limit


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
