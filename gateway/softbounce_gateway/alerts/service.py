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
from softbounce.duration import to_epoch_ms
from softbounce.errors import StoreError
from softbounce.store.alerts import MOST_BOOKS, AlertBook, keep_alerts, read_alerts
from softbounce.store.health import read_checkups
from softbounce.store.shards import AsyncShards
from softbounce_gateway.alerts.teller import Teller
from softbounce_gateway.alerts.ways import Ways

__all__ = ["AlertService"]

LOOK_EVERY, LOOK_SOONEST = 30.0, 1.0
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
        token, hostname = secrets.token_hex(8), self._ways.hostname
        self._tellers = {
            table.name: Teller(table, token, hostname, self._store, self._ways.of(table)) for table in config.alert
        }

    async def run(self) -> None:
        """Tell until told to end."""
        loop = asyncio.get_running_loop()
        for signalled in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signalled, self._ending.set)
        watch_parent(loop, self._ending.set)
        looking = asyncio.create_task(keep_going("alerts", self._step, log))
        number = len(self._tellers)
        tell_parent(f"ready {number} alert{'' if number == 1 else 's'}", self._ending.set)
        await self._ending.wait()
        looking.cancel()
        await asyncio.wait({looking})
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN):
                await self._let_go()
        await self.close()

    async def close(self) -> None:
        """Close what is open."""
        await self._ways.close()
        await self._store.close()

    async def look(self) -> None:
        """Look once, and tell what is due.

        :raises StoreError: nothing is known, so nothing is told, and nothing is over.
        """
        now = await await_flow(read_now(self._knowledge), self._store)
        checkups = await self._store.run(read_checkups())
        books = await self._store.run(read_alerts())
        await self._forget_gone(books, to_epoch_ms(now.at))
        steps = [one.step(books.get(name, AlertBook()), now, checkups) for name, one in self._tellers.items()]
        for outcome in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _forget_gone(self, books: dict[str, AlertBook], now_ms: int) -> None:
        """Where there are too many books, and a table of ours has none: those that nobody holds for longest."""
        free = sorted((one.until_ms, name) for name, one in books.items() if name not in self._tellers)
        room = MOST_BOOKS - len(books)
        for until_ms, name in free[: max(0, len(self._tellers.keys() - books) - room)]:
            if until_ms < now_ms:
                await self._store.run(keep_alerts(name, books[name], None))

    async def _let_go(self) -> None:
        """Another process may tell at once, where this one ended in good order."""
        books = await self._store.run(read_alerts())
        for name, teller in self._tellers.items():
            await teller.let_go(books.get(name, AlertBook()))

    async def _step(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_every):
                await self._ending.wait()
        await self.look()
