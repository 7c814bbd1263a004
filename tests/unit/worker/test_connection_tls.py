"""TLS within a connection, over real sockets, on both event loops: nothing is lost, nothing hangs, all is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import uvloop
from certificates import Authority, server_context
from mx import CLOSE, HANG, Mx, Read, Script, Sleep, Trickle, Writes
from softbounce_worker.posture import OPPORTUNISTIC
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.tls import TlsChannel, make_context
from softbounce_worker.smtp import Answer, Broken, Ehlo, Event, Lost, Quit, SmtpState, StartTls

from softbounce.reply import TroubleKind
from softbounce.stage import Stage

LARGE = b"x" * 20_000_000
CONTEXT = make_context(OPPORTUNISTIC)
Scene = Callable[[Connection], Awaitable[None]]
Play = Callable[[Mx, Scene], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's."""
    return Authority(tmp_path_factory.mktemp("certificates")).sign("mx.test")


@contextmanager
def serving(host: Mx) -> Iterator[int]:
    """A host on a loop and in a thread of its own; its port. uvloop's own TLS does not end in order with its loop."""
    with socket.create_server(("127.88.2.1", 0)) as free:
        port = free.getsockname()[1]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(host.listen("127.88.2.1", port))
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(host.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a scene with a connection that is past EHLO, on either event loop; the host's side is asyncio's always."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    async def run(port: int, scene: Scene) -> None:
        deadlines = Deadlines()
        timer = asyncio.create_task(deadlines.run())
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection("client.test", deadlines), "127.88.2.1", port)
        try:
            assert isinstance(await connection.event(5), Answer)
            await say(connection, Ehlo())
            await asyncio.wait_for(scene(connection), 20)
        finally:
            connection.abort()
            timer.cancel()

    def play_scene(host: Mx, scene: Scene) -> None:
        with serving(host) as port, asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run(port, scene))

    return play_scene


async def say(connection: Connection, command: Ehlo | StartTls | Quit) -> Answer:
    """Its answer."""
    connection.send(command)
    event = await connection.event(5)
    assert isinstance(event, Answer), event
    return event


async def start_tls(connection: Connection, seconds: float = 5.0) -> Event | None:
    """STARTTLS, and the handshake."""
    await say(connection, StartTls())
    return await connection.start_tls(TlsChannel(CONTEXT, "mx.test"), seconds)


def test_issue12_a_session_goes_on_over_TLS(play: Play, certificate: Path) -> None:
    """EHLO is due, and all is said by TLS until the end, which is said too."""

    async def scene(connection: Connection) -> None:
        assert await start_tls(connection) is None
        assert connection.smtp.extensions is None
        assert connection.smtp.state is SmtpState.GREETED
        answer = await say(connection, Ehlo())
        assert not any("STARTTLS" in line for line in answer.reply.lines)
        assert (await say(connection, Quit())).reply.code == 221
        connection.close()

    play(Mx(tls=server_context(certificate)), scene)


def test_issue12_replies_may_come_in_any_number_of_records(play: Play, certificate: Path) -> None:
    """One octet each, for one."""

    async def scene(connection: Connection) -> None:
        assert await start_tls(connection) is None
        assert (await say(connection, Ehlo())).reply.is_positive
        assert (await say(connection, Quit())).reply.code == 221

    play(Mx(tls=server_context(certificate), writes=Writes.BYTEWISE), scene)


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.2], ids=["at once", "soon", "later"])
def test_A27_L02_octets_in_clear_behind_the_220_end_the_session(play: Play, certificate: Path, pause: float) -> None:
    """Whether they come with it, before the handshake began, or in it: none of them is ever a reply."""

    async def scene(connection: Connection) -> None:
        connection.send(StartTls())
        event = await connection.event(5)
        if isinstance(event, Answer):
            await asyncio.sleep(0.1)
            event = await connection.start_tls(TlsChannel(CONTEXT, "mx.test"), 5) or event
        assert isinstance(event, Broken | Lost)
        assert event.stage is Stage.STARTTLS
        assert event.trouble.kind in {TroubleKind.PROTOCOL_ERROR, TroubleKind.TLS_FAILED}
        assert not connection.is_open or isinstance(event, Broken)
        assert not connection.has_event

    reaction = ("220 go ahead", "250 injected") if not pause else ("220 go ahead", Sleep(pause), "250 injected", HANG)
    play(Mx({"STARTTLS": reaction}, tls=server_context(certificate)), scene)


@pytest.mark.parametrize(
    "script",
    [
        {"handshake": HANG},
        {"handshake": (Read(20), Trickle(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(16380), 0.02))},
    ],
    ids=["silent", "trickles"],
)
def test_F25_a_handshake_ends_in_time(play: Play, certificate: Path, script: Script) -> None:
    """As a whole, whatever trickles in."""

    async def scene(connection: Connection) -> None:
        began = asyncio.get_running_loop().time()
        event = await start_tls(connection, 0.3)
        assert isinstance(event, Lost)
        assert (event.stage, event.trouble.kind) == (Stage.STARTTLS, TroubleKind.TIMEOUT)
        assert asyncio.get_running_loop().time() - began < 2
        assert not connection.is_open

    play(Mx(script, tls=server_context(certificate)), scene)


def test_A26_F25_endless_TLS_without_a_word_ends_the_connection(play: Play, certificate: Path) -> None:
    """Tickets, keys, empty records: whatever it is, there is a bound to it."""
    context = server_context(certificate)
    context.num_tickets = 5000

    async def scene(connection: Connection) -> None:
        event = await start_tls(connection)
        while event is None:
            connection.send(Ehlo())
            event = await connection.event(5)
        assert isinstance(event, Lost)
        assert event.trouble.text == "more than 256 KiB came without a word in them"
        assert not connection.is_open

    play(Mx({"EHLO over TLS": HANG}, tls=context), scene)


def test_issue12_what_a_host_never_read_is_known_to_be_unsent(play: Play, certificate: Path) -> None:
    """As without TLS: a record is worth nothing without its end."""

    async def scene(connection: Connection) -> None:
        assert await start_tls(connection) is None
        await connection.write_large(b"EHLO x\r\n" + LARGE, 5)
        assert isinstance(await connection.event(5), Answer | Lost)
        assert connection.has_unsent
        assert not connection.is_open

    play(Mx({"EHLO over TLS": (Read(5000), CLOSE)}, receive_octets=4096, tls=server_context(certificate)), scene)


def test_issue12_what_the_system_took_is_not_known_to_be_unsent(play: Play, certificate: Path) -> None:
    """Nor does it become so by what TLS says of its own accord behind it."""

    async def scene(connection: Connection) -> None:
        assert await start_tls(connection) is None
        connection.write(b"EHLO x\r\n")
        assert not connection.has_unsent
        connection._is_upkeep = True
        connection.pause_writing()
        connection._is_upkeep = False
        assert not connection.has_unsent
        connection.write(b"NOOP\r\n")
        assert connection.has_unsent
        connection.resume_writing()
        assert not connection.has_unsent

    play(Mx({"EHLO over TLS": HANG}, tls=server_context(certificate)), scene)


def test_issue12_a_connection_that_ends_by_TLS_is_lost(play: Play, certificate: Path) -> None:
    """Whatever is said behind it, and without waiting for the socket's end."""

    async def scene(connection: Connection) -> None:
        assert await start_tls(connection) is None
        connection.send(Ehlo())
        event = await connection.event(5)
        assert isinstance(event, Lost)
        assert event.stage is Stage.EHLO

    play(Mx({"EHLO over TLS": CLOSE}, tls=server_context(certificate)), scene)
