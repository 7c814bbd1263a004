"""Has a session with one of a site's hosts: connect, greeting, EHLO, and the next address when that fails.

A host that greets with 5xx is out for now, and the next is tried (RFC 5321 §3.1); one that refuses EHLO for good gets
HELO (§3.2), once. Knows nothing of messages. What failed last is told as the reason when no session could be had.
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softbounce_config.process_settings import DialSettings, Timeouts

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.slots import Slots
from softbounce_worker.smtp import Answer, Ehlo, Event, Extensions, Helo, Quit, SmtpState
from softbounce_worker.smtp.extensions import NO_EXTENSIONS

__all__ = ["DialSettings", "Dialled", "Dialling", "Failed", "HostHealth", "Opening", "Timeouts", "say_goodbye"]

ADDRESSES_TRIED = 8
NOT_NOW, NEVER = 4, 5
LIMITS_MET = 3
"""So often one opening dials anew where the host took no more sessions."""
OWN_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What we have run out of ourselves: files, memory, ports. No host is to blame; what is in use comes back."""
SHORTAGE_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A session: a connection that is past EHLO.

    :ivar by_ehlo: the host took EHLO, so what it does not offer it does not have. After HELO nobody knows.
    """

    connection: Connection
    host: str
    address: str
    health: HostHealth
    by_ehlo: bool

    @property
    def offered(self) -> Extensions:
        """What the host offers."""
        return self.connection.smtp.extensions or NO_EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No session could be had: what happened last, and where.

    :ivar is_limit: sessions of ours stand there: the host takes no more of them, and that is all.
    """

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None
    is_limit: bool = False


NOWHERE = Failed(
    what=Trouble(kind=TroubleKind.NO_MAIL_HOST, text="no address to try"),
    stage=Stage.ROUTE,
    host=None,
    address=None,
)


class Opening:
    """A session that is being opened, as those see it who wait for it.

    :ivar lane: whose it is.
    :ivar shunned: hosts that come behind the others, because of the mail that the session is for.
    :ivar address: what is dialled now.
    :ivar silent_since: loop time since when nothing came from there.
    :ivar is_silent: that was long ago.
    :ivar is_challenger: it began because others were silent.
    :ivar waits: for a place at the address: nothing was dialled yet.
    """

    __slots__ = ("address", "began_at", "is_challenger", "is_silent", "lane", "shunned", "silent_since", "waits")

    def __init__(
        self,
        shunned: frozenset[str] = frozenset(),
        now: float = 0.0,
        *,
        lane: object = None,
        is_challenger: bool = False,
    ) -> None:
        self.lane = lane
        self.shunned = shunned
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
        self._limits = limits
        self._deadlines = deadlines
        self._health = health
        self._slots = slots

    async def open(self, hosts: Sequence[tuple[str, tuple[str, ...]]], most: int, opening: Opening) -> Dialled | Failed:
        """Try hosts (name, addresses) in their order until one session stands; those that failed lately come last.

        Who has a session gives its place back with :meth:`Slots.leave`.
        """
        failed = NOWHERE
        places = self._health.in_order(hosts, opening.shunned)
        left = Counter(host for host, _ in places)
        for host, address in _worth_trying(places):
            outcome, stage, is_limit = await self._try(address, most, opening)
            if isinstance(outcome, Connection):
                self._health.worked(host, address)
                return _dialled(outcome, host, address, self._health)
            failed = Failed(what=outcome, stage=stage, host=host, address=address, is_limit=is_limit)
            left[host] -= 1
            if not is_limit:
                self._health.failed(address)
                if not left[host]:
                    self._health.failed(host)
        return failed

    async def _try(self, address: str, most: int, opening: Opening) -> tuple[Connection | Reply | Trouble, Stage, bool]:
        """A connection that is past EHLO, or what came instead, and whether that was a limit of the host's."""
        tries = beside = 0
        while True:
            opening.waits = self._slots.is_full(address, most)
            await self._slots.enter(address, most, opening.lane)
            stands = False
            try:
                opening.dials(address)
                outcome, stage = await _dial(address, self._limits, self._deadlines)
                stands = isinstance(outcome, Connection)
            finally:
                if stands:
                    self._slots.stands(address)
                else:
                    beside = self._slots.stood_since(address, opening.silent_since)
                    self._slots.leave(address, stood=False)
            tries += 1
            is_limit = not stands and _may_be_limit(outcome, stage) and await self._slots.was_limit(address, beside)
            if not is_limit or tries == LIMITS_MET:
                return outcome, stage, is_limit


