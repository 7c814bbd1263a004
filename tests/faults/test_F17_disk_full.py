"""F17: a disk is full, the store's or a worker's. Nothing is falsely accepted, and work goes on by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

import pytest
from dying import running_worker
from reckon import BODY, reckon, send_each
from service import PlaygroundProcess, Service
from torture.volumes import Volume

from softbounce import Client, StoreUnavailable, StoreUncertain

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import StartService

CONFIG = """
[store]
data_dir = "{folder}"
durability = "{durability}"
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
"""
MEGAOCTETS = 48


class Mount(Protocol):
    """Makes small file systems that go with the test."""

    def __call__(self, folder: Path) -> Volume:
        """One, mounted."""
        ...


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount small file systems; only root can."""
    with ExitStack() as stack:

        def mount(folder: Path) -> Volume:
            volume = Volume(folder, MEGAOCTETS)
            if not volume.mount():
                if os.environ.get("CI") and os.geteuid() == 0:
                    pytest.fail("no file system could be mounted")
                pytest.skip("only root can mount a small file system")
            stack.callback(volume.unmount)
            return volume

        yield mount


@pytest.fixture
def disk(mount: Mount, tmp_path: Path) -> Iterator[Volume]:
    """A small file system; a short path, as the store's socket lies there."""
    del tmp_path
    import tempfile  # noqa: PLC0415
    from pathlib import Path as RealPath  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:
        volume = mount(RealPath(folder) / "disk")
        yield volume
        volume.unmount()


@pytest.mark.parametrize("durability", ["always", "everysec"])
def test_F17_a_full_disk_of_the_store_refuses_mail_and_loses_none(
    start: StartService, playground: PlaygroundProcess, disk: Volume, durability: str
) -> None:
    """Sends are refused meanwhile; what was accepted before is delivered once there is room again, each once."""
    service: Service = start(CONFIG.format(folder=disk.folder, durability=durability))
    url = f"unix://{disk.folder}/store.sock"
    accepted: dict[str, str] = {}
    with Client(url, patience=0.2) as mail:
        for number in range(40):
            receipt = mail.send(
                sender="app@app.test",
                recipients=[f"slow200+{number}@d{number % 4}.test"],
                message=BODY,
                key=f"a{number}",
            )
            accepted |= receipt.envelopes
        disk.fill()
        refused = 0
        until = time.monotonic() + 3
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                receipt = mail.send(
                    sender="app@app.test",
                    recipients=[f"accept+late{number}@d.test"],
                    message=BODY * 20,
                    key=f"b{number}",
                )
                accepted |= receipt.envelopes
            except (StoreUnavailable, StoreUncertain):
                refused += 1
        assert refused
        disk.empty()
        with suppress(StoreUnavailable, StoreUncertain):
            mail.send(sender="app@app.test", recipients=["accept@last.test"], message=BODY, key="last")
    config = service.config
    service.config = service.folder / "reach.toml"
    service.config.write_text(f'[store]\nurl = "{url}"\n')
    ended = service.wait_final(list(accepted.values()), 60)
    service.config = config
    reckon(playground, ended)


def test_F17_a_full_disk_of_a_worker_stops_no_delivery(
    start: StartService, playground: PlaygroundProcess, disk: Volume
) -> None:
    """Its journal cannot be written: it says so, and goes on; the marker still owns up to what a crash would forget."""
    service = start('[worker]\nlease = "2s"\n', "store", "scheduler")
    config = service.folder / "small.toml"
    config.write_text(f'[store]\nurl = "{service.url}"\ndata_dir = "{disk.folder}"\n' + service.config.read_text())
    with running_worker(service, config=config) as worker:
        worker.wait_ready()
        disk.fill()
        ended = service.wait_final(send_each(service, [f"accept+{n}@d{n % 4}.test" for n in range(60)]), 30)
        assert not worker.is_over
        assert "journal_trouble" in service.log
    assert reckon(playground, ended) == 0
