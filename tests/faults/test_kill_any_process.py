"""kill -9 of any one process, and of all at once, under load: every accepted envelope still reaches its end.

F02, F03, F05, F07, F11 in their common part; the fault list's own tests go further.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest
from conftest import StartService
from service import PlaygroundProcess, Service, until

CONFIG = """
[worker]
processes = 2
lease = "2s"
[scheduler]
sweep = "1s"
[policy.default]
window = "10m"
delays = ["500ms", "1s"]
[[lane]]
site = "*"
close_first = "1s"
connections = 10
"""
ENVELOPES = 800
VICTIMS = {
    "worker": ["softbounce_worker"],
    "scheduler": ["softbounce_scheduler"],
    "store": ["valkey-server"],
    "all workers": ["softbounce_worker"],
    "everything": [],
}


@pytest.fixture
def service(start: StartService) -> Service:
    """The service with two workers."""
    return start(CONFIG)


@pytest.mark.parametrize(
    "victim",
    [pytest.param(one, marks=pytest.mark.thorough if one in {"worker", "scheduler"} else ()) for one in VICTIMS],
)
def test_kill_dash_nine_loses_nothing_and_owns_up_to_copies(
    service: Service, playground: PlaygroundProcess, victim: str
) -> None:
    """After a kill and a restart all mail is delivered; extra copies <= the envelope's uncertain attempts."""
    kinds = ("accept", "accept", "greylist1", "slow100")
    with service.client() as mail:
        receipts = mail.send_many(
            [
                {
                    "sender": f"app@app{number % 2}.test",
                    "recipients": [f"{kinds[number % 4]}+{number}@d{number % 16}.test"],
                    "message": b"Subject: %d\r\n\r\nHello\r\n" % number,
                    "key": f"k{number}",
                }
                for number in range(ENVELOPES)
            ]
        )
    ids = [next(iter(receipt.envelopes.values())) for receipt in receipts]
    until(lambda: playground.ledger.exists() and playground.ledger.stat().st_size > 0, 20, "the first delivery")
    time.sleep(0.15)  # in the middle of it; any moment is right
    if victim == "everything":
        service.kill()
        service.start()
    else:
        pids = service.pids(VICTIMS[victim][0])
        for pid in pids if victim == "all workers" else pids[:1]:
            os.kill(pid, signal.SIGKILL)
    ended = service.wait_final(ids, 90)
    assert Counter(shown.state for shown in ended.values()) == {"delivered": ENVELOPES}
    assert service.stop() == 0
    entries = playground.taken({shown.recipient for shown in ended.values()})
    taken = Counter(recipient for entry in entries if entry.kept for recipient in entry.recipients)
    for shown in ended.values():
        extra = taken[shown.recipient] - 1
        assert 0 <= extra <= sum(attempt.uncertain for attempt in shown.attempts), shown.to_dict()
