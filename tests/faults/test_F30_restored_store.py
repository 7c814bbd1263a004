"""F30: the store is restored from a backup. It is told the results of the last minute before anything is claimed."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from conftest import StartStore
from dying import running_worker
from reckon import copies_in, entries, reckon, send_each
from service import PlaygroundProcess, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[store]
url = "{url}"
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
ENVELOPES = 30


def test_F30_what_was_delivered_since_the_backup_is_not_sent_again(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess
) -> None:
    """Its workers live on, and their journals know each 250 of the last minute: no extra copy, and nothing is lost."""
    server = start_store()
    service = start(CONFIG.format(url=server.url), "scheduler")
    with running_worker(service) as worker:
        worker.wait_ready()
        at = datetime.now(UTC) + timedelta(seconds=2)
        ids = send_each(service, [f"accept+{n}@d{n % 3}.test" for n in range(ENVELOPES)], at=at)
        time.sleep(0.2)
        backup = server.folder / "backup"
        shutil.copytree(server.folder / "appendonlydir", backup)  # while nothing moves
        service.wait_final(ids, 20)
        server.kill()
        shutil.rmtree(server.folder / "appendonlydir")
        backup.rename(server.folder / "appendonlydir")
        server.start()
        with service.client() as mail:
            until(lambda: mail.queue().states.get("delivered", 0) == ENVELOPES, 30, "the store knows it again")
        ended = service.wait_final(ids, 30)
        time.sleep(1)
    assert reckon(playground, ended) == 0
    assert sum(copies_in(entries(playground)).values()) == ENVELOPES
