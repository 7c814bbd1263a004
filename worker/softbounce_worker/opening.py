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

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage

from .connection import Connection, Deadlines
from .host_memory import HostMemory
from .smtp import Answer, Ehlo, Event, Extensions, Helo, Quit, State
from .smtp.extensions import NO_EXTENSIONS

__all__ = ["Dialled", "Failed", "HostMemory", "Limits", "Opening", "Timeouts", "open_session", "say_goodbye"]

ADDRESSES_TRIED = 8
NEVER = 5
OWN_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What we have run out of ourselves: files, memory, ports. No host is to blame; what is in use comes back."""
SHORTAGE_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each stage may take, seconds (RFC 5321 §4.5.3.2)."""

    connect: float = 30.0
    greeting: float = 300.0
    ehlo: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end_of_data: float = 600.0
    rset: float = 20.0
    quit: float = 5.0
    idle: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process says and obeys when it dials."""

    hostname: str
    port: int
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A session: a connection that is past EHLO.

    :ivar by_ehlo: the host took EHLO, so what it does not offer it does not have. After HELO nobody knows.
    """

    connection: Connection
    host: str
    address: str
    memory: HostMemory
    by_ehlo: bool

    @property
    def offered(self) -> Extensions:
        """What the host offers."""
        return self.connection.engine.extensions or NO_EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No session could be had: what happened last, and where."""

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None


class Opening:
    """A session that is being opened, as those see it who wait for it.

    :ivar shunned: hosts that come behind the others, because of the mail that the session is for.
    :ivar address: what is dialled now.
    :ivar silent_since: loop time since when nothing came from there.
    :ivar is_silent: that was long ago.
    :ivar is_challenger: it began because others were silent.
    """

    __slots__ = ("address", "began_at", "is_challenger", "is_silent", "shunned", "silent_since")

    def __init__(self, shunned: frozenset[str] = frozenset(), now: float = 0.0, *, is_challenger: bool = False) -> None:
        self.shunned = shunned
        self.address: str | None = None
        self.began_at = self.silent_since = now
        self.is_silent = False
        self.is_challenger = is_challenger

    def dials(self, address: str) -> None:
        """The next address has its turn."""
        self.address = address
        self.silent_since = asyncio.get_running_loop().time()
        self.is_silent = False


async def open_session(
    hosts: Sequence[tuple[str, tuple[str, ...]]],
    limits: Limits,
    deadlines: Deadlines,
    memory: HostMemory,
    opening: Opening | None = None,
) -> Dialled | Failed:
    """Try hosts (name, addresses) in their order until one session stands; those that failed lately come last."""
    opening = opening or Opening()
    failed = Failed(
        what=Trouble(kind=TroubleKind.NO_MAIL_HOST, text="no address to try"),
        stage=Stage.ROUTE,
        host=None,
        address=None,
    )
    places = memory.in_order(hosts, opening.shunned)
    left = Counter(host for host, _ in places)
    for host, address in places[:ADDRESSES_TRIED]:
        opening.dials(address)
        outcome, stage = await _dial(address, limits, deadlines)
        if isinstance(outcome, Connection):
            memory.worked(host, address)
            return _dialled(outcome, host, address, memory)
        failed = Failed(what=outcome, stage=stage, host=host, address=address)
        memory.failed(address)
        left[host] -= 1
        if not left[host]:
            memory.failed(host)
    return failed


def _dialled(connection: Connection, host: str, address: str, memory: HostMemory) -> Dialled:
    offered = connection.engine.extensions or NO_EXTENSIONS
    by_ehlo = offered is not NO_EXTENSIONS
    if by_ehlo:
        memory.offered(address, offered)
    return Dialled(
        connection=connection,
        host=host,
        address=address,
        memory=memory,
        by_ehlo=by_ehlo,
    )


async def say_goodbye(connection: Connection, seconds: float) -> Event | None:
    """QUIT, where the host can still take it (RFC 5321 §4.1.1.10): what it answers, or has said unasked."""
    engine = connection.engine
    try:
        if connection.has_event:
            return await connection.event(0)
        if not connection.is_open or engine.outstanding or engine.state is State.CLOSED:
            return None
        connection.send(Quit())
        return await connection.event(seconds)
    finally:
        connection.close()


async def _dial(address: str, limits: Limits, deadlines: Deadlines) -> tuple[Connection | Reply | Trouble, Stage]:
    """A connection that is past EHLO, or what came instead. A host that hangs up on EHLO is asked again, by HELO."""
    outcome, stage = await _hello(address, limits, deadlines, first=Ehlo())
    if stage is Stage.EHLO and isinstance(outcome, Trouble) and outcome.kind is TroubleKind.CONNECTION_LOST:
        return await _hello(address, limits, deadlines, first=Helo())
    return outcome, stage


async def _hello(
    address: str, limits: Limits, deadlines: Deadlines, *, first: Ehlo | Helo
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


async def _connect(address: str, limits: Limits, deadlines: Deadlines) -> Connection | Trouble:
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
