"""The delivery engine of a process: the lanes it owns, what it claims for them, and the ways to the store.

One asyncio loop, one claimer for all lanes (one call serves many), one flusher for all results. dramatiq hands lanes in
by :meth:`DeliveryEngine.offer`; the scheduler wakes lanes that are owned already. Owning a lane is politeness, so that
its caps hold; what is safe is decided by claim tokens in the store.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from threading import Event as ThreadEvent

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag, Record
from softbounce.errors import StoreError, StoreUncertain
from softbounce.ids import format_id, shard_of
from softbounce.reply import Trouble
from softbounce.settings import BUILT_IN, Settings
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store import housekeeping, keys, operations
from softbounce.store.housekeeping import LaneState, Site
from softbounce.store.operations import Batch
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen

from .clock import StoreClock
from .connection import Deadlines
from .flusher import Flusher
from .lane import Lane
from .opening import Dialled, Failed, HostMemory, Limits, open_session
from .route import Route, Router
from .work import Parcel, Work

__all__ = ["DeliveryEngine"]

LOOK_AROUND = 1.0
LANE_GRACE = 5.0
UNKNOWN_EVERY = 5.0
LANE_TURN = 30.0
BACKLOG_LIMIT = 4000
LISTS_A_CLAIM = 200
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
log = structlog.get_logger("softbounce.worker")


class DeliveryEngine:
    """All deliveries of one process.

    :ivar send_hint: sends a job for a lane; set by who knows dramatiq.
    :param capacity: sessions at most.
    :param lease_seconds: a mark older than this does not cover a dot any more.
    """

    def __init__(
        self,
        store: AsyncShards,
        flusher: Flusher,
        router: Router,
        limits: Limits,
        *,
        process: str,
        shards: int,
        clock: StoreClock,
        capacity: int,
        lease_seconds: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.timeouts = limits.timeouts
        self.settings: Settings = BUILT_IN
        self.place = ThreadEvent()
        self.place.set()
        self.is_ending = False
        self.siblings = 0
        self._store = store
        self._flusher = flusher
        self._router = router
        self._limits = limits
        self._process = process
        self._shards = shards
        self._capacity = capacity
        self._lease_seconds = lease_seconds
        self._lanes: dict[str, Lane] = {}
        self._offered: list[str] = []
        self._claim = asyncio.Event()
        self._offer = asyncio.Event()
        self._deadlines = Deadlines()
        self._memory = HostMemory()
        self._random = Random()  # noqa: S311 - which of equal hosts comes first is no secret
        self._share = 1_000_000
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        self._in_hand: dict[bytes, bytes] = {}
        self._unknown: dict[bytes, bytes] = {}
        self.send_hint: Callable[[str], object] = log.debug

    # -- from outside -----------------------------------------------------------------------------------------------

    def owns(self, lane: str) -> bool:
        """Whether this process has the lane (read from any thread)."""
        return lane in self._lanes

    def offer(self, lane: str) -> None:
        """A job says that a lane has work. In the loop's thread."""
        known = self._lanes.get(lane)
        if known is not None:
            self._mark_lists(known)
            return
        self._offered.append(lane)
        self._offer.set()

    def hear(self, text: bytes) -> None:
        """The scheduler says that lanes of ours got work: lines of ``shard|name of the ready list``."""
        for line in text.decode().split("\n"):
            if not line:
                continue
            shard, _, name = line.partition("|")
            lane, _, stream = keys.split_ready_name(name)
            known = self._lanes.get(lane)
            if known is not None:
                known.note(int(shard), stream)
        self._claim.set()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deadlines.run())
            group.create_task(self._take_lanes())
            group.create_task(self._claims())
            group.create_task(self._look_around())
            group.create_task(self._find_unknown_claims())

    async def drain(self, seconds: float) -> None:
        """Take no more, finish what is under way, hand everything back; sessions left after *seconds* are ended."""
        self.is_ending = True
        self.place.clear()
        for lane in list(self._lanes.values()):
            lane.end()
        until = self.loop.time() + seconds
        while any(lane.sessions for lane in self._lanes.values()) and self.loop.time() < until:
            await asyncio.sleep(0.02)
        for lane in self._lanes.values():
            lane.abort()
        await asyncio.sleep(0)
        if self._lanes:
            await self._store.run(housekeeping.give_lanes(self._process, list(self._lanes)))

    def apply(self, settings: Settings) -> None:
        """New settings were published: they bind from the next decision on."""
        self.settings = settings
        for lane in self._lanes.values():
            lane.rule = settings.lane_rule_for(shown_of(lane.name))
            lane.pump()
        log.info("settings_applied", version=settings.version)

    # -- for lanes --------------------------------------------------------------------------------------------------

    def may_open(self) -> bool:
        """Whether one more session may be opened."""
        return sum(lane.sessions for lane in self._lanes.values()) < self._capacity

    def claim_soon(self) -> None:
        """Some lane could carry more."""
        self._claim.set()

    def list_of(self, work: Work) -> tuple[int, str]:
        """The ready list that an envelope goes back to."""
        return shard_of(work.record.id), work.record.stream

    def commit(self, work: Work, change: Change) -> None:
        """Hand a result over."""
        self._in_hand.pop(work.record.id, None)
        self._flusher.commit(change, work.token)

    async def mark(self, works: Sequence[Work]) -> list[int]:
        """Mark envelopes; an answer that took longer than the lease covers nothing, and is asked for again."""
        claims = [(work.record.id, work.token) for work in works]
        while True:
            asked_at = self.loop.time()
            answers = await self._flusher.mark(claims)
            if self.loop.time() - asked_at < self._lease_seconds:
                return answers

    def save(self, lane: Lane) -> None:
        """Remember a lane's state."""
        self._spawn(self._save(lane.name, lane.state))

    def promote_if_expired(self, work: Work, now_ms: int) -> bool:
        """Promote an envelope whose window closed while it waited here. False: it has not."""
        if transitions.expiry_ms(work.record, self.settings, now_ms) > now_ms:
            return False
        self.commit(work, transitions.promote(work.record, self.settings, now_ms))
        return True

    async def open_session(self, lane: Lane) -> Dialled | Failed:
        """Open a session with one of the lane's hosts."""
        domain = lane.domain
        route = await self._router.route(domain)
        if isinstance(route, Trouble):
            return Failed(what=route, stage=Stage.ROUTE, host=None, address=None)
        hosts = [(host.name, host.addresses) for host in route.in_order(self._random)]
        return await open_session(hosts, self._limits, self._deadlines, self._memory)

    # -- lanes come and go ------------------------------------------------------------------------------------------

    async def _take_lanes(self) -> None:
        while True:
            await self._offer.wait()
            self._offer.clear()
            offered, self._offered = list(dict.fromkeys(self._offered)), []
            await self._own([lane for lane in offered if lane not in self._lanes])

    async def _own(self, names: list[str]) -> None:
        """Become the owner of lanes, where nobody else is."""
        if not names or self.is_ending:
            return
        try:
            states = await self._store.run(housekeeping.take_lanes(self._process, names))
            lists = await self._store.run(housekeeping.list_lanes(self._shards))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return  # the sweep repeats the hint
        for name, state in zip(names, states, strict=True):
            if state is not None and name not in self._lanes:
                self._lanes[name] = Lane(self, name, state, self.settings.lane_rule_for(shown_of(name)))
        self._note_lists(lists)
        self._claim.set()
        self._measure_place()

    def _mark_lists(self, lane: Lane) -> None:
        for name in lane.lists:
            lane.lists[name] = True
        if not lane.lists:
            self._spawn(self._find_lists())
        self._claim.set()

    async def _find_lists(self) -> None:
        try:
            self._note_lists(await self._store.run(housekeeping.list_lanes(self._shards)))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
        self._claim.set()

    def _note_lists(self, lists: list[tuple[int, str]]) -> None:
        for shard, name in lists:
            lane, _, stream = keys.split_ready_name(name)
            known = self._lanes.get(lane)
            if known is not None:
                (known.leads_to or known).lists[shard, stream, lane] = True

    async def _look_around(self) -> None:
        """Now and then: lost wake-ups, idle lanes, this process's share of the lanes."""
        while True:
            await asyncio.sleep(LOOK_AROUND)
            try:
                lists = await self._store.run(housekeeping.list_lanes(self._shards))
                leases = await self._store.run(housekeeping.leases())
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                continue
            self._note_lists(lists)
            alive = sum(end >= leases.now_ms for end in leases.ends.values())
            self.siblings = max(0, alive - 1)
            with_work = len({keys.split_ready_name(name)[0] for _, name in lists} | set(self._busy_lanes()))
            self._share = -(-with_work // max(1, alive)) if self.siblings else 1_000_000
            await self._hand_back()
            self._measure_place()
            self._claim.set()

    def _busy_lanes(self) -> list[str]:
        return [name for name, lane in self._lanes.items() if lane.has_work]

    def _measure_place(self) -> None:
        full = not self.may_open() or len(self._busy_lanes()) >= max(1, self._share) or self.is_ending
        if full:
            self.place.clear()
        else:
            self.place.set()

    async def _hand_back(self) -> None:
        """Give lanes back that are idle, or more than our share while others have less."""
        now = self.loop.time()
        for lane in self._lanes.values():
            if lane.is_quiet and not lane.is_ending and not lane.has_work and now - lane.busy_at > LANE_GRACE:
                lane.end()
        excess = len(self._busy_lanes()) - self._share
        for lane in sorted(self._lanes.values(), key=lambda one: one.owned_at):
            if excess > 0 and lane.has_work and not lane.is_ending and now - lane.owned_at > LANE_TURN:
                lane.end()
                excess -= 1
        ended = [name for name, lane in self._lanes.items() if lane.is_ending and lane.is_quiet]
        if ended and not self._flusher.backlog:
            for name in ended:
                del self._lanes[name]
            try:
                await self._store.run(housekeeping.give_lanes(self._process, ended))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))  # they lapse with the lease at the latest

    async def _save(self, name: str, state: LaneState) -> None:
        try:
            await self._store.run(housekeeping.save_lanes(self._process, {name: state}))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find_unknown_claims(self) -> None:
        """Give back what the store lists for this process and the process does not know: the answer to a claim was cut.

        Only what was unknown twice in a row: a result may just be on its way.
        """
        while True:
            await asyncio.sleep(UNKNOWN_EVERY)
            try:
                listed: dict[bytes, bytes] = {}
                for shard in range(self._shards):
                    listed |= await self._store.run(housekeeping.list_claims(self._process, shard))
                if self._flusher.backlog:
                    continue
                unknown = {one: token for one, token in listed.items() if one not in self._in_hand}
                lost = [one for one, token in unknown.items() if self._unknown.get(one) == token]
                self._unknown = unknown
                for record in await self._store.run(operations.fetch(lost)) if lost else []:
                    if record is not None and record.token == unknown[record.id] and not record.flags & Flag.MARKED:
                        log.warning("claim_unknown", envelope=format_id(record.id))
                        self._flusher.commit(transitions.give_back(record), unknown[record.id])
            except StoreError as error:
                log.warning("store_trouble", error=str(error))

    # -- claims -----------------------------------------------------------------------------------------------------

    async def _claims(self) -> None:
        trouble = 0
        while True:
            await self._claim.wait()
            self._claim.clear()
            if self.is_ending or self._flusher.backlog > BACKLOG_LIMIT:
                await asyncio.sleep(0.01)
                if not self.is_ending:
                    self._claim.set()
                continue
            batches, lanes = self._wanted()
            if not batches:
                continue
            try:
                await self._claim_batches(batches, lanes)
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[min(trouble, len(PAUSES) - 1)])
                trouble += 1
                self._claim.set()
            else:
                trouble = 0

    def _wanted(self) -> tuple[list[Batch], list[list[Lane]]]:
        """What to claim now: for each shard the lists and how many of each, and the lanes they belong to."""
        lists: dict[int, list[tuple[str, str, int]]] = {}
        lanes: dict[int, list[Lane]] = {}
        names = list(self._lanes)
        self._turn += 1
        start = self._turn % max(1, len(names))
        total = 0
        for name in names[start:] + names[:start]:
            lane = self._lanes[name]
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
                self._claim.set()
                break
        return [Batch(shard, wanted) for shard, wanted in lists.items()], list(lanes.values())

    async def _claim_batches(self, batches: list[Batch], lanes: list[list[Lane]]) -> None:
        token = secrets.token_bytes(8)
        claimed = None
        repeats = False
        while claimed is None:
            try:
                claimed = await self._store.run(operations.claim(self._process, token, batches, repeats=repeats))
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
        if records:
            await self._distribute(records)
        if any(lane.wanted() > 0 for lane in self._lanes.values()):
            self._claim.set()

    async def _distribute(self, records: list[Record]) -> None:
        """Fetch the bodies, and give the envelopes to the lanes that carry them."""
        stored: dict[bytes, Record] = {record.message: record for record in records}
        bodies = None
        while bodies is None:
            try:
                bodies = await self._store.run(operations.bodies(list(stored.values())))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSES[2])
        parcels: dict[bytes, Parcel] = {}
        for (message, record), body in zip(stored.items(), bodies, strict=True):
            try:
                if body is None:
                    raise ValueError("its body is gone")
                parcels[message] = Parcel(body, record.envelope.body)
            except ValueError as error:
                log.error("body_unreadable", message=message.hex(), error=str(error))
        by_lane: dict[str, list[Work]] = {}
        for record in records:
            parcel = parcels.get(record.message)
            if parcel is None:
                continue  # given back as an unknown claim: a missing body is a lost claim, never an empty message
            self._in_hand[record.id] = record.token
            by_lane.setdefault(record.lane, []).append(Work(record, parcel))
        for name, works in by_lane.items():
            lane = self._lanes.get(name)
            if lane is not None and lane.leads_to is not None:
                lane = lane.leads_to
            if lane is None or lane.is_ending or lane.is_closed:
                for work in works:
                    self.commit(work, transitions.give_back(work.record))
                continue
            by_domain: dict[str, list[Work]] = {}
            for work in works:
                by_domain.setdefault(work.record.envelope.domain, []).append(work)
            for domain, some in by_domain.items():
                if lane.leads(domain, self.loop.time()):
                    if name != lane.name:
                        move_to(lane.name, some)
                    lane.add(some)
                else:
                    lane.resolving += len(some)
                    self._spawn(self._resolve(lane, domain, some))

    # -- routes -----------------------------------------------------------------------------------------------------

    async def _resolve(self, lane: Lane, domain: str, works: list[Work]) -> None:
        """Find out whether a domain's mail still goes by this lane, and send it where it belongs."""
        route: Route | Trouble | None = None
        try:
            route = await self._router.route(domain)
        finally:
            lane.resolving -= len(works)
            self._claim.set()
            if route is None:
                for work in works:
                    self.commit(work, transitions.give_back(work.record))
        if isinstance(route, Trouble):
            await self._no_route(lane, works, route)
            return
        if route.site != lane.name:
            target = await self._lane_for(domain, route)
            move_to(route.site, works)
            if target is None:
                lane.is_passage = True
                for work in works:
                    self.commit(work, transitions.give_back(work.record))
                await self._flusher.drained()
                await self._wake_elsewhere(route.site, works)
                return
            if lane.name == f"?{domain}":
                lane.follow(target)
            lane = target
        lane.learn(domain, self.loop.time() + route.ttl)
        if lane.is_closed or lane.is_ending:
            for work in works:
                self.commit(work, transitions.give_back(work.record))
                lane.note(*self.list_of(work))
            return
        lane.add(works)

    async def _lane_for(self, domain: str, route: Route) -> Lane | None:
        """The lane of a route, if this process has it or can have it; all shards learn where the domain goes."""
        site = Site(lane=route.site, shown=route.shown, learnt_ms=self.clock.now_ms())
        try:
            await self._store.run(housekeeping.learn({domain: site}, shards=self._shards))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
        if route.site not in self._lanes and self.place.is_set():
            await self._own([route.site])
        return self._lanes.get(route.site)

    async def _wake_elsewhere(self, lane: str, works: list[Work]) -> None:
        """Another process has, or shall have, that lane."""
        lists = {self.list_of(work) for work in works}
        text = "\n".join(f"{shard}|{keys.ready_name(lane, stream)}" for shard, stream in lists)
        try:
            processes = list((await self._store.run(housekeeping.leases())).ends)
            need = await self._store.run(
                housekeeping.wake(self.clock.now_ms(), {lane: text}, processes, repeat_after_ms=30_000)
            )
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return
        for name in need:
            self.send_hint(name)

    async def _no_route(self, lane: Lane, works: list[Work], trouble: Trouble) -> None:
        now_ms = self.clock.now_ms()
        if trouble.permanent:
            verdict = classify(trouble, stage=Stage.ROUTE, site=None, settings=self.settings)
            seen = Seen(what=trouble, stage=Stage.ROUTE, started_ms=now_ms, ended_ms=now_ms)
            lane.is_passage = True
            for work in works:
                self.commit(work, transitions.conclude(work.record, seen, verdict, self.settings, now_ms))
            return
        if lane.name.startswith("?"):
            lane.close_for_route(works, trouble)
            return
        for work in works:  # a domain that was known fails to resolve: it waits in a lane of its own, not in its site's
            work.record.lane = f"?{work.record.envelope.domain}"
            self.commit(work, transitions.give_back(work.record))
        await self._flusher.drained()
        await self._wake_elsewhere(works[0].record.lane, works)


def move_to(lane: str, works: Sequence[Work]) -> None:
    """Note in envelopes that their mail goes by this site's lane."""
    for work in works:
        work.record.lane = lane
        work.record.envelope.site = shown_of(lane)
