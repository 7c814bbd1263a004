"""Sweeps, independently of all workers: lapsed leases, lanes with work that nobody has, what may be forgotten.

Whoever runs the sweeps is told when the next lease may end: what a dead worker held waits for that, and no longer.

A process whose lease lapsed may claim no more in any shard. Its claims without a marker go back to *scheduled*,
uncharged, later the oftener they were claimed. Its claims with a marker close as uncertain attempts once its journal
was replayed, or a minute after its lease ended. Only a dead process's journal can be replayed: that ends its lease too.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from softbounce import transitions
from softbounce.envelope import Flag, Record
from softbounce.errors import StoreError
from softbounce.ids import shard_of
from softbounce.store import membership, moving
from softbounce.store.membership import Leases
from softbounce.store.moving import Move, MoveResult
from softbounce.transitions import Change

from .orphaned_lanes import OrphanedLanes
from .pruning import Pruner
from .release import Releaser
from .retention import Forgetter
from .store_view import StoreView
from .unreadable import Aside

__all__ = ["Sweeper"]

REPLAY_PATIENCE = 60.0
LET_IN_WITHIN = 10.0
"""Seconds from one shard to the last."""
LAPSE_LIMIT = 200
ENOUGH = 2
"""So many processes whose claims the store did not give: it is the store's trouble, not theirs."""
SLOW_ANSWER = 0.5
"""Seconds. Whoever waits longer for the store's answer has waited for the store itself to come back."""
NEVER = float("inf")
JUST_AFTER = 0.005
LONGEST_LEASE_MS = 600_000
"""A lease that ends later was given by a clock that was set back since."""
log = structlog.get_logger("softbounce.scheduler")


class LeaseEnd(NamedTuple):
    """When a lease ends: as the store has it, ms, and by :func:`time.monotonic`."""

    said_ms: int
    at: float


