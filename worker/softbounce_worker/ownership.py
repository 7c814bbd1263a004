"""Which lanes this process has: taken on a job's hint, handed back when idle or when others have less.

The share of a process is its part of the lanes that have work; a process that has more takes no job, which is how
lanes spread over processes and machines.
"""

from __future__ import annotations

import asyncio
from threading import Event as ThreadEvent
from typing import TYPE_CHECKING

import structlog
from softbounce_config.loops import keep_going

from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.site import shown_of
from softbounce.store import keys, membership
from softbounce.store.lanes import give_lanes, list_lanes, take_lanes

from .lane import Lane

if TYPE_CHECKING:
    from .engine import DeliveryEngine

__all__ = ["Ownership"]

LOOK_AROUND = 1.0
LOOKS_FOR_PLACE = 10
LANE_GRACE = 5.0
LANE_TURN = 30.0
ALONE = 1_000_000
OFFERED_AGAIN = 0.5
log = structlog.get_logger("softbounce.worker")


class Ownership:
    """The lanes of a process.

    :ivar place: set while this process may take one more lane (read by dramatiq's thread).
    :ivar has_room: whether it could, whatever its share (read there too).
    """

    def __init__(self, engine: DeliveryEngine) -> None:
        self.place = ThreadEvent()
        self.place.set()
        self.has_room = True
        self._engine = engine
        self._offered: list[str] = []
        self._something_offered = asyncio.Event()
        self._alive = 1
        self._share = ALONE
        self._alone: list[Record] = []

    def leave_alone(self, records: list[Record]) -> None:
        """These have the process to themselves for long: its other lanes go to others, while there are any.

        With none the process takes lanes again.
        """
        self._alone = records

    def offer(self, name: str) -> None:
        """A lane is said to have work."""
        lane = self._engine.lanes.get(name)
        if lane is not None and lane.lists:
            for one in lane.lists:
                lane.lists[one] = True
            self._engine.claim_soon()
            return
        self._offered.append(name)
        self._something_offered.set()

    async def take_offered(self) -> None:
        """Take what is offered, for ever."""
        await keep_going("offers", self._take_some, log)

    async def _take_some(self) -> None:
        await self._something_offered.wait()
        self._something_offered.clear()
        offered, self._offered = list(dict.fromkeys(self._offered)), []
        await self.own(offered)

    async def own(self, names: list[str]) -> None:
        """Become the owner of lanes, where nobody else is, and see which of their lists have work."""
        engine = self._engine
        if not names or engine.is_ending or engine.is_lost:
            return
        new = [name for name in names if name not in engine.lanes]
        try:
            states = await engine.store.run(take_lanes(engine.process, new)) if new else []
            lists = await engine.store.run(list_lanes(engine.shards))
            if None in states:  # another has it, or we are none of those who may have one
                await self._ask_whether_listed()
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            self._offered += names  # the job is gone: nobody else knows
            engine.loop.call_later(OFFERED_AGAIN, self._something_offered.set)
            return
        for name, state in zip(new, states, strict=True):
            if state is not None and name not in engine.lanes:
                engine.lanes[name] = Lane(engine, name, state, engine.settings.lane_rule_for(shown_of(name)))
        self._note_lists(lists)
        self._measure_share(lists)
        self._measure_place()
        engine.claim_soon()

    async def _ask_whether_listed(self) -> None:
        """See that this process may claim in every shard: a failover may have made one of them forget it."""
        engine = self._engine
        if not engine.is_ending and not await engine.store.run(membership.is_listed(engine.process, engine.shards)):
            engine.lose_lease()

    def _note_lists(self, lists: list[tuple[int, str]]) -> None:
        for shard, name in lists:
            ready = keys.parse_ready_name(name)
            if ready is not None and (known := self._engine.lanes.get(ready.lane)) is not None:
                (known.leads_to or known).lists[shard, ready.stream, ready.lane] = True

    async def look_around(self) -> None:
        """Now and then: lost wake-ups, idle lanes, this process's share of the lanes."""
        await keep_going("look around", self._look, log)

    async def _look(self) -> None:
        engine = self._engine
        for _ in range(LOOKS_FOR_PLACE):
            await asyncio.sleep(LOOK_AROUND / LOOKS_FOR_PLACE)
            if not self.place.is_set():
                self._measure_place()
        lists = await engine.store.run(list_lanes(engine.shards))
        leases = await engine.store.run(membership.leases())
        await self._ask_whether_listed()
        self._note_lists(lists)
        self._alive = sum(end >= leases.now_ms for end in leases.ends.values())
        engine.slots.processes = max(1, self._alive)
        self._measure_share(lists)
        for lane in engine.lanes.values():
            lane.backlog.drop_expired()
        self._end_some()
        await self._hand_back()
        self._measure_place()
        engine.claim_soon()

    def _busy(self) -> list[str]:
        return [name for name, lane in self._engine.lanes.items() if lane.has_work and lane.leads_to is None]

    def _measure_share(self, lists: list[tuple[int, str]]) -> None:
        waiting = {ready.lane for _, name in lists if (ready := keys.parse_ready_name(name)) is not None}
        with_work = len(waiting | set(self._busy()))
        self._share = -(-with_work // self._alive) if self._alive > 1 else ALONE

    def _measure_place(self) -> None:
        engine = self._engine
        may_open = engine.slots.has_room
        if not may_open:
            engine.slots.make_way()
        may_open = may_open and not self._alone
        self.has_room = may_open
        if not may_open or len(self._busy()) >= max(1, self._share):
            self.place.clear()
        else:
            self.place.set()

    def _end_some(self) -> None:
        """Lanes that are idle take no more, nor do some of more than our share, while others have less."""
        engine = self._engine
        now = engine.loop.time()
        awaiting = engine.awaiting_lanes
        free = [lane for name, lane in engine.lanes.items() if name not in awaiting]
        if self._alone and self._alive > 1:
            kept = {record.lane for record in self._alone}
            for lane in free:
                target = lane.leads_to or lane
                if not lane.is_ending and kept.isdisjoint((lane.name, target.name)):
                    lane.end()
        for lane in free:
            if lane.is_quiet and not lane.has_work and not lane.is_ending and now - lane.busy_at > LANE_GRACE:
                lane.end()
        excess = len(self._busy()) - self._share
        for lane in sorted(free, key=lambda one: one.owned_at):
            if excess > 0 and lane.has_work and not lane.is_ending and now - lane.owned_at > LANE_TURN:
                lane.end()
                excess -= 1

    async def _hand_back(self) -> None:
        """Give lanes back that take no more."""
        engine = self._engine
        ended = [name for name, lane in engine.lanes.items() if lane.is_ending and lane.is_quiet]
        if ended:  # whoever has such a lane next finds in its lists what went back there
            under_way = {move.record.lane for move in engine.flusher.under_way}
            ended = [name for name in ended if name not in under_way]
        if not ended:
            return
        for name in ended:
            del engine.lanes[name]
        for lane in engine.lanes.values():
            if lane.leads_to is not None and lane.leads_to.is_ending:
                lane.leads_to = None  # it resolves anew
        try:
            await engine.store.run(give_lanes(engine.process, ended))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))  # they become free with the lease at the latest
