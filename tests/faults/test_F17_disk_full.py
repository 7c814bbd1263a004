"""F17: a disk is full, the store's or a worker's. Nothing is falsely accepted, and work goes on by itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

import pytest
from dying import running_worker
from reckon import BODY, reckon, send_each
from service import PlaygroundProcess, Service, until
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
FULL_LOG = """
import threading, time
os.environ["SOFTBOUNCE_LOG"] = "debug"
roomy = os.dup(2)
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
def make_room():
    while not os.path.exists({sign!r}):
        time.sleep(0.05)
    os.dup2(roomy, 2)
    os.remove({sign!r})
threading.Thread(target=make_room, daemon=True).start()
"""


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


@pytest.mark.parametrize("durability", ["always", pytest.param("everysec", marks=pytest.mark.thorough)])
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
        end = time.monotonic() + 3
        number = 0
        while time.monotonic() < end:
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
    """Its journal cannot be written: it says so once, goes on, and tells what that concerned when it is over."""
    service = start('[worker]\nlease = "2s"\n', "store", "scheduler")
    config = service.folder / "small.toml"
    config.write_text(f'[store]\nurl = "{service.url}"\ndata_dir = "{disk.folder}"\n' + service.config.read_text())
    with running_worker(service, config=config) as worker:
        worker.wait_ready()
        disk.fill()
        ended = service.wait_final(send_each(service, [f"accept+{n}@d{n % 4}.test" for n in range(60)]), 30)
        disk.empty()
        number = 0
        while "journal_trouble_over" not in service.log:
            number += 1
            assert number < 40
            ended |= service.wait_final(send_each(service, [f"accept+later{number}@d0.test"]), 30)
        assert not worker.is_over
    said = [json.loads(line) for line in service.log.splitlines() if '"journal_' in line]
    assert [one["event"] for one in said] == ["journal_trouble", "journal_trouble_over"]
    assert 1 <= said[1]["results"] <= len(ended)
    assert reckon(playground, ended) == 0


def test_F17_a_full_disk_of_the_log_stops_no_delivery(start: StartService, playground: PlaygroundProcess) -> None:
    """Lines that cannot be written are dropped and counted; once there is room again the log says how many."""
    service = start('[worker]\nlease = "2s"\n', "store", "scheduler")
    sign = service.folder / "there is room"
    with running_worker(service, FULL_LOG.format(sign=str(sign))) as worker:
        worker.wait_ready()
        ids = send_each(service, [f"accept+{n}@d{n % 4}.test" for n in range(20)])
        service.wait_final(ids, 30)
        assert "log_lines_dropped" not in service.log
        sign.touch()
        until(lambda: not sign.exists(), 10, "there is room again")
        ids += send_each(service, [f"accept+{n}@e{n}.test" for n in range(4)])
        ended = service.wait_final(ids, 30)
        assert not worker.is_over
    assert reckon(playground, ended) == 0
    (told,) = [line for line in service.log.splitlines() if "log_lines_dropped" in line]
    assert json.loads(told)["lines"] > 0
