"""Holds back what is claimed for a lane while its sender is closed there, or its address is being probed.

What waits is *scheduled*, uncharged, and stands in a line (:mod:`softbounce.store.lines`), so that it is claimed once
and not each time that somebody asks again: it comes forward when the sender opens, or the address takes mail. Its own
time is a later one, at which it comes whatever became of the line. Who may go, :mod:`.sender_trouble` and
:mod:`.address_memory` say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from softbounce import transitions
from softbounce.decide import last_moment
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Record, State
from softbounce.errors import StoreError
from softbounce.history import History
from softbounce.store import reading
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.lines import line_name
from softbounce.transitions import Change
from softbounce.verdict import Reason, Verdict, VerdictWord
from softbounce_worker.lane.address_memory import Address, AddressMemory, addresses_of, is_about_address
from softbounce_worker.lane.lines import Lines
from softbounce_worker.lane.trouble import TroubleMachine
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.work import Work, sender_domain_of

__all__ = ["HoldingBack"]

IN_LINE_MS = timedelta(hours=6) // timedelta(milliseconds=1)
"""So long after its sender is asked again what stands in line comes by itself: a line that is lost costs so much."""
log = structlog.get_logger("softbounce.worker")


class HoldingBack:
    """Sees to it for one lane.

    :param name: the lane's.
    """

    __slots__ = ("_ledger", "_lines", "_machine", "_memory", "_name", "_process")

    def __init__(  # noqa: PLR0913, PLR0917 - whom it needs
        self,
        name: str,
        machine: TroubleMachine,
        process: WorkerProcess,
        ledger: ClaimLedger,
        memory: AddressMemory,
        lines: Lines,
    ) -> None:
        self._name = name
        self._machine = machine
        self._process = process
        self._ledger = ledger
        self._memory = memory
        self._lines = lines

    # -- who may go -------------------------------------------------------------------------------------------------

    def hold_back(self, works: Sequence[Work]) -> Sequence[Work]:
        """Put those off who wait for their sender or their address; the others."""
        if self._machine.senders.known or self._memory.of(self._name):
            return [work for work in works if not self._is_held(work)]
        return works

    def _is_held(self, work: Work) -> bool:
        change = self._change(work.record)
        if change is not None:
            self._ledger.commit(work, change)
        return change is not None

    def hold_back_unread(self, record: Record) -> bool:
        """The same of one that was just claimed: its message need not be read for that."""
        if not (self._machine.senders.known or self._memory.of(self._name) or record.envelope.behind):
            return False
        token = record.token
        change = self._change(record)
        if change is not None:
            self._ledger.commit_unread(record, change, token)
        return change is not None

    def _change(self, record: Record) -> Change | None:
        """How it is put off; none: it goes."""
        sender, now = sender_domain_of(record), steady_seconds()
        wait = self._machine.senders.wait_for(sender, record.id, now, self._machine.rule)
        if wait:
            until_ms, line = self.behind_sender(record, wait)
            postponed = transitions.postpone(record, until_ms, self._process.clock.now_of(record.id))
            postponed.line = line
            return postponed
        change = self._behind_probe(record, now)
        if change is not None:
            self._machine.came_back(record.id, record.envelope.domain, now)
        return change

    # -- behind its sender ------------------------------------------------------------------------------------------

    def behind_sender(self, record: Record, seconds: float) -> tuple[int, str]:
        """Until when one waits whose sender is asked again in so many seconds, and in which line.

        A few come by themselves then; they stand in line too, for a sender that opens before. Nobody waits past the
        last moment of his window, as far as his sender is asked again before.
        """
        until_ms = self._process.clock.now_of(record.id) + round(1000 * seconds)
        last_ms, sender = self._last_moment_ms(record), sender_domain_of(record)
        if last_ms >= until_ms and self._machine.senders.is_near(sender, record.id):
            return until_ms, self.line_of(sender)
        return max(until_ms, min(last_ms, until_ms + IN_LINE_MS)), self.line_of(sender)

    def line_of(self, sender: str) -> str:
        """The line of a sender domain."""
        return line_name(self._name, "from", sender)

    # -- behind a probe ---------------------------------------------------------------------------------------------

    def _behind_probe(self, record: Record, now: float) -> Change | None:
        envelope, memory = record.envelope, self._memory
        if envelope.behind == record.id:
            return None
        alone, with_sender = addresses_of(envelope.recipient, envelope.sender)
        if memory.probe_of(self._name, alone) is None:
            memory.adopt(self._name, with_sender, envelope.behind, now)
        for address in (alone, with_sender):
            if wait := memory.wait_for(self._name, address, record.id, now):
                return self._wait_for_probe(record, address, wait, now)
        return None

    def _wait_for_probe(self, record: Record, address: Address, wait: float, now: float) -> Change | None:
        """Behind the probe; none where its window would be over by then: a login code goes by itself."""
        probe = self._memory.probe_of(self._name, address)
        now_ms = self._process.clock.now_of(record.id)
        until_ms = now_ms + round(1000 * wait)
        if probe is None or until_ms > self._last_moment_ms(record):
            return None
        record.envelope.behind = probe.identity
        change = transitions.postpone(record, until_ms, now_ms)
        change.line = line_name(self._name, *address)
        if self._memory.wants_look(self._name, address, now):
            self._process.spawn(self._look(address, probe.identity))
        return change

    async def _look(self, address: Address, identity: bytes) -> None:
        """See whether the probe is there still: nobody tells of one that was cancelled, held or planned anew."""
        try:
            (found,) = await self._process.store.run(reading.fetch([identity]))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
            return
        probe, now = self._memory.probe_of(self._name, address), steady_seconds()
        if probe is None or probe.identity != identity:
            return
        if found is not None and found.state is State.DELIVERED:
            self._free(address)
        elif found is None or not self._will_try(found):
            self._memory.vacate(self._name, address, now)
            self._lines.bring_one(line_name(self._name, *address))
        elif found.state is State.SCHEDULED:
            probe.next_at = now + (found.next_ms - self._process.clock.now_of(identity)) / 1000

    @staticmethod
    def _will_try(record: Record) -> bool:
        """Whether it is on its way to an attempt, and waits for no other."""
        if record.state is State.SCHEDULED:
            return record.next_ms > 0 and not record.envelope.behind
        return not (record.state.is_final or record.state is State.HELD)

    def concluded(self, work: Work, verdict: Verdict) -> None:
        """An attempt ended, and the record is as it made it: what follows for others to the same address."""
        record, memory, name = work.record, self._memory, self._name
        record.envelope.behind = b""
        alone, with_sender = addresses_of(record.envelope.recipient, record.envelope.sender)
        if verdict.word is VerdictWord.DELIVERED:
            if memory.of(name):
                self._free(alone)
                self._free(with_sender)
            return
        is_greylisted = verdict.word is VerdictWord.SOFT and verdict.reason is Reason.GREYLIST
        address = with_sender if is_greylisted else alone if is_about_address(verdict) else None
        now = steady_seconds()
        if address is not None and record.state is State.SCHEDULED and record.next_ms:
            seconds = (record.next_ms - self._process.clock.now_of(record.id)) / 1000
            memory.remember(name, address, record.id, now + seconds, now, self._process.settings.speed)
        elif memory.of(name):
            self._ended(record.id, (alone, with_sender), now, is_same=address is not None)

    def _ended(self, identity: bytes, addresses: Sequence[Address], now: float, *, is_same: bool) -> None:
        """A probe is none any more: where its address said the same, the next one probes; else what waits just goes."""
        for address in addresses:
            probe = self._memory.probe_of(self._name, address)
            if probe is None or probe.identity != identity:
                continue
            if is_same:
                self._memory.vacate(self._name, address, now)
                self._lines.bring_one(line_name(self._name, *address))
            else:
                self._free(address)

    def _free(self, address: Address) -> None:
        """It takes mail: what waits follows at once."""
        if self._memory.forget(self._name, address):
            self._lines.bring_all(line_name(self._name, *address), goes_on=lambda: True, done=lambda: None)

    def _last_moment_ms(self, record: Record) -> int:
        policy = transitions.policy_of(record, self._process.settings)
        return to_epoch_ms(last_moment(policy, History.of(record)))
