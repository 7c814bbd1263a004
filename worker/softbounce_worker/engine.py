"""The delivery engine of a process: composes its parts, runs them, and ends them in good order.

One asyncio loop. :mod:`.lane.ownership` takes lanes and hands them back, :mod:`.claim.claimer` claims for all of them
at once, :mod:`.claim.resolving` finds out where an unresolved domain's mail belongs, :mod:`.lane.lane` carries it, and
:mod:`.results.claim_ledger` ends each claim. dramatiq hands lanes in by :meth:`DeliveryEngine.offer`; the scheduler
wakes lanes that are owned already. Owning a lane is politeness, so that its caps hold; what is safe is decided by claim
tokens in the store. Nobody below knows this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from threading import Event as ThreadEvent

import structlog

from softbounce.settings import Settings
from softbounce.standing import StandingHolds
from softbounce.store.held_streams import StreamHold
from softbounce.store.lanes import give_lanes
from softbounce_worker.claim.claimer import Claimer
from softbounce_worker.claim.resolving import DomainResolution
from softbounce_worker.dane.lookups import DaneLookups
from softbounce_worker.dkim.rules import SigningRule
from softbounce_worker.dkim.signer import Signer
from softbounce_worker.gauges import Gauges
from softbounce_worker.lane.address_memory import AddressMemory
from softbounce_worker.lane.denial_guard import DenialGuard
from softbounce_worker.lane.lane import Lane, LaneParts
from softbounce_worker.lane.lanes import Lanes
from softbounce_worker.lane.ownership import Ownership
from softbounce_worker.lane.roads import NO_ROADS, OwnRoads, Roads
from softbounce_worker.lane.site_dialling import SiteDialling
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.route import Router
from softbounce_worker.session.connection import Deadlines
from softbounce_worker.session.dialling import DialSettings
from softbounce_worker.session.slots import Slots
from softbounce_worker.store_watch import StoreWatch
from softbounce_worker.tls_results.collector import Collector
from softbounce_worker.tls_results.tally import TlsTally

__all__ = ["DeliveryEngine"]

ENDS_WITHIN = 2.0
log = structlog.get_logger("softbounce.worker")


class DeliveryEngine:
    """All deliveries of one process.

    :ivar lanes: the lanes that this process owns, by name.
    :ivar slots: how many sessions may be open, and who waits for one.
    :ivar ledger: claimed envelopes without a result.
    :ivar is_live: whether the lease stands, as far as this process can tell (asked from any thread).
    :param capacity: sessions at most.
    :param lease_seconds: a mark older than this does not cover a dot any more.
    :param body_octets: so much of the messages' bodies is in memory at a time.
    :param signing: whose mail is signed, with the keys.
    :param own_roads: the roads that may be taken beside the usual one.
    """

    def __init__(  # noqa: PLR0913 - what it is composed of
        self,
        process: WorkerProcess,
        *,
        flusher: Flusher,
        router: Router,
        watch: StoreWatch,
        limits: DialSettings,
        capacity: int,
        lease_seconds: float,
        body_octets: int,
        signing: Sequence[SigningRule] = (),
        own_roads: OwnRoads = NO_ROADS,
    ) -> None:
        self.process = process
        self.loop = process.loop
        self.is_live: Callable[[], bool] = lambda: True
        self.lanes = Lanes(process.loop.time)
        self.ledger = ClaimLedger(process, flusher, lease_seconds)
        self.slots = Slots(capacity, limits.connections_per_address)
        self._signer = Signer(signing)
        self._deadlines = Deadlines()
        self._gauges = Gauges(process, self._deadlines.stages, lambda: self.slots.taken)
        dane = DaneLookups(router, limits.port)
        roads = Roads(limits, self._deadlines, self.slots, own_roads, lambda port: DaneLookups(router, port).of)
        collector = Collector(limits.tlsrpt, process, router, dane.of) if limits.tlsrpt is not None else None
        self._tally = TlsTally(process, collector)
        self._resolution = DomainResolution(
            process, router, self.ledger, self._tally, own=self._own, lanes=self.lanes, note=self._note
        )
        if collector is not None:
            collector.policy_of = self._resolution.policies.known
        parts = LaneParts(
            process=process,
            registry=self.lanes,
            ledger=self.ledger,
            slots=self.slots,
            dialling=SiteDialling(router, roads, limits.connections_per_address),
            roads=roads,
            denials=DenialGuard(process.loop.time),
            addresses=AddressMemory(),
            tally=self._tally,
            timeouts=limits.timeouts,
            resolve=self._resolution.resolve,
        )
        self._ownership = Ownership(self.lanes, parts, flusher)
        self._claimer = Claimer(
            process,
            self.lanes,
            self.ledger,
            flusher,
            watch,
            resolve=self._resolution.resolve,
            leave_alone=self._ownership.leave_alone,
            body_octets=body_octets,
            signer=self._signer,
        )
        self._ownership.awaiting = lambda: self._claimer.awaiting_lanes
        self._ownership.claim_soon = self.lanes.claim_soon = self._claimer.wake
        flusher.went_back = self._ownership.went_back

    async def _own(self, lane: str) -> Lane | None:
        return await self._ownership.own(lane)

    def _note(self, shard: int, lane: str, stream: str, share: int) -> None:
        self._ownership.note(shard, lane, stream, share)

    # -- for jobs, from dramatiq's thread too -----------------------------------------------------------------------

    @property
    def place(self) -> ThreadEvent:
        """Set while this process may take one more lane."""
        return self._ownership.place

    @property
    def has_room(self) -> bool:
        """Whether it could take one more lane, whatever its share of them is."""
        return not self.process.is_ending and self._ownership.has_room

    def owns(self, lane: str) -> bool:
        """Whether this process has the lane."""
        return lane in self.lanes

    def send_hints_by(self, send: Callable[[str], object]) -> None:
        """How jobs for lanes are sent; told by who knows dramatiq."""
        self._ownership.send_hint = send

    # -- what is said to it, in the loop's thread -------------------------------------------------------------------

    def offer(self, lane: str) -> None:
        """A job says that a lane has work."""
        self._ownership.offer(lane)

    def hear(self, text: bytes) -> None:
        """What the scheduler says."""
        self._ownership.hear(text)

    def apply(self, settings: Settings) -> None:
        """New settings were published: they bind from the next decision on."""
        gate = self.process.gate
        if gate is not None:
            self.process.own_gate = gate  # settings that know none do not open it: a person starts the service anew
        self.process.settings = settings
        for lane in self.lanes.values():
            lane.apply(settings)
        if self.process.gate != gate:
            self.process.tell_of_gate()
        log.info("settings_applied", version=settings.version)

    def hold(self, holds: Mapping[str, StreamHold], standing: StandingHolds) -> None:
        """These are held as a whole from now on: what waits of them here is held, and what is claimed of them later.

        :param holds: streams, by a brake.
        :param standing: and what else stands.
        """
        process = self.process
        streams, others = holds.keys() - process.holds.keys(), standing.names - process.standing.names
        process.holds, process.standing = holds, standing
        if streams or others:
            for lane in self.lanes.values():
                lane.obey_holds()
        if streams:
            log.info("stream_holds_obeyed", streams=sorted(streams))
        if others:
            log.info("standing_holds_obeyed", holds=sorted(others))

    # -- its life ---------------------------------------------------------------------------------------------------

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
            group.create_task(self._tally.run())
            group.create_task(self._gauges.run())

    async def drain(self, seconds: float) -> None:
        """Take no more, hand the lanes back, finish what is under way; sessions left after *seconds* are ended.

        :raises StoreError: some lanes could not be handed back; they become free with the lease.
        """
        self._end()
        lanes = [*self.lanes.values(), *self.lanes.leaving]
        self._ownership.end_all()
        self._claimer.wake()
        until = self.loop.time() + seconds
        # Sessions end in many places; a look now and then is simpler than a count that all of them keep.
        while lanes and self.loop.time() < until:
            await asyncio.sleep(0.02)
            lanes = [lane for lane in lanes if lane.sessions]
        await self.abort()
        if self.lanes:
            await self.process.store.run(give_lanes(self.process.name, list(self.lanes)))

    async def abort(self) -> None:
        """End all sessions at once, and wait for whatever still runs beside."""
        self._end()
        lanes = [*self.lanes.values(), *self.lanes.leaving]
        sessions = [task for lane in lanes for task in lane.sessions.abort()]
        if sessions:
            await asyncio.wait(sessions, timeout=ENDS_WITHIN)
        await self.process.wait_for_spawned()  # after the sessions: their ends may begin some
        self._signer.close()
        await self._tally.close()
        await self._gauges.close()

    def _end(self) -> None:
        self.process.is_ending = True
        self.slots.close()
        self.place.clear()
