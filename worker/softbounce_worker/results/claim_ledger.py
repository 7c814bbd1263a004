"""What this process has claimed, and the one way in which a claim ends: with a result, given back, let go, set aside.

A result stands in the journal when :meth:`ClaimLedger.commit` returns, and the flusher sees it to its end. What went
back to a ready list is told to whoever has its lane when the store has it there: nobody has to do so beside.
"""

from __future__ import annotations

from collections.abc import Sequence

from softbounce import transitions
from softbounce.envelope import Record
from softbounce.gate import closes_to
from softbounce.store.claiming import NOT_LIVE
from softbounce.store.reading import Unreadable
from softbounce.transitions import Change
from softbounce.transitions.change import event_of
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results import aside
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.work import Work

__all__ = ["Claim", "ClaimLedger"]

Claim = tuple[bytes, bytes]
"""An envelope's id and the claim's token."""


class ClaimLedger:
    """The claimed envelopes of a process that have no result yet.

    :param lease_seconds: a mark older than this does not cover a dot any more.
    """

    def __init__(self, process: WorkerProcess, flusher: Flusher, lease_seconds: float) -> None:
        self._process = process
        self._flusher = flusher
        self._lease_seconds = lease_seconds
        self._in_hand: dict[bytes, bytes] = {}

    # -- what is claimed --------------------------------------------------------------------------------------------

    @property
    def in_hand(self) -> list[Claim]:
        """Every claim without a result."""
        return list(self._in_hand.items())

    @property
    def known(self) -> set[Claim]:
        """Those, and the ones whose result the store does not have yet."""
        return {*self._in_hand.items(), *((move.record.id, move.token or b"") for move in self._flusher.under_way)}

    def enter(self, record: Record) -> None:
        """An envelope was claimed."""
        self._in_hand[record.id] = record.token

    def has(self, work: Work) -> bool:
        """Whether an envelope is in hand still, under the claim that the work is of."""
        return self.holds((work.record.id, work.token))

    def holds(self, claim: Claim) -> bool:
        """The same of a claim."""
        return self._in_hand.get(claim[0]) == claim[1]

    # -- how it ends ------------------------------------------------------------------------------------------------

    def commit(self, work: Work, change: Change) -> None:
        """Hand a result over."""
        self._in_hand.pop(work.record.id, None)
        self._hand_over(change, work.token)

    def commit_unread(self, record: Record, change: Change, token: bytes) -> None:
        """Hand over what becomes of an envelope whose message was not even read here."""
        self._drop((record.id, token))
        self._hand_over(change, token)

    def _hand_over(self, change: Change, token: bytes) -> None:
        now_ms = self._process.clock.now_of(change.record.id)
        self._flusher.commit(transitions.look_now_if_expired(change, self._process.settings, now_ms), token)

    def give_back(self, works: Sequence[Work]) -> None:
        """Put envelopes back into the ready list of their lane, as if they had not been claimed."""
        for work in works:
            self.commit(work, transitions.give_back(work.record))

    def give_back_unread(self, records: Sequence[Record]) -> None:
        """The same for envelopes whose message was not read."""
        for record in records:
            token = record.token
            self.commit_unread(record, transitions.give_back(record), token)

    @property
    def _may_hold(self) -> bool:
        return bool(self._process.holds) or bool(self._process.standing) or self._process.gate is not None

    def hold(self, works: Sequence[Work]) -> Sequence[Work]:
        """Hold those that meet a hold, or whose recipient the staging gate lets have no mail; the others."""
        return [work for work in works if not self._holds_back(work.record, work.token)] if self._may_hold else works

    def hold_unread(self, records: Sequence[Record]) -> Sequence[Record]:
        """The same of envelopes whose message was not read."""
        if not self._may_hold:
            return records
        published = self._process.settings.gate
        is_led = published is not None and not published.holds_others  # to its lane, by the first of the routes
        return [one for one in records if not self._holds_back(one, one.token, is_led=is_led)]

    def _holds_back(self, record: Record, token: bytes, *, is_led: bool = False) -> bool:
        now_ms = self._process.clock.now_of(record.id)
        if record.stream in self._process.holds:
            self.commit_unread(record, transitions.hold_with_stream(record, now_ms), token)
            return True
        return self._is_kept(record, token, is_led=is_led)

    def _is_kept(self, record: Record, token: bytes, *, is_led: bool = False, is_over: bool = False) -> bool:
        """Hold an envelope at the staging gate, or because it meets a standing hold. False: neither.

        :param is_led: it goes to a lane that may be another one, and is asked again there.
        :param is_over: its window closed.
        """
        is_gated = not is_led and self._is_gated(record, token, is_over=is_over)
        return is_gated or (bool(self._process.standing) and self._is_met(record, token))

    def _is_met(self, record: Record, token: bytes) -> bool:
        now_ms = self._process.clock.now_of(record.id)
        met = self._process.standing.meet(record, now_ms)
        if met is not None:
            self.commit_unread(record, transitions.hold_standing(record, *met, now_ms), token)
        return met is not None

    def _is_gated(self, record: Record, token: bytes, *, is_over: bool) -> bool:
        """Hold an envelope at the staging gate. False: there is none, it lets this one out, or what catches it gets it.

        What is in any other lane, however it came there, is held; so is what would bounce.
        """
        gate, envelope = self._process.gate, record.envelope
        if gate is None or not closes_to(gate, envelope.recipient, past_gate=envelope.past_gate):
            return False
        if gate.catches(record.lane) and not is_over:
            return False
        now_ms = self._process.clock.now_of(record.id)
        self.commit_unread(record, transitions.hold_at_gate(record, gate, now_ms), token)
        return True

    def put_off_unread(self, record: Record, seconds: float, why: str) -> None:
        """Back to *scheduled*, uncharged, for so long, because of something of ours; an event says why."""
        token, now_ms = record.token, self._process.clock.now_of(record.id)
        event = event_of(record, "deferred", why=f"{why}; it waits, and nothing is charged to it.")
        self.commit_unread(record, transitions.postpone(record, now_ms + round(seconds * 1000), now_ms, event), token)

    def promote_if_expired(self, work: Work) -> bool:
        """Promote an envelope whose window closed while it waited here, by its shard's clock. False: it has not."""
        clock, settings = self._process.clock, self._process.settings
        now_ms = clock.now_of(work.record.id)
        if work.record.expires_ms > now_ms or not clock.is_sure(work.record.id):
            return False
        if transitions.expiry_ms(work.record, settings, now_ms) > now_ms:
            return False
        if not self._is_kept(work.record, work.token, is_over=True):
            self.commit(work, transitions.promote(work.record, settings, now_ms))
        return True

    def ends_before_attempt(self, work: Work) -> bool:
        """What was claimed does not begin now: gate, hold or quiet hours keep it, or its window closed. False: it does.

        The gate was asked when it was claimed. This is the last line before a session has it, whatever way it took.
        """
        if self._is_kept(work.record, work.token):
            return True
        return self.promote_if_expired(work) or self.put_off_if_quiet(work.record, work.token)

    def put_off_if_quiet(self, record: Record, token: bytes) -> bool:
        """Put an envelope off to the end of quiet hours. False: there are none for it now."""
        settings = self._process.settings
        if not settings.quiet:
            return False
        change = transitions.put_off_if_quiet(record, settings, self._process.clock.now_of(record.id))
        if change is not None:
            self.commit_unread(record, change, token)
        return change is not None

    def put_off(self, work: Work, error: Exception, *, may_be_taken: bool) -> None:
        """An envelope's attempt, or what was to be made of its outcome, ended in a fault of ours.

        It is tried again later, the later the oftener that happens. What its host may have is set aside instead: it
        must not be sent again as if nothing had been.
        """
        aside.log_failed(work, error, may_be_taken=may_be_taken)
        try:
            if not may_be_taken:
                now_ms = self._process.clock.now_of(work.record.id)
                self.commit(work, transitions.reschedule(work.record, claim_wait=True, now_ms=now_ms))
                return
        except Exception as another:  # noqa: BLE001 - then it is set aside
            aside.log_failed(work, another, may_be_taken=may_be_taken)
        self.let_go(work)
        self.set_aside([Unreadable(work.record.id, "nothing could be made of its attempt")])

    def set_aside(self, unreadable: Sequence[Unreadable]) -> None:
        """Claimed envelopes of which nobody can make anything leave all queues, and keep their records."""
        if unreadable:
            self._process.spawn(aside.set_aside(self._process.store, self._process.name, unreadable))

    async def landed(self) -> None:
        """Wait until the store has every result that was handed over by now."""
        await self._flusher.landed()

    def let_go(self, work: Work) -> None:
        """An envelope is no longer this claim's: there is no result to hand over."""
        self._drop((work.record.id, work.token))

    def forget(self, record: Record) -> None:
        """A claimed envelope that no lane has is out of this process's hands."""
        self._drop((record.id, record.token))

    def _drop(self, claim: Claim) -> None:
        if self.holds(claim):
            del self._in_hand[claim[0]]

    async def hear(self, works: Sequence[Work]) -> None:
        """Take over what was asked of envelopes while they are attempted."""
        await self._flusher.hear([work.record for work in works])

    # -- the marker -------------------------------------------------------------------------------------------------

    async def mark(self, works: Sequence[Work]) -> list[int]:
        """Mark envelopes; an answer that took longer than the lease covers nothing, and is asked for again."""
        process = self._process
        claims = [(work.record.id, work.token) for work in works]
        while not process.is_lost:
            asked_at = process.loop.time()
            answers = await self._flusher.mark(claims)
            if NOT_LIVE in answers:
                process.lose_lease()
            elif process.loop.time() - asked_at < self._lease_seconds:
                return answers
        return [NOT_LIVE] * len(works)  # also where other shards still know us: no new dot leaves
