"""Reads the messages of claimed envelopes from the store, as far as there is room for them; the others wait.

A message is read once for all the envelopes that came with it. Lanes have their turns: whoever was let in last comes
last. What fits passes what does not, but not for ever: when the next message of a lane that holds nothing has waited
for some seconds, nothing is let in before it but such small ones. So large mail at slow hosts stops no lane, and no
stream of mail stops a large message.

What may not be sent, because its address is suppressed, ends here. What is to be signed is signed here, before anything
is dialled for it; what cannot be is put off, and never leaves unsigned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.errors import StoreError
from softbounce.ids import format_id
from softbounce.store import claiming
from softbounce_worker.body_budget import BodyBudget, Reservation
from softbounce_worker.claim.suppressed import Found, SuppressedMail
from softbounce_worker.dkim.signer import Signer, SigningFailed
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.turnstile import A_TURN
from softbounce_worker.work import Parcel, Work, unpack_body

__all__ = ["Bodies"]

PORTION_OCTETS = 4 * 1024 * 1024
"""Of the bodies that are read in one go; a larger one comes by itself."""
SIGNED_AT_ONCE = 64
"""Messages of such a portion, where they are signed: nobody waits for more than so many signatures of others."""
UNSIGNED_SECONDS = 60.0
"""For so long a message is put off that could not be signed."""
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
    """The bodies of a process.

    :param read_on: called when there is room again for what waits.
    :param can_take_more: called with a lane of which nothing waits for room any more.
    """

    def __init__(  # noqa: PLR0913 - whom it needs
        self,
        process: WorkerProcess,
        ledger: ClaimLedger,
        octets: int,
        *,
        signer: Signer,
        read_on: Callable[[], object],
        can_take_more: Callable[[str], object],
    ) -> None:
        self._process = process
        self._ledger = ledger
        self._signer = signer
        self._suppressed = SuppressedMail(process, ledger)
        self._read_on = read_on
        self._can_take_more = can_take_more
        self._budget = BodyBudget(octets, self._freed)
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
        now = self._process.loop.time()
        messages: dict[bytes, list[Record]] = {}
        for record in records:
            self._ledger.enter(record)
            messages.setdefault(record.message, []).append(record)
        for together in messages.values():
            self._wait(Unread(together, now))

    def _wait(self, one: Unread) -> None:
        self._may_fit = True
        self._unread.setdefault(one.lane, deque()).append(one)

    def give_back(self) -> None:
        """What waits for room goes back to its lists."""
        self._ledger.give_back_unread(self.waiting)
        self._unread.clear()
        self._may_fit = False

    def give_back_unsuspected(self) -> None:
        """The same, but for suspects."""
        unread, self._unread = self._unread, {}
        for one in (one for queue in unread.values() for one in queue):
            if one.records[0].claims >= transitions.SUSPECT:
                self._wait(one)
            else:
                self._ledger.give_back_unread(one.records)
        for lane in unread.keys() - self._unread.keys():
            self._can_take_more(lane)

    async def read(self) -> list[Work]:
        """What can be read now; empty: nothing more fits, until there is more room or something else waits for it."""
        while self._may_fit:
            portion = self._admit()
            self._may_fit = bool(portion and self._unread)
            if portion and (works := await self._read(portion)):
                return works
        return []

    def _admit(self) -> list[tuple[list[Record], Reservation]]:
        """Let in what fits, up to a portion."""
        most = SIGNED_AT_ONCE if self._signer.is_needed else float("inf")
        admitted: list[tuple[list[Record], Reservation]] = []
        octets = 0
        is_one_overdue = False
        patient_since = self._process.loop.time() - PATIENCE
        for lane, queue in list(self._unread.items()):
            number = len(admitted)
            while queue and (not admitted or (octets + queue[0].octets <= PORTION_OCTETS and len(admitted) < most)):
                one = queue[0]
                may_pass = not is_one_overdue or self._budget.is_little(lane, one.octets)
                if not (may_pass and self._budget.fits(lane, one.octets)):
                    is_one_overdue |= one.since < patient_since and not self._budget.has_some(lane)
                    break
                queue.popleft()
                octets += one.octets
                admitted.append((one.records, self._budget.take(lane, one.octets)))
            if not queue:
                del self._unread[lane]
                self._can_take_more(lane)
            elif len(admitted) > number:
                self._unread[lane] = self._unread.pop(lane)
        return admitted

    async def _read(self, portion: list[tuple[list[Record], Reservation]]) -> list[Work]:
        stored, found = await self._fetch([records for records, _ in portion])
        if found:
            left = [(self._suppressed.end(records, found), reservation) for records, reservation in portion]
            stored = [body for body, (records, _) in zip(stored, left, strict=True) if records]
            portion = [one for one in left if one[0]]
        firsts = [records[0] for records, _ in portion]
        plain = await self._unpacked(firsts, stored)
        signed = await self._sign(firsts, plain)
        works: list[Work] = []
        plain.reverse()  # so that each is gone as soon as it was made a parcel
        for (records, reservation), above in zip(portion, signed, strict=True):
            octets = plain.pop()
            if octets is None:  # given back as unknown claims: those are lost claims, never an empty message
                for record in records:
                    self._ledger.forget(record)
            elif isinstance(above, SigningFailed):
                self._put_off(records, above)
            else:
                parcel = Parcel(octets, records[0].envelope.body, above)
                parcel.reservation = reservation
                works += [self._work(record, parcel) for record in records]
        return works

    def _work(self, record: Record, parcel: Parcel) -> Work:
        work = Work(record, parcel)
        if self._process.settings.returns:
            work.mail_from = self._process.return_path_of(record)
        return work

    async def _unpacked(self, records: list[Record], stored: list[bytes | None]) -> list[bytes | None]:
        """The messages' octets; none: it cannot be read."""
        plain: list[bytes | None] = []
        stored.reverse()
        for number, record in enumerate(records, 1):
            if number % A_TURN == 0:
                await asyncio.sleep(0)
            plain.append(self._unpack(record, stored.pop()))
        return plain

    async def _sign(self, records: list[Record], plain: list[bytes | None]) -> list[bytes | SigningFailed]:
        """What to put above each message, or why that cannot be had."""
        if not self._signer.is_needed:
            return [b""] * len(plain)

        async def above(record: Record, octets: bytes | None) -> bytes | SigningFailed:
            try:
                return b"" if octets is None else await self._signer.fields_above(record, octets)
            except SigningFailed as error:
                return error

        return await asyncio.gather(*(above(*pair) for pair in zip(records, plain, strict=True)))

    def _put_off(self, records: list[Record], error: SigningFailed) -> None:
        """Unsigned it must not leave, and it is nobody's fault out there: it waits, uncharged, and is tried again."""
        if self._process.begins_nothing:  # its threads are gone with it, and another process may well sign it now
            self._ledger.give_back_unread(records)
            return
        log.error("message_not_signed", message=format_id(records[0].message), error=str(error), envelopes=len(records))
        for record in records:
            self._ledger.put_off_unread(record, UNSIGNED_SECONDS, str(error))

    async def _fetch(self, messages: list[list[Record]]) -> tuple[list[bytes | None], Found]:
        """The messages as they are stored, and which of their addresses get no mail."""
        bodies = claiming.bodies([records[0] for records in messages])
        records = [record for together in messages for record in together]
        while True:
            try:
                return await self._process.store.run(self._suppressed.asked_with(bodies, records))
            except StoreError as error:
                log.warning("store_trouble", error=str(error))
                await asyncio.sleep(PAUSE)

    def _unpack(self, record: Record, body: bytes | None) -> bytes | None:
        try:
            if body is None:
                raise ValueError("its body is gone")  # noqa: TRY301 - one place that says so
            return unpack_body(body, record.envelope.body)
        except ValueError as error:
            log.error("body_unreadable", message=format_id(record.message), error=str(error))  # noqa: TRY400
            return None

    def _freed(self) -> None:
        if self._unread:
            self._may_fit = True
            self._read_on()
