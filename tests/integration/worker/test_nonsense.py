"""Nonsense from DNS, jobs, channels and the store costs a worker a line and that one item (issue 10, item 1)."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import pairwise

import pytest
import redis
from delivery import Begin, Delivery, in_loop, lane_settings
from mx import Mx, Sleep
from servers import Valkey
from softbounce_worker.jobs import JobTaker
from softbounce_worker.lane.site_dialling import SiteDialling
from softbounce_worker.session.asking import Asking
from softbounce_worker.session.sending import Sending
from softbounce_worker.session.session import Session
from structlog.testing import capture_logs

from softbounce.ids import parse_id
from softbounce.jobs import ACTOR, QUEUE, jobs_place
from softbounce.settings import LaneRule
from softbounce.store import keys
from softbounce.store.shards import Shards
from softbounce.store.unreadable import count_aside

WAKE_UPS = [
    b"0|x",
    b"x|y",
    b"+",
    b"|",
    b"0|a|0",
    b"0|a|x|",
    b"0|a.a|b+1~00|0|",
    b"9|a.test|0|",
    b"-1|a.test|0|",
    b"0" * 5000 + b"|a.test|0|",
    "²|a.test|0|".encode(),
    b"\xff\xfe\x00",
    b"+\xff",
    b"+" + b"a" * 100_000,
    b"x" * 1_000_000,
    b"\n" * 1_000_000,
    b"0|x\n" * 200_000,
]
LANES = [123, None, 1.5, True, "\ud800", [], {}, ["a.test"], "", "a" * 100_000, "a|0|x", "a b", "\x00"]
JOBS = [
    b"",
    b"\xff",
    b"{",
    b"[]",
    b"1",
    b"null",
    b"{}",
    b"[" * 100_000,
    json.dumps({"queue_name": QUEUE, "actor_name": ACTOR, "args": 5, "kwargs": [], "options": None}).encode(),
]


@pytest.mark.parametrize("text", WAKE_UPS, ids=range(len(WAKE_UPS)))
@in_loop
async def test_issue10_01_a_wake_up_that_is_none_is_ignored(begin: Begin, text: bytes) -> None:
    """Its good lines are heeded, nothing is owned for the others, and mail goes on."""
    async with begin() as mail:
        mail.playground.behave("a.test")
        mail.engine.hear(text + b"\n+good.test")
        mail.engine.hear(b"+better.test\n" + text)
        await mail.until_true(lambda: mail.engine.owns("better.test"))
        assert {name for name in mail.engine.lanes if not keys.is_lane(name)} == set()
        (shown,) = await mail.deliver("accept@a.test")
        assert shown.state == "delivered"


@in_loop
async def test_issue10_01_A16_a_job_that_names_no_lane_is_done_and_forgotten(
    begin: Begin, store_server: Valkey
) -> None:
    """Whatever stands in it, whoever takes it goes on at once with the next one, and no job is left."""
    async with begin() as mail:
        store = Shards(store_server.url)
        place = await asyncio.to_thread(jobs_place, store)
        jobs = JobTaker(place, mail.engine)
        with redis.Redis.from_url(store_server.url, db=1) as raw:
            for number, said in enumerate(
                [*([lane] for lane in LANES), [], ["a.test"], ["a.test", 1, 2, 3], [1, 2, 3]]
            ):
                put(raw, place.namespace, f"job-{number}", said, {})
            put(raw, place.namespace, "more", ["b.test", 1], {"what": "a newer version says"})
            put(raw, place.namespace, "others", ["c.test", 1, [*LANES, 7, None, "d.test", *["e.test"] * 99]], {})
            for number, octets in enumerate(JOBS):
                raw.hset(f"{place.namespace}:{QUEUE}.msgs", f"odd-{number}", octets)
                raw.rpush(f"{place.namespace}:{QUEUE}", f"odd-{number}")
            jobs.start()
            began = time.monotonic()
            try:
                await asyncio.to_thread(jobs.send, "last.test")
                await mail.until_true(lambda: mail.engine.owns("last.test"), 8)
            finally:
                await asyncio.to_thread(jobs.stop)
                store.close()
            assert time.monotonic() - began < 8
            assert set(mail.engine.lanes) == {"a.test", "b.test", "c.test", "d.test", "e.test", "last.test"}
            assert not [one for one in raw.hkeys(f"{place.namespace}:{QUEUE}.msgs") if not one.startswith(b"odd")]


def put(raw: redis.Redis, namespace: str, number: str, args: list[object], kwargs: dict[str, object]) -> None:
    """Queue a job as dramatiq does."""
    job = {
        "queue_name": QUEUE,
        "actor_name": ACTOR,
        "args": args,
        "kwargs": kwargs,
        "options": {"redis_message_id": number},
        "message_id": number,
        "message_timestamp": 1,
    }
    raw.hset(f"{namespace}:{QUEUE}.msgs", number, json.dumps(job))
    raw.rpush(f"{namespace}:{QUEUE}", number)


@in_loop
async def test_issue10_01_A32_a_claimed_record_that_cannot_be_read_is_set_aside(
    begin: Begin, store_server: Valkey
) -> None:
    """The others of its claim are delivered; it is in no queue, in no process's claims, and keeps its record."""
    async with begin() as mail:
        mail.release_no_more()
        odd, good = await mail.send("accept@a.test", "accept@b.test")
        with redis.Redis.from_url(store_server.url) as raw:
            name, identity = keys.key(0, "e"), parse_id(odd)
            record = raw.hget(name, identity)
            assert isinstance(record, bytes)
            raw.hset(name, identity, record[: record.index(b"?a.test") + 8] + b"\xc1nonsense")
            await mail._release_what_is_due()
            (shown,) = await mail.settled(good)
            assert shown.state == "delivered"
            await mail.until(lambda: is_one_aside(mail))
            assert not raw.exists(keys.claims(0, mail.process.name))
            assert raw.hexists(name, identity)
            raw.hset(name, identity, record)


