"""Cuts at any octet of a message: what the host may have is uncertain, and only that makes a second copy."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery import BODY, PATIENT, Begin, Delivery, in_loop
from mx import CLOSE, RESET, Mx, Reaction, Read, Sleep
from softbounce_playground import Zone
from softbounce_worker.session.connection import Connection
from stalling import Stalling

from softbounce import Shown
from softbounce.settings import LaneRule, Policy, Settings

LINE = b"0123456789 The quick brown fox jumps over the lazy dog.\r\n"
STALL = Sleep(0.6)
HOLD = Policy(name="default", delays=(timedelta(seconds=0.1),), jitter=0.0, on_uncertain="hold", max_attempts=5)
SETTINGS = Settings(policies={"default": HOLD}, lane=(LaneRule(connections=20),))
SHORT = replace(PATIENT, block=3, end_of_data=3)


async def send(mail: Delivery, sizes: Sequence[int]) -> list[Shown]:
    """Send messages of these sizes; how they stand once all have ended."""
    ids: list[str] = []
    for number, size in enumerate(sizes):
        mark = b"Mark: %d.\r\n" % number
        ids += await mail.send(f"r{number}@a.test", message=mark + BODY + LINE * (size // len(LINE)))

    async def all_ended() -> bool:
        await mail.wait(0.2)
        return all(one.state in {"delivered", "bounced", "held"} for one in await mail.show(*ids))

    await mail.until(all_ended, 60)
    return await mail.show(*ids)


def see_that_all_copies_are_owned(shown: Sequence[Shown], bodies: Sequence[bytes]) -> None:
    """No envelope has more copies than uncertain attempts and its 250 account for."""
    marks = [re.search(rb"^Mark: (\d+)\.", body, re.MULTILINE) for body in bodies]
    copies = Counter(int(mark[1]) for mark in marks if mark)
    for number, one in enumerate(shown):
        uncertain = sum(attempt.uncertain for attempt in one.attempts)
        assert copies[number] <= uncertain + (one.state == "delivered"), one
        assert one.state != "held" or uncertain == 1


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes no more than some 60 KB of a connection that is not read: its own bounds differ widely."""
    made = Connection.connection_made

    def connection_made(self: Connection, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 60_000)
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", connection_made)


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize(("receive_octets", "sizes"), [(65_536, (112_000, 124_000)), (4096, (84_000, 94_000))])
@in_loop
async def test_issue10_03_a_host_that_is_gone_once_it_has_the_dot_has_it(
    begin: Begin, receive_octets: int, sizes: tuple[int, int]
) -> None:
    """It stalls until the system's buffers are full, with the dot in them or not, reads it all, and is gone."""
    chance = random.Random(3)  # noqa: S311 - a case that can be repeated
    async with begin(settings=SETTINGS, timeouts=SHORT, body_octets=30_000_000) as mail:
        mail.playground.zone["a.test"] = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": "127.88.0.1"})
        port = mail.playground.smtp_port
        with Stalling("127.88.0.1", port, seconds=0.6, keeps=5, receive_octets=receive_octets) as host:
            shown = await send(mail, [chance.randint(*sizes) for _ in range(200)])
            see_that_all_copies_are_owned(shown, host.bodies)
        assert any(attempt.uncertain for one in shown for attempt in one.attempts)


@pytest.mark.parametrize("receive_octets", [0, 4096, 30_000])
@in_loop
async def test_issue10_03_a_cut_while_the_host_stalls_is_owned_up_to(begin: Begin, receive_octets: int) -> None:
    """A host stalls, takes some or all of the octets, and is gone: no copy is without its uncertain attempt."""
    chance = random.Random(receive_octets)  # noqa: S311 - a case that can be repeated
    sizes = [chance.randint(95_000, 105_000) if number % 4 else chance.randint(20_000, 400_000) for number in range(80)]
    cuts = [CLOSE, RESET]
    bodies: list[Reaction | tuple[Reaction, ...]] = [
        (STALL, Read(chance.randint(1, 106_000)), chance.choice(cuts)) if chance.random() < 0.2 else STALL
        for _ in range(400)
    ]
    dots: list[Reaction | tuple[Reaction, ...]] = [
        chance.choice(cuts) if chance.random() < 0.6 else "250 2.0.0 taken" for _ in range(400)
    ]
    host = Mx({"body": bodies, "dot": dots}, receive_octets=receive_octets)
    async with begin(settings=SETTINGS, timeouts=SHORT, body_octets=10_000_000) as mail:
        await mail.host("a.test", host)
        shown = await send(mail, sizes)
        see_that_all_copies_are_owned(shown, host.bodies)
        attempts = [attempt for one in shown for attempt in one.attempts if attempt.stage == "end_of_data"]
        assert {attempt.uncertain for attempt in attempts} == {True, False}
