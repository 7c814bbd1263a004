"""F27: a message that kills its worker is quarantined; its siblings are delivered, and no host is hammered."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import StartService
from dying import running_worker
from reckon import copies_in, reckon, send_each
from service import PlaygroundProcess, Service, until
from softbounce_playground import read_ledger

pytestmark = pytest.mark.usefixtures("store_binary")

CONFIG = """
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["300ms"]
"""
# A worker as it ships, but for one message: as if a library had a fault that ends the process.
POISONED_WORKER = """
import os, sys
import softbounce_worker.__main__ as worker
import softbounce_worker.claim.bodies as bodies
whole = bodies.Parcel
def poisoned(*told):
    parcel = whole(*told)
    if b"POISON" in parcel.content:
        os.abort()
    return parcel
bodies.Parcel = poisoned
sys.exit(worker.main(sys.argv[1:]))
"""


@pytest.fixture
def service(start: StartService) -> Service:
    """Its store and its scheduler; the test has workers of its own."""
    return start(CONFIG, "store", "scheduler")


def test_F27_a_message_that_kills_its_worker_is_quarantined(service: Service, playground: PlaygroundProcess) -> None:
    """Three claims end with their process, the last one alone: held as quarantined. The others are delivered once."""
    with service.client() as mail:
        receipts = mail.send_many(
            [
                {
                    "sender": "app@app.test",
                    "recipients": [f"accept+{number}@d{number % 3}.test"],
                    "message": b"Subject: %d\r\n\r\n%s\r\n" % (number, b"POISON" if number == 30 else b"Hello"),
                }
                for number in range(60)
            ]
        )
        ids = [next(iter(receipt.envelopes.values())) for receipt in receipts]
        poison = ids.pop(30)
        deaths = 0

        def is_quarantined() -> bool:
            nonlocal deaths, worker
            if worker.poll() is not None:
                deaths += 1
                worker = start_worker(service)
            return mail.show(poison).state == "held"

        worker = start_worker(service)
        try:
            until(is_quarantined, 60, "the poison is quarantined")
            ended = service.wait_final(ids, 60)
        finally:
            worker.kill()
            worker.wait()
        explained = mail.explain(poison)
        quarantines = [event for event in mail.events() if event.kind == "quarantined"]
    assert deaths == 3
    assert {shown.state for shown in ended.values()} == {"delivered"}
    assert "uarantined" in explained
    assert [event.id for event in quarantines] == [poison]
    playground.end()
    reckon(playground, ended)
    assert len(copies_in(read_ledger(playground.ledger))) == 59


def start_worker(service: Service) -> subprocess.Popen[bytes]:
    """A worker that one message kills."""
    command = [sys.executable, "-c", POISONED_WORKER, "--config", str(service.config)]
    with (service.folder / "stderr").open("ab") as log:
        return subprocess.Popen(command, cwd=service.folder, stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603


BYSTANDERS = 999
LANES = 30
BOUND = 60
MANY = CONFIG.replace("[policy.default]", '[[lane]]\nsite = "*"\nconnections = 80\n[policy.default]')
# A worker for which every host is a tarpit.
HANGING = """
import softbounce_worker.session.dialling as dialling
async def never(*_):
    await asyncio.sleep(3600)
dialling.Dialling.open = never
"""


@pytest.mark.long
@pytest.mark.thorough
def test_F27_a_thousand_that_were_in_flight_when_all_workers_were_killed_are_not_tried_one_by_one(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """All workers end three times with 1,000 envelopes in hand, and one of those kills: the others get through soon."""
    service = start(MANY, "store", "scheduler")
    poison = send_each(service, ["accept+poison@d0.test"], message=b"Subject: x\r\n\r\nPOISON\r\n")[0]
    ids = send_each(service, [f"dotslow500+{number}@d{number % LANES}.test" for number in range(BYSTANDERS)])
    with service.client() as mail:
        for time in range(1, 4):
            with running_worker(service, HANGING), running_worker(service, HANGING):
                until(lambda: mail.queue().states["attempting"] == BYSTANDERS + 1, 40, "all are in flight")
                if time == 3:
                    until(lambda: "suspects_tried" in service.log, 10, "some of them are tried apart")
            until(lambda: not mail.queue().states["attempting"], 10, "the sweep gives back what they had")
        with keep_two_workers(service) as deaths:
            ended = service.wait_final(ids, BOUND)
            until(lambda: mail.show(poison).state == "held", 60, "the poison is quarantined")
        quarantines = [event.id for event in mail.events() if event.kind == "quarantined"]
    assert quarantines == [poison]
    assert len(deaths) <= 3
    playground.end()
    reckon(playground, ended)


@contextmanager
def keep_two_workers(service: Service) -> Iterator[list[int]]:
    """Two workers that one message kills, each started again when it ends; the pids of those that ended."""
    deaths: list[int] = []
    stopping = threading.Event()

    def keep() -> None:
        workers = [start_worker(service) for _ in range(2)]
        while not stopping.wait(0.1):
            for position, worker in enumerate(workers):
                if worker.poll() is not None:
                    deaths.append(worker.pid)
                    workers[position] = start_worker(service)
        for worker in workers:
            worker.kill()
            worker.wait()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield deaths
    finally:
        stopping.set()
        keeper.join()
