"""The embedded store of an ``up``: its folder is locked, its server started and waited for, and ended last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from softbounce.store.shards import AsyncShards
from softbounce_gateway.embedded_store import server
from softbounce_gateway.embedded_store.folder_lock import FolderLock
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.readiness import wait_for_store
from softbounce_gateway.supervise.child import Child
from softbounce_gateway.terminal import say

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["OwnStore"]

ENDS_WITHIN = 20.0


class OwnStore:
    """The server.

    :param octets: what it may take of the memory.
    """

    def __init__(self, config: Config, octets: int) -> None:
        self._config = config
        self._octets = octets
        self._lock: FolderLock | None = None
        self._child: Child | None = None

    async def start(self) -> None:
        """Start it, as soon as the folder is ours.

        :raises StartFailed: another has the folder, or there is no server here.
        """
        config = self._config
        server.check_socket_path(config)
        self._lock = lock = await FolderLock.take(config.data_dir, say)
        server.write_store_config(config, self._octets)
        server.server_binary()
        parent = os.getpid()
        self._child = Child(
            lambda: server.store_program(config, lock.descriptor, parent), lambda: server.last_words(config)
        )
        self._child.start()

    async def wait(self, store: AsyncShards) -> None:
        """Wait until it answers.

        :raises StartFailed: it has ended; with its last words.
        """
        child, lock = self._child, self._lock
        if child is None or lock is None:
            return
        try:
            await wait_for_store(store, patience=None, progress=say, is_lost=child.ended.is_set)
        except StartFailed as error:
            raise StartFailed(f"{error}: {server.last_words(self._config)}", exit_code=3) from error
        if child.pid is not None:
            child.ready.set()
            lock.name_store(child.pid)

    def note(self, words: Mapping[str, str]) -> None:
        """Write into the lock what others on this machine shall know of this ``up``."""
        if self._lock is not None:
            self._lock.note(words)

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None:
            self._child.kill()

    async def stop(self) -> None:
        """End it in good order."""
        if self._child is not None:
            await self._child.stop(ENDS_WITHIN)

    def release(self) -> None:
        """The folder is for the next one."""
        if self._lock is not None:
            self._lock.release()
