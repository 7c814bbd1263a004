"""F26: a worker runs out of file descriptors, or a store of connections. Work waits; no message fails for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
[[lane]]
site = "*"
connections = 60
close_first = "1s"
close_factor = 1.0
"""
FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
"""


def test_F26_a_worker_with_few_descriptors_fails_no_message(start: StartService, playground: PlaygroundProcess) -> None:
    """Ten sites want 600 sessions, and the process may open a hundred files: it lives, and each attempt is a 250."""
    service = start(CONFIG, "store", "scheduler")
    ids = send_each(service, [f"slow100+{number}@d{number % 10}.test" for number in range(600)])
    with running_worker(service, FEW_FILES) as worker:
        ended = service.wait_final(ids, 60)
        assert not worker.is_over
    assert reckon(playground, ended) == 0
    assert "few_file_descriptors" in service.log
    assert not [one for shown in ended.values() for one in shown.attempts if one.charged and one.code != 250]
