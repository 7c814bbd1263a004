"""The delivery engine of a process: what its lanes, its claims and its routes share, and how it begins and ends.

One asyncio loop. :mod:`.ownership` takes lanes and hands them back, :mod:`.claimer` claims for all of them at once,
:mod:`.resolving` finds out where an unresolved domain's mail belongs, :mod:`.lane` carries it. dramatiq hands lanes in
by :meth:`DeliveryEngine.offer`; the scheduler wakes lanes that are owned already. Owning a lane is politeness, so that
its caps hold; what is safe is decided by claim tokens in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random

import structlog

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.reply import Trouble
from softbounce.settings import BUILT_IN, Settings
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store.claiming import NOT_LIVE
from softbounce.store.lanes import give_lanes, save_lanes
from softbounce.store.reading import Unreadable
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change

from .aside import set_aside
from .claimer import Claimer
from .clock import StoreClock
from .connection import Deadlines
from .denial_guard import DenialGuard
from .dialling import Dialled, Dialling, Failed, HostMemory, Limits, Opening
from .flusher import Flusher
from .lane import Lane
from .lanes import Lanes
from .ownership import Ownership
from .resolving import DomainResolution
from .route import Router
from .slots import Slots
from .work import Work

__all__ = ["DeliveryEngine", "Surroundings"]

ENDS_WITHIN = 2.0
log = structlog.get_logger("softbounce.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an engine works with.

    :ivar process: the name under which this process claims.
    :ivar capacity: sessions at most.
    :ivar lease_seconds: a mark older than this does not cover a dot any more.
    :ivar body_octets: so much of the messages' bodies is in memory at a time.
    """

    store: AsyncShards
    flusher: Flusher
    router: Router
    limits: Limits
    clock: StoreClock
    process: str
    shards: int
    capacity: int
    lease_seconds: float
    body_octets: int


