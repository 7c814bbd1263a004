"""The relay's loop: claim a batch, hand it over, take it out; rest where there is none, back off in trouble.

What happens when it dies, line by line: before the claim commits, nothing was done. From then on the rows are nobody
else's until the claim lapses, and then they are handed over by the same key, which takes effect once. So there is no
moment at which a row is lost, and none at which it is sent twice, for as long as the store remembers keys; a row that
has been in doubt for nearly that long is set aside for a person.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Self

from softbounce.client import AsyncClient
from softbounce.duration import MILLISECOND
from softbounce.errors import InvalidArgument, SoftbounceError
from softbounce.outbox import waking
from softbounce.outbox.relay.choosing import Bounds, choose
from softbounce.outbox.relay.database import Execute
from softbounce.outbox.relay.handing_over import HandedOver, hand_over
from softbounce.outbox.relay.opening import database_of
from softbounce.outbox.relay.statements import Statements
from softbounce.outbox.row import Row

__all__ = ["Relay"]

log = logging.getLogger("softbounce.outbox")
LEASE = timedelta(seconds=30)
"""For how long a claim holds. Who was silent for longer has lost it, and hands nothing over any more."""
SWEEP = 1.0
"""Seconds after which all that waits is looked at from its beginning: transactions do not commit in the order of their
numbers. In between only what is behind the last one is, so that a busy relay does not walk over what it has deleted
and PostgreSQL cannot clear away yet, because somebody reads in an old transaction."""
SURELY = 0.9
"""Of the time for which the store keeps keys."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
MOST_BATCH = 500


