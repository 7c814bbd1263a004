"""Acts on a lane's trouble: gives back what waits for the site, schedules what waits for a domain, says and stores it.

What follows from what, :mod:`.trouble` says, purely; here it is given its times, and done.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

import structlog
from msgspec.structs import replace

from softbounce import transitions
from softbounce.errors import StoreError
from softbounce.settings import LaneRule
from softbounce.stage import Stage
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState, save_lanes
from softbounce.store.unbelieved import Whom
from softbounce.verdict import Reason
from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.address_memory import AddressMemory
from softbounce_worker.lane.backlog import Backlog
from softbounce_worker.lane.denial_guard import SITE, DenialGuard
from softbounce_worker.lane.denied_before import LONGEST_MS, note_believed
from softbounce_worker.lane.evidence import Scope, first_refusal_ms
from softbounce_worker.lane.holding_back import HoldingBack
from softbounce_worker.lane.lines import Lines
from softbounce_worker.lane.sessions import LaneSessions
from softbounce_worker.lane.signs import NOTHING, Closed, Reaction, Sign, Told
from softbounce_worker.lane.trouble_memory import KEPT_DOMAINS, recall, remember
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.work import Work

__all__ = ["CANARIES", "LaneTrouble"]

CANARIES = 64
"""Among so many a canary is chosen; they are looked up anew, for a domain may have moved away from hosts in trouble."""
SPREAD = 0.25
"""What waits for its domain comes so much later than that is asked again, as a share of the time; a moment at most."""
URGED_APART = 5.0
"""Seconds in which one order to ask now is heeded: who repeats it for ever does not hammer a host."""
URGED_SENDERS = 100
"""Of so many sender domains one is brought forward then; those of others come by their own time."""
log = structlog.get_logger("softbounce.worker")


class TroubledLane(Protocol):
    """What a lane's trouble needs of it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name."""

    @property
    @abstractmethod
    def is_ours(self) -> bool:
        """Whether this process has it still."""

    @property
    @abstractmethod
    def backlog(self) -> Backlog:
        """What waits here."""

    @property
    @abstractmethod
    def sessions(self) -> LaneSessions:
        """What is open or being opened."""

    def give_back(self, works: Sequence[Work]) -> None:
        """Put envelopes back into their list."""

    def seek_detours(self) -> None:
        """It closed: what waits may have another way."""

    def pump(self) -> None:
        """See that there are sessions for what waits."""

    def changed(self) -> None:
        """It wants more, or less, than it did."""


