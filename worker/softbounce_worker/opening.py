"""Has a session with one of a site's hosts: connect, greeting, EHLO, and the next address when that fails.

A host that greets with 5xx is out for now, and the next is tried (RFC 5321 §3.1); one that refuses EHLO gets HELO
(§3.2). Knows nothing of messages. What failed last is told as the reason when no session could be had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage

from .connection import Connection, Deadlines
from .smtp import Answer, Broken, Ehlo, Helo, Lost, Quit

__all__ = ["Dialled", "Failed", "HostMemory", "Limits", "Timeouts", "open_session"]

ADDRESSES_TRIED = 8
HOST_DOWN = 30.0
NOT_IMPLEMENTED = frozenset({500, 502, 504})


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
    """A session: a connection that is past EHLO."""

    connection: Connection
    host: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """No session could be had: what happened last, and where."""

    what: Reply | Trouble
    stage: Stage
    host: str | None
    address: str | None


class HostMemory:
    """Which hosts could not be reached lately: those are tried last, so that mail does not wait for them again."""

    def __init__(self) -> None:
        self._down: dict[str, float] = {}

    def failed(self, host: str) -> None:
        """Nothing answered there."""
        if len(self._down) > 10_000:  # noqa: PLR2004 - a bound, not a figure
            self._down.clear()
        self._down[host] = asyncio.get_running_loop().time() + HOST_DOWN

    def worked(self, host: str) -> None:
        """A session was had there."""
        self._down.pop(host, None)

    def sort(self, hosts: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
        """The hosts in their order, those that are down behind the others."""
        now = asyncio.get_running_loop().time()
        return sorted(hosts, key=lambda host: self._down.get(host[0], 0.0) > now)


async def open_session(
    hosts: Sequence[tuple[str, tuple[str, ...]]], limits: Limits, deadlines: Deadlines, memory: HostMemory
) -> Dialled | Failed:
    """Try hosts (name, addresses) in their order until one session stands."""
    failed = Failed(
        what=Trouble(kind=TroubleKind.NO_MAIL_HOST, text="no address to try"),
        stage=Stage.ROUTE,
        host=None,
        address=None,
    )
    tried = 0
    for host, addresses in memory.sort(hosts):
        reached = False
        for address in addresses:
            if tried >= ADDRESSES_TRIED:
                return failed
            tried += 1
            outcome = await _dial(host, address, limits, deadlines)
            if isinstance(outcome, Dialled):
                memory.worked(host)
                return outcome
            failed = outcome
            reached = reached or outcome.stage is not Stage.CONNECT
        if not reached:
            memory.failed(host)
    return failed


async def _dial(host: str, address: str, limits: Limits, deadlines: Deadlines) -> Dialled | Failed:
    outcome = await _greet(host, address, limits, deadlines, helo=False)
    if (
        isinstance(outcome, Failed)
        and outcome.stage is Stage.EHLO
        and isinstance(outcome.what, Trouble)
        and outcome.what.kind is TroubleKind.CONNECTION_LOST
    ):
        return await _greet(host, address, limits, deadlines, helo=True)
    return outcome


async def _greet(host: str, address: str, limits: Limits, deadlines: Deadlines, *, helo: bool) -> Dialled | Failed:
    timeouts = limits.timeouts
    connection = await _connect(address, limits, deadlines)
    if isinstance(connection, Trouble):
        return Failed(what=connection, stage=Stage.CONNECT, host=host, address=address)
    try:
        event = await connection.event(timeouts.greeting)
        if isinstance(event, Answer) and event.reply.is_positive:
            connection.send(Helo() if helo else Ehlo())
            event = await connection.event(timeouts.ehlo)
            if isinstance(event, Answer) and not helo and event.reply.code in NOT_IMPLEMENTED:
                connection.send(Helo())
                event = await connection.event(timeouts.ehlo)
            if isinstance(event, Answer) and event.reply.is_positive:
                return Dialled(connection=connection, host=host, address=address)
    except asyncio.CancelledError:
        connection.abort()
        raise
    if isinstance(event, Answer):
        await say_goodbye(connection, timeouts.quit)
        return Failed(what=event.reply, stage=event.stage, host=host, address=address)
    assert isinstance(event, Lost | Broken)  # noqa: S101
    connection.abort()
    return Failed(what=event.trouble, stage=event.stage, host=host, address=address)


async def say_goodbye(connection: Connection, seconds: float) -> None:
    """QUIT, where the connection still stands; its outcome never matters (RFC 5321 §4.1.1.10)."""
    if connection.is_open and not connection.engine.outstanding:
        try:
            connection.send(Quit())
            await connection.event(seconds)
        except Exception:  # noqa: BLE001 - a session that cannot even say QUIT is simply closed
            connection.abort()
            return
    connection.close()


async def _connect(address: str, limits: Limits, deadlines: Deadlines) -> Connection | Trouble:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.timeouts.connect):
            _, connection = await loop.create_connection(
                lambda: Connection(limits.hostname, deadlines), address, limits.port
            )
    except TimeoutError:
        text = f"no connection to {address} within {limits.timeouts.connect:g} s"
        return Trouble(kind=TroubleKind.CONNECT_TIMEOUT, text=text, enhanced="4.4.1")
    except ConnectionRefusedError:
        return Trouble(
            kind=TroubleKind.CONNECT_REFUSED, text=f"{address} refused the connection", enhanced="4.4.1"
        )
    except OSError as error:
        text = f"no connection to {address}: {error.strerror or error}"
        return Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.4.1")
    return connection
