"""Envelopes whose workers ended again and again: what they keep waiting, and what the store knows meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from delivery import BODY, SENDER, Begin, Delivery, in_loop
from mx import HANG, Mx, Sleep
from softbounce_worker.claim import suspects
from softbounce_worker.lane import ownership

from softbounce.envelope import Flag, Record
from softbounce.ids import parse_id
from softbounce.store import membership, moving, reading
from softbounce.store.lanes import give_lanes, take_lanes
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move, MoveResult

LOST = 2
SLOW_GREETING = {"greeting": (Sleep(0.5), "220 mx.test")}


async def stored(mail: Delivery, *ids: str) -> list[Record]:
    """The records as the store has them."""
    records = await mail.store.run(reading.fetch([parse_id(one) for one in ids]))
    return [record for record in records if record is not None]


async def send_lost(mail: Delivery, *recipients: str, claims: int = LOST) -> list[str]:
    """Send one message each; to the store they were lost so often with their workers, and are due now."""
    later = datetime.now(UTC) + timedelta(hours=1)
    ids = [await lost(mail, recipient, later) for recipient in recipients]
    moves = []
    for record in await stored(mail, *ids):
        record.claims = claims
        record.next_ms = mail.process.clock.now_ms(0)
        moves.append(Move(record=record, version=record.version))
    moved = await mail.store.run(moving.move(moves, keep_events=0))
    assert moved == [MoveResult.MOVED] * len(recipients)
    return ids


async def lost(mail: Delivery, recipient: str, at: datetime) -> str:
    """Send one that is not due yet."""
    receipt = await mail.client.send(sender=SENDER, recipients=[recipient], message=BODY, at=at)
    return receipt.envelopes[recipient]


def in_tries(records: Sequence[Record]) -> list[bool]:
    """Which of them are being tried."""
    return [bool(record.flags & Flag.TRIED) for record in records]


@in_loop
async def test_F27_a_suspect_is_tried_while_nothing_else_is(begin: Begin) -> None:
    """The store knows that it is alone before a host hears of it; the next one is begun when it has ended."""
    host, other = Mx(SLOW_GREETING), Mx(SLOW_GREETING)
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.host("b.test", other)
        ids = await send_lost(mail, "x@a.test", "x@b.test")
        await mail.until_true(lambda: bool(host.connections or other.connections))
        records = await stored(mail, *ids)
        assert sorted(record.flags for record in records) == [Flag(0), Flag.TRIED | Flag.ALONE]
        assert host.connections + other.connections == 1
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered", "delivered"]
        assert [record.flags for record in await stored(mail, *ids)] == [Flag(0), Flag(0)]


@in_loop
async def test_F27_a_suspect_at_a_slow_host_keeps_the_others_waiting_for_a_bounded_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then others are begun beside it, and it is no longer the one to blame, but still lost once oftener."""
    monkeypatch.setattr(suspects, "SHORTEST", 0.1)
    async with begin() as mail:
        await mail.host("a.test", Mx({"greeting": HANG}))
        (slow,) = await send_lost(mail, "x@a.test")
        began = time.monotonic()
        await mail.until_true(lambda: parse_id(slow) in dict(mail.engine.ledger.in_hand))
        ids = [*await mail.send("x@d1.test"), *await send_lost(mail, "x@d2.test")]
        shown = await mail.settled(*ids)
        assert [one.state for one in shown] == ["delivered", "delivered"]
        assert time.monotonic() - began < 4.5  # the slow one's greeting is awaited for 5 s
        (record,) = await stored(mail, slow)
        assert record.flags == Flag.TRIED


@in_loop
async def test_F27_a_suspect_waits_for_a_bounded_time_until_it_is_alone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other mail at a slow host does not keep it waiting for longer; what waits behind that mail goes back."""
    monkeypatch.setattr(suspects, "SHORTEST", 0.1)
    async with begin() as mail:
        await mail.host("a.test", Mx({"greeting": HANG}))
        waiting = [one for number in range(40) for one in await mail.send(f"x{number}@a.test")]
        await mail.until_true(lambda: len(mail.engine.ledger.in_hand) > 1)
        (suspect,) = await send_lost(mail, "x@d1.test")
        (shown,) = await mail.settled(suspect, seconds=4)
        assert shown.state == "delivered"
        assert {record.charged for record in await stored(mail, *waiting)} == {0}


@in_loop
async def test_F27_a_cancelled_suspect_is_not_tried(begin: Begin) -> None:
    """Asked for while it waits for its turn: it ends, and no host hears of it."""
    host, other = Mx(SLOW_GREETING), Mx(SLOW_GREETING)
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.host("b.test", other)
        ids = await send_lost(mail, "x@a.test", "x@b.test")
        await mail.until_true(lambda: bool(host.connections or other.connections))
        records = await stored(mail, *ids)
        waits = in_tries(records).index(False)
        assert await mail.client.cancel(ids[waits]) == "cancelling"
        shown = await mail.settled(*ids)
        assert shown[waits].state == "cancelled"
        assert shown[1 - waits].state == "delivered"
        assert host.connections + other.connections == 1


@in_loop
async def test_issue10_F_lanes_go_to_others_while_a_suspect_has_the_process_for_long(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was lost often is alone for minutes at a slow host: others may have the process's other lanes then."""
    monkeypatch.setattr(suspects, "MODERATE", 0.2)
    monkeypatch.setattr(ownership, "LANE_GRACE", 60.0)
    async with begin() as mail:
        other = ProcessInfo(pid=2, host="here", started_ms=0)
        await mail.store.run(membership.enlist("other", other, shards=1, lease_ms=60_000))
        await mail.deliver("x@b.test")
        lane = mail.lane_of("b.test").name
        host = Mx({"RCPT": (Sleep(5), "250 ok")})
        await mail.host("a.test", host)
        (slow,) = await send_lost(mail, "x@a.test", claims=6)
        await mail.until_true(lambda: host.count("RCPT") == 1)
        await mail.until_true(lambda: not mail.engine.has_room and not mail.engine.place.is_set(), seconds=2)

        async def is_free() -> bool:
            return (await mail.store.run(take_lanes("other", [lane])))[0] is not None

        await mail.until(is_free, seconds=3)
        (shown,) = await mail.show(slow)
        assert (shown.state, shown.attempts) == ("attempting", ())
        await mail.store.run(give_lanes("other", [lane]))
        (shown,) = await mail.settled(slow)
        assert shown.state == "delivered"
        await mail.until_true(lambda: mail.engine.has_room)
