"""F27: a message that kills its worker is quarantined; its siblings are delivered, and no host is hammered."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import StartService
from reckon import copies_in, reckon
from service import PlaygroundProcess, Service, until
from softbounce_playground import read_ledger

CONFIG = """
[worker]
lease = "1s"
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
import softbounce_worker.claimer as claimer
whole = claimer.Parcel
def poisoned(stored, body):
    parcel = whole(stored, body)
    if b"POISON" in parcel.content:
        os.abort()
    return parcel
claimer.Parcel = poisoned
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
