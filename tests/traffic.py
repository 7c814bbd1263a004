"""Mail on its way through a store while that fails over: apps that accept, and a worker that claims, marks and moves.

What it does is what the real ones do, down to repeating by key, id and token what was uncertain; what it counts is
what must never happen: an acknowledged envelope that is gone, and a final dot sent twice.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
import time
from collections import Counter
from typing import Any, Self, TypeVar

from mailbag import LANE, PROCESS, new_message

from softbounce.envelope import Record, State
from softbounce.errors import StoreError, StoreUncertain
from softbounce.ids import envelope_id
from softbounce.settings import Settings
from softbounce.store import accepting, claiming, membership, moving, published, reading, releasing
from softbounce.store.call import Operation
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards, Shards

__all__ = ["Traffic"]

T = TypeVar("T")
SETTINGS = Settings()
APPS = 2
PACE = 0.004


class Traffic:
    """Load on one store. A context manager: entered it flows, left it has ended.

    :ivar accepted: what the store acknowledged: envelope id -> when.
    :ivar dots: how often each envelope's final dot was sent.
    :ivar uncertain: how many answers were uncertain.
    """

    def __init__(self, url: str, shards: int) -> None:
        self.url = url
        self.shards = shards
        self.accepted: dict[bytes, float] = {}
        self.dots: Counter[bytes] = Counter()
        self.uncertain = 0
        self.failures: list[BaseException] = []
        self._times: dict[int, list[float]] = {shard: [] for shard in range(shards)}
        self._is_accepting = True
        self._is_delivering = True
        self._threads = [threading.Thread(target=self._guarded, args=(self._accept, n)) for n in range(APPS)]
        self._threads.append(threading.Thread(target=self._guarded, args=(self._deliver, 0)))
        store = Shards(url)
        for answer in store.call([published.schema(shard, shards=shards) for shard in range(shards)]):
            assert answer == [1, shards], answer
        info = ProcessInfo(pid=1, host="here", started_ms=1)
        store.run(membership.enlist(PROCESS, info, shards=shards, lease_ms=600_000))
        store.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_accepting = self._is_delivering = False
        for thread in self._threads:
            thread.join()

    def drain(self, seconds: float = 20.0) -> None:
        """Accept no more, and wait until all is delivered."""
        self._is_accepting = False
        end = time.monotonic() + seconds
        for thread in self._threads[:-1]:
            thread.join()
        while any(one not in self.dots for one in list(self.accepted)) and time.monotonic() < end:
            time.sleep(0.05)
        self._is_delivering = False
        self._threads[-1].join()

    def stall(self, shard: int, since: float) -> float:
        """The longest time without an acknowledgement in a shard after an instant."""
        times = [since, *(one for one in self._times[shard] if one > since)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=float("inf"))

    def reckon(self) -> tuple[int, int]:
        """How many acknowledged envelopes are not delivered in the store, and how many extra dots were sent."""
        store = Shards(self.url)
        ids = list(self.accepted)
        lost = 0
        for start in range(0, len(ids), 500):
            for record in store.run(reading.fetch(ids[start : start + 500])):
                lost += record is None or record.state is not State.DELIVERED
        store.close()
        return lost, sum(number - 1 for number in self.dots.values())

    # -- threads ----------------------------------------------------------------------------------------------------

    def _guarded(self, work: Any, number: int) -> None:  # noqa: ANN401
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.failures.append(error)

    def _accept(self, number: int) -> None:
        store = Shards(self.url)
        for turn in itertools.count(number):
            if not self._is_accepting:
                break
            waiting = [new_message((4 * turn + one) % self.shards, key=f"{number}-{turn}-{one}") for one in range(4)]
            while waiting:
                answers = store.call([accepting.accept(one, shards=self.shards, settings=SETTINGS) for one in waiting])
                left = []
                for new, answer in zip(waiting, answers, strict=True):
                    if isinstance(answer, StoreError):
                        self.uncertain += isinstance(answer, StoreUncertain)
                        left.append(new)
                        continue
                    found = accepting.read_accept(answer)
                    assert found.outcome in {"stored", "known"}, found
                    now = time.monotonic()
                    self.accepted[envelope_id(found.message, 0)] = now
                    self._times[int.from_bytes(found.message[:2])].append(now)
                waiting = left
            time.sleep(PACE)
        store.close()

    def _deliver(self, _: int) -> None:
        asyncio.run(self._deliver_all())

    async def _deliver_all(self) -> None:
        store = AsyncShards(self.url)
        await asyncio.gather(*(self._deliver_from(store, shard) for shard in range(self.shards)))
        await store.close()

    async def _deliver_from(self, store: AsyncShards, shard: int) -> None:
        while self._is_delivering:
            await asyncio.sleep(0.02)
            try:
                await self._release(store, shard)
            except StoreError as error:
                self.uncertain += isinstance(error, StoreUncertain)
                continue
            records = await self._claim(store, shard)
            if records:
                await self._finish(store, records)

    async def _release(self, store: AsyncShards, shard: int) -> None:
        due = (await store.run(releasing.due(shard, 200))).headers
        if due:
            records = [Record.unpack(identity, header) for identity, header in due if header]
            lists = {(LANE, ""): [(record.id, record.version) for record in records]}
            await store.run(releasing.release(shard, lists))

    async def _claim(self, store: AsyncShards, shard: int) -> list[Record]:
        token = secrets.token_bytes(8)
        repeats = False
        while True:
            try:
                batch = Batch(shard, [(LANE, "", 50)])
                return (await store.run(claiming.claim(PROCESS, token, [batch], repeats=repeats)))[0].records
            except StoreError as error:
                self.uncertain += isinstance(error, StoreUncertain)
                repeats = True

    async def _finish(self, store: AsyncShards, records: list[Record]) -> None:
        claims = [(record.id, record.token) for record in records]
        marked = await self._certain(store, claiming.mark(PROCESS, claims))
        moves = []
        for record, answer in zip(records, marked, strict=True):
            if answer == 1:
                self.dots[record.id] += 1
                token, record.state = record.token, State.DELIVERED
                moves.append(Move(record=record, token=token))
        if moves:
            await self._certain(store, moving.move(moves, process=PROCESS, keep_events=1000))

    async def _certain(self, store: AsyncShards, operation: Operation[T]) -> T:
        while True:
            try:
                return await store.run(operation)
            except StoreError as error:
                self.uncertain += isinstance(error, StoreUncertain)
                await asyncio.sleep(0.02)
