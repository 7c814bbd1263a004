"""Merges the marks and commits of all sessions of a process into few calls, and sees every result to its end.

One flight at a time: what comes in meanwhile makes the next one, so batches grow with the load and nothing waits
when there is none. A result stands in the journal at once, whatever flies or waits just then, and is committed until
the store has it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog
from softbounce_config.loops import keep_going, pause_after

from softbounce import transitions
from softbounce.envelope import Attempt, Flag, Record, State
from softbounce.errors import StoreError
from softbounce.ids import format_id
from softbounce.reply import Reply
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.store import claiming, moving, reading
from softbounce.store.call import Call
from softbounce.store.moving import Move, MoveResult
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.journal import Journal
from softbounce_worker.results.late import tell_of_gone
from softbounce_worker.turnstile import A_TURN

__all__ = ["Flusher", "obey_asked", "settle_stale"]

FLIGHT = 200
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
TURNS = 6
"""So often a result is looked at that nobody can make anything of."""
WELL_AFTER = 2.0
"""Seconds without a failure after which the journal's trouble is over."""
log = structlog.get_logger("softbounce.worker")


class Flusher:
    """The one way by which marks and results of this process reach the store.

    :ivar went_back: told of each envelope that is in a ready list again, once the store has it there.
    """

    def __init__(self, process: WorkerProcess, journal: Journal) -> None:
        self.went_back: Callable[[Record], object] = lambda _: None
        self._process = process
        self._store = process.store
        self._journal = journal
        self._marks: list[tuple[list[tuple[bytes, bytes]], asyncio.Future[list[int]]]] = []
        self._moves: list[Move] = []
        self._flown = 0
        self._written_at_turn = 0
        self._unwritten = 0
        self._failed_at = 0.0
        self._something = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._landing = asyncio.Event()
        self._settling: dict[asyncio.Task[None], tuple[int, Move]] = {}

    @property
    def backlog(self) -> int:
        """How many results the store does not have yet."""
        return len(self._moves) + len(self._settling)

    @property
    def under_way(self) -> list[Move]:
        """The results that the store does not have yet."""
        return [*self._moves, *(move for _, move in self._settling.values())]

    @property
    def _seen_to_the_end(self) -> int:
        """How many results are, with all that came before them."""
        return next((number for number, _ in self._settling.values()), self._flown)

    async def mark_tried(self, claims: list[tuple[bytes, bytes]], *, alone: bool) -> list[int]:
        """Note that suspects (id, token) are tried now, and whether nothing else is; one answer each, see ``mark.lua``.

        :raises StoreError: nobody knows whether it is noted; note it again.
        """
        clear = Flag(0) if alone else Flag.ALONE
        flags = Flag.TRIED | Flag.ALONE if alone else Flag.TRIED
        return await self._store.run(claiming.mark(self._process.name, claims, flags, clear=clear))

    async def mark(self, claims: list[tuple[bytes, bytes]]) -> list[int]:
        """Mark envelopes (id, token); one answer each, see ``mark.lua``. Waits while the store is away."""
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._marks.append((claims, future))
        self._something.set()
        return await future

    def commit(self, change: Change, token: bytes) -> None:
        """Take over a result. It stands in the journal when this returns, and is on its way to the store."""
        move = Move(
            record=change.record,
            token=token,
            look_ms=change.look_ms,
            event=change.event,
            ahead=change.ahead,
            line=change.line,
        )
        self._take(move)

    def _take(self, move: Move) -> None:
        self._write_down(move)
        self._moves.append(move)
        self._quiet.clear()
        self._something.set()

    async def drained(self) -> None:
        """Wait until the store has every result."""
        while self.backlog:
            await self._quiet.wait()
            await asyncio.gather(*self._settling)

    async def landed(self) -> None:
        """Wait until the store has every result that was handed over by now, however many come meanwhile."""
        upto = self._flown + len(self._moves)
        while self._seen_to_the_end < upto:
            self._landing.clear()
            await self._landing.wait()

    async def hear(self, records: Sequence[Record]) -> None:
        """Take over what was asked of envelopes while they are attempted. Waits while the store is away."""
        stored: list[Record | None] | None = None
        away = 0
        while stored is None:
            try:
                stored = await self._store.run(reading.fetch([record.id for record in records]))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[min(away, len(PAUSES) - 1)])
                away += 1
        for record, found in zip(records, stored, strict=True):
            if found is not None and found.token == record.token:
                transitions.hear(record, found)

    async def run(self) -> None:
        """Fly until cancelled."""
        await keep_going("flights", self._fly_next, log)

    async def _fly_next(self) -> None:
        if not self._marks and not self._moves:
            self._something.clear()
            self._quiet.set()
            await self._something.wait()
        await self._fly()

    def _write_down(self, move: Move) -> None:
        """Write a result into the journal; where that fails, the marker still owns up to what a crash would forget."""
        try:
            self._journal.append([move])
        except OSError as error:
            if not self._unwritten:
                log.error("journal_trouble", error=str(error))  # noqa: TRY400 - no trace needed
            self._unwritten += 1
            self._failed_at = time.monotonic()
        else:
            # A full disk still takes what fits into the file's last page: that is not the end of it.
            if self._unwritten and time.monotonic() - self._failed_at > WELL_AFTER:
                log.warning("journal_trouble_over", results=self._unwritten)
                self._unwritten = 0

    def _turn_journal(self) -> None:
        """What was written before the last turn is committed: a new generation may begin, if it is time."""
        try:
            if self._journal.turn():
                self._written_at_turn = self._flown + len(self._moves)
        except OSError as error:
            log.error("journal_not_turned", error=str(error))  # noqa: TRY400 - no trace needed

    async def _fly(self) -> None:
        """One flight: all marks, and results up to a bound. On an error all of them fly again, by id and token."""
        marks = [entry for entry in self._marks if not entry[1].done()]
        self._marks = []
        moves = self._moves[:FLIGHT]
        keep_events = self._process.settings.keep_events_max
        try:
            calls: list[Call] = []
            mark = claiming.mark(self._process.name, [claim for claims, _ in marks for claim in claims])
            move = moving.move(moves, process=self._process.name, keep_events=keep_events)
            calls += mark.calls
            calls += move.calls
            answers = await self._store.call(calls)
            marked = mark.read(answers[: len(mark.calls)])
            moved = move.read(answers[len(mark.calls) :])
        except Exception:
            self._marks = marks + self._marks
            raise
        del self._moves[: len(moves)]
        for number, (one, result) in enumerate(zip(moves, moved, strict=True), self._flown):
            if result != MoveResult.MOVED:
                task = asyncio.create_task(self._settle(one, result))
                self._settling[task] = number, one
                task.add_done_callback(self._settled)
            if one.record.state is State.READY:  # or it is by now: the answer to an earlier flight was lost
                self.went_back(one.record)
        self._flown += len(moves)
        self._landing.set()
        position = 0
        for number, (claims, future) in enumerate(marks, 1):
            if not future.done():
                future.set_result(marked[position : position + len(claims)])
            position += len(claims)
            if (
                number % A_TURN == 0
            ):  # their dots leave in this turn of the loop; it looks at what arrived before more do
                await asyncio.sleep(0)
        if self._seen_to_the_end >= self._written_at_turn:
            self._turn_journal()

    def _settled(self, task: asyncio.Task[None]) -> None:
        del self._settling[task]
        self._landing.set()

    async def _settle(self, move: Move, result: int) -> None:
        """See a result to its end that the store did not take as it was."""
        away = failed = 0
        while failed < TURNS:
            try:
                if result == MoveResult.ASKED:
                    await self._obey(move)
                elif result == MoveResult.STALE:
                    now_ms = self._process.clock.now_of(move.record.id)
                    await settle_stale(self._store, move, self._process.settings, now_ms)
                elif result == MoveResult.GONE:
                    await tell_of_gone(self._store, [move], self._process.settings)
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[min(away, len(PAUSES) - 1)])
                away += 1
            except Exception:  # of this one; others have no part in it, and the journal has it for a while
                log.exception("result_not_settled", envelope=format_id(move.record.id), result=result)
                await asyncio.sleep(pause_after(failed))
                failed += 1
            else:
                return

    async def _obey(self, move: Move) -> None:
        """Something was asked while the attempt was under way: do that instead of trying again, or with it."""
        now_ms = self._process.clock.now_of(move.record.id)
        obeyed = await obey_asked(self._store, move, self._process.settings, now_ms)
        if obeyed is not None:
            self._take(obeyed)


