"""Issue 11, 50: a lane changes its owner at once, whatever one of its sessions still waits for."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dying import running_worker
from reckon import entries, send_each
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
drain = "60s"
[scheduler]
sweep = "2s"
"""
IMPATIENT = "from softbounce_worker.lane import ownership\nownership.LANE_TURN = 0.5\n"
NEVER_ANSWERED = "hangat-rcpt"


@pytest.fixture
def service(start: StartService) -> Service:
    """The store and the scheduler; the tests have workers of their own."""
    return start(CONFIG, "store", "scheduler")


def config_of(service: Service, name: str) -> Path:
    """The config of a worker on a volume of its own, which greets as *name*."""
    path = service.folder / f"{name}.toml"
    own = f'[store]\nurl = "{service.url}"\ndata_dir = "{name}"\n'
    path.write_text(own + service.config.read_text().replace("client.test", f"{name}.example"))
    return path


def is_attempting(service: Service, ids: list[str]) -> bool:
    """Whether all of these are."""
    with service.client() as mail:
        return all(mail.show(one).state == "attempting" for one in ids)


def delivered_by(playground: PlaygroundProcess, recipients: list[str]) -> set[str]:
    """Who greeted the hosts that took mail for these."""
    return {entry.ehlo for entry in entries(playground) if entry.is_taken and set(recipients) & set(entry.recipients)}


def test_issue11_50_a_recipient_that_is_never_answered_does_not_hold_its_lane_back(
    service: Service, playground: PlaygroundProcess
) -> None:
    """One process has two busy lanes, another comes: it gets the older one though a session there never ends."""
    sites = [f"{name}.{service.name}.test" for name in ("first", "second")]
    with running_worker(service, IMPATIENT, config=config_of(service, "one")) as one:
        one.wait_ready()
        stuck = send_each(service, [f"{NEVER_ANSWERED}@{sites[0]}"])
        until(lambda: is_attempting(service, stuck), 10, "its session waits for the answer")
        busy = send_each(service, [f"{NEVER_ANSWERED}@{sites[1]}"])
        until(lambda: is_attempting(service, busy), 10, "another lane is busy as well")
        with running_worker(service, IMPATIENT, config=config_of(service, "two")) as two:
            two.wait_ready()
            until(lambda: "lanes_handed_over" in service.log, 10, "one of them is handed over")
            recipients = [f"x{number}@{sites[0]}" for number in range(40)]
            service.wait_final(send_each(service, recipients), 10)
            until(lambda: delivered_by(playground, recipients) == {"two.example"}, 3, "by the new owner")
            assert is_attempting(service, stuck)


def test_issue11_50_a_worker_that_drains_gives_its_lanes_to_others_at_once(
    service: Service, playground: PlaygroundProcess
) -> None:
    """It ends when its last session does, or its drain is over; mail for its sites does not wait for that."""
    site = f"only.{service.name}.test"
    with running_worker(service, config=config_of(service, "one")) as one:
        one.wait_ready()
        stuck = send_each(service, [f"{NEVER_ANSWERED}@{site}"])
        until(lambda: is_attempting(service, stuck), 10, "its session waits for the answer")
        with running_worker(service, config=config_of(service, "two")) as two:
            two.wait_ready()
            one.signal(signal.SIGTERM)
            until(lambda: "worker_stopping" in service.log, 5, "it stops")
            recipients = [f"x{number}@{site}" for number in range(40)]
            service.wait_final(send_each(service, recipients), 10)
            assert delivered_by(playground, recipients) == {"two.example"}
            assert not one.is_over
            assert is_attempting(service, stuck)
