"""An act by filter outlives whoever carries it out: the running service, killed in the middle of it again and again."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from service import Service, until

from softbounce import Client, ShownAction

if TYPE_CHECKING:
    from conftest import StartService

MANY = 10_000
MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"
BATCH = 1_000
KILLS = 3


def send(mail: Client, number: int) -> None:
    """So many envelopes that are due tomorrow."""
    at = datetime.now(UTC) + timedelta(days=1)
    for start in range(0, number, BATCH):
        mail.send_many(
            {"sender": "app@example.com", "recipients": [f"r{one}@example.net"], "message": MESSAGE, "at": at}
            for one in range(start, start + BATCH)
        )


def kill_in_the_middle(service: Service, mail: Client, action: ShownAction) -> None:
    """Kill the scheduler whenever the action has come further, and then let it end."""
    done = -1
    for _ in range(KILLS):

        def is_further(than: int = done) -> bool:
            return sum(mail.action(action.id).answers.values()) > than

        until(is_further, 60, "it goes on", pause=0.01)
        found = mail.action(action.id)
        done = sum(found.answers.values())
        for pid in service.pids("softbounce_scheduler"):
            os.kill(pid, signal.SIGKILL)
        assert found.state == "running", "it was over before anybody could be killed"
    until(lambda: mail.action(action.id).state == "done", 120, "it ends")


@pytest.mark.long
def test_issue15_an_act_by_filter_goes_on_when_its_owner_is_killed(start: StartService) -> None:
    """10,000 are bounced by hand and sent again: each once, whoever died; what was done is told of each."""
    service = start("", "store", "scheduler")
    with service.client() as mail:
        send(mail, MANY)
        began = time.monotonic()
        bounce = mail.begin_action("bounce", domain="example.net", grace=timedelta(0), reason="stolen", by="ann")
        kill_in_the_middle(service, mail, bounce)
        assert mail.queue().states["bounced"] == MANY
        resend = mail.begin_action("resend", state="bounced", by="ann")
        kill_in_the_middle(service, mail, resend)
        print(f"{time.monotonic() - began:.1f} s for both")  # noqa: T201 - a figure for whoever looks
        assert mail.queue().states["bounced"] == MANY
        assert mail.queue(state="bounced").total + MANY == mail.queue().total
        kinds = Counter(event.kind for event in mail.events() if event.kind in {"bounced", "resent"})
        assert kinds == {"bounced": MANY, "resent": MANY}
        for action in (bounce, resend):
            (answers,) = mail.action(action.id).answers.values()
            assert 0.8 * MANY < answers <= MANY, "a step that was cut is done, and may be counted by nobody"
    assert service.stop() == 0
