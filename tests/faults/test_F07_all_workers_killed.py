"""F07: kill -9 of all workers at once in the middle of a load, with another one on another volume alive throughout."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from dying import running_worker
from reckon import entries, reckon, send_each
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
processes = 2
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
ENVELOPES = 1500
RESUMES_WITHIN = 2 + 0.5 + 2 + 2  # lease, sweep, the wait after a lost claim, the start of a process


@pytest.mark.parametrize("with_another", [False, True], ids=["all", "all but one on another volume"])
def test_F07_all_workers_killed_lose_nothing_and_own_their_copies(
    start: StartService, playground: PlaygroundProcess, with_another: bool
) -> None:
    """Work resumes within lease and sweep, and every extra copy is an uncertain attempt of its envelope."""
    service = start(CONFIG)
    other = service.folder / "other.toml"
    other.write_text(f'[store]\nurl = "{service.url}"\ndata_dir = "other"\n' + service.config.read_text())
    if with_another:
        with running_worker(service, config=other) as alive:
            alive.wait_ready()
            kill_all(service, playground)
    else:
        kill_all(service, playground)


def kill_all(service: Service, playground: PlaygroundProcess) -> None:
    """Send, kill in the middle, and reckon."""
    workers = service.pids("softbounce_worker")
    ids = send_each(service, [f"dotslow50+{number}@d{number % 16}.test" for number in range(ENVELOPES)])
    until(lambda: len(entries(playground)) > ENVELOPES // 5, 20, "the load is under way", pause=0.02)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    done = len(entries(playground))
    assert done < ENVELOPES
    until(lambda: len(entries(playground)) > done, RESUMES_WITHIN, "I5: work resumes")
    ended = service.wait_final(ids, 60)
    extra = reckon(playground, ended)
    assert extra <= sum(attempt.uncertain for shown in ended.values() for attempt in shown.attempts)
