"""A store full of nonsense ends no process of the service, and holds up no mail (issue 10, item 1)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import redis
from service import until

from softbounce.ids import envelope_id, new_message_id
from softbounce.jobs import ACTOR, QUEUE
from softbounce.store import keys

if TYPE_CHECKING:
    from conftest import StartService
    from service import Service

NOISE = b"\xc1\xff\x00|\n"
NAMES = [b"a.a|b+1~00|0|", b"a|0|x~00|0|", b"x", b"", NOISE, b"?", b"a|b"]
CONFIG = """
[worker]
processes = 2
lease = "3s"
[scheduler]
sweep = "300ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""


@pytest.fixture
def service(start: StartService) -> Service:
    """The whole service."""
    return start(CONFIG)


def strew(store: redis.Redis, jobs: redis.Redis) -> None:
    """Put nonsense wherever a loop looks."""
    for name in NAMES:
        store.sadd(keys.key(0, "lanes"), name)
        store.rpush(keys.ready_of(0, name), NOISE, b"", bytes(16))
    for identity in (b"", b"x", NOISE, envelope_id(new_message_id(0), 0), envelope_id(new_message_id(9), 0)):
        store.hset(keys.key(0, "e"), identity, NOISE)
        for queue in ("due", "exp", "held", "done"):
            store.zadd(keys.key(0, queue), {identity: 1})
    for name in ("process", "owner", "lane", "hint", "replayed", "site"):
        store.hset(keys.key(0, name), mapping={NOISE: NOISE, b"": b"", b"d0.test": NOISE, b"?d0.test": NOISE})
    store.zadd(keys.key(0, "leases"), {NOISE: 1, "": 2, "never": float("inf")})
    store.sadd(keys.key(0, "live"), NOISE, "")
    store.hset(keys.claims(0, "never"), mapping={NOISE: NOISE, b"": b""})
    for process in store.smembers(keys.key(0, "live")):
        channel = b"sb:{0}:to:" + (process if isinstance(process, bytes) else process.encode())
        for text in (b"0|x", b"x|y", b"+", NOISE, b"0|" * 100_000):
            store.execute_command("SPUBLISH", channel, text)
    store.execute_command("SPUBLISH", keys.key(0, "wake"), NOISE)
    store.execute_command("SPUBLISH", keys.key(0, "news"), NOISE)
    for number, lane in enumerate([123, None, 1.5, True, "\ud800", [], "x" * 10_000]):
        job = {"queue_name": QUEUE, "actor_name": ACTOR, "args": [lane, 1], "kwargs": {}, "message_id": str(number)}
        job |= {"message_timestamp": 1, "options": {"redis_message_id": str(number)}}
        jobs.hset(f"dramatiq:{QUEUE}.msgs", str(number), json.dumps(job))
        jobs.rpush(f"dramatiq:{QUEUE}", str(number))
    jobs.hset(f"dramatiq:{QUEUE}.msgs", "odd", NOISE)
    jobs.rpush(f"dramatiq:{QUEUE}", "odd")


def test_issue10_01_no_process_ends_for_nonsense_in_the_store(service: Service) -> None:
    """All of it while mail flows, and once more at a start: all arrives, and each process is the one it was."""
    with redis.Redis.from_url(service.url) as store, redis.Redis.from_url(f"{service.url}?db=1") as jobs:
        processes = set(service.pids("softbounce_worker")) | set(service.pids("softbounce_scheduler"))
        strew(store, jobs)
        service.wait_final(send(service, "before"), 60)
        until(lambda: not set(store.smembers(keys.key(0, "lanes"))) & set(NAMES), 30, "the names are cleared away")
        assert set(service.pids("softbounce_worker")) | set(service.pids("softbounce_scheduler")) == processes
        strew(store, jobs)
    assert service.stop() == 0
    service.start()
    processes = set(service.pids("softbounce_worker")) | set(service.pids("softbounce_scheduler"))
    service.wait_final(send(service, "after"), 60)
    assert set(service.pids("softbounce_worker")) | set(service.pids("softbounce_scheduler")) == processes
    assert service.json("queue")["unreadable"] == 7  # two of them anew with each time
    assert "loop_failed" not in service.log
    assert len(re.findall("nonsense ignored: job", service.log)) <= 8  # a line of a kind in a minute and process


def send(service: Service, what: str) -> list[str]:
    """Mail to some domains."""
    ids: list[str] = []
    with service.client() as mail:
        for number in range(40):
            to = f"{('accept', 'greylist1')[number % 2]}+{what}{number}@d{number % 5}.test"
            ids += mail.send(sender="a@example.com", recipients=[to], message=b"Subject: x\r\n\r\nx").envelopes.values()
    return ids
