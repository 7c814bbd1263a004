"""Which lanes this process has: taken on a job's hint, handed back when idle or when others have less.

The share of a process is its part of the lanes that have work; a process that has more takes no job, which is how
lanes spread over processes and machines. A lane is handed back at once: what no session has is in its lists by then,
and what sessions have they finish beside the new owner, because what is safe is decided by each envelope's token.
Whatever comes back to a list of a lane that is not ours is told to whoever has it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, takewhile
from threading import Event as ThreadEvent

import structlog
from softbounce_config.loops import keep_going

from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.site import shown_of
from softbounce.store import keys, membership
from softbounce.store.lanes import OFFER, TakenLane, count_lists, give_lanes, offer_lanes, take_lanes, wake_lanes
from softbounce.store.nonsense import ignore
from softbounce.store.pruning import walk_lists
from softbounce.store.urging import URGE
from softbounce_worker.gathering import Gathering
from softbounce_worker.lane.elsewhere import Elsewhere
from softbounce_worker.lane.lane import Lane, LaneParts
from softbounce_worker.lane.lanes import Lanes
from softbounce_worker.results.flusher import Flusher

__all__ = ["Ownership"]

LOOK_AROUND = 1.0
LOOKS_FOR_PLACE = 10
LANE_GRACE, PASSED_GRACE = 5.0, 1.0
LANE_TURN = 30.0
ALONE = 1_000_000
OFFERED_AGAIN = 0.5
GONE = 5.0
"""Seconds for which a wake-up may come late that was sent before the store knew that a lane was handed back."""
BETWEEN = 0.02
"""Seconds from one call that takes lanes to the next: in a burst of new domains each has many."""
AT_ONCE = 500
"""Lanes that are taken, handed back or told of in one call; and ready lists that one look reads of a shard."""
WALKED = 2000
"""Lanes that one look sees to, of all that there are."""
JOB_AGE_MS = 30_000
"""A job that was sent so long ago is sent again."""
MOST_LINES = 100_000
SHARD = re.compile(rb"[0-9]{1,4}")
log = structlog.get_logger("softbounce.worker")


class Ownership:
    """The lanes of a process.

    :ivar place: set while this process may take one more lane (read by dramatiq's thread).
    :ivar has_room: whether it could, whatever its share (read there too).
    :ivar claim_soon: called now and then: a lane may want more that nobody told of.
    :ivar awaiting: the lanes for which envelopes are in hand that they do not have yet: they stay.
    :ivar send_hint: sends a job for a lane; set by who knows dramatiq.
    """

    def __init__(self, lanes: Lanes, parts: LaneParts, flusher: Flusher) -> None:
        self.claim_soon: Callable[[], object] = lambda: None
        self.awaiting: Callable[[], set[str]] = set
        self.send_hint: Callable[[str], object] = log.debug
        self.place = ThreadEvent()
        self.place.set()
        self.has_room = True
        self._process = parts.process
        self._parts = parts
        self._slots = parts.slots
        self._flusher = flusher
        self._lanes = lanes
        lanes.less_busy = self._look_for_place
        self._offered: dict[str, None] = {}
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._gathering = Gathering(BETWEEN, parts.process.loop.time)
        self._something_offered = asyncio.Event()
        self._ended: list[Lane] = []
        self._something_ended = asyncio.Event()
        self._going: set[str] = set()
        self._gone: dict[str, float] = {}
        self._untold: dict[str, set[tuple[int, str, int]]] = {}
        self._something_to_tell = asyncio.Event()
        self._alive = 1
        self._share = ALONE
        self._elsewhere = Elsewhere(parts.process.shards)
        self._alone: list[Record] = []

    def leave_alone(self, records: list[Record]) -> None:
        """These have the process to themselves for long: its other lanes go to others, while there are any.

        With none the process takes lanes again.
        """
        self._alone = records

    # -- what is said of lanes --------------------------------------------------------------------------------------

    def offer(self, name: str) -> None:
        """A lane is said to have work."""
        self._offered[name] = None
        self._something_offered.set()

    def hear(self, text: bytes) -> None:
        """What is said: ``shard|name of a ready list`` that got work; ``+lane``, an offer; ``!lane``, to ask it now."""
        for line in text.split(b"\n", MOST_LINES)[:MOST_LINES]:
            if line and not self._heed(line):
                ignore("line of a wake-up", line)

    def _heed(self, line: bytes) -> bool:
        """Do what one line says. False: it says nothing."""
        offered, (shard, _, name) = line.startswith(OFFER.encode()), line.partition(b"|")
        if line.startswith(URGE.encode()):
            lane = line[len(URGE) :].decode(errors="replace")
            if (known := self._lanes.get(lane)) is not None:
                known.trouble.urge()
            return keys.is_lane(lane)  # not ours any more: whoever wants it says it again
        if offered:
            lane = line[len(OFFER) :].decode(errors="replace")
            if keys.is_lane(lane):
                self.offer(lane)
            return keys.is_lane(lane)
        ready = keys.parse_ready_name(name)
        if ready is None or SHARD.fullmatch(shard) is None or int(shard) >= self._process.shards:
            return False
        if (known := self._lanes.get(ready.lane)) is not None:
            known.note(int(shard), ready.stream, ready.share)
        elif ready.lane in self._gone:  # said before the store knew
            self.note(int(shard), ready.lane, ready.stream, ready.share)
        else:  # the store has it as ours: the answer to our taking it was lost
            self.offer(ready.lane)
        return True

    def went_back(self, record: Record) -> None:
        """An envelope is in a ready list again."""
        self.note(shard_of(record.id), record.lane, record.stream, record.share)

    def note(self, shard: int, lane: str, stream: str, share: int) -> None:
        """A ready list has entries: its lane's owner is to know, whoever that is."""
        if (known := self._lanes.get(lane)) is not None:
            known.note(shard, stream, share)
        else:
            self._untold.setdefault(lane, set()).add((shard, stream, share))
            self._something_to_tell.set()

    async def tell_others(self) -> None:
        """Tell the owners of lanes that are not ours what went back there, for ever."""
        await keep_going("telling others", self._tell_some, log)

    async def _tell_some(self) -> None:
        await self._something_to_tell.wait()
        process = self._process
        some = {lane: self._untold.pop(lane) for lane in list(islice(self._untold, AT_ONCE))}
        if not self._untold:
            self._something_to_tell.clear()
        work = {
            lane: "\n".join(f"{shard}|{keys.ready_name(lane, stream, share)}" for shard, stream, share in lists)
            for lane, lists in some.items()
        }
        try:
            processes = list((await process.store.run(membership.leases())).ends)
            now_ms = process.clock.now_ms(keys.HOME)
            need = await process.store.run(wake_lanes(now_ms, work, processes, repeat_after_ms=JOB_AGE_MS))
            if process.is_ending and need:  # it sends no jobs any more
                await process.store.run(offer_lanes(self._in_turn(need, processes), unsent=need))
                return
        except StoreError as error:
            log.warning("store_trouble", error=str(error))  # the sweep finds the lanes
            return
        for name in need:
            self.send_hint(name)

    def _in_turn(self, lanes: Sequence[str], processes: Sequence[str]) -> dict[str, list[str]]:
        """Some for each of the other processes; where there are none, whoever comes gets jobs for them."""
        others = [process for process in processes if process != self._process.name]
        return {process: list(lanes[number :: len(others)]) for number, process in enumerate(others)}

    # -- lanes are taken --------------------------------------------------------------------------------------------

    async def take_offered(self) -> None:
        """Take what is offered, for ever."""
        await keep_going("offers", self._take_some, log)

    async def own(self, name: str) -> Lane | None:
        """The lane, if this process has it or can have it. Many who ask within a moment make one call."""
        if name not in self._lanes:
            answer = self._asked.get(name)
            if answer is None:
                answer = self._asked[name] = self._process.loop.create_future()
                self._something_offered.set()
            await asyncio.shield(answer)
        return self._lanes.get(name)

    async def _take_some(self) -> None:
        await self._something_offered.wait()
        await asyncio.sleep(self._gathering.left)
        asked = list(islice(self._asked, AT_ONCE))
        offered = list(islice(self._offered, AT_ONCE))
        for name in offered:
            del self._offered[name]
        names = list(dict.fromkeys((*asked, *offered)))
        self._gathering.went(len(names))
        try:
            await self._own(names)
        finally:
            for name in asked:
                self._asked.pop(name).set_result(None)
            if not (self._asked or self._offered):
                self._something_offered.clear()
        if any(name in self._lanes and not self._lanes[name].has_work for name in offered):
            await self._walk_lists()  # an older scheduler does not say which lists it is for

    async def _own(self, names: list[str]) -> None:
        """Become the owner of lanes, where nobody else is, and see which of their lists have work.

        The same of lanes that this process has already: a job does not say which of the lists it is for.
        """
        process = self._process
        if process.begins_nothing:
            return
        if going := self._going.intersection(names):  # the answer to giving them back is awaited
            self._offer_again(going)
            names = [name for name in names if name not in going]
        if not names:
            return
        try:
            taken, self._elsewhere.lists = await asyncio.gather(
                process.store.run(take_lanes(process.name, names)), process.store.run(count_lists(process.shards))
            )
            if None in taken:  # another has it, or we are none of those who may have one
                await self._ask_whether_listed()
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            self._offer_again(names)  # the job is gone: nobody else knows
            return
        for name, one in zip(names, taken, strict=True):
            if one is not None:
                self._take(name, one)
        self._measure_share()
        self._measure_place()

    def _take(self, name: str, taken: TakenLane) -> None:
        process = self._process
        if name not in self._lanes:
            self._lanes.add(Lane(name, taken.state, process.settings.lane_rule_for(shown_of(name)), self._parts))
            self._elsewhere.lanes.discard(name)
            self._gone.pop(name, None)
        for shard, stream, share in taken.lists:
            if shard < process.shards:
                self._lanes[name].note(shard, stream, share)

    def _offer_again(self, names: Iterable[str]) -> None:
        for name in names:
            self._process.loop.call_later(OFFERED_AGAIN, self.offer, name)

    async def _ask_whether_listed(self) -> None:
        """See that this process may claim in every shard: a failover may have made one of them forget it."""
        process = self._process
        if not process.is_ending and not await process.store.run(membership.is_listed(process.name, process.shards)):
            process.lose_lease()

    # -- now and then -----------------------------------------------------------------------------------------------

    async def look_around(self) -> None:
        """Now and then: lost wake-ups, idle lanes, this process's share of the lanes."""
        await keep_going("look around", self._look, log)

    async def _look(self) -> None:
        process = self._process
        for _ in range(LOOKS_FOR_PLACE):
            await asyncio.sleep(LOOK_AROUND / LOOKS_FOR_PLACE)
            if not self.place.is_set():
                self._measure_place()
        await self._walk_lists()
        leases = await process.store.run(membership.leases())
        await self._ask_whether_listed()
        self._alive = sum(end >= leases.now_ms for end in leases.ends.values())
        self._slots.processes = max(1, self._alive)
        self._measure_share()
        now_ms = max(map(process.clock.now_ms, range(process.shards)))
        for lane in self._lanes.some(WALKED):
            lane.backlog.drop_expired(now_ms)
        self._end_some()
        self._forget_gone()
        self._measure_place()
        self.claim_soon()

    async def _walk_lists(self) -> None:
        """Look at some of the lists that have work: a wake-up may have been lost, and others' lanes count as well."""
        process, elsewhere = self._process, self._elsewhere
        elsewhere.lists = await process.store.run(count_lists(process.shards))
        for shard, cursor in list(elsewhere.left.items()):
            after, names = await process.store.run(walk_lists(shard, cursor, AT_ONCE))
            for name in names:
                ready = keys.parse_ready_name(name)
                if ready is None:
                    ignore("name of a ready list", name)  # the sweep sees to it
                    continue
                elsewhere.find(ready.lane)
                if (known := self._lanes.get(ready.lane)) is not None:
                    known.note(shard, ready.stream, ready.share)
            elsewhere.go_on(shard, after, self._lanes)
        self._slots.elsewhere = elsewhere.organisations

    def _measure_share(self) -> None:
        with_work = self._elsewhere.with_work(self._lanes.busy)
        self._share = -(-with_work // self._alive) if self._alive > 1 else ALONE

    def _look_for_place(self) -> None:
        """A lane has no work any more: a job may be waiting for that."""
        if not self.place.is_set() and self._slots.has_room:
            self._measure_place()

    def _measure_place(self) -> None:
        may_open = self._slots.has_room
        if not may_open:
            self._slots.make_way()
        may_open = may_open and not self._alone
        self.has_room = may_open
        if not may_open or self._lanes.busy >= max(1, self._share):
            self.place.clear()
        else:
            self.place.set()

    # -- lanes are handed back --------------------------------------------------------------------------------------

    def _end_some(self) -> None:
        """Lanes that are idle take no more, nor do some of more than our share, while others have less."""
        process = self._process
        awaiting = self.awaiting()
        if self._alone and self._alive > 1:
            kept = {record.lane for record in self._alone} | awaiting
            for lane in list(self._lanes.values()):
                if lane.name not in kept:
                    self._end(lane)
        for lane in self._lanes.idle_for(LANE_GRACE, passed=PASSED_GRACE):
            if lane.name not in awaiting:
                self._end(lane)
        excess = self._lanes.busy - sum(lane.has_work for lane in self._ended) - self._share
        now = process.loop.time()
        if excess > 0:
            for lane in self._lanes.oldest(WALKED):
                if lane.name not in awaiting and not lane.is_ending and now - lane.owned_at > LANE_TURN:
                    self._end(lane)
                    excess -= 1
                if excess <= 0:
                    break

    def end_all(self) -> None:
        """Take no more: all lanes go to others."""
        for lane in list(self._lanes.values()):
            self._end(lane)

    def _end(self, lane: Lane) -> None:
        if not lane.is_ending:
            lane.end()
            self._ended.append(lane)
            self._something_ended.set()

    async def hand_back(self) -> None:
        """Hand lanes back that take no more, for ever."""
        await keep_going("handing back", self._hand_back_some, log)

    async def _hand_back_some(self) -> None:
        """Hand them back as soon as what no session has is in their lists: whoever has one next finds it there."""
        await self._something_ended.wait()
        process = self._process
        ended = self._ended[:AT_ONCE]
        await self._flusher.landed()
        del self._ended[: len(ended)]
        if not self._ended:
            self._something_ended.clear()
        for lane in ended:
            self._lanes.remove(lane)
        self._going = {lane.name for lane in ended}
        try:
            given = await process.store.run(give_lanes(process.name, list(self._going)))
            if working := [lane for lane in ended if lane.lists or lane.sessions]:
                sessions = sum(len(lane.sessions) for lane in working)
                log.info("lanes_handed_over", lanes=len(working), idle=given - len(working), sessions_left=sessions)
        except StoreError as error:
            log.warning("store_trouble", error=str(error))  # they become free with the lease at the latest
        finally:
            self._going = set()
        now = process.loop.time()
        for lane in ended:
            self._gone.pop(lane.name, None)
            self._gone[lane.name] = now
        for lane in ended:
            for name in lane.lists:
                self.note(name.shard, name.lane, name.stream, name.share)

    def _forget_gone(self) -> None:
        before = self._process.loop.time() - GONE
        for name in list(takewhile(lambda one: self._gone[one] < before, self._gone)):
            del self._gone[name]
