"""More large mail than fits into memory: a worker reads bodies as far as its budget allows, and all are delivered."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from conftest import StartService
from dying import running_worker
from reckon import reckon
from service import PlaygroundProcess

CONFIG = """
[worker]
bodies = "12MiB"
[[lane]]
site = "*"
connections = 20
"""
MESSAGES = 60
OCTETS = 5 * 1024 * 1024
BUDGET = 12 * 1024 * 1024
COPIES = 5
"""Of one message while it is read: the answer, its parts joined, unpacked, with dots doubled, and what is written."""


def memory_of(pid: int, what: str) -> int:
    """What the system says of a process's memory, octets."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024


def test_sixty_messages_of_five_megabytes_go_through_a_small_budget(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """The worker's memory grows by its budget and by what reading one takes, not by 300 MB."""
    service = start(CONFIG, "store", "scheduler")
    noise = base64.encodebytes(random.Random(1).randbytes(OCTETS * 3 // 4)).replace(b"\n", b"\r\n")  # noqa: S311
    ids = []
    with service.client() as mail:
        for number in range(MESSAGES):
            recipient = f"dotslow200+{number}@d{number % 6}.test"
            body = b"Subject: %d\r\n\r\n%s" % (number, noise)
            receipt = mail.send(sender="app@app.test", recipients=[recipient], message=body)
            ids.append(receipt.envelopes[recipient])
    with running_worker(service) as worker:
        worker.wait_ready()
        before = memory_of(worker.pid, "VmRSS")
        ended = service.wait_final(ids, 120)
        grown = memory_of(worker.pid, "VmHWM") - before
    playground.end()
    reckon(playground, ended)
    print(f"grown by {grown / 1e6:.0f} MB")  # noqa: T201 - shown when it fails
    assert grown < BUDGET + COPIES * OCTETS + 16 * 1024 * 1024
