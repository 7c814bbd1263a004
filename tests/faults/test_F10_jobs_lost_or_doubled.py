"""F10: a dramatiq job is a hint. Lost, doubled a hundredfold, or for a lane that nobody knows: latency, never mail."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import dramatiq
import pytest
import redis
from conftest import StartService
from dramatiq.brokers.redis import RedisBroker
from service import PlaygroundProcess, Service, until
from softbounce_playground import read_ledger

from softbounce.jobs import ACTOR, QUEUE

CONFIG = """
[worker]
lease = "2s"
[scheduler]
sweep = "1s"
"""
ENVELOPES = 200
LANES = 8


@pytest.fixture
def service(start: StartService) -> Service:
    """The service without workers so far: its store and its scheduler."""
    return start(CONFIG, "store", "scheduler")


def send(service: Service) -> list[str]:
    """Hand over some mail."""
    with service.client() as mail:
        receipts = mail.send_many(
            [
                {
                    "sender": "app@app.test",
                    "recipients": [f"accept+{number}@d{number % LANES}.test"],
                    "message": b"Subject: %d\r\n\r\nHello\r\n" % number,
                }
                for number in range(ENVELOPES)
            ]
        )
    return [next(iter(receipt.envelopes.values())) for receipt in receipts]


def jobs(service: Service) -> redis.Redis:
    """Where dramatiq keeps its jobs: database 1 of the same server."""
    return redis.Redis(unix_socket_path=service.url.removeprefix("unix://"), db=1)


def check_taken_once(playground: PlaygroundProcess) -> None:
    """The hosts have each message once."""

    def taken() -> Counter[str]:
        return Counter(one for entry in read_ledger(playground.ledger) if entry.kept for one in entry.recipients)

    until(lambda: len(taken()) >= ENVELOPES, 2, "the ledger is written")  # it is a moment late
    assert set(taken().values()) == {1}
    assert len(taken()) == ENVELOPES


def test_F10_lost_jobs_are_sent_again_by_the_sweep(
    start: StartService, service: Service, playground: PlaygroundProcess
) -> None:
    """All jobs are flushed away, and their hints are old: the sweep sends new ones."""
    ids = send(service)
    time.sleep(1)
    jobs(service).flushdb()
    store = redis.Redis(unix_socket_path=service.url.removeprefix("unix://"))
    assert store.hlen("sb:{0}:hint") > 0
    store.hset("sb:{0}:hint", mapping=dict.fromkeys(store.hkeys("sb:{0}:hint"), 1))  # as if half a minute had passed
    start(f'[store]\nurl = "{service.url}"\n' + CONFIG, "worker")
    ended = service.wait_final(ids, 30)
    assert {shown.state for shown in ended.values()} == {"delivered"}
    check_taken_once(playground)


def test_F10_jobs_that_were_flushed_away_are_sent_again_at_once(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """No process comes or goes, and the hints are young: the next sweep sees that there are no jobs at all."""
    service = start(CONFIG.replace('lease = "2s"', 'lease = "20s"\nprocesses = 1'))
    time.sleep(2.5)  # the sweeps have seen who is there
    (worker,) = service.pids("softbounce_worker")
    os.kill(worker, signal.SIGSTOP)
    ids = send(service)
    until(lambda: jobs(service).exists(f"dramatiq:{QUEUE}") == 1, 10, "there are jobs")
    jobs(service).flushdb()
    os.kill(worker, signal.SIGCONT)
    ended = service.wait_final(ids, 12)
    assert {shown.state for shown in ended.values()} == {"delivered"}
    check_taken_once(playground)


def test_F10_jobs_that_a_living_process_took_and_forgot_are_sent_again(
    start: StartService, service: Service, playground: PlaygroundProcess
) -> None:
    """They lie in its ack set, where dramatiq leaves them while its heart beats; the sweep does not wait for it."""
    ids = send(service)
    forgetful = RedisBroker(url=f"{service.url}?db=1", middleware=[])
    forgetful.declare_queue(QUEUE)
    until(lambda: jobs(service).llen(f"dramatiq:{QUEUE}") == LANES, 10, "each lane has its job")
    consumer = forgetful.consume(QUEUE, prefetch=1000, timeout=100)
    until(lambda: next(consumer) is not None, 10, "it takes jobs")
    taken = jobs(service).scard(f"dramatiq:__acks__.{forgetful.broker_id}.{QUEUE}")
    assert taken == LANES
    store = redis.Redis(unix_socket_path=service.url.removeprefix("unix://"))
    store.hset("sb:{0}:hint", mapping=dict.fromkeys(store.hkeys("sb:{0}:hint"), 1))  # as if half a minute had passed
    start(f'[store]\nurl = "{service.url}"\n' + CONFIG, "worker")
    ended = service.wait_final(ids, 30)
    assert {shown.state for shown in ended.values()} == {"delivered"}
    check_taken_once(playground)
    assert jobs(service).scard(f"dramatiq:__acks__.{forgetful.broker_id}.{QUEUE}") == taken
    forgetful.close()


def test_F10_jobs_a_hundredfold_and_for_nothing_change_nothing(
    start: StartService, service: Service, playground: PlaygroundProcess
) -> None:
    """Each lane's job is there a hundred times, and some name lanes that nobody knows."""
    broker = RedisBroker(url=f"{service.url}?db=1", middleware=[])
    broker.declare_queue(QUEUE)
    for number in range(800):
        lane = f"?d{number % LANES}.test" if number % 10 else f"nobody{number}.test~0123456789abcdef"
        broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=(lane, 0), kwargs={}, options={}))
    broker.close()
    ids = send(service)
    start(f'[store]\nurl = "{service.url}"\n' + CONFIG, "worker")
    ended = service.wait_final(ids, 60)
    assert {shown.state for shown in ended.values()} == {"delivered"}
    check_taken_once(playground)
