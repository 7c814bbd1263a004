"""F09: two schedulers at once are harmless, and without any, mail is late by the outage and no more."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from conftest import StartService
from reckon import BODY
from service import PlaygroundProcess, Service, until

CONFIG = """
[scheduler]
sweep = "1s"
[policy.default]
window = "10m"
delays = ["300ms"]
"""
ENVELOPES = 300
OUTAGE = 2.0
SWEEP = 1.0
START = 3.0
"""Seconds in which workers find 12 new domains' hosts, on a busy machine."""


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
    entries = playground.taken({shown.recipient for shown in ended.values()})
    taken = Counter(one for entry in entries if entry.kept for one in entry.recipients)
    assert set(taken.values()) == {1}


def test_F09_one_of_two_schedulers_hangs_and_the_other_goes_on(start: StartService, service: Service) -> None:
    """Nothing waits for it: the other releases what is due, and the first finds nothing left to do when it wakes."""
    second = start(f'[store]\nurl = "{service.url}"\n' + CONFIG, "scheduler")
    ids = send(service, "greylist2")
    (first,) = service.pids("softbounce_scheduler")
    os.kill(first, signal.SIGSTOP)
    ended = service.wait_final(ids, 30)
    assert Counter(len(shown.attempts) for shown in ended.values()) == {3: ENVELOPES}
    os.kill(first, signal.SIGCONT)
    assert second.stop() == 0


def test_F09_without_a_scheduler_mail_is_late_by_the_outage_and_a_sweep(start: StartService) -> None:
    """Nothing is tried meanwhile; afterwards all goes at once, and what outlived its window is promoted then."""
    house = start(CONFIG, "store", "worker")
    ids = send(house, "accept")
    with house.client() as mail:
        short = mail.send(
            sender="app@app.test", recipients=["full@d1.test"], message=BODY, window=timedelta(milliseconds=500)
        )
        (late,) = short.envelopes.values()
        time.sleep(OUTAGE)
        assert {mail.show(one).state for one in [*ids, late]} == {"scheduled"}
        start(f'[store]\nurl = "{house.url}"\n' + CONFIG, "scheduler")
        back_at = datetime.now(UTC)
        until(lambda: mail.show(late).state == "bounced", 2 * SWEEP, "what expired is promoted")
        bounce = mail.show(late).bounce
    assert bounce is not None
    assert bounce.cause == "promoted"
    ended = house.wait_final(ids, 30)
    assert {shown.state for shown in ended.values()} == {"delivered"}
    began = [shown.attempts[0].started_at for shown in ended.values()]
    assert (max(began) - back_at).total_seconds() < SWEEP + START
    assert all(len(shown.attempts) == 1 for shown in ended.values())
