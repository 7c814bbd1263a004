"""The receiver of webhooks is away for minutes, and the process that tells it is killed meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hooks import SECRET, Got, Hooks, hooks
from service import Service, until

if TYPE_CHECKING:
    from conftest import StartService

MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
LIFE = ["envelope.accepted", "envelope.held", "envelope.released", "envelope.cancelled"]


def kill_teller(service: Service) -> None:
    """SIGKILL, and wait until another one is there."""
    (pid,) = service.pids("softbounce_gateway.webhooks")
    os.kill(pid, signal.SIGKILL)
    until(
        lambda: bool(set(service.pids("softbounce_gateway.webhooks")) - {pid}), 20, "another process tells", pause=0.2
    )


def order_of(receiver: Hooks) -> dict[str, list[str]]:
    """Of each envelope the types that it took, each event once, in the order in which it took it first."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in receiver.taken:
        found[one.envelope].append(one.type)
    return found


def live(service: Service, number: int, word: str) -> list[str]:
    """So many envelopes, each accepted, held, released and cancelled."""
    with service.client() as mail:
        sent = [{"sender": "a@app.test", "recipients": [f"{word}{one}@x.test"], "message": MESSAGE}
                for one in range(number)]  # fmt: skip
        ids = [one for receipt in mail.send_many(sent) for one in receipt.envelopes.values()]
        for act in (mail.hold, mail.release, mail.cancel):
            for one in ids:
                act(one)
    return ids


@pytest.mark.parametrize(
    "away_for",
    [
        pytest.param(12, id="12 s"),
        pytest.param(600, id="10 min", marks=[pytest.mark.thorough, pytest.mark.long]),
    ],
)
def test_issue14_7_a_receiver_that_was_away_gets_every_event_in_order_though_we_were_killed(
    start: StartService, away_for: float
) -> None:
    """Twice: every event is taken, by its id once, in order for each envelope."""
    with hooks() as receiver:
        # No others: within ten minutes the health of the machine is told, too.
        kinds = [one.removeprefix("envelope.") for one in LIFE]
        service = start(
            f'[[webhook]]\nurl = "{receiver.url}"\nname = "app"\nsecret = "{SECRET}"\nkinds = {kinds}\n',
            "store",
            "gateway",
        )
        ids = live(service, 20, "a")
        until(lambda: len(receiver.taken) >= 40, 20, "it is in the middle of it")
        receiver.stop()
        began = time.monotonic()
        ids += live(service, 100, "b")
        until(lambda: service.json("webhooks")[0]["state"] == "away", 20, "it is found away")
        kill_teller(service)
        ids += live(service, 100, "c")
        time.sleep(max(0.0, began + away_for / 2 - time.monotonic()))
        kill_teller(service)
        ids += live(service, 20, "d")
        time.sleep(max(0.0, began + away_for - time.monotonic()))
        receiver.start()
        until(lambda: len(receiver.taken) >= 4 * len(ids), 360, f"{4 * len(ids)} events; {len(receiver.taken)} came")
        assert order_of(receiver) == dict.fromkeys(ids, LIFE)
        (row,) = service.json("webhooks")
        assert (row["given_up"], row["lost"], row["waiting"]) == (0, 0, 0)
        # What was under way or not noted yet at a kill is told again, by the same id, and no more than that.
        assert len(receiver.got) - len(receiver.taken) <= 60


def test_issue14_7_a_process_that_is_killed_again_and_again_while_it_tells_loses_nothing(start: StartService) -> None:
    """Nor does it tell anything out of order; one envelope's events are refused at first."""
    refused: set[str] = set()

    def answer(got: Got) -> int:
        if got.envelope in refused or (len(refused) < 3 and got.type == LIFE[0]):
            refused.add(got.envelope)
            return 500 if sum(one.envelope == got.envelope for one in receiver.got) < 4 else 200
        return 200

    with hooks(answer) as receiver:
        quick = '[policy.webhook]\ndelays = ["500ms"]\njitter = 0.0\nwindow = "1h"\n'
        service = start(
            f'{quick}[[webhook]]\nurl = "{receiver.url}"\nname = "app"\nsecret = "{SECRET}"\n', "store", "gateway"
        )
        ids: list[str] = []
        for word in "abcd":
            ids += live(service, 60, word)
            kill_teller(service)
        until(lambda: len(receiver.taken) >= 4 * len(ids), 60, f"{4 * len(ids)} events; {len(receiver.taken)} came")
        assert order_of(receiver) == dict.fromkeys(ids, LIFE)
        until(lambda: service.json("webhooks")[0]["waiting"] == 0, 10, "all is noted")
