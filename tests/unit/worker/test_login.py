"""Logging in over real sockets, at hosts that answer whatever they like: it ends, soon, one way or the other."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from mx import CLOSE, EHLO_PLAIN, Mx
from ports import free_ports
from smarthost import Smarthost
from softbounce_config.process_settings import Login
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.login import LoginRefused, Mechanisms, log_in
from softbounce_worker.smtp import Answer, Ehlo, SmtpState

HERE = "127.88.5.3"
LOGIN = Login(user="me", password="s3cret")
REPLIES = ["235 in", "334 ", "334 !!!", "334 PDE+", "535 no", "504 what", "501 hm", "454 later", "421 bye", "250 ok"]
NONSENSE = ["999 x", "354 go", "150 hm", "nonsense"]


async def session(host: Mx, port: int, deadlines: Deadlines) -> Connection:
    """A connection past EHLO."""
    del host
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection("client.test", deadlines), HERE, port)
    await connection.event(2)
    connection.send(Ehlo())
    await connection.event(2)
    return connection


async def outcome_of(connection: Connection, mechanisms: Mechanisms) -> str:
    """What came of a login, in a word."""
    try:
        event = await log_in(connection, LOGIN, 2, mechanisms)
    except LoginRefused:
        return "refused"
    return "in" if event is None else "event"


@pytest.mark.parametrize("seed", range(60))
def test_issue12_A26_a_login_ends_whatever_is_answered(seed: int) -> None:
    """In, refused, or the host's trouble; within a dozen lines, and the session may go on where we are in."""
    chance = Random(seed)  # noqa: S311 - to be the same each time
    choice = REPLIES * 3 + NONSENSE
    steps = {name: [chance.choice(choice) for _ in range(6)] for name in ("PLAIN", "LOGIN", "CRAM-MD5")}
    host = Smarthost(offers=["AUTH CRAM-MD5 PLAIN LOGIN"], steps=steps)

    async def run() -> None:
        (port,) = free_ports(1)
        await host.listen(HERE, port)
        deadlines = Deadlines()
        timer = asyncio.create_task(deadlines.run())
        try:
            mechanisms = Mechanisms()
            for _ in range(3):
                connection = await session(host, port, deadlines)
                async with asyncio.timeout(5):
                    outcome = await outcome_of(connection, mechanisms)
                assert outcome in {"in", "refused", "event"}
                if outcome == "in":
                    assert connection.smtp.state is SmtpState.READY or connection.has_event
                connection.abort()
        finally:
            timer.cancel()
            await host.close()

    asyncio.run(run())
    assert max(len(lines) for lines in host.lines) <= 16
    assert not any(b"s3cret" in line for line in host.commands)


@pytest.mark.parametrize("offer", [EHLO_PLAIN, "250-x\r\n250 AUTH GSSAPI", "250-x\r\n250 AUTH"])
def test_issue12_nothing_is_said_where_no_way_is_known(offer: str) -> None:
    """No AUTH, or none that we speak: no guess is made."""
    host = Mx({"EHLO": offer})

    async def run() -> str:
        (port,) = free_ports(1)
        await host.listen(HERE, port)
        try:
            return await outcome_of(await session(host, port, Deadlines()), Mechanisms())
        finally:
            await host.close()

    assert asyncio.run(run()) == "refused"
    assert host.count("AUTH") == 0


def test_issue12_a_host_that_ends_is_in_trouble_itself() -> None:
    """It refused nothing."""
    host = Mx({"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": CLOSE})

    async def run() -> object:
        (port,) = free_ports(1)
        await host.listen(HERE, port)
        try:
            connection = await session(host, port, Deadlines())
            connection.abort()
            return await log_in(connection, LOGIN, 2, Mechanisms())
        finally:
            await host.close()

    event = asyncio.run(run())
    assert event is not None
    assert not isinstance(event, Answer)


def test_issue12_the_mechanism_that_worked_comes_first() -> None:
    """One that was refused has its turn again when all others were, too."""
    mechanisms, able = Mechanisms(), ["PLAIN", "LOGIN", "CRAM-MD5"]
    assert mechanisms.in_turn(able) == able
    mechanisms.was_refused("PLAIN")
    assert mechanisms.in_turn(able) == ["LOGIN", "CRAM-MD5", "PLAIN"]
    mechanisms.worked("LOGIN")
    assert mechanisms.in_turn(able)[0] == "LOGIN"
    mechanisms.was_refused("LOGIN")
    mechanisms.was_refused("CRAM-MD5")
    assert mechanisms.in_turn(able) == able
