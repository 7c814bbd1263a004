"""Claims for all lanes of a process at once, fetches the bodies, gives each envelope to the lane that carries it."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog

from softbounce import transitions
from softbounce.envelope import Flag, Record
from softbounce.errors import StoreError, StoreUncertain
from softbounce.ids import format_id
from softbounce.store import claiming, membership, reading
from softbounce.store.claiming import Batch, Claimed

from .passage import move_to
from .work import Parcel, Work

if TYPE_CHECKING:
    from .engine import DeliveryEngine
    from .lane import Lane

__all__ = ["Claimer"]

BACKLOG_LIMIT = 4000
SUSPECT = 3
"""From this claim in a row without an outcome on, an envelope is tried alone."""
ALONE_PATIENCE = 5.0
ALONE_LATER_MS = 5000
ALONE_LOOK = 0.01
LISTS_A_CLAIM = 200
UNKNOWN_EVERY = 5.0
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
log = structlog.get_logger("softbounce.worker")


class Claimer:
    """The one claimer of a process."""

    def __init__(self, engine: DeliveryEngine) -> None:
        self._engine = engine
        self._wake = asyncio.Event()
        self._turn = 0
        self._unknown: dict[bytes, bytes] = {}
        self._suspects: list[Record] = []

    def wake(self) -> None:
        """Some lane could carry more."""
        self._wake.set()

    async def run(self) -> None:
        """Claim whenever lanes want more, for ever."""
        engine = self._engine
        trouble = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            if engine.is_ending:
                continue
            if self._suspects:
                try:
                    await self._try_alone()
                except StoreError as error:
                    log.warning("store_trouble", error=str(error))
                    await asyncio.sleep(PAUSES[2])
                self._wake.set()
                continue
            if engine.flusher.backlog > BACKLOG_LIMIT:
                await asyncio.sleep(PAUSES[0])
                self._wake.set()
                continue
            batches, lanes = self._wanted()
            if not batches:
                continue
            try:
                await engine.meet_store()
                await self._claim(batches, lanes)
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[min(trouble, len(PAUSES) - 1)])
                trouble += 1
                self._wake.set()
            else:
                trouble = 0

    def _wanted(self) -> tuple[list[Batch], list[list[Lane]]]:
        """What to claim now: for each shard the lists and how many of each, and the lanes that they are for."""
        lists: dict[int, list[tuple[str, str, int]]] = {}
        lanes: dict[int, list[Lane]] = {}
        names = list(self._engine.lanes)
        self._turn += 1
        start = self._turn % max(1, len(names))
        total = 0
        for name in names[start:] + names[:start]:
            lane = self._engine.lanes[name]
            want = lane.wanted()
            if want <= 0:
                continue
            candidates = [entry for entry, maybe in lane.lists.items() if maybe]
            shard = candidates[self._turn % len(candidates)][0]
            sources = [(source, stream) for where, stream, source in candidates if where == shard]
            if want < len(sources):
                sources = [sources[self._turn % len(sources)]]
            for source, stream in sources[:LISTS_A_CLAIM]:
                lists.setdefault(shard, []).append((source, stream, -(-want // len(sources))))
                lanes.setdefault(shard, []).append(lane)
                total += 1
            if total >= LISTS_A_CLAIM:
                self._wake.set()
                break
        return [Batch(shard, wanted) for shard, wanted in lists.items()], list(lanes.values())

    async def _claim(self, batches: list[Batch], lanes: list[list[Lane]]) -> None:
        engine = self._engine
        token = secrets.token_bytes(8)
        claimed: list[Claimed] | None = None
        repeats = False
        while claimed is None:
            try:
                claimed = await engine.store.run(claiming.claim(engine.process, token, batches, repeats=repeats))
            except StoreUncertain as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[0])
                repeats = True
        records: list[Record] = []
        for batch, owners, answer in zip(batches, lanes, claimed, strict=True):
            for (source, stream, _), lane, left in zip(batch.lists, owners, answer.left, strict=False):
                lane.lists[batch.shard, stream, source] = left > 0
                if left == 0 and source != lane.name:
                    del lane.lists[batch.shard, stream, source]
            records += answer.records
        suspects = [record for record in records if record.claims >= SUSPECT]
        records = [record for record in records if record.claims < SUSPECT]
        for record in suspects:  # not even their bodies are looked at beside others
            engine.in_hand[record.id] = record.token
        self._suspects += suspects
        if records:
            self._distribute(records, await self._parcels(records))
        if self._suspects or any(lane.wanted() > 0 for lane in engine.lanes.values()):
            self._wake.set()

    async def _parcels(self, records: list[Record]) -> dict[bytes, Parcel]:
        """The messages of these envelopes, each once."""
        stored = {record.message: record for record in records}
        bodies = None
        while bodies is None:
            try:
                bodies = await self._engine.store.run(claiming.bodies(list(stored.values())))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[2])
        parcels: dict[bytes, Parcel] = {}
        for (message, record), body in zip(stored.items(), bodies, strict=True):
            try:
                if body is None:
                    raise ValueError("its body is gone")  # noqa: TRY301 - one place that says so
                parcels[message] = Parcel(body, record.envelope.body)
            except ValueError as error:
                log.error("body_unreadable", message=format_id(message), error=str(error))  # noqa: TRY400
        return parcels

    def _distribute(self, records: list[Record], parcels: dict[bytes, Parcel]) -> None:
        engine = self._engine
        groups: dict[tuple[str, str], list[Work]] = {}
        for record in records:
            parcel = parcels.get(record.message)
            if parcel is None:
                continue  # given back as an unknown claim: a missing body is a lost claim, never an empty message
            engine.in_hand[record.id] = record.token
            groups.setdefault((record.lane, record.envelope.domain), []).append(Work(record, parcel))
        for (name, domain), works in groups.items():
            self._give(name, domain, works)

    def _give(self, name: str, domain: str, works: list[Work]) -> None:
        """Give works of one domain to the lane that carries them."""
        engine = self._engine
        lane = engine.lanes.get(name)
        if lane is not None and lane.leads_to is not None:
            lane = lane.leads_to
        if lane is None or lane.is_ending or lane.is_closed:
            engine.give_back(works)
        elif lane.leads(domain, engine.loop.time()):
            if name != lane.name:
                move_to(lane.name, works)
            lane.add(works)
        else:
            engine.resolve(lane, domain, works)

    async def _try_alone(self) -> None:
        """Try envelopes whose workers ended again and again, each while nothing else is in this process's hands.

        So a crash tells which one it was, and takes nothing along. Where other work does not end soon they wait.
        """
        engine = self._engine
        suspects, self._suspects = self._suspects, []
        for number, record in enumerate(suspects):
            if not await self._is_alone({one.id for one in suspects[number:]}):
                for one in suspects[number:]:
                    self._later(one)
                return
            try:
                stands = await engine.flusher.mark_alone((record.id, record.token))
            except StoreError:
                self._suspects = suspects[number:] + self._suspects
                raise
            if not stands:
                engine.in_hand.pop(record.id, None)
                continue
            log.warning("tried_alone", envelope=format_id(record.id), claims=record.claims)
            record.flags |= Flag.ALONE
            self._distribute([record], await self._parcels([record]))
            while record.id in engine.in_hand and not engine.is_ending:  # noqa: ASYNC110 - rare, and simple
                await asyncio.sleep(ALONE_LOOK)

    async def _is_alone(self, suspects: set[bytes]) -> bool:
        """Wait for a while until nothing but suspects is in hand."""
        engine = self._engine
        until = engine.loop.time() + ALONE_PATIENCE
        while not engine.in_hand.keys() <= suspects:
            if engine.is_ending or engine.loop.time() > until:
                return False
            await asyncio.sleep(ALONE_LOOK)
        return True

    def _later(self, record: Record) -> None:
        """Put a suspect back for a while; it stays one."""
        engine = self._engine
        token = record.token
        engine.in_hand.pop(record.id, None)
        later_ms = engine.clock.now_ms() + ALONE_LATER_MS
        engine.flusher.commit(transitions.reschedule(record, claim_wait=False, now_ms=later_ms), token)

    async def find_unknown(self) -> None:
        """Give back what the store lists for this process and the process does not know: the answer to a claim was cut.

        Only what was unknown twice in a row: a result may just be on its way.
        """
        engine = self._engine
        while True:
            await asyncio.sleep(UNKNOWN_EVERY)
            try:
                listed: dict[bytes, bytes] = {}
                for shard in range(engine.shards):
                    listed |= await engine.store.run(membership.list_claims(engine.process, shard))
                if engine.flusher.backlog:
                    continue
                unknown = {one: token for one, token in listed.items() if one not in engine.in_hand}
                lost = [one for one, token in unknown.items() if self._unknown.get(one) == token]
                self._unknown = unknown
                for record in await engine.store.run(reading.fetch(lost)) if lost else []:
                    if record is not None and record.token == unknown[record.id] and not record.flags & Flag.MARKED:
                        log.warning("claim_unknown", envelope=format_id(record.id))
                        engine.flusher.commit(transitions.give_back(record), unknown[record.id])
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
