"""A connection over real sockets: what left, what did not, and that every wait ends."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest
import uvloop
from mx import CLOSE, HANG, RESET, Act, Mx, Read, Sleep, Trickle
from softbounce_worker.lane.roads import NO_ROADS, Roads
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.dialling import Dialled, DialSettings, Failed, Opening, Timeouts
from softbounce_worker.session.slots import Slots
from softbounce_worker.smtp import Answer, Broken, Ehlo, Lost, Quit

from softbounce.reply import TroubleKind
from softbounce.road import MX

LARGE = b"x" * 20_000_000
Scene = Callable[[int, Deadlines], Awaitable[None]]
Play = Callable[[Mx, Scene], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Play:
    """Run a scene with a host and the deadlines' timer, on either event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    async def run(host: Mx, scene: Scene) -> None:
        with socket.create_server(("127.88.1.1", 0)) as free:
            port = free.getsockname()[1]
        await host.listen("127.88.1.1", port)
        deadlines = Deadlines()
        timer = asyncio.create_task(deadlines.run())
        try:
            await asyncio.wait_for(scene(port, deadlines), 10)
        finally:
            timer.cancel()
            await host.close()

    def play_scene(host: Mx, scene: Scene) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run(host, scene))

    return play_scene


async def dial(port: int, deadlines: Deadlines) -> Connection:
    """A connection that was greeted."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection("client.test", deadlines), "127.88.1.1", port)
    assert isinstance(await connection.event(5), Answer)
    return connection


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
def test_what_a_host_never_read_is_known_to_be_unsent(play: Play, end: Act) -> None:
    """The host ends the connection while most of a large text waits in our own buffer."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        await connection.write_large(b"EHLO x\r\n" + LARGE, 5)
        assert isinstance(await connection.event(5), Answer | Lost)
        assert connection.has_unsent
        assert not connection.is_open

    play(Mx({"EHLO": (Read(5000), end)}, receive_octets=4096), scene)


def test_what_the_system_took_is_not_known_to_be_unsent(play: Play) -> None:
    """A small text is the system's at once; whether it arrived nobody knows."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.write(b"EHLO x\r\n")
        assert isinstance(await connection.event(5), Lost)
        assert not connection.has_unsent
        connection.write(b"more")
        assert connection.has_unsent

    play(Mx({"EHLO": CLOSE}), scene)


def test_issue10_03_writing_nothing_says_nothing_of_what_was_written(play: Play) -> None:
    """On a transport that closes, an empty write fails nothing: what the system took before may have arrived."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.write(b"EHLO x\r\n")
        assert connection._transport is not None
        connection._transport.close()
        connection.write(b"")
        assert not connection.has_unsent
        connection.write(b"more")
        assert connection.has_unsent

    play(Mx({"EHLO": CLOSE}), scene)


def test_issue10_09_what_comes_while_content_is_written_ends_the_connection(play: Play) -> None:
    """Not an octet more leaves, so that it stays known that the end of it never did."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.send(Ehlo())
        await asyncio.wait_for(connection.write_large(LARGE, 60), 5)
        assert not connection.is_open
        assert connection.has_unsent
        event = await connection.event(5)
        assert isinstance(event, Answer)
        assert event.reply.code == 452

    play(Mx({"EHLO": ("452 4.3.1 full", HANG)}, receive_octets=4096), scene)


def test_issue10_09_nothing_is_read_behind_nonsense(play: Play) -> None:
    """A flood behind the end of a session stays in the host's own memory, however long nobody looks."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.send(Ehlo())
        assert isinstance(await connection.event(5), Answer)
        while not connection.has_event:
            await connection.idle(1)
        assert connection._transport is not None
        assert not connection._transport.is_reading()
        assert isinstance(await connection.event(5), Broken)
        assert not connection.has_event
        connection.abort()

    play(Mx({"EHLO": ("250 mx.test", Trickle(b"250 ok\r\n" * 4096, 0.0, forever=True))}), scene)


def test_a_block_that_is_not_taken_in_time_ends_the_connection(play: Play) -> None:
    """The deadline of a block is an event like any other."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.send(Ehlo())
        await connection.write_large(LARGE, 0.2)
        event = await connection.event(5)
        assert isinstance(event, Lost)
        assert event.trouble.kind is TroubleKind.TIMEOUT
        assert connection.has_unsent

    play(Mx({"EHLO": HANG}, receive_octets=4096), scene)


def test_nothing_is_sent_while_an_event_is_unread(play: Play) -> None:
    """A host that hung up behind its greeting hears nothing more, and the next event says why."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        while not connection.has_event:
            await connection.idle(1)
        connection.send(Ehlo())
        event = await connection.event(5)
        assert isinstance(event, Answer)
        assert (event.command, event.reply.code) == (None, 421)

    play(Mx({"greeting": ("220 hello", "421 bye")}), scene)