async def is_one_aside(mail: Delivery) -> bool:
    """Whether one envelope is set aside."""
    return await mail.store.run(count_aside(1)) == 1


@in_loop
async def test_issue10_01_a_stranger_s_mx_gets_into_no_name(begin: Begin) -> None:
    """MX records that name no hosts beside one that does: its name alone makes the lane's."""
    async with begin() as mail:
        await mail.host("a.test", Mx({}))
        zone = mail.playground.zone["a.test"]
        zone.mx.extend([(1, "a\\.a|b.test"), (1, "a|0|x.test"), (3, "+.test"), (4, "192.0.2.1")])
        (shown,) = await mail.deliver("x@a.test")
        assert (shown.state, shown.site) == ("delivered", "a.test")
        assert all(keys.is_lane(name) for name in mail.engine.lanes)


@pytest.mark.our_fault
@in_loop
async def test_issue10_01_a_session_that_fails_is_not_made_again_at_once(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in every session: each is made after twice as long as the one before, on any machine."""
    made: list[float] = []

    async def fail(_: Session) -> None:
        made.append(time.monotonic())
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Session, "run", fail)
    with capture_logs():  # to show a trace takes as long as a pause, on a busy machine
        async with begin(settings=lane_settings(LaneRule(connections=5))) as mail:
            mail.playground.behave("a.test")
            await mail.send(*(f"accept+{number}@a.test" for number in range(100)))
            await mail.until_true(lambda: len(made) > 4, 30)
    gaps = [later - before for before, later in pairwise(made)]
    assert all(gap >= 0.09 * 2**number for number, gap in enumerate(gaps[:4])), gaps


@pytest.mark.our_fault
@in_loop
async def test_issue10_01_what_a_failed_session_had_is_tried_later_or_uncertain(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the dot an envelope waits for its next claim, uncharged; behind it the copy is owned up to."""
    send_dot = Sending._send_dot

    async def ask(self: Asking) -> None:
        raise RuntimeError(f"a fault of ours {self}")

    async def send_dot_and_fail(self: Sending, content: memoryview) -> None:
        await asyncio.wait_for(send_dot(self, content), 0.3)
        raise RuntimeError("not reached")

    async with begin() as mail:
        with monkeypatch.context() as patch:
            patch.setattr(Asking, "ask", ask)
            mail.playground.behave("a.test")
            (untried,) = await mail.send("accept@a.test")
            await mail.until_true(lambda: bool(mail.engine.lanes))
            await mail.until(lambda: is_scheduled(mail, untried))
        (shown,) = await mail.show(untried)
        assert shown.attempts == ()
        with monkeypatch.context() as patch:
            patch.setattr(Sending, "_send_dot", send_dot_and_fail)
            host = Mx({"dot": (Sleep(5), "250 taken")})
            await mail.host("b.test", host)
            (shown,) = await mail.deliver("x@b.test")
        assert [one.uncertain for one in shown.attempts] == [True]
        (shown,) = await mail.settled(untried)
        assert shown.state == "delivered"


async def is_scheduled(mail: Delivery, identity: str) -> bool:
    """Whether an envelope waits for its time."""
    return (await mail.show(identity))[0].state == "scheduled"


@pytest.mark.our_fault
@in_loop
async def test_issue10_01_an_opening_that_fails_closes_its_lane(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises: the lane has no session, and that is what closes lanes, with a backoff that grows."""
    made: list[float] = []

    async def fail(*_: object) -> None:
        made.append(time.monotonic())
        raise UnicodeError("a fault of ours")

    async with begin() as mail:
        monkeypatch.setattr(SiteDialling, "open", fail)
        mail.playground.behave("a.test")
        (identity,) = await mail.send("accept@a.test")
        await mail.tried(identity)
        assert mail.lane_of("a.test").is_closed
        (shown,) = await mail.show(identity)
        assert "fault" in shown.attempts[-1].text
        assert not shown.attempts[-1].charged
        assert len(made) < 20