class DeliveryEngine:
    """All deliveries of one process.

    :ivar lanes: the lanes that this process owns, by name.
    :ivar slots: how many sessions may be open, and who waits for one.
    :ivar denials: whether a site is believed that an address does not exist.
    :ivar memory: what it remembers of mail hosts.
    :ivar in_hand: claimed envelopes without a result, with their tokens.
    :ivar send_hint: sends a job for a lane; set by who knows dramatiq.
    :ivar is_live: whether the lease stands, as far as this process can tell (asked from any thread).
    :ivar is_lost: the store does not list this process any more, in some shard or in all: it ends, and begins nothing.
    :ivar lost: called once when that turns out.
    :ivar remind: tells a store that turned out to be another one what this process did lately.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = surroundings.store
        self.flusher = surroundings.flusher
        self.router = surroundings.router
        self.clock = surroundings.clock
        self.process = surroundings.process
        self.shards = surroundings.shards
        self.limits = surroundings.limits
        self.timeouts = surroundings.limits.timeouts
        self.settings: Settings = BUILT_IN
        self.is_ending = False
        self.lanes = Lanes(self.loop.time)
        self.in_hand: dict[bytes, bytes] = {}
        self.send_hint: Callable[[str], object] = log.debug
        self.is_live: Callable[[], bool] = lambda: True
        self.is_lost = False
        self.lost: Callable[[], object] = lambda: None
        self.remind: Callable[[], Awaitable[None]] | None = None
        self._server = surroundings.store.server
        self._lease_seconds = surroundings.lease_seconds
        self.memory = HostMemory()
        self.slots = Slots(surroundings.capacity, surroundings.limits.connections_per_address)
        self._deadlines = Deadlines()
        self._dialling = Dialling(surroundings.limits, self._deadlines, self.memory, self.slots)
        self.denials = DenialGuard(self.loop.time)
        self._random = Random()  # noqa: S311 - which of equal hosts comes first is no secret
        self._tasks: set[asyncio.Task[None]] = set()
        self._ownership = Ownership(self)
        self._claimer = Claimer(self, surroundings.body_octets)
        self.lanes.claim_soon = self._claimer.wake
        self.flusher.went_back = self._ownership.went_back
        self._resolution = DomainResolution(self)
        self.place = self._ownership.place

    # -- from outside -----------------------------------------------------------------------------------------------

    def owns(self, lane: str) -> bool:
        """Whether this process has the lane (read from any thread)."""
        return lane in self.lanes

    @property
    def has_room(self) -> bool:
        """Whether it could take one more lane, whatever its share of them is (read from any thread)."""
        return not self.is_ending and self._ownership.has_room

    def offer(self, lane: str) -> None:
        """A job says that a lane has work. In the loop's thread."""
        self._ownership.offer(lane)

    def hear(self, text: bytes) -> None:
        """What the scheduler says. In the loop's thread."""
        self._ownership.hear(text)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deadlines.run())
            group.create_task(self._ownership.take_offered())
            group.create_task(self._ownership.look_around())
            group.create_task(self._ownership.hand_back())
            group.create_task(self._ownership.tell_others())
            group.create_task(self._claimer.run())
            group.create_task(self._claimer.find_unknown())

    async def drain(self, seconds: float) -> None:
        """Take no more, hand the lanes back, finish what is under way; sessions left after *seconds* are ended.

        :raises StoreError: some lanes could not be handed back; they become free with the lease.
        """
        self.is_ending = True
        self.slots.close()
        self.place.clear()
        lanes = [*self.lanes.values(), *self.lanes.leaving]
        self._ownership.end_all()
        self.claim_soon()
        until = self.loop.time() + seconds
        # Sessions end in many places; a look now and then is simpler than a count that all of them keep.
        while lanes and self.loop.time() < until:
            await asyncio.sleep(0.02)
            lanes = [lane for lane in lanes if lane.sessions]
        await self.abort()
        if self.lanes:
            await self.store.run(give_lanes(self.process, list(self.lanes)))

    async def abort(self) -> None:
        """End all sessions at once, and wait for whatever still runs beside."""
        self.is_ending = True
        self.slots.close()
        lanes = [*self.lanes.values(), *self.lanes.leaving]
        sessions = [task for lane in lanes for task in lane.sessions.abort()]
        if sessions:
            await asyncio.wait(sessions, timeout=ENDS_WITHIN)
        if self._tasks:  # after the sessions: their ends may begin some
            await asyncio.wait(list(self._tasks), timeout=ENDS_WITHIN)

    def apply(self, settings: Settings) -> None:
        """New settings were published: they bind from the next decision on."""
        self.settings = settings
        for lane in self.lanes.values():
            lane.rule = settings.lane_rule_for(shown_of(lane.name))
            lane.pump()
        log.info("settings_applied", version=settings.version)

    @property
    def awaiting_lanes(self) -> set[str]:
        """The lanes for which envelopes are in hand that they do not have yet."""
        return self._claimer.awaiting_lanes

    # -- for lanes --------------------------------------------------------------------------------------------------

    def claim_soon(self) -> None:
        """Some lane could carry more."""
        self._claimer.wake()

    def can_take_more(self, name: str) -> None:
        """Nothing of this lane waits for room any more."""
        if (lane := self.lanes.get(name)) is not None:
            self.lanes.changed(lane)

    def list_of(self, work: Work) -> tuple[int, str]:
        """The ready list that an envelope goes back to: its shard and stream."""
        return shard_of(work.record.id), work.record.stream

    def commit(self, work: Work, change: Change) -> None:
        """Hand a result over."""
        self.in_hand.pop(work.record.id, None)
        self.flusher.commit(change, work.token)

    def give_back(self, works: Sequence[Work]) -> None:
        """Put envelopes back into the ready list of their lane, as if they had not been claimed."""
        for work in works:
            self.commit(work, transitions.give_back(work.record))

    def give_back_unread(self, records: Sequence[Record]) -> None:
        """Put envelopes back whose message was not even read here."""
        for record in records:
            token = record.token
            self.forget(record)
            self.flusher.commit(transitions.give_back(record), token)

    def forget(self, record: Record) -> None:
        """A claimed envelope that no lane has is out of this process's hands."""
        if self.in_hand.get(record.id) == record.token:
            del self.in_hand[record.id]

    def set_aside(self, unreadable: Sequence[Unreadable]) -> None:
        """Claimed envelopes of which nobody can make anything leave all queues, and keep their records."""
        if unreadable:
            self.spawn(set_aside(self.store, self.process, unreadable))

    def leave_alone(self, records: list[Record]) -> None:
        """For long nothing but these is tried here; empty: that is over."""
        self._ownership.leave_alone(records)

    def put_back_innocent(self) -> None:
        """What is in no session goes back to its lists, because suspects are tried now; they themselves stay."""
        self._claimer.put_back_innocent()
        for lane in self.lanes.with_work():
            lane.put_back_innocent()

    def has(self, work: Work) -> bool:
        """Whether an envelope is in hand still, under the claim that the work is of."""
        return self.in_hand.get(work.record.id) == work.token

    def let_go(self, work: Work) -> None:
        """An envelope is no longer this claim's: there is no result to hand over."""
        if self.has(work):
            del self.in_hand[work.record.id]

    async def mark(self, works: Sequence[Work]) -> list[int]:
        """Mark envelopes; an answer that took longer than the lease covers nothing, and is asked for again."""
        claims = [(work.record.id, work.token) for work in works]
        while not self.is_lost:
            asked_at = self.loop.time()
            answers = await self.flusher.mark(claims)
            if NOT_LIVE in answers:
                self.lose_lease()
            elif self.loop.time() - asked_at < self._lease_seconds:
                return answers
        return [NOT_LIVE] * len(works)  # also where other shards still know us: no new dot leaves

    def lose_lease(self) -> None:
        """The store does not list this process any more, if only in one shard: it goes on under a new name."""
        if not self.is_lost:
            self.is_lost = True
            log.error("lease_lost", process=self.process)
            self.lost()

    def save(self, lane: Lane) -> None:
        """Remember a lane's state; of one that was given back its new owner does."""
        if not self.lanes.has(lane):
            return
        state = {lane.name: lane.state}

        async def save() -> None:
            try:
                await self.store.run(save_lanes(self.process, state))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))

        self.spawn(save())

    def promote_if_expired(self, work: Work) -> bool:
        """Promote an envelope whose window closed while it waited here, by its shard's clock. False: it has not."""
        now_ms = self.clock.now_of(work.record.id)
        if work.record.expires_ms > now_ms or not self.clock.is_sure(work.record.id):
            return False
        if transitions.expiry_ms(work.record, self.settings, now_ms) > now_ms:
            return False
        self.commit(work, transitions.promote(work.record, self.settings, now_ms))
        return True

    async def open_session(self, lane: Lane, opening: Opening) -> Dialled | Failed:
        """Open a session with one of the lane's hosts, and with a shunned one only where no other can be had."""
        route = await self.router.reach(lane.name, lane.hosts.listed)
        if isinstance(route, Trouble):
            return Failed(what=route, stage=Stage.ROUTE, host=None, address=None)
        lane.hosts.learn(route)
        hosts = [(host.name, host.addresses) for host in route.in_order(self._random)]
        most = lane.rule.most_at_address(self.limits.connections_per_address)
        return await self._dialling.open(hosts, most, opening)

    @property
    def has_met_store(self) -> bool:
        """Whether the server that answered last is the one that was met."""
        return self.store.server == self._server

    async def meet_store(self) -> None:
        """Before new claims: a store that was restored or failed over is told our latest results again.

        :raises StoreError: it went away; meet it again.
        """
        server = self.store.server
        if server != self._server:
            if self._server and self.remind is not None:
                log.warning("store_is_another", process=self.process)
                await self.remind()
            self._server = server

    # -- for the parts ----------------------------------------------------------------------------------------------

    async def own(self, lane: str) -> Lane | None:
        """The lane, if this process has it or can have it: it takes the place of the unresolved one that led here."""
        if lane not in self.lanes:
            await self._ownership.own(lane)
        return self.lanes.get(lane)

    def resolve(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Find out where a domain's claimed mail belongs, and send it there."""
        lane.resolving += len(works)
        self.lanes.changed(lane)
        self.spawn(self._resolution.resolve(lane, domain, works))

    def spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run something beside."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", exc_info=error)
