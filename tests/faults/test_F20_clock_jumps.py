"""F20: a machine's clock is set wrong. Due times and expiry go by the store's, durations by one that never steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dying import running_worker
from reckon import reckon, send_each
from service import PlaygroundProcess

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
WRONG_CLOCK = """
import time
real, real_ns, began = time.time, time.time_ns, time.monotonic()
def ahead():
    return {seconds} if time.monotonic() - began > 1.5 else 0
time.time = lambda: real() + ahead()
time.time_ns = lambda: real_ns() + ahead() * 10**9
"""


@pytest.mark.parametrize(
    "seconds",
    [*(pytest.param(one, marks=pytest.mark.thorough) for one in (3600, 5 * 86_400)), -3600],
    ids=["+1 h", "+5 d", "-1 h"],
)
def test_F20_a_worker_whose_clock_jumps_promotes_and_delays_nothing(
    start: StartService, playground: PlaygroundProcess, seconds: int
) -> None:
    """While it works its clock is set: everything is delivered once and at its time, by the store's clock."""
    service = start(CONFIG, "store", "scheduler")
    ids = send_each(service, [f"greylist2+{number}@d{number % 4}.test" for number in range(20)])
    ids += send_each(service, [f"slow700+{number}@d{number % 4}.test" for number in range(20)])
    with running_worker(service, WRONG_CLOCK.format(seconds=seconds)) as worker:
        worker.wait_ready()
        ended = service.wait_final(ids, 30)
        assert not worker.is_over
    assert reckon(playground, ended) == 0
    for shown in ended.values():
        assert all(0 <= (one.started_at - shown.created_at).total_seconds() < 30 for one in shown.attempts)