class Sweeper:
    """The sweeps over all shards."""

    def __init__(self, view: StoreView, releaser: Releaser, lease_ms: int) -> None:
        self._view = view
        self._lease_ms = lease_ms
        self._store_back_at = time.monotonic()
        self._lease_ends_at = NEVER
        self._living: set[str] | None = None
        self._others_since_ms = 0
        self._looked_at = 0.0
        self._ends: dict[str, LeaseEnd] = {}
        self._unknown_since: dict[str, float] = {}
        self.forgetter = Forgetter(view)
        self._pruner = Pruner(view)
        self._orphaned_lanes = OrphanedLanes(view, releaser)

    @property
    def seconds_to_lease_end(self) -> float:
        """How long until the first of the leases seen by the last sweep ends, unless it is renewed."""
        return max(0.0, self._lease_ends_at - time.monotonic())

    def store_was_away(self) -> None:
        """No lease lapses for one lease after this: nobody could renew while the store was away."""
        self._store_back_at = time.monotonic()
        self._lease_ends_at = NEVER

    async def sweep(self) -> None:
        """One sweep."""
        try:
            await self.lapse()
            await self._find_orphaned_lanes()
        finally:
            await self.forgetter.forget()
            await self._pruner.prune()

    async def lapse(self) -> None:
        """Return what processes hold whose lease lapsed, or whose journal was replayed: they are dead."""
        asked_at = time.monotonic()
        self._lease_ends_at = NEVER
        leases = await self._view.read_leases()
        self._looked_at = now = time.monotonic()
        if now - asked_at > SLOW_ANSWER:
            self.store_was_away()
        self._time(leases, now)
        self._lease_ends_at = min((end.at + JUST_AFTER for end in self._ends.values() if end.at > now), default=NEVER)
        if (now - self._store_back_at) * 1000 < self._lease_ms:
            return
        await self._forget_no_members()
        ends = {name: end.at for name, end in self._ends.items()} | await self._strangers(leases)
        names = list(ends)
        replayed = await self._view.store.run(membership.replayed(names)) if names else []
        trouble: list[StoreError] = []
        for name, is_replayed in zip(names, replayed, strict=True):
            if not is_replayed and ends[name] > now:
                continue
            try:
                await self._lapse(name, settle=is_replayed or now > ends[name] + REPLAY_PATIENCE)
            except StoreError as error:  # the others' need not wait for what one of them left behind
                trouble.append(error)
                if len(trouble) == ENOUGH:
                    break
        if trouble:
            raise trouble[0]

    def _time(self, leases: Leases, now: float) -> None:
        """When each lease ends, by a clock that nobody can set: the store's may have been, since it was renewed.

        A lease that this sweep has not met before ends as it says, if that is not later than any can. One that was
        renewed since ends as it says where that can be, else a lease from now.
        """
        longest = max(self._lease_ms, LONGEST_LEASE_MS)
        known, self._ends = self._ends, {}
        for name, end_ms in leases.ends.items():
            before = known.get(name)
            left_ms = end_ms - leases.now_ms
            if left_ms > longest or (left_ms < 0 and before is not None):
                left_ms = self._lease_ms
            is_known = before is not None and before.said_ms == end_ms
            self._ends[name] = before if before and is_known else LeaseEnd(end_ms, now + left_ms / 1000)

    async def _lapse(self, name: str, *, settle: bool) -> None:
        left = 0
        for shard in range(self._view.shards):
            left += await self._return_claims(name, shard, settle=settle)
        if left == 0:
            await self._view.store.run(membership.forget_process(name, shards=self._view.shards))
            log.warning("process_lapsed", process=name)

    async def _forget_no_members(self) -> None:
        """Take off what stands among the processes and was never one: it would have its lanes for ever."""
        odd, untold = await self._view.store.run(membership.no_members(self._view.shards))
        for name in odd:
            log.warning("no_process_forgotten", name=ascii(name[:100]))
            await self._view.store.run(membership.forget_process(name, shards=self._view.shards))
            self._living = set()  # its lanes are free now, and jobs for them may have been taken in vain
        if untold:
            await self._view.store.run(membership.forget_infos(untold))

    async def _strangers(self, leases: Leases) -> dict[str, float]:
        """Processes that may claim in some shard and have had no lease for a while, with when that was first seen.

        They died while they were let in, or a failover forgot their lease; while one is let in it has none yet.
        """
        members = await self._view.store.run(membership.members(self._view.shards))
        now = self._looked_at
        unknown = members - leases.ends.keys()
        self._unknown_since = {name: self._unknown_since.get(name, now) for name in unknown}
        patience = self._lease_ms / 1000 + LET_IN_WITHIN
        return {name: since for name, since in self._unknown_since.items() if now - since > patience}

    async def _return_claims(self, process: str, shard: int, *, settle: bool) -> int:
        """Return a lapsed process's claims in a shard; tells how many it still has."""
        store, settings = self._view.store, self._view.settings
        while True:
            now_ms, total, claims = await store.run(membership.lapse(process, shard, LAPSE_LIMIT))
            aside = Aside(store, shard, process)
            records = aside.readable(record for _, record in claims)
            judged = aside.judged(records, lambda record, now_ms=now_ms: self.returned(record, now_ms, settle=settle))  # type: ignore[misc]
            moves = [move for _, move in judged if move is not None]
            await aside.put()
            returned = len(claims) - len(judged)
            if moves:
                results = await store.run(moving.move(moves, process=process, keep_events=settings.keep_events_max))
                moved = results.count(MoveResult.MOVED)  # cancel may have been asked of some meanwhile: look again
                returned += moved
                log.warning("claims_returned", process=process, shard=shard, envelopes=moved)
            if not returned or total <= len(claims):
                return total - returned

    def returned(self, record: Record, now_ms: int, *, settle: bool) -> Move | None:
        """What becomes of an envelope whose process is gone; ``None``: nothing yet."""
        token, version = record.token, record.version
        change = self._returned(record, now_ms, settle=settle)
        if change is None:
            return None
        move = Move(
            record=change.record,
            token=token,
            version=version,
            look_ms=change.look_ms,
            event=change.event,
            ahead=change.ahead,
        )
        move.octets()  # what cannot be stored is found out here, where it costs no other
        return move

    def _returned(self, record: Record, now_ms: int, *, settle: bool) -> Change | None:
        settings = self._view.settings
        if not record.flags & Flag.MARKED:
            change = transitions.reschedule(record, claim_wait=True, now_ms=now_ms)
            return transitions.look_now_if_expired(change, settings, now_ms)
        if not settle:
            return None
        seen, verdict = transitions.lost_attempt(record, settings, now_ms)
        seen = replace(seen, is_time_sure=self._view.clocks[shard_of(record.id)].is_sure)
        return transitions.close_uncertain(record, seen, verdict, settings, now_ms)

    async def _find_orphaned_lanes(self) -> None:
        are_others = self._are_others()
        await self._orphaned_lanes.find(self._others_since_ms, are_others=are_others)

    def _are_others(self) -> bool:
        """Whether other processes live than at the last sweep: one that is gone may have taken jobs along."""
        before, self._living = self._living, {name for name, end in self._ends.items() if end.at > self._looked_at}
        if before is None or before == self._living:
            return False
        self._others_since_ms = self._view.leases.now_ms
        return True
