"""F08: SIGTERM with 500 open sessions. What is under way ends in good order, nothing is sent twice or uncertain."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reckon import reckon, send_each
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

DRAIN = 15
SESSIONS = 500
DOMAINS = 10
CONFIG = f"""
[worker]
processes = 1
sessions = {SESSIONS}
drain = "{DRAIN}s"
[[lane]]
site = "*"
connections = {SESSIONS // DOMAINS}
messages_per_connection = 1
"""


def sessions(service: Service) -> int:
    """How many sockets the worker has open."""
    (worker,) = service.pids("softbounce_worker")
    found = 0
    for one in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            found += one.readlink().name.startswith("socket:")
    return found


def test_F08_sigterm_with_500_sessions_doubles_nothing(start: StartService, playground: PlaygroundProcess) -> None:
    """It ends with 0 within its drain; after the next start everything is delivered, once and with certainty."""
    service = start(CONFIG)
    ids = send_each(service, [f"slow1000+{number}@d{number % DOMAINS}.test" for number in range(2 * SESSIONS)])
    until(lambda: sessions(service) >= SESSIONS, 20, "500 sessions are open", pause=0.02)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < DRAIN
    service.start()
    ended = service.wait_final(ids, 60)
    assert reckon(playground, ended) == 0
    assert not [one for shown in ended.values() for one in shown.attempts if one.uncertain or one.code != 250]
