"""A lane as its owner has it: what waits, which sessions are open, and whether the lane is closed.

A lane closes as a lane, on its own backoff; :mod:`.closing` says when. While it is closed, what waits is back in its
list; when it opens, the backlog flows at once. One recipient's or one tenant's trouble never closes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag
from softbounce.reply import Reply, Trouble
from softbounce.settings import LaneRule
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store.lanes import LaneState
from softbounce.transitions import Seen
from softbounce.verdict import Verdict

from .closing import Closing, blames_lane
from .opening import Failed
from .session import Session, Transaction
from .work import Work

if TYPE_CHECKING:
    from .engine import DeliveryEngine

__all__ = ["Lane"]

BETWEEN_REFUSALS = 5.0
DEEPEST = 256
KEPT_DOMAINS = 10_000
GO_ON, CANCELLED = 1, 2
log = structlog.get_logger("softbounce.worker")


class Lane:
    """One lane that this process owns.

    :ivar lists: (shard, stream, lane) -> whether that ready list may have entries; besides its own, a site's lane
        claims from the lists of the unresolved lanes ``?domain`` that turned out to lead here.
    :ivar leads_to: of a lane ``?domain``: the lane of this process that its mail goes by.
    :ivar is_passage: of a lane ``?domain``: what is claimed here only passes through, to a bounce or another process.
    :ivar idle: sessions that wait for work.
    """

    def __init__(self, engine: DeliveryEngine, name: str, state: LaneState, rule: LaneRule) -> None:
        self.name = name
        self.rule = rule
        self.closing = Closing(state, engine.clock)
        self.lists: dict[tuple[int, str, str], bool] = {}
        self.leads_to: Lane | None = None
        self.is_passage = False
        self.idle: set[Session] = set()
        self.is_ending = False
        self.resolving = 0
        self.owned_at = engine.loop.time()
        self.busy_at = engine.loop.time()
        self._engine = engine
        self._buffer: deque[Work] = deque()
        self._sessions: set[asyncio.Task[None]] = set()
        self._open_sessions: set[Session] = set()
        self._opening = 0
        self._active = 0
        self._depth = 0
        self._next_send = 0.0
        self._open_no_more_before = 0.0
        self._domains: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next_pump: asyncio.TimerHandle | None = None
        if self.is_closed:
            self._open_later()

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether the lane's backoff still runs."""
        return self.closing.is_closed

    @property
    def state(self) -> LaneState:
        """What is remembered of its trouble."""
        return self.closing.state

    @property
    def has_work(self) -> bool:
        """Whether anything waits or is under way here."""
        return bool(self._buffer or self._active or self._opening or self.resolving or any(self.lists.values()))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing at all is in hand, so that the lane can be handed back."""
        return not (self._buffer or self._active or self._opening or self.resolving or self._sessions)

    @property
    def domain(self) -> str:
        """A domain whose mail goes by this lane: its hosts are the lane's."""
        return next(reversed(self._domains), self.name.removeprefix("?"))

    def leads(self, domain: str, now: float) -> bool:
        """Whether a domain's mail is known to go by this lane still."""
        return self._domains.get(domain, 0.0) > now

    def follow(self, target: Lane) -> None:
        """Note that this lane ``?domain`` leads to *target*, which claims from its lists from now on."""
        self.leads_to = target
        target.lists.update(self.lists)
        self.lists = {}

    def note(self, shard: int, stream: str) -> None:
        """A ready list of this lane may have entries."""
        self.busy_at = self._engine.loop.time()
        (self.leads_to or self).lists[shard, stream, self.name] = True

    def learn(self, domain: str, until: float) -> None:
        """A domain's mail goes by this lane, for as long as DNS said so."""
        if len(self._domains) >= KEPT_DOMAINS:
            del self._domains[next(iter(self._domains))]
        self._domains.pop(domain, None)
        self._domains[domain] = until

    @property
    def sessions(self) -> int:
        """How many sessions are open or being opened."""
        return len(self._sessions)

    def wanted(self) -> int:
        """How many envelopes to claim now."""
        if self.is_ending or self.is_closed or self.leads_to is not None or not any(self.lists.values()):
            return 0
        if self.name.startswith("?") and not self.resolving:
            return DEEPEST if self.is_passage else 1
        if self.closing.is_probing:
            return 0 if self._buffer or self.closing.canary is not None or self._opening or self.resolving else 1
        width = self.rule.connections
        depth = max(self._depth, width)
        held = len(self._buffer) + self.resolving
        return depth - held if held <= depth // 2 else 0

    # -- work comes -------------------------------------------------------------------------------------------------

    def add(self, works: Sequence[Work]) -> None:
        """Take over claimed envelopes, and see that sessions carry them."""
        self.busy_at = self._engine.loop.time()
        self.closing.carries(work.sender_domain for work in works)
        self._buffer.extend(works)
        self.pump()

    def pump(self) -> None:
        """Wake idle sessions and open new ones, as far as there is work for them."""
        if self.is_closed or self.is_ending:
            return
        waiting = len(self._buffer)
        for session in list(self.idle)[:waiting]:
            session.wake()
        width = self.rule.connections
        if self.closing.is_probing:  # one for the canary, whatever the sessions from before still wait for
            width = min(width, len(self._sessions) + (0 if self._opening else 1))
        missing = waiting - len(self.idle) - self._opening
        if self._engine.loop.time() < self._open_no_more_before:
            width = min(width, 1)  # one is always tried: without any, nothing would ever be
        while missing > 0 and len(self._sessions) < width and self._engine.may_open():
            self._opening += 1
            missing -= 1
            task = self._engine.loop.create_task(self._session())
            self._sessions.add(task)
            task.add_done_callback(self._ended)
        if missing > 0 and len(self._sessions) < width:
            self._engine.make_room()

    def take(self, session: Session) -> Transaction | None:
        """The next transaction for a session: one message, with all its recipients that wait at the head."""
        if self.is_closed or self.is_ending or (self.closing.is_probing and self.closing.canary is not None):
            return None
        now = self._engine.loop.time()
        if self.rule.rate and now < self._next_send:
            self._pump_at(self._next_send)
            return None
        works: list[Work] = []
        now_ms = self._engine.clock.now_ms()
        limit = 1 if self.closing.is_probing else session.most_recipients
        while self._buffer and len(works) < limit:
            work = self._buffer[0]
            if works and work.record.message != works[0].record.message:
                break
            self._buffer.popleft()
            if work.record.expires_ms <= now_ms and self._engine.promote_if_expired(work, now_ms):
                continue
            works.append(work)
        if not works:
            self._run_dry()
            return None
        if len(self._buffer) <= max(self._depth, self.rule.connections) // 2:
            self._engine.claim_soon()
        self._active += len(works)
        if self.closing.is_probing:
            self.closing.canary = works[0].record.id
        if self.rule.rate:
            self._next_send = max(now, self._next_send) + len(works) / self.rule.rate
        return Transaction(works, now_ms)

    def _run_dry(self) -> None:
        if any(self.lists.values()) and not self.closing.is_probing:
            self._depth = min(DEEPEST, max(self._depth, self.rule.connections) * 2)
            self._engine.claim_soon()

    def drop_expired(self) -> None:
        """Promote what expired while it waited here: behind slow sessions that can take long."""
        now_ms = self._engine.clock.now_ms()
        if any(work.record.expires_ms <= now_ms for work in self._buffer):
            left = [
                work
                for work in self._buffer
                if work.record.expires_ms > now_ms or not self._engine.promote_if_expired(work, now_ms)
            ]
            self._buffer.clear()
            self._buffer.extend(left)

    def put_back_innocent(self) -> None:
        """What waits goes back to its list, because suspects are tried now; they themselves stay."""
        waiting = list(self._buffer)
        self._buffer.clear()
        self._buffer.extend(work for work in waiting if work.record.claims >= transitions.SUSPECT)
        self._return([work for work in waiting if work.record.claims < transitions.SUSPECT])

    # -- sessions ---------------------------------------------------------------------------------------------------

    async def _session(self) -> None:
        """Open one session and let it carry work until it ends."""
        opening = True
        try:
            dialled = await self._engine.open_session(self)
            self._opening -= 1
            opening = False
            if isinstance(dialled, Failed):
                self._could_not_open(dialled)
                return
            session = Session(self, dialled, self._engine.timeouts)
            self._open_sessions.add(session)
            try:
                await session.run()
            finally:
                self._open_sessions.discard(session)
        finally:
            if opening:
                self._opening -= 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_failed", lane=self.name, exc_info=error)
            self._open_no_more_before = self._engine.loop.time() + BETWEEN_REFUSALS
        self.pump()
        self._engine.use_room()

    def _could_not_open(self, failed: Failed) -> None:
        """No session could be had on any host: the lane's trouble, unless other sessions of it stand."""
        if self._open_sessions or self.is_closed:
            self._open_no_more_before = self._engine.loop.time() + BETWEEN_REFUSALS
            return  # the host takes no more connections, and those that stand carry on; or the trouble is known
        now_ms = self._engine.clock.now_ms()
        verdict = self._judge(failed.what, failed.stage)
        seen = Seen(
            what=failed.what,
            stage=failed.stage,
            started_ms=now_ms,
            ended_ms=now_ms,
            host=failed.host,
            address=failed.address,
        )
        if self._buffer:
            canary = self._buffer.popleft()
            self._engine.commit(canary, transitions.return_to_lane(canary.record, seen, verdict))
            self._note(canary)
        self._close(seen, verdict)

    # -- outcomes ---------------------------------------------------------------------------------------------------

    async def mark(self, works: Sequence[Work]) -> bool:
        """Store the marker for envelopes whose dot is about to leave. False: the dot must not leave."""
        answers = await self._engine.mark(works)
        if all(answer == GO_ON for answer in answers):
            return True
        now_ms = self._engine.clock.now_ms()
        self._active -= len(works)
        self._drop_canary(works)
        for work, answer in zip(works, answers, strict=True):
            if answer == CANCELLED:
                work.record.flags |= Flag.CANCEL_ASKED
                self._engine.commit(work, transitions.cancel(work.record, now_ms))
            elif answer == GO_ON:
                self._engine.commit(work, transitions.give_back(work.record))
                self._note(work)
            else:  # somebody else's by now
                self._engine.let_go(work)
        return False

    def not_tried(self, works: Sequence[Work]) -> None:
        """Take back envelopes of which the host heard nothing that counts; no attempt is charged."""
        self._active -= len(works)
        self._drop_canary(works)
        if self.is_ending or self.is_closed:
            self._return(works)
        else:
            self._buffer.extendleft(reversed(works))
            self.pump()

    def _drop_canary(self, works: Sequence[Work]) -> None:
        """These are under way no more and told nothing; if the canary is among them, another may go."""
        if self.closing.is_canary(work.record.id for work in works):
            self.closing.canary = None

    def conclude(  # noqa: PLR0913 - one attempt, as it was seen
        self,
        session: Session,
        works: Sequence[Work],
        what: Reply | Trouble,
        stage: Stage,
        started_ms: int,
        *,
        uncertain: bool,
    ) -> None:
        """An attempt ended for these envelopes, all by the same reply."""
        if not works:
            return
        engine = self._engine
        now_ms = engine.clock.now_ms()
        self._active -= len(works)
        verdict = self._judge(what, stage)
        if stage is Stage.END_OF_DATA and len(works) > 1:  # nobody can tell which of the addresses is meant
            verdict = replace(verdict, suppress=False)
        seen = Seen(
            what=what,
            stage=stage,
            started_ms=started_ms,
            ended_ms=now_ms,
            host=session.host,
            address=session.address,
            uncertain=uncertain,
            is_time_sure=engine.clock.may_promote,
        )
        closing = self.closing
        was_closed = closing.is_probing
        closes = closing.counts(what, verdict, {work.sender_domain for work in works})
        blames = blames_lane(verdict)
        for work in works:
            if uncertain:
                change = transitions.close_uncertain(work.record, seen, verdict, engine.settings, now_ms)
            elif blames and (closes or was_closed):
                change = transitions.return_to_lane(work.record, seen, verdict)
                self._note(work)
            else:
                change = transitions.conclude(work.record, seen, verdict, engine.settings, now_ms)
            engine.commit(work, change)
        # What was under way when the lane closed says nothing new when it fails; the canary does.
        if closes or (blames and closing.is_canary(work.record.id for work in works)):
            self._close(seen, verdict)
        elif was_closed and not blames:
            self.reopen()

    def _judge(self, what: Reply | Trouble, stage: Stage) -> Verdict:
        return classify(what, stage=stage, site=shown_of(self.name), settings=self._engine.settings)

    # -- closing and opening ----------------------------------------------------------------------------------------

    def _close(self, seen: Seen, verdict: Verdict) -> None:
        """Close the lane for its next backoff; what waits goes back to its list."""
        seconds = self.closing.close(seen, verdict, self.rule)
        state = self.state
        log.warning("lane_closed", lane=self.name, seconds=round(seconds, 1), failures=state.failures, why=state.why)
        self._engine.save(self)
        waiting = list(self._buffer)
        self._buffer.clear()
        self._return(waiting)
        self._open_later()

    def close_for_route(self, works: Sequence[Work], trouble: Trouble) -> None:
        """The lane's domain cannot be resolved for now: what was claimed goes back uncharged, and the lane closes."""
        now_ms = self._engine.clock.now_ms()
        verdict = self._judge(trouble, Stage.ROUTE)
        seen = Seen(what=trouble, stage=Stage.ROUTE, started_ms=now_ms, ended_ms=now_ms)
        for work in works:
            self._engine.commit(work, transitions.return_to_lane(work.record, seen, verdict))
            self._note(work)
        if not self.is_closed:
            self._close(seen, verdict)

    def _open_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = self.closing.seconds_left + 0.002
        self._timer = self._engine.loop.call_later(delay, self._engine.claim_soon)

    def reopen(self) -> None:
        """A good sign: the lane is open, and the backlog flows at once."""
        if self.closing.open():
            log.info("lane_opened", lane=self.name)
            self._engine.save(self)
        self._engine.claim_soon()
        self.pump()

    def _pump_at(self, when: float) -> None:
        if self._next_pump is None:
            self._next_pump = self._engine.loop.call_at(when, self._pump_now)

    def _pump_now(self) -> None:
        self._next_pump = None  # before anything else: a timer may fire a little early, and is then set again
        self.pump()

    # -- the end ----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Take no more; what waits goes back to its list, and sessions end after what they are at."""
        self.is_ending = True
        waiting = list(self._buffer)
        self._buffer.clear()
        self._return(waiting)
        for session in list(self.idle):
            session.wake()
        for timer in (self._timer, self._next_pump):
            if timer is not None:
                timer.cancel()

    def abort(self) -> list[asyncio.Task[None]]:
        """End all sessions at once; their tasks, to be waited for."""
        for session in list(self._open_sessions):
            session.abort()
        for task in list(self._sessions):
            task.cancel()
        return list(self._sessions)

    def _note(self, work: Work) -> None:
        self.lists[(*self._engine.list_of(work), self.name)] = True

    def _return(self, works: Sequence[Work]) -> None:
        for work in works:
            self._engine.commit(work, transitions.give_back(work.record))
            self._note(work)
