"""The lock of a data folder, as the real store inherits it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_gateway import embedded
from softbounce_gateway.supervise import Child, StartFailed
from softbounce_gateway.supervise_lock import FolderLock

WITHIN = 10.0


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
        embedded.write_store_config(config, 0)
        lock = await FolderLock.take(tmp_path, print)
        store = Child(lambda: embedded.store_program(config, lock.descriptor, os.getpid()))
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