def test_a_wait_on_a_connection_that_is_over_ends_at_once(play: Play) -> None:
    """However often it is asked, a dead connection answers that it is dead."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.abort()
        for _ in range(3):
            assert isinstance(await connection.event(5), Lost)
        await connection.idle(5)
        connection.send(Quit())
        connection.close()

    play(Mx(), scene)


def test_an_idle_wait_ends_by_time_wake_or_event(play: Play) -> None:
    """Whichever comes first; nothing is lost by it."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        await connection.idle(0.05)
        asyncio.get_running_loop().call_later(0.05, connection.wake)
        await connection.idle(5)
        assert not connection.has_event
        connection.send(Quit())
        await connection.idle(5)
        assert connection.has_event

    play(Mx(), scene)


def test_closing_waits_for_nobody_who_does_not_read(play: Play) -> None:
    """What is in our own buffer at the end is thrown away, and the socket with it."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        connection.write(LARGE)
        assert connection.has_unsent
        connection.close()
        assert not connection.is_open

    play(Mx({"EHLO": HANG}, receive_octets=4096), scene)


def test_F26_running_out_of_files_is_no_hosts_fault(play: Play) -> None:
    """While no socket is to be had the dial waits; once one is, the session stands."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = DialSettings(hostname="client.test", port=port, timeouts=Timeouts(connect=5))
        with ExitStack() as files:
            lowest = files.enter_context(socket.socket()).fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
            try:
                dialling = Roads(limits, deadlines, Slots(10, 20), NO_ROADS).dialling(MX)
                opening = asyncio.create_task(dialling.open([("mx.test", ("127.88.1.1",))], 20, Opening()))
                await asyncio.sleep(0.15)
                assert not opening.done()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            outcome = await opening
        assert isinstance(outcome, Dialled)
        outcome.connection.abort()

    play(Mx(), scene)


def test_a_refused_connection_is_told_with_its_address(play: Play) -> None:
    """No session, with the last host and address that were tried."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        limits = DialSettings(hostname="client.test", port=port, timeouts=Timeouts(connect=5))
        hosts = [("mx1.test", ("127.88.1.2", "127.88.1.3")), ("mx2.test", ("127.88.1.4",))]
        dialling = Roads(limits, deadlines, Slots(10, 20), NO_ROADS).dialling(MX)
        outcome = await dialling.open(hosts, 20, Opening())
        assert isinstance(outcome, Failed)
        assert (outcome.host, outcome.address) == ("mx2.test", "127.88.1.4")
        nothing = await dialling.open([], 20, Opening())
        assert isinstance(nothing, Failed)
        assert nothing.host is None

    play(Mx(), scene)


def test_F07_an_answer_is_acted_on_before_any_session_takes_its_turn(play: Play) -> None:
    """Who waits for it may have to wait longer: what depends on it is done as soon as it was read, and once."""

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        seen: list[object] = []
        connection.send(Ehlo())
        waiting = asyncio.create_task(connection.event(5, seen.append))
        await asyncio.sleep(0)
        admit = deadlines.turnstile.admit
        deadlines.turnstile.admit = held.append  # type: ignore[method-assign]
        while not held:  # noqa: ASYNC110 - a look now and then
            await asyncio.sleep(0.01)
        assert len(seen) == 1
        assert not waiting.done()
        admit(held[0])
        assert [await waiting] == seen
        deadlines.turnstile.admit = admit  # type: ignore[method-assign]
        connection.send(Quit())
        await connection.event(5)
        assert len(seen) == 1

    held: list[asyncio.Future[None]] = []
    play(Mx(), scene)


@pytest.mark.parametrize(("rate", "is_left"), [(5_000_000.0, True), (1.0, False)], ids=["too-slow", "slow"])
def test_T11_A26_a_host_that_takes_content_too_slowly_is_left(
    play: Play, monkeypatch: pytest.MonkeyPatch, rate: float, *, is_left: bool
) -> None:
    """Each block is in time, and all of them together are not: a host that takes little and often is no host."""
    monkeypatch.setattr("softbounce_worker.session.connection.LEAST_RATE", rate)

    async def scene(port: int, deadlines: Deadlines) -> None:
        connection = await dial(port, deadlines)
        assert connection._transport is not None
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        await connection.write_large(b"EHLO x\r\n" + LARGE[:800_000], 1.0)
        event = await connection.event(5)
        if is_left:
            assert isinstance(event, Lost)
            assert event.trouble.kind is TroubleKind.TIMEOUT
            assert connection.has_unsent
        else:
            assert isinstance(event, Broken)  # it was never asked
        connection.abort()

    slowly = tuple(step for number in range(1, 14) for step in (Read(60_000 * number), Sleep(0.2)))
    play(Mx({"EHLO": (*slowly, Read(800_000), "250 x")}, receive_octets=32_768), scene)
