"""Hosts that say nothing: what hangs there is not on its way, and keeps no other mail from going."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery import PATIENT, Begin, Delivery, in_loop, lane_settings
from mx import HANG, Mx, Sleep
from softbounce_playground import Zone

from softbounce.settings import LaneRule

NO_HURRY = replace(PATIENT, connect=60, greeting=60, ehlo=60, mail=60, rcpt=60, data=60, end_of_data=60)
A_FEW = 10.0
"""Seconds in which a login code has to go, on a machine that has other things to do; it waited a minute and more."""


async def goes_soon(mail: Delivery, recipient: str, seconds: float = A_FEW) -> None:
    """A mail is sent, and delivered within some seconds."""
    started = time.monotonic()
    (shown,) = await mail.settled(*await mail.send(recipient), seconds=seconds)
    assert shown.state == "delivered"
    assert time.monotonic() - started < seconds


def silent(address: str, port: int, sockets: ExitStack, backlog: int) -> socket.socket:
    """A host whose system takes connections that its program never looks at."""
    listener = sockets.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


@pytest.mark.parametrize("point", ["greeting", "EHLO"])
@pytest.mark.parametrize("hanging", [1, 2, 6])
@in_loop
async def test_issue10_13_connections_that_hang_are_not_on_their_way(begin: Begin, point: str, hanging: int) -> None:
    """The first ones hang without a word for as long as they like: others are opened beside them."""
    said = "220 mx.test" if point == "greeting" else "250 mx.test"
    host = Mx({point: [HANG] * hanging + [said]})
    async with begin(timeouts=NO_HURRY) as mail:
        await mail.host("a.test", host)
        first = [identity for number in range(hanging) for identity in await mail.send(f"r{number}@a.test")]
        await mail.until_true(lambda: host.connections >= min(hanging, 2))
        await goes_soon(mail, "code@a.test")
        assert {one.state for one in await mail.settled(*first, seconds=4)} == {"delivered"}
        assert host.connections <= 2 * hanging + 4


@pytest.mark.parametrize("connections", [pytest.param(1, marks=pytest.mark.thorough), 20])
@in_loop
async def test_issue10_13_a_full_accept_queue_is_left_for_another_address(begin: Begin, connections: int) -> None:
    """A connect that is never answered, and one that is but never greeted: the second host has the mail soon."""
    async with begin(timeouts=NO_HURRY, settings=lane_settings(LaneRule(connections=connections))) as mail:
        with ExitStack() as sockets:
            port = mail.playground.smtp_port
            silent("127.88.9.1", port, sockets, backlog=0)
            silent("127.88.9.2", port, sockets, backlog=100)
            good = await Mx().listen("127.88.9.3", port)
            names = [f"mx{number}.a.test" for number in (1, 2, 3)]
            mail.playground.zone["a.test"] = Zone(
                mx=[(10, names[0]), (20, names[1]), (30, names[2])],
                a={name: f"127.88.9.{number}" for number, name in enumerate(names, 1)},
            )
            await goes_soon(mail, "code@a.test", seconds=A_FEW if connections > 1 else 25)
            await goes_soon(mail, "code2@a.test", seconds=1)
            await good.close()


@in_loop
async def test_issue10_13_with_all_places_taken_the_one_that_is_silent_longest_goes(begin: Begin) -> None:
    """Three connections are allowed, and three hang: one of them makes way, and the mail goes."""
    host = Mx({"greeting": [HANG, HANG, HANG, "220 mx.test"]})
    async with begin(timeouts=NO_HURRY, settings=lane_settings(LaneRule(connections=3))) as mail:
        await mail.host("a.test", host)
        for number in range(3):
            await mail.send(f"r{number}@a.test")
        await goes_soon(mail, "code@a.test", seconds=9)
        assert 4 <= host.connections <= 6  # the others that wait may want more


@in_loop
async def test_issue10_13_a_host_that_greets_late_is_waited_for(begin: Begin) -> None:
    """With one connection allowed a host that takes seven seconds for its greeting has its session all the same."""
    host = Mx({"greeting": (Sleep(7), "220 mx.test")})
    async with begin(timeouts=NO_HURRY, settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        await goes_soon(mail, "r@a.test", seconds=20)
        assert host.connections == 2


@in_loop
async def test_issue10_13_one_mail_for_a_silent_host_opens_a_few_connections_only(begin: Begin) -> None:
    """Nobody knocks for ever: one mail, a host that never says anything, and five connections at most."""
    host = Mx({"greeting": HANG})
    async with begin(timeouts=NO_HURRY) as mail:
        await mail.host("a.test", host)
        await mail.send("r@a.test")
        await mail.wait(9)
        assert host.connections <= 7


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "dot"])
@in_loop
async def test_issue10_13_a_canary_that_hangs_keeps_nobody_from_a_lane(begin: Begin, point: str) -> None:
    """The lane was closed, its canary finds a session that hangs: another goes after some seconds, and opens it."""
    host = Mx({"greeting": ["421 4.3.2 not now", "220 mx.test"], point: [HANG, "250 ok"]})
    rule = LaneRule(connections=3, close_first=timedelta(milliseconds=100), close_factor=1.0)
    async with begin(timeouts=NO_HURRY, settings=lane_settings(rule)) as mail:
        await mail.host("a.test", host)
        await mail.send("r1@a.test")
        await mail.until_true(lambda: host.connections == 2)
        await mail.wait(0.3)
        await goes_soon(mail, "code@a.test", seconds=9)


@in_loop
async def test_issue10_13_a_drain_does_not_wait_for_silent_hosts(begin: Begin) -> None:
    """What is being opened has nobody's mail: it goes at once, and the mail is back in its list."""
    async with begin(timeouts=NO_HURRY) as mail:
        await mail.host("a.test", Mx({"greeting": HANG}))
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: any(lane.sessions for lane in mail.engine.lanes.values()))
        started = time.monotonic()
        await mail.engine.drain(10.0)
        assert time.monotonic() - started < 2
        await mail.flusher.drained()
        (shown,) = await mail.show(identity)
        assert (shown.state, shown.attempts) == ("ready", ())


@in_loop
async def test_issue10_13_what_hung_since_before_a_session_stood_closes_no_lane(begin: Begin) -> None:
    """A connection runs into its bound long after the mail went by another: that is no news about the site."""
    host = Mx({"greeting": [HANG, "220 mx.test"]})
    async with begin(timeouts=replace(PATIENT, greeting=3, idle=0.2)) as mail:
        await mail.host("a.test", host)
        await goes_soon(mail, "r@a.test")
        lane = mail.lane_of("a.test")
        await mail.until_true(lambda: not lane.sessions)
        assert not lane.is_closed


@pytest.mark.parametrize("point", ["greeting", "EHLO"])
@in_loop
async def test_issue10_13_one_mail_is_enough_to_open_another_beside_what_hangs(begin: Begin, point: str) -> None:
    """Its own connection hangs: it waits for that one a second, not for as long as a host may take."""
    host = Mx({point: [HANG, HANG, "220 mx.test" if point == "greeting" else "250 mx.test"]})
    async with begin(timeouts=NO_HURRY) as mail:
        await mail.host("a.test", host)
        await goes_soon(mail, "code@a.test")