class LaneTrouble:
    """The trouble of one lane that this process owns.

    :ivar machine: the state machine.
    :ivar holding: holds back what waits for its sender or its address.
    """

    __slots__ = (
        "_disbelieved",
        "_is_saving",
        "_is_unsaved",
        "_lane",
        "_ledger",
        "_lines",
        "_process",
        "_timer",
        "_urged_at",
        "holding",
        "machine",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what it was, and whom it needs
        self,
        lane: TroubledLane,
        state: LaneState,
        rule: LaneRule,
        process: WorkerProcess,
        ledger: ClaimLedger,
        denials: DenialGuard,
        addresses: AddressMemory,
    ) -> None:
        self._lane = lane
        self._process = process
        self._ledger = ledger
        self.machine = recall(state, lane.name, rule, steady_seconds(), self._now_ms)
        self._lines = Lines(process, ledger)
        self.holding = HoldingBack(lane.name, self.machine, process, ledger, addresses, self._lines)
        disbelieved = dict(list(state.disbelieved.items())[:KEPT_DOMAINS])
        if state.disbelieved_until_ms:
            disbelieved[SITE] = state.disbelieved_until_ms
        self._disbelieved: dict[str, int] = disbelieved or EMPTY
        self._timer: asyncio.TimerHandle | None = None
        self._urged_at = float("-inf")
        self._is_saving = self._is_unsaved = False
        for domain, until_ms in self._disbelieved.items():
            denials.expect(lane.name, (until_ms - self._now_ms) / 1000, domain)
            if until_ms > self._now_ms:  # whoever had the lane may have died before he noted it
                note_believed(process, Whom(lane.name, domain), until_ms - LONGEST_MS)
        if self.is_closed:
            self._open_later()
        for sender, one in self.machine.senders.known.items():
            if one.is_draining:  # whoever had the lane before did not come to its end
                self._drain(sender)

    @property
    def _now_ms(self) -> int:
        """Times of a lane are those of the home shard, where it is stored."""
        return self._process.clock.now_ms(HOME)

    @property
    def is_closed(self) -> bool:
        """Whether the site's backoff still runs."""
        return self.machine.is_probing and self.machine.is_closed(steady_seconds())

    @property
    def is_probing(self) -> bool:
        """Whether the site closed, and no good sign was seen since: only a canary may go."""
        return self.machine.is_probing

    @property
    def has_canary_out(self) -> bool:
        """Whether the site's canary is under way, and not for too long."""
        return self.machine.waits_for_canary(steady_seconds())

    @property
    def state(self) -> LaneState:
        """What is remembered of it."""
        now_ms = self._now_ms
        disbelieved = {domain: until_ms for domain, until_ms in self._disbelieved.items() if until_ms > now_ms}
        until_ms = disbelieved.pop(SITE, 0)
        state = remember(self.machine, steady_seconds(), now_ms, until_ms, disbelieved)
        learned = self._lane.sessions.learned(now_ms)
        return state if learned is None else replace(state, learned=learned)

    # -- who may go -------------------------------------------------------------------------------------------------

    def hold_back(self, works: Sequence[Work]) -> Sequence[Work]:
        """Schedule those whose domain or sender is closed, or whose address is being probed; the others."""
        if self.machine.domains:
            works = [work for work in works if not self._is_held(work)]
        return self.holding.hold_back(works)

    def _is_held(self, work: Work) -> bool:
        if work.record.envelope.tls == "no" and self._is_about_tls(work.domain):
            return False  # what is missing is nothing that this needs
        was_refused, identity = first_refusal_ms(work.record) is not None, work.record.id
        wait = self.machine.wait_for(
            work.domain, work.sender_domain, identity, steady_seconds(), was_refused=was_refused
        )
        if not wait:
            return False
        now_ms = self._process.clock.now_of(identity)
        late = 0.0
        if not was_refused:  # those that nobody refused yet come behind the others, and not all at one instant
            late = crc32(identity) / 2**32 * min(self.machine.domains[work.domain].gate.moment, SPREAD * wait)
        until_ms = now_ms + round(1000 * (wait + late))
        self._ledger.commit(work, transitions.postpone(work.record, until_ms, now_ms))
        return True

    def _is_about_tls(self, domain: str) -> bool:
        """Whether a domain closed because its hosts give too little of TLS."""
        trouble = self.machine.domains.get(domain)
        return trouble is not None and trouble.told.stage is Stage.STARTTLS

    def split(self, works: Sequence[Work]) -> tuple[Sequence[Work], Sequence[Work]]:
        """Those whose outcome would tell most, where a canary is wanted of that kind; and the others."""
        machine = self.machine
        if not machine.is_probing or machine.has_no_session:
            return (), works

        def rank(work: Work) -> tuple[bool, bool]:
            return machine.canary_rank(work.sender_domain, was_refused=first_refusal_ms(work.record) is not None)

        return sorted(works, key=rank), ()

    def place(self, work: Work, waits: Scope) -> tuple[int, str]:
        """Until when an envelope waits for its domain or its sender, which closed, and in which line if in any."""
        if waits is Scope.SENDER:
            left = self.machine.senders.left_of(work.sender_domain, steady_seconds())
            return self.holding.behind_sender(work.record, left)
        return (self.until_ms(work), "") if waits is Scope.DOMAIN else (0, "")

    def until_ms(self, work: Work) -> int:
        """Until when an envelope waits for its domain, which closed."""
        seconds = self.machine.left_of(work.domain, work.record.id, steady_seconds(), was_refused=True)
        return self._process.clock.now_of(work.record.id) + round(1000 * seconds)

    def send_canary(self, work: Work) -> float:
        """An envelope goes ahead of all others; for so many seconds no other does."""
        return self.machine.send_canary(work.record.id, steady_seconds())

    def is_canary(self, work: Work) -> bool:
        """Whether an envelope goes ahead of its domain's others."""
        return self.machine.is_canary(work.record.id, work.domain)

    def came_back(self, work: Work) -> None:
        """An envelope was not tried after all."""
        self.machine.came_back(work.record.id, work.domain, steady_seconds())

    # -- what was seen, and what follows ----------------------------------------------------------------------------

    def meet(self, sign: Sign) -> Reaction:
        """Take note of what came back for an envelope."""
        return self.machine.meet(sign, steady_seconds())

    def react(self, reactions: Sequence[Reaction]) -> None:
        """Do what follows from what came back. Not where the lane is another's by now."""
        if all(reaction is NOTHING for reaction in reactions) or not self._lane.is_ours:
            return
        for reaction in reactions:
            for closed in reaction.closed:
                self._closed(closed)
            if reaction.opened is Scope.SITE:
                self._opened()
            elif reaction.opened is Scope.DOMAIN:
                log.info("domain_opened", lane=self._lane.name)
            for sender in reaction.opened_senders:
                log.info("sender_opened", lane=self._lane.name, sender=sender)
                self._drain(sender)
        if any(
            reaction.is_noted or reaction.opened is Scope.DOMAIN or reaction.opened_senders for reaction in reactions
        ):
            self.save()

    def close(self, told: Told) -> None:
        """No session could be had, or no route: it closes, if it is not closed yet."""
        if not self._lane.is_ours:
            return
        closed = self.machine.no_session(told, steady_seconds())
        if closed is not None:
            self._closed(closed)

    def hangs(self, domain: str, unanswered: int) -> None:
        """So many transactions of a domain have no answer, and it leaves too few sessions to others."""
        told = Told(text=f"no answer yet in {unanswered} transactions", reason=Reason.NETWORK, stage=Stage.RCPT)
        closed = self.machine.hangs(domain, told, steady_seconds())
        if closed is not None:
            self._closed(closed)

    def lacks_tls(self, domain: str, told: Told) -> None:
        """No host gives what a domain's mail asks of TLS."""
        closed = self.machine.lacks_tls(domain, told, steady_seconds())
        if closed is not None:
            self._closed(closed)

    def open(self) -> None:
        """A good sign: the lane is open, and the backlog flows at once."""
        if self._lane.is_ours and self.machine.open(steady_seconds()):
            self._opened()

    def urge(self) -> None:
        """An operator wants what is closed here asked now: one envelope each goes, and its outcome decides as ever."""
        now = steady_seconds()
        if not self._lane.is_ours or now - self._urged_at < URGED_APART:
            return
        self._urged_at = now
        senders = self.machine.urge(now)
        log.info("lane_asked_now", lane=self._lane.name, failures=self.machine.site.failures, senders=len(senders))
        self.save()
        for sender in senders[:URGED_SENDERS]:
            self._lines.bring_one(self.holding.line_of(sender))
        self._open_later()

    def disbelieve(self, domain: str, seconds: float) -> None:
        """So long the site is not believed about a domain's addresses, or any; 0: it is.

        Who has the lane next shall know it too.
        """
        self._disbelieved.pop(domain, None)
        if seconds:
            if len(self._disbelieved) > KEPT_DOMAINS:
                del self._disbelieved[next(one for one in self._disbelieved if one != SITE)]
            if self._disbelieved is EMPTY:
                self._disbelieved = {}
            self._disbelieved[domain] = self._now_ms + round(seconds * 1000)
            note_believed(self._process, Whom(self._lane.name, domain), self._now_ms)
        self.save()

    def end(self) -> None:
        """Nothing is tried here any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _closed(self, closed: Closed) -> None:
        """What waits for what closed leaves the backlog."""
        lane, seconds = self._lane, round(closed.seconds, 1)
        self.save()
        if closed.domain is not None:
            log.warning("domain_closed", lane=lane.name, domain=closed.domain, seconds=seconds)
            lane.backlog.add(self.hold_back(lane.backlog.take_all()))
            return
        if closed.sender is not None:
            log.warning("sender_closed", lane=lane.name, sender=closed.sender, seconds=seconds)
            lane.backlog.add(self.hold_back(lane.backlog.take_all()))
            if self.machine.senders.has_failed(closed.sender):  # another one is the next canary
                self._lines.bring_one(self.holding.line_of(closed.sender), closed.seconds)
            return
        failures, why = self.machine.site.failures, self.machine.told.text
        log.warning("lane_closed", lane=lane.name, seconds=seconds, failures=failures, why=why)
        lane.give_back(lane.backlog.take_all())
        lane.seek_detours()
        lane.sessions.drop_silent()
        lane.sessions.organisation.begin_anew()
        self._open_later()

    def _drain(self, sender: str) -> None:
        """What stands in a sender's line comes forward, unless it closes again."""
        senders = self.machine.senders

        def is_open() -> bool:
            return self._lane.is_ours and not senders.is_closed(sender)

        def done() -> None:
            senders.drained(sender)
            self.save()

        self._lines.bring_all(self.holding.line_of(sender), goes_on=is_open, done=done)

    def _open_later(self) -> None:
        self.end()
        delay = self.machine.site.wait(steady_seconds()) + 0.002
        self._timer = self._process.loop.call_later(delay, self._lane.changed)

    def _opened(self) -> None:
        log.info("lane_opened", lane=self._lane.name)
        self.save()
        self._lane.pump()

    def save(self) -> None:
        """Remember it in the store; of a lane that was given back its new owner does."""
        self._is_unsaved = True
        if self._lane.is_ours and not self._is_saving:
            self._is_saving = True
            self._process.spawn(self._store())

    async def _store(self) -> None:
        """One at a time: an older state must not arrive behind a newer one."""
        try:
            while self._is_unsaved and self._lane.is_ours:
                self._is_unsaved = False
                states, kept = {self._lane.name: self.state}, self._process.settings.keep_events_max
                await self._process.store.run(save_lanes(self._process.name, states, keep_events=kept))
        except StoreError as error:
            log.warning("store_trouble", error=str(error))
        finally:
            self._is_saving = False
