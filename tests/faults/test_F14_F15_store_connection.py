"""F14, F15: connections to the store are cut, slow, or black holes.

Each script has its effect once, and no dot leaves that the lease does not cover.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dying import running_worker
from proxy import Fault, Proxy
from reckon import BODY, entries, reckon, send_each
from service import PlaygroundProcess, Service, until

from softbounce import Client, StoreUncertain
from softbounce.envelope import Flag, Record
from softbounce.ids import parse_id
from softbounce.store import moving, reading
from softbounce.store.moving import Move
from softbounce.store.scripts import script
from softbounce.store.shards import Shards
from softbounce.transitions import SUSPECT

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
lease = "1500ms"
drain = "3s"
[scheduler]
sweep = "300ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
LEASE = 1.5
LEASE_WRITTEN = 'lease = "1500ms"'
PATIENT = 'lease = "20s"'
LEASE_LOST = 75
CUTS = [Fault.CUT_REPLY, Fault.NONE, Fault.CUT_REQUEST, Fault.NONE, Fault.HALF_REPLY, Fault.NONE]


@pytest.fixture
def service(start: StartService) -> Iterator[Service]:
    """The store and the scheduler; the tests have workers of their own."""
    return start(CONFIG, "store", "scheduler")


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    """A way to the store that can be disturbed."""
    with Proxy(Path(service.url.removeprefix("unix://"))) as proxy:
        yield proxy


def by_way_of(proxy: Proxy, service: Service, *, lease: str = LEASE_WRITTEN) -> Path:
    """The config of a worker that goes by the proxy; its jobs, which are only hints, come directly."""
    path = service.folder / "far.toml"
    own = f'[store]\nurl = "{proxy.url}"\ndata_dir = "far"\n[jobs]\nurl = "{service.url}?db=1"\n'
    config = service.config.read_text().replace(LEASE_WRITTEN, lease)
    path.write_text(own + config.replace("client.test", "far.example"))
    return path


def test_F14_cut_connections_change_nothing(service: Service, playground: PlaygroundProcess, proxy: Proxy) -> None:
    """Requests, replies and halves of replies are lost, of the app and of the worker: each message arrives once."""
    ids = []
    with Client(proxy.url) as mail:
        for number in range(40):
            proxy.plan(*CUTS[number % 3 :])
            receipt = None
            while receipt is None:
                with suppress(StoreUncertain):
                    receipt = mail.send(
                        sender="app@app.test",
                        recipients=[f"accept+{number}@d{number % 4}.test"],
                        message=BODY,
                        key=f"k{number}",
                    )
            ids += receipt.envelopes.values()
        proxy.plan()
        assert mail.queue().total == len(ids) == len(set(ids)) == 40
    with running_worker(service, config=by_way_of(proxy, service, lease=PATIENT)) as worker:
        worker.wait_ready()
        proxy.plan(*CUTS * 10)
        ended = service.wait_final(ids, 30)
        assert len(proxy.planned) < len(CUTS) * 10
        proxy.plan()
    assert reckon(playground, ended) == 0


def test_F14_a_cut_answer_before_an_attempt_alone_loses_no_claim(
    service: Service, playground: PlaygroundProcess, proxy: Proxy
) -> None:
    """Whether it was noted that an envelope is tried alone is not known: it is noted again, and the worker goes on."""
    (identity,) = send_each(service, ["accept@a.test"], at=datetime.now(UTC) + timedelta(hours=1))
    store = Shards(service.url)

    def record() -> Record:
        found = store.run(reading.fetch([parse_id(identity)]))[0]
        assert found is not None
        return found

    twice = record()
    twice.claims, twice.next_ms = SUSPECT - 1, 1  # two workers ended with it in their hands
    with running_worker(service, config=by_way_of(proxy, service)) as worker:
        worker.wait_ready()
        proxy.late_replies = 0.2
        assert store.run(moving.move([Move(record=twice, version=twice.version)], keep_events=1000)) == [1]
        until(lambda: bool(record().flags & Flag.ALONE), 10, "it is to be tried alone", pause=0.005)
        proxy.cut_all()
        proxy.late_replies = 0.0
        ended = service.wait_final([identity], 20)
        assert not worker.is_over
    store.close()
    assert "store_trouble" in service.log
    assert reckon(playground, ended) == 0


def test_F14_each_script_of_a_delivery_loses_its_answers(
    service: Service, playground: PlaygroundProcess, proxy: Proxy
) -> None:
    """Taking lanes, claim, mark and commit are carried out and not answered, three times each: one effect, one copy."""
    delivered = {}
    with running_worker(service, config=by_way_of(proxy, service, lease=PATIENT)) as worker:
        worker.wait_ready()
        for name in ("lanes", "claim", "mark", "move"):
            proxy.word, proxy.aimed = script(name).sha, 3
            ids = send_each(service, [f"accept+{number}@{name}{number % 4}.test" for number in range(12)])
            delivered |= service.wait_final(ids, 30)
            until(lambda: not proxy.aimed, 10, f"three answers to {name} are lost")
        assert not worker.is_over
    assert reckon(playground, delivered) == 0
    assert all(len(shown.attempts) == 1 for shown in delivered.values())


def test_F15_a_slow_store_costs_time_only(service: Service, playground: PlaygroundProcess, proxy: Proxy) -> None:
    """Each answer takes a fifth of the lease: it is renewed all the same, and everything arrives once."""
    ids = send_each(service, [f"accept+{number}@d{number % 4}.test" for number in range(20)])
    proxy.late_replies = 0.6
    with running_worker(service, config=by_way_of(proxy, service, lease='lease = "3s"')) as worker:
        ended = service.wait_final(ids, 60)
        assert not worker.is_over
        proxy.late_replies = 0.0
    assert reckon(playground, ended) == 0
    assert "lease_lost" not in service.log


@pytest.mark.parametrize("how", ["black hole", "2 s late"])
def test_F15_no_dot_leaves_that_the_lease_does_not_cover(
    service: Service, playground: PlaygroundProcess, proxy: Proxy, how: str
) -> None:
    """The store goes away between RCPT and 354: the worker sends no content; another one delivers, once."""
    ids = send_each(service, [f"slow400+{number}@d{number % 4}.test" for number in range(12)])
    with running_worker(service, config=by_way_of(proxy, service)) as far:
        far.wait_ready()
        with service.client() as mail:
            until(lambda: all(mail.show(one).state == "attempting" for one in ids), 10, "all are under way", pause=0.01)
        if how == "black hole":
            proxy.swallows = True
        else:
            proxy.late_replies = 2.0
        time.sleep(LEASE + 0.5)
        with running_worker(service, config=None):
            ended = service.wait_final(ids, 30)
        proxy.swallows, proxy.late_replies = False, 0.0
        proxy.cut_all()
        assert far.wait(20) == LEASE_LOST
    assert reckon(playground, ended) == 0
    assert not [entry for entry in entries(playground) if entry.complete and entry.ehlo == "far.example"]
    assert all(not attempt.uncertain for shown in ended.values() for attempt in shown.attempts)
