"""The lock of a data folder, as the real store inherits it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from service import until
from softbounce_config import load
from softbounce_gateway.embedded_store import server
from softbounce_gateway.embedded_store.folder_lock import FolderLock
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.supervise import end_with_parent
from softbounce_gateway.supervise.child import Child

WITHIN = 10.0
EXEC = str(Path(end_with_parent.__file__))
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", sys.argv[1], str(os.getpid()), "/bin/sleep", "60"])
print(child.pid, flush=True)
sys.stdin.read()
"""


async def answers(socket: Path) -> None:
    """Wait until a server takes connections there."""
    async with asyncio.timeout(WITHIN):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_unix_connection(socket)
                writer.close()
                return
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("store_binary")
def test_issue10_the_lock_lasts_as_long_as_the_store_that_inherited_it(tmp_path: Path) -> None:
    """Its `up` is gone and the store still writes: a second store on the same files would lose acknowledged mail."""
    config = load(None, environ={}, overrides={"store": {"data_dir": tmp_path}})

    async def run() -> None:
        server.write_store_config(config, 0)
        lock = await FolderLock.take(tmp_path, print)
        store = Child(lambda: server.store_program(config, lock.descriptor, os.getpid()))
        store.start()
        try:
            await answers(tmp_path / "store.sock")
            assert store.pid is not None
            lock.name_store(store.pid)
            lock.release()
            with pytest.raises(StartFailed, match="in use by"):
                await FolderLock.take(tmp_path, print, patience=0.2)
        finally:
            await store.stop(WITHIN)
        (await FolderLock.take(tmp_path, print, patience=1.0)).release()

    asyncio.run(run())


def command_of(pid: int) -> bytes:
    """What a process runs; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_store_ends_with_its_parent_however_that_ends() -> None:
    """A killed `up` leaves no store behind: the next one would wait for its lock in vain."""
    command = [sys.executable, "-c", PARENT, EXEC]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(lambda: command_of(child).startswith(b"/bin/sleep"), WITHIN, "it runs")
        parent.kill()
    until(lambda: not command_of(child), WITHIN, "it ends")


def test_a_store_whose_parent_has_ended_already_does_not_begin() -> None:
    """Its parent was gone before it asked to be told: nobody would end it."""
    command = [sys.executable, "-I", "-S", EXEC, str(os.getppid()), "/bin/sleep", "60"]
    assert subprocess.run(command, timeout=WITHIN, check=False).returncode == 0  # noqa: S603 - our own
