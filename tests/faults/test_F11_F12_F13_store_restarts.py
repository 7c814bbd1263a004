"""F11, F12, F13: the store is killed under load, loses what no disk had, and takes its time to read its log."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import StartStore
from mailbag import open_bag
from servers import Valkey

from softbounce import Client, StoreUnavailable, StoreUncertain
from softbounce.errors import StoreError

SENDERS = 4
MESSAGES = 800
BODY = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 40
WRITTEN = re.compile(r"^\d+ +[0-9.]+ write\(\d+<[^>]*\.incr\.aof>.*= (\d+)$")
BEGINS_SYNC = re.compile(r"^(\d+) +[0-9.]+ fdatasync\(\d+<[^>]*\.incr\.aof>")
ENDS_SYNC = re.compile(r"^(\d+) .*(?:fdatasync\(\d+<[^>]*\.incr\.aof>|<\.\.\. fdatasync resumed>).*= 0$")


@dataclass
class App:
    """Threads that send until told to stop.

    :ivar acknowledged: when each envelope was, by its id.
    """

    url: str
    acknowledged: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self, sender: int) -> None:
        with Client(self.url, patience=0.1) as mail:
            number = 0
            while not self._stop.is_set():
                number += 1
                key = f"{id(self)}-{sender}-{number}"
                with suppress(StoreUnavailable, StoreUncertain):
                    receipt = mail.send(sender="app@app.test", recipients=["x@a.test"], message=BODY, key=key)
                    for one in receipt.envelopes.values():
                        self.acknowledged[one] = time.time()

    def end(self) -> None:
        """Stop sending."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def lost_of(server: Valkey, acknowledged: dict[str, float]) -> list[str]:
    """Which envelopes the store does not have, though it had acknowledged them."""
    with Client(server.url) as mail:
        return [one for one in acknowledged if not _is_there(mail, one)]


def _is_there(mail: Client, identity: str) -> bool:
    try:
        return mail.show(identity).state == "scheduled"
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - not found, whatever says so
        return False


@pytest.mark.parametrize("sync", ["always", pytest.param("everysec", marks=pytest.mark.thorough)])
def test_F11_kill_dash_nine_of_the_store_loses_nothing_acknowledged(start_store: StartStore, sync: str) -> None:
    """The system has what was acknowledged, also where no disk has it yet; the books agree after each restart."""
    server = start_store(options=("--appendfsync", sync))
    acknowledged: dict[str, float] = {}
    with open_bag(server.url):
        pass
    for _ in range(3):
        app = App(server.url)
        time.sleep(0.4)
        server.kill()
        app.end()
        server.start()
        assert len(app.acknowledged) > 20
        acknowledged |= app.acknowledged
        assert lost_of(server, acknowledged) == []
    with open_bag(server.url) as bag:
        bag.audit()


@pytest.mark.parametrize("sync", ["always", "everysec"])
def test_F12_a_power_loss_takes_nothing_with_always_and_two_seconds_with_everysec(
    start_store: StartStore, sync: str, tmp_path: Path
) -> None:
    """The log is cut where the last finished fdatasync left it, as if the machine had lost its power."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace sees what reached the disk, and is not here")
    server = start_store(options=("--appendfsync", sync))
    with open_bag(server.url):
        pass
    time.sleep(1.5)  # everything so far is on the disk
    (log,) = server.folder.glob("appendonlydir/*.incr.aof")
    before = log.stat().st_size
    trace = tmp_path / "trace"
    watching = ["-f", "-ttt", "-y", "-s", "0", "-e", "trace=write,fdatasync", "-o", str(trace)]
    with subprocess.Popen([strace, *watching, "-p", str(server.pid)], stderr=subprocess.PIPE) as tracer:  # noqa: S603
        assert tracer.stderr is not None
        if b"attached" not in tracer.stderr.readline():
            pytest.skip("this system lets nobody trace a process")
        app = App(server.url)
        time.sleep(2.5)
        os.kill(server.pid, signal.SIGKILL)
        killed_at = time.time()
        app.end()
    server.kill()
    on_disk = before + synced_octets(trace)
    assert before < on_disk <= log.stat().st_size
    os.truncate(log, on_disk)
    server.start()
    lost = lost_of(server, app.acknowledged)
    assert len(app.acknowledged) > 50
    if sync == "always":
        assert lost == []
    assert all(killed_at - app.acknowledged[one] < 2 for one in lost)
    with open_bag(server.url) as bag:
        bag.audit()


def synced_octets(trace: Path) -> int:
    """How much was written to the log before the last finished sync began."""
    written, synced = 0, 0
    begun: dict[str, int] = {}
    for line in trace.read_text().splitlines():
        if found := WRITTEN.match(line):
            written += int(found[1])
        if found := BEGINS_SYNC.match(line):
            begun[found[1]] = written
        if found := ENDS_SYNC.match(line):
            synced = max(synced, begun.get(found[1], 0))
    return synced


def test_F13_while_the_store_reads_its_log_nothing_is_falsely_accepted(start_store: StartStore) -> None:
    """A send meanwhile is refused as unavailable or waits until it is taken; afterwards everything is there, once."""
    server = start_store()
    with open_bag(server.url), Client(server.url) as mail:
        for number in range(MESSAGES):
            mail.send(sender="app@app.test", recipients=["x@a.test"], message=BODY, key=f"k{number}")
    with server.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in range(12_000):  # while it reads its log the server answers once in 1,024 commands
            pipeline.set("filler", number)
        pipeline.execute()
    server.kill()
    server.options = ("--key-load-delay", "200")
    starting = threading.Thread(target=server.start)
    starting.start()
    refused = 0
    with Client(server.url, patience=0.1) as mail:
        while starting.is_alive():
            try:
                mail.send(sender="app@app.test", recipients=["x@a.test"], message=BODY, key="meanwhile")
            except StoreUnavailable as error:
                refused += "loading" in str(error)
        starting.join()
        mail.send(sender="app@app.test", recipients=["x@a.test"], message=BODY, key="meanwhile")
        assert mail.queue().total == MESSAGES + 1
    assert refused
    with open_bag(server.url) as bag:
        bag.audit()
