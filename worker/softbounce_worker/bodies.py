"""Reads the messages of claimed envelopes from the store, as far as there is room for them; the others wait.

A message is read once for all the envelopes that came with it. Lanes have their turns: whoever was let in last comes
last. What fits passes what does not, but not for ever: when the next message of a lane that holds nothing has waited
for some seconds, nothing is let in before it but such small ones. So large mail at slow hosts stops no lane, and no
stream of mail stops a large message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import format_id
from softbounce.store import claiming

from .room import Place, Room
from .turnstile import A_TURN
from .work import Parcel, Work

if TYPE_CHECKING:
    from .engine import DeliveryEngine

__all__ = ["Bodies"]

PORTION_OCTETS = 4 * 1024 * 1024
"""Of the bodies that are read in one go; a larger one comes by itself."""
PATIENCE = 5.0
PAUSE = 0.25
log = structlog.get_logger("softbounce.worker")


@dataclass(frozen=True, slots=True)
class Unread:
    """A message that waits for room, with the envelopes that were claimed with it, and since when."""

    records: list[Record]
    since: float

    @property
    def lane(self) -> str:
        """Whose room it takes."""
        return self.records[0].lane

    @property
    def octets(self) -> int:
        """How much."""
        return self.records[0].envelope.body.octets


class Bodies:
    """The bodies of a process."""

    def __init__(self, engine: DeliveryEngine, octets: int) -> None:
        self._engine = engine
        self._room = Room(octets, self._freed)
        self._unread: dict[str, deque[Unread]] = {}  # by lane, in the order of their turns
        self._may_fit = False

    @property
    def lanes(self) -> Iterable[str]:
        """The lanes of which some message is not read yet."""
        return self._unread.keys()

    def waits_for(self, lane: str) -> bool:
        """Whether some message of a lane is not read yet."""
        return lane in self._unread

    @property
    def waiting(self) -> list[Record]:
        """The envelopes whose message is not read yet."""
        return [record for queue in self._unread.values() for unread in queue for record in unread.records]

    def expect(self, records: Sequence[Record]) -> None:
        """Take over claimed envelopes."""
        now = self._engine.loop.time()
        messages: dict[bytes, list[Record]] = {}
        for record in records:
            self._engine.in_hand[record.id] = record.token
            messages.setdefault(record.message, []).append(record)
        for together in messages.values():
            self._wait(Unread(together, now))

    def _wait(self, one: Unread) -> None:
        self._may_fit = True
        self._unread.setdefault(one.lane, deque()).append(one)

    def give_back(self) -> None:
        """What waits for room goes back to its lists."""
        self._engine.give_back_unread(self.waiting)
        self._unread.clear()
        self._may_fit = False

    def put_back_innocent(self) -> None:
        """The same, but for suspects."""
        unread, self._unread = self._unread, {}
        for one in (one for queue in unread.values() for one in queue):
            if one.records[0].claims >= transitions.SUSPECT:
                self._wait(one)
            else:
                self._engine.give_back_unread(one.records)
        for lane in unread.keys() - self._unread.keys():
            self._engine.can_take_more(lane)

    async def read(self) -> list[Work]:
        """What can be read now; empty: nothing more fits, until there is more room or something else waits for it."""
        while self._may_fit:
            portion = self._admit()
            self._may_fit = bool(portion and self._unread)
            if portion and (works := await self._read(portion)):
                return works
        return []

    def _admit(self) -> list[tuple[list[Record], Place]]:
        """Let in what fits, up to a portion."""
        admitted: list[tuple[list[Record], Place]] = []
        octets = 0
        is_one_overdue = False
        patient_since = self._engine.loop.time() - PATIENCE
        for lane, queue in list(self._unread.items()):
            number = len(admitted)
            while queue and (not admitted or octets + queue[0].octets <= PORTION_OCTETS):
                one = queue[0]
                may_pass = not is_one_overdue or self._room.is_little(lane, one.octets)
                if not (may_pass and self._room.fits(lane, one.octets)):
                    is_one_overdue |= one.since < patient_since and not self._room.has_some(lane)
                    break
                queue.popleft()
                octets += one.octets
                admitted.append((one.records, self._room.take(lane, one.octets)))
            if not queue:
                del self._unread[lane]
                self._engine.can_take_more(lane)
            elif len(admitted) > number:
                self._unread[lane] = self._unread.pop(lane)
        return admitted

    async def _read(self, portion: list[tuple[list[Record], Place]]) -> list[Work]:
        stored = await self._fetch([records[0] for records, _ in portion])
        works: list[Work] = []
        stored.reverse()  # so that each is gone as soon as it was unpacked
        for number, (records, place) in enumerate(portion, 1):
            if number % A_TURN == 0:
                await asyncio.sleep(0)
            parcel = self._unpack(records[0], stored.pop())
            if parcel is None:  # given back as unknown claims: those are lost claims, never an empty message
                for record in records:
                    self._engine.forget(record)
                continue
            parcel.place = place
            works += [Work(record, parcel) for record in records]
        return works

    async def _fetch(self, records: list[Record]) -> list[bytes | None]:
        while True:
            try:
                return await self._engine.store.run(claiming.bodies(records))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSE)

    def _unpack(self, record: Record, body: bytes | None) -> Parcel | None:
        try:
            if body is None:
                raise ValueError("its body is gone")  # noqa: TRY301 - one place that says so
            return Parcel(body, record.envelope.body)
        except ValueError as error:
            log.error("body_unreadable", message=format_id(record.message), error=str(error))  # noqa: TRY400
            return None

    def _freed(self) -> None:
        if self._unread:
            self._may_fit = True
            self._engine.claim_soon()
