"""One receiver: reads the event log for it, tells it what it asks for, and notes how far that came.

Owned by one process at a time (:mod:`softbounce.store.webhooks`). In memory is what was read and not settled, five
hundred events, and what is noted as untold, ten thousand: beyond either the log is not read on, and what happens waits
there. What was told and not noted yet when a process dies is told again, by the same id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog
from softbounce_config.process_settings import WebhookSettings

from softbounce.client.event_log import Cursor, LogMoved, end_of_log, read_cursor, read_log, write_cursor
from softbounce.client.flow import await_flow
from softbounce.errors import EventsLost, InvalidArgument, StoreError
from softbounce.events import StoredEvent, encode_event
from softbounce.settings import Policy
from softbounce.store.webhooks import (
    Changes,
    Order,
    OrderNote,
    Receiver,
    Untold,
    forget_order,
    read_dead,
    read_untold,
)
from softbounce_gateway.webhooks.answer import Answer, Meaning, meaning_of
from softbounce_gateway.webhooks.attempt import attempt
from softbounce_gateway.webhooks.backlog import Backlog
from softbounce_gateway.webhooks.deciding import note_try, pause_of
from softbounce_gateway.webhooks.gate import Gate
from softbounce_gateway.webhooks.house import House
from softbounce_gateway.webhooks.ledger import Ledger, NotOurs
from softbounce_gateway.webhooks.lines import Waiting
from softbounce_gateway.webhooks.posting import Poster

__all__ = ["ReceiverTeller"]

MOST_ENTRIES = 64
FEW_EVENTS, MANY_EVENTS = 100, 500
"""Of one reading of the log: between them its next is as large. An entry of it is one event, or hundreds."""
LOOK_AGAIN = 1.0
STORE_AWAY = 0.5
SHORTEST_WAIT, LONGEST_WAIT = 0.01, 5.0
LOST_TOLD_EVERY = 60.0
FINISHES_WITHIN = 5.0
log = structlog.get_logger("softbounce.webhooks")


class ReceiverTeller:
    """Tells one receiver.

    :ivar is_begun: set once it is known from where on it is told, or that another process tells it.
    """

    def __init__(self, told: WebhookSettings, house: House, poster: Poster) -> None:
        self._told = told
        self._house = house
        self._poster = poster
        self._ledger = Ledger(house.store, told.name, house.token, house.keep_events)
        self._backlog = Backlog(told, self._ledger, ())
        self._gate = Gate(told.connections)
        self._under_way: set[asyncio.Task[None]] = set()
        self._orders: list[OrderNote] = []
        self._fault: BaseException | None = None
        self._lost = 0
        self._lost_told = -LOST_TOLD_EVERY
        self._wake = asyncio.Event()
        self._has_more = True
        self._page = 2
        self._is_dirty = False
        self._trouble_ms = 0
        self._given_up = 0
        self._log = log.bind(webhook=told.name)
        self.is_begun = asyncio.Event()

    @property
    def name(self) -> str:
        """The receiver's."""
        return self._told.name

    @property
    def is_ours(self) -> bool:
        """Whether this process tells it now."""
        return self._ledger.is_held

    def hear(self) -> None:
        """There is more in the log, or something else to look at."""
        self._has_more = True
        self._wake.set()

    def order(self, note: OrderNote) -> None:
        """Somebody wants something of it; it is done when its turn comes."""
        if note not in self._orders:
            self._orders.append(note)
            self._wake.set()

    async def tell(self) -> None:
        """Own the receiver and tell it, until another process does or this one ends."""
        ending = self._house.ending
        try:
            await self._take()
            while not ending.is_set():
                while self._orders:
                    await self._obey(self._orders[0])
                    self._orders.pop(0)
                try:
                    await self._step()
                except StoreError as error:
                    self._log.warning("store_trouble", error=str(error))
                    await asyncio.sleep(STORE_AWAY)
            await self._finish()
        except NotOurs:
            self.is_begun.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), LOOK_AGAIN)
        finally:
            await self._drop()

    # -- owning -----------------------------------------------------------------------------------------------------

    @property
    def _receiver(self) -> Receiver:
        return self._ledger.receiver

    async def _take(self) -> None:
        self._fault = None
        self._ledger.changes = Changes()
        known = await self._ledger.take()
        house = self._house
        if known is None:
            cursor = await await_flow(end_of_log(house.knowledge), house.store)
            known = Receiver(cursor=write_cursor(cursor))
        self._ledger.receiver = known
        await self._load()
        self._gate.reset()
        if known.closed_until_ms > self._ledger.now_ms:
            wait = (known.closed_until_ms - self._ledger.now_ms) / 1000
            self._gate.closed_until, self._gate.probes = time.monotonic() + wait, known.probes
        await self._note()
        self.is_begun.set()

    async def _load(self) -> None:
        """Begin where the store says."""
        try:
            cursor = read_cursor(self._receiver.cursor)
        except InvalidArgument:
            self._log.error("webhook_cursor_unreadable", begins="at the oldest event that is kept")
            cursor = ()
        self._backlog = Backlog(self._told, self._ledger, cursor)
        found: dict[bytes, Untold] = {}
        after = b"0"
        while True:
            after, page = await self._house.store.run(read_untold(self.name, after))
            found |= page
            if after == b"0":
                break
        self._backlog.restore(found)
        self.hear()

    async def _finish(self) -> None:
        """What is under way ends, all is noted, and another process may tell the receiver."""
        await self._settle_under_way()
        self._backlog.note_in(self._receiver)
        with suppress(StoreError):
            await self._ledger.note(lets_go=True)

    async def _settle_under_way(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=FINISHES_WITHIN)
        await self._drop()

    async def _drop(self) -> None:
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    # -- one round --------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        self._wake.clear()
        if self._fault is not None:
            raise self._fault
        self._backlog.advance()
        if self._may_read:
            await self._read()
        self._begin()
        if self._ledger.is_due(is_dirty=self._is_dirty):
            await self._note()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._pause())

    def _pause(self) -> float:
        """Seconds until there is something to do, whatever else happens."""
        if self._may_read:
            return 0.0
        pause = min(LONGEST_WAIT, self._ledger.due_in) if self._is_dirty else LONGEST_WAIT
        gate, lines = self._gate, self._backlog.lines
        if self._receiver.disabled_ms or not self._ledger.is_held:
            return pause
        if len(self._under_way) if gate.is_closed else not gate.room(len(self._under_way), time.monotonic()):
            return pause  # what is under way wakes us
        opens_in = max(0.0, gate.closed_until - time.monotonic())
        if lines.has_fresh:
            return min(pause, max(SHORTEST_WAIT, opens_in))
        due = lines.next_due()
        if due is not None:
            pause = min(pause, max(SHORTEST_WAIT, opens_in, (due - self._ledger.now_ms) / 1000))
        return pause

    @property
    def _may_read(self) -> bool:
        """What is away, or told nothing, needs few events in memory."""
        has_enough = self._gate.is_closed and self._backlog.lines.has_fresh
        return self._has_more and self._backlog.has_room and not has_enough and not self._receiver.disabled_ms

    async def _read(self) -> None:
        backlog, house = self._backlog, self._house
        self._has_more = False  # what is heard of while we read counts
        try:
            logged, behind, has_more = await await_flow(
                read_log(house.knowledge, backlog.read, entries=self._page), house.store
            )
        except StoreError:
            self._has_more = True
            raise
        except InvalidArgument:  # of another store, or of more shards than there are
            self._log.error("webhook_cursor_unreadable", begins="at the oldest event that is kept")
            self._receiver.cursor = write_cursor(())
            await self._load()
            return
        except LogMoved as moved:
            self._has_more = True
            self._log.warning("webhook_log_moved", begins="from a while before: another server has the event log now")
            await self._settle_under_way()
            await self._begin_at(moved.places)
            return
        except EventsLost as error:
            self._has_more = True
            self._note_lost(backlog.skip_to(read_cursor(error.resume_after)))
            return
        if len(logged) < FEW_EVENTS:
            self._page = min(MOST_ENTRIES, self._page * 2)
        elif len(logged) > MANY_EVENTS:
            self._page = max(1, self._page // 2)
        backlog.take_in(logged, behind)
        self._has_more = self._has_more or has_more

    def _note_lost(self, entries: int) -> None:
        """The log did not keep what was to be told: said loudly, and once a minute at most while it goes on."""
        self._receiver.lost += entries
        self._lost += entries
        if time.monotonic() - self._lost_told < LOST_TOLD_EVERY:
            return
        lost = "One entry of the event log was" if self._lost == 1 else f"{self._lost} entries of the event log were"
        self._log.error("webhook_events_lost", entries=self._lost, why="[store] keep_events, keep_events_max")
        why = f"{lost} trimmed before webhook {self.name} was told of them."
        self._tell_all("webhook_exhausted", reason="events_lost", why=why)
        self._lost, self._lost_told = 0, time.monotonic()

    def _begin(self) -> None:
        """Begin as many attempts as may be."""
        if self._receiver.disabled_ms or not self._ledger.is_held:
            return
        while self._gate.room(len(self._under_way), time.monotonic()):
            one = self._backlog.lines.begin(self._ledger.now_ms)
            if one is None:
                return
            self._gate.began()
            self._spawn(self._attempt(one))

    def _spawn(self, begun: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(begun)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error

    async def _note(self) -> None:
        receiver, gate = self._receiver, self._gate
        self._backlog.note_in(receiver)
        wait = max(0.0, gate.closed_until - time.monotonic())
        receiver.closed_until_ms = self._ledger.now_ms + int(wait * 1000) if gate.is_closed else 0
        receiver.probes = gate.probes
        if self._given_up:
            self._log.error("webhook_exhausted", events=self._given_up, answer=receiver.last)
            self._given_up = 0
        self._is_dirty = False
        try:
            await self._ledger.note()
        except StoreError:
            self._is_dirty = True
            raise

    # -- one attempt ------------------------------------------------------------------------------------------------

    async def _attempt(self, one: Waiting) -> None:
        began_ms = self._ledger.now_ms
        answer = await attempt(self._told, one, self._poster, self._house.secrets)
        self._conclude(one, answer, (began_ms, self._ledger.now_ms))

    def _conclude(self, one: Waiting, answer: Answer, times: tuple[int, int]) -> None:
        receiver = self._receiver
        receiver.last_ms, receiver.last_code, receiver.last = times[1], answer.code, answer.words
        self._is_dirty = True
        match meaning_of(answer):
            case Meaning.TAKEN:
                receiver.told += 1
                self._backlog.taken(one)
                if self._gate.taken():
                    self._log.info("webhook_opened")
                    self._backlog.lines.bring_forward(self._trouble_ms)
                self._trouble_ms = 0
            case Meaning.GONE:
                self._disable(f"it answered {answer.words}")
                self._backlog.later(one)
            case Meaning.AWAY:
                self._later(one, answer, times)
                self._close(answer)
            case Meaning.REFUSED:
                self._later(one, answer, times)
                if self._gate.refused(one.line, is_silent=not answer.code):
                    self._close(answer)

    def _later(self, one: Waiting, answer: Answer, times: tuple[int, int]) -> None:
        self._trouble_ms = self._trouble_ms or times[1]
        if note_try(one.event, one.place, answer, self._policy, times):
            self._receiver.dead += 1
            self._backlog.give_up(one, answer)
            self._given_up += 1
        else:
            self._backlog.later(one)

    def _close(self, answer: Answer) -> None:
        was_closed = self._gate.is_closed
        pause = pause_of(self._policy, self.name, self._gate.probes + 1)
        self._gate.close(time.monotonic(), pause, answer.stated)
        if not was_closed:
            self._log.warning("webhook_closed", answer=answer.words)

    @property
    def _policy(self) -> Policy:
        return self._house.policy(self._told.policy)

    def _disable(self, why: str) -> None:
        if self._receiver.disabled_ms:
            return
        self._receiver.disabled_ms, self._receiver.disabled_why = self._ledger.now_ms, why
        self._log.error("webhook_disabled", why=why, mend=f"softbounce webhooks enable {self.name}")
        sentence = f"Webhook {self.name} is told nothing more: {why.rstrip('.')}."
        self._tell_all("webhook_disabled", reason="disabled", why=sentence)

    def _tell_all(self, kind: str, *, reason: str, why: str) -> None:
        """An event of our own for the log."""
        event = StoredEvent(kind=kind, id=b"", host=self.name, reason=reason, why=why)
        self._ledger.changes.told.append(encode_event(event))
        self._is_dirty = True

    # -- orders -----------------------------------------------------------------------------------------------------

    async def _obey(self, note: OrderNote) -> None:
        """Do what somebody wants. What could not be noted is done again by who owns the receiver next."""
        order = note.order
        if order is not None:
            self._log.info("webhook_order", what=order.what)
            await self._do(order)
            await self._note()
        await self._house.store.run(forget_order(note))
        self.hear()

    async def _do(self, order: Order) -> None:
        match order.what:
            case "enable":
                self._receiver.disabled_ms, self._receiver.disabled_why = 0, ""
                self._gate.reset()
                self._backlog.lines.bring_forward(0)
            case "disable":
                self._disable(order.why or "an operator said so")
            case "replay":
                await self._replay(order)
            case "dead":
                found = await self._house.store.run(read_dead(self.name))
                self._log.info("webhook_dead_revived", events=self._backlog.revive(found))

    async def _replay(self, order: Order) -> None:
        """Read the log again from there. What is under way ends first, so that none of it counts for what comes.

        That the old events are no more noted as untold, and that the log is read from before them, is one step.
        """
        await self._settle_under_way()
        cursor = () if order.cursor is None else read_cursor(order.cursor)
        self._backlog.forget_from(cursor, order.from_ms)
        self._receiver.not_before_ms = order.from_ms
        await self._begin_at(cursor)

    async def _begin_at(self, cursor: Cursor) -> None:
        """Read the log from there on. What is noted as untold stays so."""
        self._backlog.note_in(self._receiver)
        self._receiver.cursor = write_cursor(cursor)
        await self._ledger.note()
        await self._load()
