"""Claims for all lanes of a process at once, fetches the bodies, gives each envelope to the lane that carries it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
from softbounce_config.loops import keep_going, pause_after

from softbounce import transitions
from softbounce.envelope import Flag, Record
from softbounce.errors import LeaseLost, StoreUncertain
from softbounce.ids import format_id
from softbounce.store import claiming, membership, reading
from softbounce.store.claiming import Batch, Claimed
from softbounce.store.reading import Unreadable
from softbounce_worker.claim.bodies import Bodies
from softbounce_worker.claim.suspects import Suspects
from softbounce_worker.dkim.signer import Signer
from softbounce_worker.lane.lane import Lane
from softbounce_worker.lane.lanes import Lanes
from softbounce_worker.lane.ready_lists import Entries, ListName
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.store_watch import StoreWatch
from softbounce_worker.work import Work

__all__ = ["Claimer"]

BACKLOG_LIMIT = 4000
LISTS_A_CLAIM = 200
ENVELOPES_A_CLAIM = 256
"""About so many at a time: more would keep the loop from what the hosts say meanwhile."""
RARELY = 4
"""A list of which nobody knows how long it is has rarely more than this part of what is asked for."""
UNKNOWN_EVERY = 5.0
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
log = structlog.get_logger("softbounce.worker")


class LaneBatch(NamedTuple):
    """A claim in one shard: its lists, how many of each, and the lanes that they are for."""

    lists: list[ListName]
    numbers: list[int]
    lanes: list[Lane]

    def add(self, lane: Lane, drawn: dict[ListName, Entries], want: int) -> int:
        """Claim about so many for a lane, from these lists; how many are likely to come.

        From none more than it is known to have: a list with one entry is no reason to claim for no other.
        """
        numbers = lane.split(want, drawn)
        self.lists.extend(drawn)
        self.numbers.extend(numbers)
        self.lanes.extend([lane] * len(drawn))
        likely = zip(numbers, drawn.values(), strict=True)
        return sum(one if known.is_all else -(-one // RARELY) for one, known in likely)

    def batch(self) -> Batch:
        """The claim as the store is asked."""
        named = zip(self.lists, self.numbers, strict=True)
        return Batch(self.lists[0].shard, [(name.lane, name.stream, number, name.share) for name, number in named])

    def give_lists_back(self, left: Sequence[int] | None) -> None:
        """The lanes know of these lists again, but for those that turned out to be empty.

        :param left: how many entries each has; none: nobody knows.
        """
        for position, (lane, name) in enumerate(zip(self.lanes, self.lists, strict=True)):
            if not left:
                lane.lists.note(name)
            elif left[position]:
                lane.lists.note(name, left[position])


class Claimer:
    """The one claimer of a process.

    :param leave_alone: told of suspects that have the process to themselves for long; of none: that is over.
    """

    def __init__(  # noqa: PLR0913 - whom it needs
        self,
        process: WorkerProcess,
        lanes: Lanes,
        ledger: ClaimLedger,
        flusher: Flusher,
        watch: StoreWatch,
        *,
        resolve: Callable[[Lane, str, list[Work]], None],
        leave_alone: Callable[[list[Record]], object],
        body_octets: int,
        signer: Signer,
    ) -> None:
        self._process = process
        self._lanes = lanes
        self._ledger = ledger
        self._flusher = flusher
        self._watch = watch
        self._resolve = resolve
        self._leave_alone = leave_alone
        self._wake = asyncio.Event()
        self._claiming = b""
        self._claiming_for: list[Lane] = []
        self._unknown: dict[bytes, bytes] = {}
        self._bodies = Bodies(
            process, ledger, body_octets, signer=signer, read_on=self.wake, can_take_more=self._can_take_more
        )
        self._suspects = Suspects(process, ledger, flusher, self)

    @property
    def awaiting_lanes(self) -> set[str]:
        """The lanes for which envelopes are in hand, or on their way here, that they do not have yet."""
        suspects = (record.lane for record in self._suspects.waiting)
        return {*suspects, *self._bodies.lanes, *(lane.name for lane in self._claiming_for)}

    def give_back_unsuspected(self) -> None:
        """What is in no session goes back to its lists, because suspects are tried now; they themselves stay."""
        self._bodies.give_back_unsuspected()
        for lane in self._lanes.with_work():
            lane.give_back_unsuspected()

    def leave_alone(self, records: list[Record]) -> None:
        """For long nothing but these is tried here; empty: that is over."""
        self._leave_alone(records)

    def _can_take_more(self, name: str) -> None:
        if (lane := self._lanes.get(name)) is not None:
            lane.changed()

    def wake(self) -> None:
        """Some lane could carry more."""
        self._wake.set()

    async def run(self) -> None:
        """Claim whenever lanes want more, for ever."""
        await keep_going("claims", self._step, log)

    async def _step(self) -> None:
        await self._wake.wait()
        self._wake.clear()
        if self._process.is_lost:
            return
        if self._process.is_ending:
            self._suspects.give_back()
            self._bodies.give_back()
            return
        try:
            if self._suspects.are_ripe:
                await self._suspects.try_next()
            await self._claim_more()
        except LeaseLost:
            self._process.lose_lease()
        except Exception:
            self._wake.set()  # once more
            raise

    async def _claim_more(self) -> None:
        """One claim for all lanes that want more."""
        suspects = self._suspects
        if self._flusher.backlog > BACKLOG_LIMIT:
            await asyncio.sleep(PAUSES[0])
            self._wake.set()
            return
        await self._carry_what_fits()
        await self._watch.meet()
        may_claim = not suspects.are_enough
        if may_claim and (batches := self._wanted()):
            claimed = await self._claim(batches)
            if not self._watch.has_met:  # replaced in between: what it gave goes back, as all unknown claims do
                self._wake.set()
            elif records := [one for one in suspects.take(claimed) if not self._waits(one)]:
                await self.carry(records)
        if suspects.are_ripe or (may_claim and self._lanes.want_more):
            self._wake.set()

    def _waits(self, record: Record) -> bool:
        """Whether one waits for its sender or its address: then its message is not even read."""
        lane = None if record.lane.startswith("?") else self._lanes.get(record.lane)
        return lane is not None and not lane.is_closed and lane.trouble.holding.hold_back_unread(record)

    def _wanted(self) -> list[LaneBatch]:
        """What to claim now, for the lanes whose turn it is, up to a bound: one batch a shard.

        A lane whose last ones still wait for room wants more when they do not.
        """
        batches: dict[int, LaneBatch] = {}
        total = envelopes = 0
        while total < LISTS_A_CLAIM and envelopes < ENVELOPES_A_CLAIM:
            lane = self._lanes.take_wanting()
            if lane is None:
                break
            want = min(lane.wanted(), ENVELOPES_A_CLAIM - envelopes)
            if drawn := lane.draw(min(want, LISTS_A_CLAIM - total), self._bodies.waits_for):
                shard = next(iter(drawn)).shard
                envelopes += batches.setdefault(shard, LaneBatch([], [], [])).add(lane, drawn, want)
                total += len(drawn)
        return list(batches.values())

    async def _claim(self, batches: list[LaneBatch]) -> list[Record]:
        """Claim under a token of its own, until the answer is known."""
        self._claiming_for = [lane for batch in batches for lane in batch.lanes]
        claimed: list[Claimed] = []
        try:
            claimed = await self._ask([batch.batch() for batch in batches])
        finally:
            self._claiming_for = []
            for number, batch in enumerate(batches):
                batch.give_lists_back(claimed[number].left if claimed else None)
            for lane in {lane for batch in batches for lane in batch.lanes}:
                self._lanes.changed(lane)
        if not all(answer.is_live for answer in claimed):  # what other shards gave lapses with the rest
            raise LeaseLost(f"the store does not list {self._process.name}")
        records: list[Record] = []
        for answer in claimed:
            records += answer.records
            self._ledger.set_aside(answer.unreadable)
        return [one for one in records if not self._put_off_if_quiet(one)]

    def _put_off_if_quiet(self, record: Record) -> bool:
        """What became due just before quiet hours began waits for their end; not what only has to be looked up."""
        return not record.lane.startswith("?") and self._ledger.put_off_if_quiet(record, record.token)

    async def _ask(self, batches: list[Batch]) -> list[Claimed]:
        process = self._process
        token = self._claiming = secrets.token_bytes(8)
        repeats = False
        trouble = 0
        try:
            while True:
                try:
                    return await process.store.run(claiming.claim(process.name, token, batches, repeats=repeats))
                except StoreUncertain as error:
                    log.warning("store_trouble", error=str(error))
                    await asyncio.sleep(pause_after(trouble))
                    trouble += 1
                    repeats = True
        finally:
            self._claiming = b""

    async def carry(self, records: list[Record]) -> None:
        """Give claimed envelopes to the lanes that carry them, as soon as there is room for their messages."""
        self._bodies.expect(self._ledger.hold_unread(records))
        await self._carry_what_fits()

    async def _carry_what_fits(self) -> None:
        while works := await self._bodies.read():
            groups: dict[tuple[str, str], list[Work]] = {}
            for work in works:
                groups.setdefault((work.record.lane, work.record.envelope.domain), []).append(work)
            for (name, domain), together in groups.items():
                self._give(name, domain, together)

    def _give(self, name: str, domain: str, works: list[Work]) -> None:
        """Give works of one domain to the lane that carries them."""
        lane = self._lanes.get(name)
        if lane is None or lane.is_ending:
            self._ledger.give_back(works)
            return
        number = len(works)
        if not name.startswith("?"):
            works, elsewhere = lane.way.sort(works)
            if elsewhere:
                self._resolve(lane, domain, elsewhere)
                lane.seek_astray()  # more of what waits may be: somebody sent it another way
        is_led, is_sought = lane.leads(domain, self._process.loop.time()), lane.astray > 0
        lane.found(number)
        if lane.is_closed:
            works = lane.untried.take_detours(works)
        if not works:
            return
        if lane.is_closed and (is_led or not is_sought):
            self._ledger.give_back(works)
        elif is_led:
            lane.add(works)
        else:
            self._resolve(lane, domain, works)

    async def find_unknown(self) -> None:
        """Look for unknown claims, for ever."""
        await keep_going("unknown claims", self._look_for_unknown, log)

    async def _look_for_unknown(self) -> None:
        await asyncio.sleep(UNKNOWN_EVERY)
        await self.give_back_unknown()

    async def give_back_unknown(self) -> None:
        """Give back what the store lists for this process and the process does not know: the answer to a claim was cut.

        Only what was unknown at the last look as well: it may have been claimed or committed since it was listed. And
        nothing that bears a mark, for its dot may have left: the sweep sees to that when this process has ended.

        :raises StoreError: the store went away.
        """
        process = self._process
        await self._watch.meet()  # what an older copy believes to be claimed may have its result in our journal
        listed: dict[bytes, bytes] = {}
        for shard in range(process.shards):
            listed |= await process.store.run(membership.list_claims(process.name, shard))
        known = self._ledger.known
        unknown = {one: token for one, token in listed.items() if token != self._claiming and (one, token) not in known}
        lost = [one for one, token in unknown.items() if self._unknown.get(one) == token]
        self._unknown = unknown
        found = await process.store.run(reading.read_all(lost)) if lost else []
        self._ledger.set_aside([one for one in found if isinstance(one, Unreadable)])
        for record in found:
            if isinstance(record, Record) and not record.flags & Flag.MARKED:
                log.warning("claim_unknown", envelope=format_id(record.id))
                self._ledger.commit_unread(record, transitions.give_back(record), unknown[record.id])
