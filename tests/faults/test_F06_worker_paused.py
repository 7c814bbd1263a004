"""F06: a worker is paused for longer than its lease and goes on. It sends no further dot; a 250 that it had wins."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from dying import running_worker
from reckon import copies_in, entries, reckon, send_each
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
lease = "2s"
drain = "5s"
[scheduler]
sweep = "300ms"
[policy.default]
window = "10m"
delays = ["4s"]
"""
LEASE_LOST = 75


@pytest.fixture
def service(start: StartService) -> Iterator[Service]:
    """The store and the scheduler; the tests have workers of their own."""
    return start(CONFIG, "store", "scheduler")


def config_of(service: Service, name: str) -> Path:
    """The config of a worker on a volume of its own, which greets as *name*."""
    path = service.folder / f"{name}.toml"
    own = f'[store]\nurl = "{service.url}"\ndata_dir = "{name}"\n'
    path.write_text(own + service.config.read_text().replace("client.test", f"{name}.example"))
    return path


def attempting(service: Service, ids: list[str]) -> int:
    """How many of these are being attempted."""
    with service.client() as mail:
        return sum(mail.show(one).state == "attempting" for one in ids)


def test_F06_a_paused_worker_sends_no_further_dot(service: Service, playground: PlaygroundProcess) -> None:
    """Stopped between RCPT and 354, it goes on when another has delivered its mail: no content leaves, and it ends."""
    ids = send_each(service, [f"slow500+{number}@d{number % 5}.test" for number in range(20)])
    with running_worker(service, config=config_of(service, "paused")) as paused:
        paused.wait_ready()
        until(lambda: attempting(service, ids) == len(ids), 10, "all are under way", pause=0.01)
        time.sleep(0.1)
        paused.signal(signal.SIGSTOP)
        assert not copies_in(entries(playground))
        with running_worker(service, config=config_of(service, "other")):
            ended = service.wait_final(ids, 30)
            paused.signal(signal.SIGCONT)
            assert paused.wait(10) == LEASE_LOST
            time.sleep(0.3)
    assert reckon(playground, ended) == 0
    assert all(len(shown.attempts) == 1 for shown in ended.values())
    assert not [entry for entry in entries(playground) if entry.complete and entry.ehlo == "paused.example"]


def test_F06_a_250_that_a_paused_worker_had_wins_and_is_flagged(
    service: Service, playground: PlaygroundProcess
) -> None:
    """Its dot had left when it was stopped: closed as uncertain meanwhile; its 250 ends the envelope all the same."""
    ids = send_each(service, [f"dotslow700+{number}@d{number}.test" for number in range(4)])
    with running_worker(service, config=config_of(service, "paused")) as paused:
        name = paused.wait_ready()
        with redis.Redis.from_url(service.url) as raw:
            until(lambda: attempting(service, ids) == len(ids), 10, "all are under way", pause=0.01)
            time.sleep(0.4)  # the dots have left, their answers are on their way
            paused.signal(signal.SIGSTOP)
            raw.hset("sb:{0}:replayed", name, 1)  # as after a minute: nobody waits for its journal
        with service.client() as mail:
            until(lambda: all(mail.show(one).attempts for one in ids), 10, "all are closed as uncertain")
            assert all([attempt.uncertain for attempt in mail.show(one).attempts] == [True] for one in ids)
            paused.signal(signal.SIGCONT)
            assert paused.wait(15) == LEASE_LOST
            ended = service.wait_final(ids, 5)
            events = [event.kind for event in mail.events()]
    assert reckon(playground, ended) == 0
    assert events.count("delivered_late") == len(ids)
    assert all([attempt.uncertain for attempt in shown.attempts] == [True] for shown in ended.values())
