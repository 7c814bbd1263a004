"""A connection's turns: what is answered at once, and what waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.connection import Connection
from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.submission.door import Door
from softbounce_gateway.submission.house import House, Login
from softbounce_gateway.submission.login_failures import LoginGuard
from softbounce_gateway.submission.sasl import Credentials
from softbounce_gateway.submission.steps import Store

TURNS = 10
"""Of the loop: more than anything here takes."""
MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n.\r\n"
BEGIN = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"


class Wire(asyncio.Transport):
    """What a connection writes to."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.said = b""
        self.is_closed = self.is_reading_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """As it is in the protocol."""
        self.said += bytes(data)

    def close(self) -> None:
        """Hang up."""
        self.is_closed = True

    def abort(self) -> None:
        """The same."""
        self.is_closed = True

    def pause_reading(self) -> None:
        """No more comes."""
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        """It does again."""
        self.is_reading_paused = False

    def replies(self) -> list[str]:
        """The codes of what was said since the last call; not those of lines that go on."""
        lines, self.said = self.said.decode().splitlines(), b""
        return [line[:3] for line in lines if line[3:4] != "-"]


class Shelf:
    """Takes a message when it is allowed to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.may_go_on = asyncio.Event()

    async def take(self, asked: Store, peer: str) -> str:
        """As the store does."""
        del peer
        await self.may_go_on.wait()
        self.taken.append(asked.message)
        return "250 2.0.0 queued as it is"


async def nobody(credentials: Credentials) -> Login | None:
    """Whoever it says to be."""
    del credentials
    return None


def talk(do: Callable[[Connection, Wire, Shelf], Awaitable[Any]]) -> None:
    """A session that was greeted, in a loop of its own."""

    async def run() -> None:
        house = House(
            protocol="smtp",
            hostname="mx.test",
            has_starttls=False,
            wants_login=lambda: False,
            takes_login=lambda: False,
            is_valid=lambda _: True,
            is_loopback=True,
            max_octets=lambda: 100_000,
            budget=Budget(10_000_000),
            now=lambda: datetime(2026, 11, 28, tzinfo=UTC),
        )
        shelf, wire = Shelf(), Wire()
        door = Door(
            crowd=Crowd(10, 10),
            guard=LoginGuard(lambda: 0.0),
            handing_over=shelf,
            check_login=nobody,
            tls=None,
            idle_seconds=60.0,
        )
        connection = Connection(door, house, is_tls=False)
        connection.connection_made(wire)
        await turns()
        connection.data_received(b"EHLO app.test\r\n")
        assert wire.replies() == ["220", "250"]
        await do(connection, wire, shelf)
        connection.connection_lost(None)
        await turns()
        assert not door.clients

    asyncio.run(run())


async def turns() -> None:
    """Let everybody do what they can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def test_commands_are_answered_where_their_octets_come_in() -> None:
    """No task is woken for them: the reply is there when the call returns, in whatever pieces they come."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        for line, code in zip(BEGIN.splitlines(keepends=True), ("250", "250", "354"), strict=True):
            connection.data_received(line[:3])
            assert wire.replies() == []
            connection.data_received(line[3:])
            assert wire.replies() == [code]
        connection.data_received(MESSAGE[:20])
        connection.data_received(MESSAGE[20:])
        shelf.may_go_on.set()
        await turns()
        assert wire.replies() == ["250"]
        assert shelf.taken == [MESSAGE[:-3]]

    talk(do)


def test_what_comes_while_a_message_is_stored_waits_for_its_reply() -> None:
    """However it is cut: replies keep their order, and a second message is not begun before the first has its 250."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        connection.data_received(BEGIN + MESSAGE + BEGIN)
        connection.data_received(MESSAGE + b"QUIT\r\n")
        await turns()
        assert wire.replies() == ["250", "250", "354"]
        shelf.may_go_on.set()
        await turns()
        assert wire.replies() == ["250", "250", "250", "354", "250", "221"]
        assert shelf.taken == [MESSAGE[:-3]] * 2
        assert wire.is_closed

    talk(do)


def test_what_is_sent_far_ahead_is_not_read() -> None:
    """While a message is stored no more than a bound is taken from a client; afterwards it goes on."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        connection.data_received(BEGIN + MESSAGE)
        await turns()
        connection.data_received(b"NOOP\r\n" * 100)
        assert not wire.is_reading_paused
        connection.data_received(b"x" * 300_000)
        assert wire.is_reading_paused
        shelf.may_go_on.set()
        await turns()
        assert wire.replies()[-1] == "500"  # a line without an end

    talk(do)


def test_who_does_not_read_is_not_answered_on_and_on() -> None:
    """Commands wait while replies are not taken; then all are answered, in order."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        del shelf
        connection.pause_writing()
        connection.data_received(b"NOOP\r\n")
        await turns()
        assert wire.replies() == ["250"]
        for _ in range(3):
            connection.data_received(b"NOOP\r\n")
            await turns()
        assert wire.replies() == []
        connection.resume_writing()
        await turns()
        assert wire.replies() == ["250"] * 3

    talk(do)


def test_a_message_whose_client_leaves_behind_its_dot_is_stored_all_the_same() -> None:
    """It was whole; and nothing of what came behind it is begun for who is gone."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        connection.data_received(BEGIN + MESSAGE + BEGIN + MESSAGE)
        connection.connection_lost(None)
        shelf.may_go_on.set()
        await turns()
        assert shelf.taken == [MESSAGE[:-3]]
        assert wire.is_closed

    talk(do)


def test_the_reply_that_is_owed_comes_before_the_last_line() -> None:
    """The service ends in the moment in which a message is whole: first its 250, then the 421."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        connection.data_received(BEGIN + MESSAGE)
        ending = asyncio.create_task(connection.end())
        shelf.may_go_on.set()
        await ending
        assert wire.replies() == ["250", "250", "354", "250", "421"]
        assert shelf.taken == [MESSAGE[:-3]]

    talk(do)


def test_half_closed_behind_its_commands_a_client_is_answered() -> None:
    """As `printf | nc` is."""

    async def do(connection: Connection, wire: Wire, shelf: Shelf) -> None:
        shelf.may_go_on.set()
        connection.data_received(BEGIN + MESSAGE)
        assert connection.eof_received()
        await turns()
        assert wire.replies() == ["250", "250", "354", "250"]
        assert shelf.taken == [MESSAGE[:-3]]
        assert wire.is_closed

    talk(do)
