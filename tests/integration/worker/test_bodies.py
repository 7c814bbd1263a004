"""Bodies are read as far as there is room for them: no large mail keeps others waiting, and none waits for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from delivery import PATIENT, Begin, Delivery, in_loop
from mx import HANG, Mx, Sleep

from softbounce.envelope import Flag, State
from softbounce.ids import parse_id
from softbounce.store import reading

ROOM = 1_000_000


def message(octets: int) -> bytes:
    """A message of about so many octets."""
    line = b"x" * 70 + b"\r\n"
    return b"Subject: large\r\n\r\n" + line * (octets // len(line))


async def states(mail: Delivery, ids: list[str]) -> list[State]:
    """What the store says of them."""
    records = await mail.store.run(reading.fetch([parse_id(one) for one in ids]))
    return [record.state for record in records if record is not None]


@in_loop
async def test_large_mail_at_a_slow_host_leaves_room_for_the_others(begin: Begin) -> None:
    """One lane gets about half of the room, whatever it claimed; a small and a large message by other lanes pass."""
    host = Mx()
    async with begin(body_octets=ROOM, timeouts=replace(PATIENT, end_of_data=60)) as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")  # or some of the ten came by the domain's own list, which has a room too
        host.say("dot", HANG)
        slow = [(await mail.send("x@a.test", message=message(190_000)))[0] for _ in range(10)]
        await mail.until_true(lambda: host.count("DATA") >= 3)
        shown = [*await mail.deliver("x@d1.test"), *await mail.deliver("x@d2.test", message=message(300_000))]
        assert [one.state for one in shown] == ["delivered", "delivered"]
        await mail.wait(0.2)
        assert host.count("MAIL") <= 4
        assert State.DELIVERED not in await states(mail, slow)


@in_loop
async def test_a_message_larger_than_the_room_is_carried_alone(begin: Begin) -> None:
    """One after another, each when nothing else is there; all are delivered."""
    host = Mx({"dot": (Sleep(0.05), "250 2.0.0 taken")})
    async with begin(body_octets=1000) as mail:
        await mail.host("a.test", host)
        ids = [(await mail.send(f"x{number}@a.test", message=message(20_000)))[0] for number in range(6)]
        shown = await mail.settled(*ids, *await mail.send("y@d1.test"))
        assert {one.state for one in shown} == {"delivered"}
        assert host.peak == 1


@in_loop
async def test_small_mail_does_not_keep_a_large_message_waiting_for_ever(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small mail passes it, but when it has waited for a while the room is kept until it fits."""
    monkeypatch.setattr("softbounce_worker.claim.bodies.PATIENCE", 0.3)
    hosts = [Mx({"dot": (Sleep(seconds), "250 2.0.0 taken")}) for seconds in (0.23, 0.31, 0.37, 0.43)]
    async with begin(body_octets=60_000) as mail:
        for number, host in enumerate(hosts):
            await mail.host(f"s{number}.test", host)
        await mail.deliver("first@d9.test")
        small = [(await mail.send(f"x{number}@s{number % 4}.test", message=message(4_000)))[0] for number in range(800)]
        await mail.until_true(lambda: all(host.bodies for host in hosts))
        (large,) = await mail.settled(*await mail.send("x@d9.test", message=message(55_000)), seconds=12)
        assert large.state == "delivered"
        assert (await states(mail, small)).count(State.DELIVERED) < len(small)


@in_loop
async def test_what_waits_for_room_is_given_back_at_the_end(begin: Begin) -> None:
    """No claim outlives an orderly end: only what a host has is cut off."""
    host = Mx({"dot": HANG})
    async with begin(body_octets=ROOM) as mail:
        await mail.host("a.test", host)
        ids = [(await mail.send("x@a.test", message=message(190_000)))[0] for _ in range(10)]
        await mail.until_true(lambda: host.count("DATA") >= 2)
        await mail.engine.drain(0.1)
        await mail.flusher.drained()
        records = await mail.store.run(reading.fetch([parse_id(one) for one in ids]))
        in_hosts = [one for one in records if one and one.flags & Flag.MARKED]
        assert len(in_hosts) <= 4
        assert [one for one in records if one and one.state is State.ATTEMPTING] == in_hosts
