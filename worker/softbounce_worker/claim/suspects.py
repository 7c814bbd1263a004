"""Tries envelopes whose workers ended again and again apart from all others: few at a time, and at last one alone.

Most of them only happened to be there: when all workers are killed at once, what they had in hand is suspect by the
third time, and one in a thousand may be what kills. So what a process has of them is tried in a few dozen groups, one
after another. A process that ends has one group to blame: the rest merely waited for their turn, so their claims do not
count. By its claims a blamed group is told from the others from then on, and is split again; few are tried one by one.
What a process ends with while it is alone is quarantined, and nothing else ever is.

First the process gathers them for some seconds, so that it knows how many there are. Then a group has it to itself
until all of it has an outcome, but not for long: most of what a slow host takes is not the message's doing. All groups
together have sixteen seconds; twice that when they were lost once oftener, and so on, so that one that kills late is
found as well; after the first sixteen the process's other lanes go to other processes, where there are any. Between two
groups other mail has its turn.

The suspect is a message by one lane: what is in it kills for each of its recipients.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Protocol

import structlog

from softbounce import transitions
from softbounce.envelope import Flag, Record
from softbounce.errors import LeaseLost, StoreError
from softbounce.ids import format_id
from softbounce.store.claiming import NOT_LIVE
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import Claim, ClaimLedger
from softbounce_worker.results.flusher import Flusher

__all__ = ["Suspects", "groups_of"]

GROUPS = 64
MOST = 2000
"""So many are in hand at a time; until some of them had their turn, nothing more is claimed."""
SHORTEST, LONGEST = 2.0, 512.0
"""Seconds for all groups after one lost claim, doubled with each further one; at most."""
MODERATE = 16.0
"""Seconds for which a process keeps its other lanes beside suspects; then other processes may have them."""
GATHERED = 1.0
"""Seconds without a new one after which they are tried."""
GATHERED_AT_LAST = 5.0
LOOK = 0.01
PAUSE = 0.25
GO_ON, CANCELLED = 1, 2
log = structlog.get_logger("softbounce.worker")


@dataclass(frozen=True, slots=True)
class Group:
    """Suspects that are tried together, and for how long nothing else is begun beside them, seconds."""

    records: list[Record]
    seconds: float

    @property
    def is_one(self) -> bool:
        """Whether it is one suspect: what ends the process beside it can be blamed on no other."""
        return len({_unit_of(record) for record in self.records}) == 1


def groups_of(records: Iterable[Record], spent: Mapping[int, float] = MappingProxyType({})) -> list[Group]:
    """Suspects in the order and the company in which they are tried; only those lost equally often come together.

    Those lost least often first. A lane's messages are together where they can be: so a slow host slows few groups.

    :param spent: seconds that others, lost so often, had the process to themselves: so much less is left for these.
    """
    groups: list[Group] = []
    ordered = sorted(records, key=lambda record: (record.claims, record.lane, record.message))
    for claims, equals in groupby(ordered, key=lambda record: record.claims):
        units = [list(unit) for _, unit in groupby(equals, key=_unit_of)]
        seconds = min(LONGEST, SHORTEST * 2 ** min(claims, 30))
        left = max(seconds - spent.get(claims, 0.0), seconds / GROUPS)
        size = -(-len(units) // int(left * GROUPS / seconds))
        parts = [units[at : at + size] for at in range(0, len(units), size)]
        groups += [Group([one for unit in part for one in unit], left / len(parts)) for part in parts]
    return groups


def _unit_of(record: Record) -> tuple[str, bytes]:
    return record.lane, record.message


class Around(Protocol):
    """What suspects need of the rest of the process."""

    async def carry(self, records: list[Record]) -> None:
        """Deliver these."""

    def wake(self) -> None:
        """Some are ripe."""

    def give_back_unsuspected(self) -> None:
        """What is in no session goes back to its lists, because suspects are tried now; they themselves stay."""

    def leave_alone(self, records: list[Record]) -> None:
        """For long nothing but these is tried here; empty: that is over."""


class Suspects:
    """The suspects that a process has in hand.

    :param around: the rest of the process.
    """

    def __init__(self, process: WorkerProcess, ledger: ClaimLedger, flusher: Flusher, around: Around) -> None:
        self._process = process
        self._ledger = ledger
        self._flusher = flusher
        self._around = around
        self._gathered: list[Record] = []
        self._groups: deque[Group] = deque()
        self._slow: set[Claim] = set()
        self._spent: dict[int, float] = {}
        self._first_at = self._ripe_at = 0.0

    @property
    def waiting(self) -> list[Record]:
        """Those whose turn is to come."""
        return [*self._gathered, *(record for group in self._groups for record in group.records)]

    @property
    def are_ripe(self) -> bool:
        """Whether it is time to try some."""
        return bool(self._groups or self._gathered) and self._process.loop.time() >= self._ripe_at

    @property
    def are_enough(self) -> bool:
        """Whether no more should be claimed before some had their turn."""
        return len(self.waiting) >= MOST

    def take(self, records: list[Record]) -> list[Record]:
        """Take the suspects among claimed records; the others. Not even a suspect's body is looked at beside others."""
        suspects = [record for record in records if record.claims >= transitions.SUSPECT]
        if not suspects:
            return records
        for record in suspects:
            self._ledger.enter(record)
        if not self._spent:
            self._gather_on(is_first=not self._gathered)
        self._gathered += suspects
        return [record for record in records if record.claims < transitions.SUSPECT]

    def _gather_on(self, *, is_first: bool) -> None:
        """More may come."""
        loop = self._process.loop
        if is_first:
            self._first_at = loop.time()
        self._ripe_at = min(loop.time() + GATHERED, self._first_at + GATHERED_AT_LAST)
        loop.call_at(self._ripe_at, self._around.wake)

    async def try_next(self) -> None:
        """Try the next group: nothing else is begun meanwhile.

        :raises StoreError: it could not be noted that they are tried; try again.
        """
        if self._gathered:
            waiting, self._gathered = self.waiting, []
            self._groups = deque(groups_of(waiting, self._spent))
        group = self._groups[0]
        await self._wait_for_others(group.seconds)
        if self._process.is_ending:
            return
        claims = [(record.id, record.token) for record in group.records]
        answers = await self._flusher.mark_tried(claims, alone=group.is_one)
        if NOT_LIVE in answers:
            raise LeaseLost(f"the store does not list {self._process.name}")
        self._groups.popleft()
        tried = [one for one, answer in zip(group.records, answers, strict=True) if self._stands(one, answer)]
        if tried:
            await self._try(group, tried)
        if not self.waiting:
            self._spent.clear()

    async def _try(self, group: Group, tried: list[Record]) -> None:
        """Let them be carried, and wait for their outcomes."""
        claims = [(record.id, record.token) for record in tried]
        lost = tried[0].claims
        for record in tried:
            record.flags |= Flag.TRIED | Flag.ALONE if group.is_one else Flag.TRIED
        log.warning(
            "suspects_tried",
            envelopes=len(tried),
            alone=group.is_one,
            claims=lost,
            first=format_id(tried[0].id),
            left=len(self.waiting),
        )
        began = self._process.loop.time()
        await self._around.carry(tried)
        await self._wait_for(claims, min(group.seconds, MODERATE))
        if group.seconds > MODERATE and any(self._ledger.holds(one) for one in claims):
            await self._wait_aside(tried, claims, group.seconds - MODERATE)
        self._spent[lost] = self._spent.get(lost, 0.0) + self._process.loop.time() - began
        slow = [one for one in claims if self._ledger.holds(one)]
        self._slow.update(slow)
        if group.is_one and slow:
            await self._accuse_no_more(slow)

    async def _wait_aside(self, tried: list[Record], claims: list[Claim], seconds: float) -> None:
        """Wait on while other processes take what other lanes there are: nobody's mail waits for minutes."""
        self._around.leave_alone(tried)
        try:
            await self._wait_for(claims, seconds)
        finally:
            self._around.leave_alone([])

    def give_back(self) -> None:
        """Their turn does not come in this process."""
        self._ledger.give_back_unread(self.waiting)
        self._groups.clear()
        self._gathered = []

    def _stands(self, record: Record, answer: int) -> bool:
        """Whether a suspect is still this process's to try."""
        if answer == GO_ON:
            return True
        if answer == CANCELLED:
            token, now_ms = record.token, self._process.clock.now_of(record.id)
            self._ledger.commit_unread(record, transitions.cancel(record, now_ms), token)
        else:
            self._ledger.forget(record)
        return False

    async def _wait_for_others(self, seconds: float) -> None:
        """Wait until nothing but suspects is in hand, or for so long: some hosts are slow.

        What is in no session by then goes back, so that it starts no attempt beside a suspect.
        """
        self._slow = {one for one in self._slow if self._ledger.holds(one)}
        ours = {record.id for record in self.waiting}
        others = [one for one in self._ledger.in_hand if one[0] not in ours and one not in self._slow]
        await self._wait_for(others, seconds)
        if any(self._ledger.holds(one) for one in others):
            self._around.give_back_unsuspected()
            self._slow.update(one for one in others if self._ledger.holds(one))

    async def _wait_for(self, claims: list[Claim], seconds: float) -> None:
        """Wait until none of these claims is in hand any more, or for so long."""
        until = self._process.loop.time() + seconds
        while not self._process.is_ending and self._process.loop.time() < until:
            claims = [one for one in claims if self._ledger.holds(one)]
            if not claims:
                return
            await asyncio.sleep(LOOK)

    async def _accuse_no_more(self, claims: list[Claim]) -> None:
        """Others come beside a suspect that waits for a slow host: what ends the process now may be any of them."""
        while (claims := [one for one in claims if self._ledger.holds(one)]) and not self._process.is_ending:
            try:
                await self._flusher.mark_tried(claims, alone=False)
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSE)
            else:
                return
