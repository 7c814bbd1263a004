"""F09: two schedulers at once are harmless, and without any, mail is late by the outage and no more."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from conftest import StartService
from service import PlaygroundProcess, Service, until
from softbounce_playground import read_ledger

CONFIG = """
[scheduler]
sweep = "1s"
[policy.default]
window = "10m"
delays = ["300ms"]
"""
ENVELOPES = 300


@pytest.fixture
def service(start: StartService) -> Service:
    """The service."""
    return start(CONFIG)


def send(service: Service, kind: str) -> list[str]:
    """Hand over some mail."""
    with service.client() as mail:
        receipts = mail.send_many(
            [
                {
                    "sender": "app@app.test",
                    "recipients": [f"{kind}+{number}@d{number % 12}.test"],
                    "message": b"Subject: %d\r\n\r\nHello\r\n" % number,
                }
                for number in range(ENVELOPES)
            ]
        )
    return [next(iter(receipt.envelopes.values())) for receipt in receipts]


def test_F09_two_schedulers_release_nothing_twice(
    start: StartService, service: Service, playground: PlaygroundProcess
) -> None:
    """Both see all that is due; each envelope is tried as often as its policy says, and taken once."""
    second = start(f'[store]\nurl = "{service.url}"\n' + CONFIG, "scheduler")
    ended = service.wait_final(send(service, "greylist2"), 60)
    assert Counter(len(shown.attempts) for shown in ended.values()) == {3: ENVELOPES}
    assert second.stop() == 0
    taken = Counter(one for entry in read_ledger(playground.ledger) if entry.kept for one in entry.recipients)
    assert set(taken.values()) == {1}


def test_F09_without_a_scheduler_mail_waits_and_then_goes(service: Service) -> None:
    """While the scheduler is stopped nothing is due; afterwards all of it goes at once."""
    (scheduler,) = service.pids("softbounce_scheduler")
    os.kill(scheduler, signal.SIGSTOP)
    ids = send(service, "accept")
    with service.client() as mail:
        until(lambda: mail.show(ids[-1]).state == "scheduled", 5, "the last one is accepted")
        os.kill(scheduler, signal.SIGCONT)
    ended = service.wait_final(ids, 30)
    assert {shown.state for shown in ended.values()} == {"delivered"}