async def obey_asked(store: AsyncShards, move: Move, settings: Settings, now_ms: int) -> Move | None:
    """A result met an envelope of which something was asked meanwhile: the result that obeys; ``None``: it is gone."""
    (stored,) = await store.run(reading.fetch([move.record.id]))
    if stored is None:
        return None
    lane = move.record.lane
    change = transitions.obey(move.record, stored, settings, now_ms, move.event)
    return Move(
        record=change.record,
        token=move.token,
        version=stored.version,
        look_ms=change.look_ms,
        event=change.event,
        ahead=move.ahead or change.ahead,
        line=move.line if change.record.lane == lane else "",
    )


async def settle_stale(store: AsyncShards, move: Move, settings: Settings, now_ms: int) -> bool:
    """A result met an envelope that is no longer its claim's. A real 250 wins all the same; anything else is dropped.

    :returns: whether that was news.
    """
    ours = _own_attempt(move.record)
    while ours is not None and move.record.state is State.DELIVERED:
        record = (await store.run(reading.fetch([move.record.id])))[0]
        if record is None:
            return await tell_of_gone(store, [move], settings) > 0
        if record.state is State.DELIVERED:
            return False
        version = record.version
        change = transitions.deliver_late(record, _seen_of(ours), now_ms)
        late = Move(record=change.record, version=version, event=change.event)
        result = (await store.run(moving.move([late], keep_events=settings.keep_events_max)))[0]
        if result == MoveResult.MOVED:
            log.warning("delivered_late", envelope=format_id(move.record.id))
            return True
    return False


def _own_attempt(record: Record) -> Attempt | None:
    attempts: Sequence[Attempt] = record.envelope.attempts
    return attempts[-1] if attempts else None


def _seen_of(attempt: Attempt) -> Seen:
    return Seen(
        what=Reply(code=attempt.code or 250, enhanced=attempt.enhanced, lines=(attempt.text,)),
        stage=Stage(attempt.stage),
        started_ms=attempt.started_ms,
        ended_ms=attempt.ended_ms,
        host=attempt.host,
        address=attempt.address,
        tls=attempt.tls,
    )
