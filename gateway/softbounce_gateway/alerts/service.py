"""The process that tells a person of trouble: one look for all tables, twice a minute, or as soon as one wants it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from contextlib import suppress

import structlog
from softbounce_config import Config
from softbounce_config.loops import keep_going
from softbounce_config.parent import tell_parent, watch_parent

from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.now.reading import read_now
from softbounce.client.now.view import Now
from softbounce.duration import to_epoch_ms
from softbounce.errors import StoreError
from softbounce.store.alerts import MOST_BOOKS, AlertBook, keep_alerts, read_alerts
from softbounce.store.health import read_checkups
from softbounce.store.shards import AsyncShards
from softbounce_gateway.alerts.remembered import recall, remember
from softbounce_gateway.alerts.teller import Teller
from softbounce_gateway.alerts.ways import Ways

__all__ = ["AlertService"]

LOOK_EVERY, LOOK_SOONEST = 30.0, 1.0
LEAVE_EVERY = 5.0
"""While a table that is no more has something to tell."""
LET_GO_WITHIN = 3.0
PATIENCE = 3.0
log = structlog.get_logger("softbounce.alerts")


class AlertService:
    """The process.

    :raises ConfigError: a webhook's secret cannot be had.
    """

    def __init__(self, config: Config) -> None:
        soonest = min((table.after.total_seconds() for table in config.alert), default=LOOK_EVERY)
        self._look_every = max(LOOK_SOONEST, min(soonest / 2, LOOK_EVERY))
        self._store = AsyncShards(config.store_url, patience=PATIENCE)
        self._knowledge = Knowledge()
        self._ending = asyncio.Event()
        self._ways = Ways(config, self._store)
        self._folder, self._tables = config.data_dir, config.alert
        removed = [one for one in recall(self._folder) if one.name not in {table.name for table in config.alert}]
        self._removed = {table.name: table for table in removed}
        token, hostname = secrets.token_hex(8), self._ways.hostname
        self._tellers = {
            table.name: Teller(table, token, hostname, self._store, self._ways.of(table))
            for table in (*config.alert, *removed)
        }
        self._telling: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Tell until told to end."""
        loop = asyncio.get_running_loop()
        for signalled in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signalled, self._ending.set)
        watch_parent(loop, self._ending.set)
        self.remember()
        looking = asyncio.create_task(keep_going("alerts", self._step, log))
        tell_parent(f"ready {self._what_is_told()}", self._ending.set)
        await self._ending.wait()
        looking.cancel()
        for task in self._telling.values():
            task.cancel()
        await asyncio.wait({looking, *self._telling.values()})
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN):
                await self.let_go()
        await self.close()

    async def close(self) -> None:
        """Close what is open."""
        await self._ways.close()
        await self._store.close()

    async def look(self) -> None:
        """Look once, and begin to tell what is due. A table whose way is slow is left out until it is done.

        :raises StoreError: nothing is known, so nothing is told, and nothing is over.
        """
        now = await await_flow(read_now(self._knowledge), self._store)
        checkups = await self._store.run(read_checkups())
        books = await self._store.run(read_alerts())
        await self._forget_gone(books, to_epoch_ms(now.at))
        for name, teller in self._tellers.items():
            if name not in self._telling:
                book = books.get(name, AlertBook())
                is_removed = name in self._removed
                telling = self._take_leave(name, book, now) if is_removed else teller.step(book, now, checkups)
                self._telling[name] = asyncio.create_task(telling, name=name)
                self._telling[name].add_done_callback(self._has_told)

    async def told(self) -> None:
        """Wait until all that was begun is told, or was not."""
        if self._telling:
            await asyncio.wait(set(self._telling.values()))

    def _has_told(self, task: asyncio.Task[None]) -> None:
        del self._telling[task.get_name()]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("alerts_failed", alert=task.get_name(), error=f"{type(error).__name__}: {error}"[:500])

    async def _take_leave(self, name: str, book: AlertBook, now: Now) -> None:
        """Of a table that is no more; where all is told it is forgotten."""
        if await self._tellers[name].take_leave(book, to_epoch_ms(now.at)):
            log.info("alert_removed", alert=name)
            del self._removed[name], self._tellers[name]
            self.remember()

    def remember(self) -> None:
        """Note by which tables somebody may be told from here; before anybody is."""
        remember(self._folder, (*self._removed.values(), *self._tables))

    def _what_is_told(self) -> str:
        number = len(self._tables)
        leaving = f" (and the end of what was told by {', '.join(self._removed)})" if self._removed else ""
        return f"{number} alert{'' if number == 1 else 's'}{leaving}"

    async def _forget_gone(self, books: dict[str, AlertBook], now_ms: int) -> None:
        """Where there are too many books, and a table of ours has none: those that nobody holds for longest."""
        free = sorted((one.until_ms, name) for name, one in books.items() if name not in self._tellers)
        room = MOST_BOOKS - len(books)
        for until_ms, name in free[: max(0, len(self._tellers.keys() - books) - room)]:
            if until_ms < now_ms:
                await self._store.run(keep_alerts(name, books[name], None))

    async def let_go(self) -> None:
        """Another process may tell at once, where this one ended in good order.

        Of tables by which nobody was told of what is not over nothing is remembered.
        """
        books = await self._store.run(read_alerts())
        owed = {name for name, book in books.items() if any(one.told_ms or one.maybe for one in book.standing)}
        remember(self._folder, [one for one in (*self._removed.values(), *self._tables) if one.name in owed])
        for name, teller in self._tellers.items():
            await teller.let_go(books.get(name, AlertBook()))

    async def _step(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._look_every, LEAVE_EVERY) if self._removed else self._look_every):
                await self._ending.wait()
        await self.look()