class Relay:
    """Hands the rows of an outbox over to softbounce. Any number may do so at once.

    It runs in a thread of its own (``with Relay(...):``, or :meth:`start` and :meth:`stop`), or in a task of an app's
    event loop (:meth:`run`), or until nothing waits (:meth:`run_once`).

    :param database: an ``Engine`` or ``AsyncEngine`` of SQLAlchemy, a database's URL, or a connection of Django. An
        ``AsyncEngine`` belongs to the loop that it is used in: for :meth:`run` only.
    :param store: the ``[store] url`` of the service, or an ``AsyncClient``.
    :param keep: for how long what was sent stays in the table, without its message and with its receipt.
    :param batch: rows handed over at once.
    :param poll: after how long it looks again where nothing was to be done. Commits of the same process wake it.
    :ivar sent: how many rows it has handed over.
    :raises ConfigError: the database is none that has an outbox.
    :raises InvalidArgument: a number is out of its range.
    """

    def __init__(
        self,
        database: Any,  # noqa: ANN401
        store: str | AsyncClient,
        *,
        keep: timedelta = timedelta(0),
        batch: int = 100,
        poll: timedelta = timedelta(milliseconds=500),
    ) -> None:
        if not 1 <= batch <= MOST_BATCH:
            raise InvalidArgument("batch", f"{batch} is not between 1 and {MOST_BATCH}")
        if not timedelta(milliseconds=10) <= poll <= timedelta(minutes=10):
            raise InvalidArgument("poll", "is not between 10 ms and 10 min")
        if not timedelta(0) <= keep <= timedelta(days=3660):
            raise InvalidArgument("keep", "is negative, or longer than ten years")
        self._database = database_of(database)
        self._statements = Statements(self._database.dialect)
        self._client, self._is_own_client = (
            (store, False) if isinstance(store, AsyncClient) else (AsyncClient(store, way="outbox"), True)
        )
        self._keep_ms, self._batch, self._poll = keep // MILLISECOND, batch, poll.total_seconds()
        self._behind, self._swept_at = 0, -SWEEP
        self.sent = 0
        self._is_ending = False
        self._events: tuple[asyncio.AbstractEventLoop, asyncio.Event, asyncio.Event] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Run in a thread of its own, which does not keep the process from ending.

        :raises InvalidArgument: the database is an ``AsyncEngine``.
        """
        if self._database.is_of_a_loop:
            raise InvalidArgument("database", "an AsyncEngine belongs to its event loop: await run() there instead")
        if self._thread is None:
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self.run()), name="softbounce-relay", daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float | None = 20.0) -> None:
        """Finish the batch that is under way, and end. To be called from any thread.

        :param timeout: seconds for which the thread that :meth:`start` began is waited for.
        """
        self._is_ending = True
        if (events := self._events) is not None:
            with suppress(RuntimeError):  # its loop has just ended
                events[0].call_soon_threadsafe(events[2].set)
        self.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
            self._thread = None

    def wake(self) -> None:
        """Look at once, and from the beginning. To be called from any thread."""
        if (events := self._events) is not None:
            with suppress(RuntimeError):
                events[0].call_soon_threadsafe(events[1].set)

    async def run(self) -> None:
        """Hand over whatever comes, until :meth:`stop` is called or the task is cancelled. Once: all is closed then."""
        loop = asyncio.get_running_loop()
        self._events = loop, asyncio.Event(), asyncio.Event()
        _, woken, ending = self._events
        if self._is_ending:
            ending.set()
        deafen = waking.listen(self.wake)
        pause = FIRST_PAUSE
        try:
            while not ending.is_set():
                try:
                    is_busy = await self._turn()
                except SoftbounceError as error:
                    log.warning("outbox_waits seconds=%.1f reason=%s", pause, error)
                except Exception:  # a fault of ours: the next turn may do without
                    log.exception("outbox_turn_failed")
                else:
                    pause = FIRST_PAUSE
                    if not is_busy and await _came(woken, self._poll):
                        woken.clear()
                        self._swept_at = -SWEEP
                    continue
                await _came(ending, pause)  # and not when woken: who is away is asked no sooner because mail comes
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            deafen()
            self._events = None
            await self._close()

    async def run_once(self) -> int:
        """Hand over what may be handed over now; returns how many rows were. Once: all is closed then.

        :raises SoftbounceError: store or database are away; what is left waits.
        """
        try:
            while await self._turn():
                self._swept_at = -SWEEP
        finally:
            await self._close()
        return self.sent

    async def _turn(self) -> bool:
        """One batch; whether there may be more to do at once.

        :raises SoftbounceError: store or database are away.
        """
        settings = await self._client.settings()  # raises where the store is away, before anything is claimed
        bounds = Bounds(
            rows=self._batch, message_octets=settings.max_message_octets, keys_last=settings.keep_keys * SURELY
        )
        now = time.monotonic()
        if now - self._swept_at >= SWEEP:
            self._swept_at, self._behind = now, 0
        if not await self._database.run(partial(self._statements.has_work, behind=self._behind)):
            return False
        token = secrets.token_hex(16)
        rows, aside = await self._database.run(partial(self._take, token=token, bounds=bounds))
        self._tell(aside)
        if not rows or time.monotonic() - now > LEASE.total_seconds():
            return bool(rows or aside)  # a claim that has lapsed meanwhile is somebody else's
        over = await hand_over(self._client, rows)
        await self._database.run(partial(self._conclude, token=token, over=over))
        self.sent += len(over.sent)
        self._tell(over.aside)
        if over.trouble is not None:
            raise over.trouble
        return True

    def _tell(self, aside: Mapping[int, str]) -> None:
        for id_, reason in aside.items():
            log.error("outbox_row_set_aside id=%d reason=%s", id_, reason)

    def _take(self, execute: Execute, *, token: str, bounds: Bounds) -> tuple[list[Row], dict[int, str]]:
        statements = self._statements
        statements.begin(execute)
        due = statements.due(execute, bounds.rows)
        new = statements.new(execute, self._behind, bounds.rows)
        choice = choose(due, new, bounds)
        for id_, reason in choice.aside.items():
            statements.set_aside(execute, id_, reason)
        statements.delete_old(execute, bounds.rows)
        if not choice.ids:
            return [], choice.aside
        self._behind = max(self._behind, choice.behind)
        return statements.claim(execute, choice.ids, token, LEASE // MILLISECOND), choice.aside

    def _conclude(self, execute: Execute, *, token: str, over: HandedOver) -> None:
        statements = self._statements
        statements.begin(execute)
        if over.sent and not self._keep_ms:
            statements.delete(execute, list(over.sent), token)
        for id_, receipt in over.sent.items() if self._keep_ms else ():
            statements.keep(execute, id_, token, receipt=receipt, keep_ms=self._keep_ms)
        for id_, (wait_ms, reason) in over.put_off.items():
            statements.put_off(execute, id_, token, wait_ms=wait_ms, reason=reason)
        for id_, reason in over.aside.items():
            statements.set_aside(execute, id_, reason, token=token)
        if over.not_taken:
            statements.give_back(execute, over.not_taken, token, is_uncertain=False)
        if over.uncertain:
            statements.give_back(execute, over.uncertain, token, is_uncertain=True)

    async def _close(self) -> None:
        await self._database.close()
        if self._is_own_client:
            await self._client.close()


async def _came(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, so long at most; whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
