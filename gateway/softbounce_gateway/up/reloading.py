"""What SIGHUP asks for: the file is read again, its settings published, and those are told whom it names now.

One reload at a time, begun when the service has begun: one that is asked for meanwhile comes behind it, with the file
as it is by then. Where something is wrong with the file, or what it names cannot be had, all is as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from softbounce_gateway.terminal import say
from softbounce_gateway.up.followed import as_noted, digest_of
from softbounce_gateway.up.published_settings import Rehearsal, reload
from softbounce_gateway.up.told_tables import ToldTables, check_secrets

if TYPE_CHECKING:
    from softbounce_config import Config

__all__ = ["Reloading"]


class Reloading:
    """The reloads of one ``up``.

    :param running: what the processes were started with.
    :param path: the file; ``None``: there was none.
    :param publishes: whether settings are ours to publish.
    :param note: told by what file we go, and what of it we follow.
    """

    def __init__(
        self,
        running: Config,
        path: Path | None,
        rehearsal: Rehearsal | None,
        *,
        publishes: bool,
        note: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._running = running
        self._path = path
        self._rehearsal = rehearsal
        self._publishes = publishes
        self._note = note
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Somebody wants one."""
        self._asked.set()

    def begin(self, tables: Sequence[ToldTables]) -> None:
        """From now on do what is asked for, and was.

        :param tables: whose processes come and go; none: this ``up`` has not their role.
        """
        self._note(as_noted(self._path, digest_of(self._running) if tables else ""))
        self._task = asyncio.create_task(self._serve(tables))

    async def end(self) -> None:
        """Or one would start what has been ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _serve(self, tables: Sequence[ToldTables]) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self._reload(tables)

    async def _reload(self, tables: Sequence[ToldTables]) -> None:
        check = check_secrets if tables else None
        config = await reload(
            self._running, self._path, publishes=self._publishes, rehearsal=self._rehearsal, check=check
        )
        if config is None:
            return
        for one in tables:
            await one.follow(config)
        if tables:
            self._note(as_noted(self._path, digest_of(config)))
        if not tables:
            changed = [name for name in ("webhook", "alert") if getattr(config, name) != getattr(self._running, name)]
            for name in changed:
                say(f"[[{name}]] is for an `up` with the role gateway, which this one was not started with")