def _worth_trying(places: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Not too many, in their order. No host keeps another from the list, however many addresses it has."""
    asked: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for position, (host, _) in enumerate(places):
        turns.append((asked[host], position))
        asked[host] += 1
    chosen = sorted(position for _, position in sorted(turns)[:ADDRESSES_TRIED])
    return [places[position] for position in chosen]


def _may_be_limit(outcome: object, stage: Stage) -> bool:
    """Whether a host says so, or may mean, that it takes no more sessions: RFC 5321 has no word for it but 421."""
    if isinstance(outcome, Reply):
        return stage in {Stage.GREETING, Stage.EHLO} and outcome.code // 100 == NOT_NOW
    return stage in {Stage.CONNECT, Stage.GREETING}


def _dialled(connection: Connection, host: str, address: str, health: HostHealth) -> Dialled:
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
    )


async def say_goodbye(connection: Connection, seconds: float) -> Event | None:
    """QUIT, where the host can still take it (RFC 5321 §4.1.1.10): what it answers, or has said unasked."""
    smtp = connection.smtp
    try:
        if connection.has_event:
            return await connection.event(0)
        if not connection.is_open or smtp.outstanding or smtp.state is SmtpState.CLOSED:
            return None
        connection.send(Quit())
        return await connection.event(seconds)
    finally:
        connection.close()


async def _dial(address: str, limits: DialSettings, deadlines: Deadlines) -> tuple[Connection | Reply | Trouble, Stage]:
    """A connection that is past EHLO, or what came instead. A host that hangs up on EHLO is asked again, by HELO."""
    outcome, stage = await _hello(address, limits, deadlines, first=Ehlo())
    if stage is Stage.EHLO and isinstance(outcome, Trouble) and outcome.kind is TroubleKind.CONNECTION_LOST:
        return await _hello(address, limits, deadlines, first=Helo())
    return outcome, stage


async def _hello(
    address: str, limits: DialSettings, deadlines: Deadlines, *, first: Ehlo | Helo
) -> tuple[Connection | Reply | Trouble, Stage]:
    timeouts = limits.timeouts
    connection = await _connect(address, limits, deadlines)
    if isinstance(connection, Trouble):
        return connection, Stage.CONNECT
    stands = False
    try:
        event = await connection.event(timeouts.greeting)
        if _is_positive(event):
            event = await _say_hello(connection, first, timeouts.ehlo)
            stands = _is_positive(event) and not connection.has_event
            if stands:
                return connection, Stage.EHLO
            if _is_positive(event):  # and more came behind it, which nobody had asked for
                event = await connection.event(0)
        if isinstance(event, Answer):
            await say_goodbye(connection, timeouts.quit)
            return event.reply, event.stage
        return event.trouble, event.stage
    finally:
        if not stands:
            connection.abort()


async def _say_hello(connection: Connection, first: Ehlo | Helo, seconds: float) -> Event:
    """EHLO, and HELO where that is refused for good, whatever the code: what hosts say that know no EHLO is theirs.

    A host that hangs up on the second refused the first.
    """
    connection.send(first)
    refusal = await connection.event(seconds)
    if not (isinstance(first, Ehlo) and isinstance(refusal, Answer) and refusal.reply.code // 100 == NEVER):
        return refusal
    connection.send(Helo())
    event = await connection.event(seconds)
    return event if isinstance(event, Answer) else refusal


def _is_positive(event: Event) -> bool:
    return isinstance(event, Answer) and event.reply.is_positive


async def _connect(address: str, limits: DialSettings, deadlines: Deadlines) -> Connection | Trouble:
    loop = asyncio.get_running_loop()
    seconds = limits.timeouts.connect
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(limits.hostname, deadlines), address, limits.port
                    )
                except OSError as error:
                    if error.errno not in OWN_SHORTAGES:
                        raise
                    await asyncio.sleep(SHORTAGE_PAUSE)
                else:
                    return connection
    except TimeoutError:
        text = f"no connection to {address} within {seconds:g} s"
        return Trouble(kind=TroubleKind.CONNECT_TIMEOUT, text=text, enhanced="4.4.1")
    except ConnectionRefusedError:
        return Trouble(kind=TroubleKind.CONNECT_REFUSED, text=f"{address} refused the connection", enhanced="4.4.1")
    except OSError as error:
        text = f"no connection to {address}: {error.strerror or error}"
        return Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.4.1")
