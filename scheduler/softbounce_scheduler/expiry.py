"""Looks at expiries: promotes what outlived its window, and lets a reload reach mail that is queued already.

Expiry is derived, never frozen: the queue only says when to look, and the answer is worked out anew under the
settings of now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

import structlog

from softbounce import transitions
from softbounce.envelope import BRAKE, STANDING, Final, Record, State
from softbounce.gate import closes_to
from softbounce.store import moving, reading
from softbounce.store.call import Operation
from softbounce.store.clock import StoreTime, read_time
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.lanes import lane_states
from softbounce.store.late_delivery import tell
from softbounce.store.moving import Move, MoveResult
from softbounce.store.reading import Entry, Unreadable

from .store_view import StoreView
from .unreadable import Aside

__all__ = ["Expiry"]

LOOK_LIMIT = 200
NOW = -1
LATE = -2
FREE = -3
WAITING = frozenset({State.SCHEDULED, State.READY})
WHILE_ATTEMPTED_MS = 10_000
WHILE_HELD_MS = 3_600_000
Over: TypeAlias = Callable[[int, str, int], Operation[tuple[StoreTime, list[Entry], str]]]
log = structlog.get_logger("softbounce.scheduler")


class Expiry:
    """The expiry queue of one shard."""

    def __init__(self, view: StoreView, shard: int) -> None:
        self._view = view
        self._shard = shard
        self._in_hand: deque[bytes] = deque()

    async def step(self) -> None:
        """Look at one batch whose time has come: promote it, or set when to look again."""
        store = self._view.store
        asked_at = steady_seconds()
        told, entries = await store.run(reading.look(self._shard, LOOK_LIMIT))
        if not await self._view.believes(self._shard, told, asked_at):
            return
        if not self._view.clocks[self._shard].is_sure:
            return
        now_ms = told.now_ms
        aside = Aside(store, self._shard)
        scores: list[tuple[bytes, int | None]] = [(identity, None) for identity, record in entries if record is None]
        expired: list[Record] = []
        late: list[Record] = []
        free: list[Record] = []
        apart = {NOW: expired, LATE: late, FREE: free}
        readable = aside.readable(record for _, record in entries)
        for record, score in aside.judged(readable, lambda record: self._look_again(record, now_ms)):
            if score in apart:
                apart[score].append(record)
            else:
                scores.append((record.id, score))
        if late:
            told_late = aside.judged(late, lambda record: transitions.warned_event(record, self._view.settings, now_ms))
            await self._tell_late(told_late)
            scores += [(one.id, transitions.expiry_ms(one, self._view.settings, now_ms)) for one, _ in told_late]
        if scores:
            await store.run(reading.rescore(self._shard, scores))
        if expired:
            await self._promote(expired, now_ms, aside)
        await self._release(free, now_ms, aside)
        await aside.put()

    async def _release(self, records: list[Record], now_ms: int, aside: Aside) -> None:
        moves = [move for _, move in aside.judged(records, lambda one: self._released(one, now_ms)) if move is not None]
        if moves:
            await self._view.store.run(moving.move(moves, keep_events=self._view.settings.keep_events_max))

    def _look_again(self, record: Record, now_ms: int) -> int | None:
        """When to look at an expiry again; ``NOW``: its window has closed; ``LATE``: it is late; ``None``: never.

        Who is late is told so once: from then on its expiry is looked at when it is due. ``FREE``: it is held by a
        hold that stands no more: a worker whose answer was long on its way held it when all others were released.
        """
        if record.state.is_final:
            return None
        settings = self._view.settings
        expires_ms = transitions.expiry_ms(record, settings, now_ms)
        late_ms = transitions.late_ms(record, settings, now_ms)
        if record.state is State.ATTEMPTING:
            is_late = late_ms is not None and late_ms <= now_ms < expires_ms
            return now_ms + WHILE_ATTEMPTED_MS if is_late else max(expires_ms, now_ms + WHILE_ATTEMPTED_MS)
        if self._is_free(record):
            return FREE
        if record.state is State.HELD and transitions.stops_window(record, settings):
            return now_ms + WHILE_HELD_MS
        if expires_ms <= now_ms:
            return NOW
        if late_ms is None or record.state is State.HELD:  # whoever holds it knows that it waits
            return expires_ms
        return late_ms if late_ms > now_ms else LATE

    async def _tell_late(self, late: list[tuple[Record, bytes]]) -> None:
        if late:
            events = [(record.id, event) for record, event in late]
            keep = self._view.settings.keep_events_max
            await self._view.store.run(tell(self._shard, events, keep_events=keep))
            log.info("late", shard=self._shard, envelopes=len(late))

    async def _promote(self, records: list[Record], now_ms: int, aside: Aside) -> None:
        store, settings = self._view.store, self._view.settings
        untried = [record for record in records if not record.envelope.attempts]
        lanes = dict(zip((one.id for one in untried), await self._view.lanes(self._shard, untried), strict=True))
        names = sorted(set(lanes.values()))
        states = dict(zip(names, await store.run(lane_states(names)), strict=True)) if names else {}

        def promoted(record: Record) -> Move:
            state = states.get(lanes.get(record.id, ""))
            trouble = None
            envelope, gate, version = record.envelope, settings.gate, record.version
            is_gated = closes_to(gate, envelope.recipient, past_gate=envelope.past_gate)
            if gate is not None and is_gated and record.state in WAITING:  # nobody is told that it bounced
                change = transitions.hold_at_gate(record, gate, now_ms)
                return _packed(Move(record=change.record, version=version, event=change.event))
            met = self._view.standing.meet(record, now_ms) if record.state in WAITING else None
            if met is not None:
                change = transitions.hold_standing(record, *met, now_ms)
                return _packed(Move(record=change.record, version=version, event=change.event))
            if state is not None and (told := state.trouble_of(envelope.domain, envelope.sender)).text:
                trouble = Final(
                    at_ms=now_ms, code=told.code, enhanced=told.enhanced, text=told.text, reason=told.reason
                )
            change = transitions.promote(record, settings, now_ms, trouble)
            return _packed(Move(record=change.record, version=version, event=change.event))

        moves = [one for _, one in aside.judged(records, promoted)]
        await store.run(moving.move(moves, keep_events=settings.keep_events_max))
        log.info("promoted", shard=self._shard, envelopes=len(moves))

    async def replan(self) -> int:
        """Walk all live envelopes of the shard after a reload; tells how many changed."""
        return await self._walk(self._replanned)

    async def mend(self) -> int:
        """Walk all live envelopes after the clock was set back: what lies in the future is brought back."""
        return await self._walk(self._mended)

    async def obey_holds(self) -> int:
        """Walk all live envelopes after a stream was held, or released: what waits is held with it, or goes on.

        What sessions have in hand is remembered: it is held as soon as it waits again.
        """
        self._in_hand.clear()
        return await self._walk(self._held_or_released)

    async def hold_what_was_in_hand(self) -> int:
        """Hold some of that, where it waits by now; tells how many were."""
        ids = list(islice(self._in_hand, LOOK_LIMIT))
        if not ids:
            return 0
        store = self._view.store
        told = await store.run(read_time(self._shard))
        found = await store.run(reading.read_all(ids))
        moved, stale = await self._judge_and_move(found, told.now_ms, self._held_or_released)
        for _ in ids:
            self._in_hand.popleft()
        self._in_hand += stale
        return moved

    async def release_free(self) -> int:
        """Walk what is held after a standing hold ended: what it held goes on; tells how many."""
        return await self._walk(self._released, over=reading.walk_held)

    def _is_free(self, record: Record) -> bool:
        envelope = record.envelope
        is_standing = record.state is State.HELD and envelope.held_why == STANDING
        return is_standing and envelope.held_by not in self._view.standing.digests

    def _released(self, record: Record, now_ms: int) -> Move | None:
        """The move that the end of its hold makes of an envelope; ``None``: all stays."""
        if not self._is_free(record):
            return None
        version, change = record.version, transitions.release(record, self._view.settings, now_ms)
        return _packed(Move(record=change.record, version=version, look_ms=change.look_ms, event=change.event))

    async def _walk(self, judge: Callable[[Record, int], Move | int | None], *, over: Over = reading.walk) -> int:
        """Make of each live envelope what is to be made of it at a time, ms; tells how many changed.

        :param over: one step of a walk over which of them.
        """
        cursor = "0"
        changed = 0
        while True:
            told, entries, cursor = await self._view.store.run(over(self._shard, cursor, LOOK_LIMIT))
            moved, _ = await self._judge_and_move([record for _, record in entries], told.now_ms, judge)
            changed += moved
            if cursor == "0":
                return changed

    async def _judge_and_move(
        self,
        found: Sequence[Record | Unreadable | None],
        now_ms: int,
        judge: Callable[[Record, int], Move | int | None],
    ) -> tuple[int, list[bytes]]:
        """Make of those that live what is to be made of them; how many changed, and the ids of who changed meanwhile.

        :param judge: the move, or when to look at its expiry; ``None``: all stays.
        """
        store, aside = self._view.store, Aside(self._view.store, self._shard)
        live = [one for one in aside.readable(found) if not one.state.is_final]
        judged = aside.judged(live, lambda record: judge(record, now_ms))
        await aside.put()
        moves = [again for _, again in judged if isinstance(again, Move)]
        scores = [(record.id, again) for record, again in judged if isinstance(again, int)]
        if scores:
            await store.run(reading.rescore(self._shard, scores))
        results = await store.run(moving.move(moves, keep_events=self._view.settings.keep_events_max)) if moves else []
        moved = [result == MoveResult.MOVED for result in results]
        return sum(moved), [one.record.id for one, is_done in zip(moves, moved, strict=True) if not is_done]

    def _replanned(self, record: Record, now_ms: int) -> Move | int | None:
        """The move that new settings make of an envelope, or when to look at its expiry; ``None``: all stays."""
        settings, version = self._view.settings, record.version
        now_ms = self._view.earliest_ms(self._shard) or now_ms
        if record.state is not State.SCHEDULED:
            return transitions.look_ms(record, settings, now_ms)
        change = transitions.replan(record, settings, now_ms)
        return None if change is None else _packed(Move(record=change.record, version=version, look_ms=change.look_ms))

    def _mended(self, record: Record, now_ms: int) -> Move | None:
        """The move that brings an envelope back from the future; ``None``: it is not there."""
        is_sure, version = self._view.clocks[self._shard].is_sure, record.version
        change = transitions.mend(record, self._view.settings, now_ms, is_sure=is_sure)
        return None if change is None else _packed(Move(record=change.record, version=version, look_ms=change.look_ms))

    def _held_or_released(self, record: Record, now_ms: int) -> Move | None:
        """The move that its stream's hold, or release, makes of an envelope; ``None``: all stays."""
        hold, version = self._view.holds.get(record.stream), record.version
        is_held = hold is not None and hold.is_held
        if is_held and record.state in WAITING:
            change = transitions.hold_with_stream(record, now_ms)
        elif is_held and record.state is State.ATTEMPTING:
            self._in_hand.append(record.id)
            return None
        elif not is_held and record.state is State.HELD and record.envelope.held_why == BRAKE:
            change = transitions.release(record, self._view.settings, now_ms)
        else:
            return None
        return _packed(Move(record=change.record, version=version, look_ms=change.look_ms, event=change.event))


def _packed(move: Move) -> Move:
    """A move whose record can be stored; what cannot is found out here, where it costs no other."""
    move.octets()
    return move
