"""The sessions of a lane: opened as far as there is work for them and room in the process, and ended with the lane.

A lane begins with one. Another is opened while what waits is more than those that stand carry within a second, as fast
as one has carried of late; where all of them hang, that is how fast they are.

With no room for one more, here or for another lane, the one being opened that has been silent longest goes, if it was
for longer than any host of the site needed of late. A lane of one domain that hangs opens no more than it leaves to its
organisation and address.

Knows no envelopes, only what those that wait want of a session. That none could be had is told to :mod:`.concluding`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import structlog
from softbounce_config.loops import pause_after

from softbounce.reply import Trouble, TroubleKind
from softbounce.settings import LaneRule
from softbounce.site import organisation_of
from softbounce.stage import Stage
from softbounce.store.lanes import LEARNED_KEPT_MS, LearnedState
from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.at_work import LOOK, AtWork
from softbounce_worker.lane.backlog import Waiting
from softbounce_worker.lane.openings import Openings
from softbounce_worker.lane.sessions_lane import SessionsLane
from softbounce_worker.lane.site_dialling import SiteDialling
from softbounce_worker.lane.unserved import Unserved
from softbounce_worker.session.conversation import Place
from softbounce_worker.session.dialling import Dialled, Failed, Opening, Timeouts
from softbounce_worker.session.pace import SLOWEST, LearnedPace
from softbounce_worker.session.session import Session
from softbounce_worker.session.slots import Slots
from softbounce_worker.work import Wants

__all__ = ["LaneSessions"]

BETWEEN_REFUSALS = 5.0
SLACK = 2
"""So many times more sessions than a rate keeps busy are opened for it."""
AHEAD = 1.0
"""Seconds within which what waits should be under way."""
SLOWED = 1.5
"""The sessions being so much slower than when it was last looked at, more may be needed."""
DEEP = 50
"""So many that wait are worth two sessions from the beginning."""
MOST_ADDRESSES = 20
log = structlog.get_logger("softbounce.worker")


class LaneSessions:
    """What is open, or being opened.

    :ivar idle: sessions that wait for work.
    """

    __slots__ = (
        "_at_work",
        "_dialling",
        "_failures",
        "_had_at",
        "_is_held_back",
        "_loop",
        "_next_look",
        "_no_more_before",
        "_none_before",
        "_open",
        "_openings",
        "_pace_then",
        "_places",
        "_slots",
        "_tasks",
        "_timeouts",
        "_unserved",
        "idle",
        "lane",
        "organisation",
    )

    def __init__(self, lane: SessionsLane, slots: Slots, dialling: SiteDialling, timeouts: Timeouts) -> None:
        self.idle: dict[Session, None] = EMPTY
        self.lane = lane
        self.organisation = slots.join(organisation_of(lane.name))
        self._loop = asyncio.get_running_loop()
        self._slots = slots
        self._dialling = dialling
        self._timeouts = timeouts
        self._at_work = AtWork[Session](self._loop)
        self._tasks: dict[asyncio.Task[None], None] = EMPTY
        self._openings = Openings()
        self._open: dict[Session, None] = EMPTY
        self._places: dict[Place, int] = EMPTY
        self._no_more_before = 0.0
        self._none_before = 0.0
        self._failures = 0
        self._had_at = 0.0
        self._is_held_back = False
        self._unserved = Unserved[Wants](LOOK)
        self._pace_then = 0.0
        self._next_look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are open or being opened."""
        return len(self._tasks)

    @property
    def any_is_open(self) -> bool:
        """Whether one is past its opening."""
        return bool(self._open)

    @property
    def opening(self) -> int:
        """How many are being opened."""
        return len(self._openings)

    @property
    def coming(self) -> int:
        """How many of those may stand in a moment."""
        return self._openings.coming

    def provide(self, groups: Sequence[Waiting], beyond: int, width: int) -> None:
        """For those that wait: wake sessions that are idle, and open new ones up to a number of all.

        :param beyond: how many more wait in the store.
        """
        rate = self._slots.rate(self.organisation, self.lane.rule.rate)
        if rate:
            if not self._tasks and not self.organisation.sends_soon(self):
                return
            width = min(width, max(1, math.ceil(SLACK * rate * self._at_work.pace)))
        self._look_again()
        self._pace_then = self._at_work.pace
        self._openings.note_silence(self.lane.hosts.failed)
        self._make_way_for_others()
        if not groups:
            self._unserved.forget_all_but(())
            self._openings.drop_silent()
            return
        if self._loop.time() < self._none_before:  # the last ones failed by a fault of ours, so the next may too
            self._wake_for(groups, beyond)
            return
        if self._loop.time() < self._no_more_before:
            width = min(width, 1)  # one is always tried: without any, nothing would ever be
        missing = self._wake_for(groups, beyond)
        waiting = sum(group.number for group in groups)
        self._unserved.forget_all_but(missing)
        for wants, number in missing.items():
            begun = 0
            while begun < number and self._may_open_one_more(width, waiting):
                self._begin(wants)
                begun += 1
            if begun < number and not self.coming:
                self._make_way_for(wants)

    def open_fewer(self) -> None:
        """The host takes no more of them for now."""
        self._no_more_before = self._loop.time() + BETWEEN_REFUSALS

    def had_one_since(self, when: float) -> bool:
        """Whether a session was had since then (loop time)."""
        return self._had_at >= when

    def drop_silent(self) -> None:
        """Nothing waits for them, nor for those that have not begun to dial."""
        self._openings.drop_silent()

    def end(self) -> None:
        """It is time to go. What is being opened has nobody's mail."""
        self._slots.part(self, self.organisation)
        for session in list(self.idle):
            session.wake()
        self._openings.cancel()
        if self._next_look is not None:
            self._next_look.cancel()

    def abort(self) -> list[asyncio.Task[None]]:
        """End all at once; their tasks, to be waited for."""
        for session in list(self._open):
            session.abort()
        for task in list(self._tasks):
            task.cancel()
        return list(self._tasks)

    # -- how hard it may be pushed ----------------------------------------------------------------------------------

    def apply(self, rule: LaneRule) -> None:
        """A rule binds."""
        self.organisation.is_adaptive = rule.adaptive

    def recall(self, learned: LearnedState, now_ms: int) -> None:
        """So much was known before."""
        if not 0 < now_ms - learned.learnt_ms < LEARNED_KEPT_MS:
            return
        pace = None
        if SLOWEST <= learned.rate < math.inf:
            pace = LearnedPace(rate=learned.rate, span=learned.span, patience=learned.patience)
        self.organisation.recall(pace, learned.connections)
        self._slots.recall(dict(list(learned.addresses.items())[:MOST_ADDRESSES]))

    def learned(self, now_ms: int) -> LearnedState | None:
        """What is worth remembering of what the site said."""
        organisation = self.organisation
        pace, connections = organisation.pace.learned, organisation.connections
        addresses = dict(list(self._slots.learned_at(self.lane.hosts.addresses()).items())[:MOST_ADDRESSES])
        if pace is None and not connections and not addresses:
            return None
        return LearnedState(
            rate=0.0 if pace is None else pace.rate,
            span=0.0 if pace is None else pace.span,
            patience=0 if pace is None else pace.patience,
            connections=connections,
            addresses=addresses,
            learnt_ms=now_ms,
        )

    def in_force(self) -> dict[str, float]:
        """What binds now, as it is logged."""
        rate = self._slots.rate(self.organisation, self.lane.rule.rate)
        return {"rate": round(rate, 4), "connections": self._width}

    # -- who serves whom --------------------------------------------------------------------------------------------

    def _wake_for(self, groups: Sequence[Waiting], beyond: int) -> dict[Wants, int]:
        """Wake the idle ones; how many more are missing, by what those want who wait for them."""
        on_their_way = self._openings.on_their_way
        missing: dict[Wants, int] = {}
        for waiting in groups:
            left = waiting.number - self._wake(waiting)
            if left > 0:
                able = self._able(waiting.wants)
                needed = self._needed(left + beyond, able)
                beyond = 0
                number = min(left, needed - able - on_their_way[waiting.wants])
                if number > 0:
                    missing[waiting.wants] = number
        return missing

    def _wake(self, waiting: Waiting) -> int:
        """Wake as many as wait; how many that were."""
        hosts = self.lane.hosts
        fitting: list[Session] = []
        for session in self.idle:
            if len(fitting) == waiting.number:
                break
            if hosts.serves(session.place, waiting.wants):
                fitting.append(session)
        for session in fitting:
            self.works(session)
            session.wake()
        return len(fitting)

    def _needed(self, number: int, able: int) -> int:
        """How many sessions see to so many transactions in time, as fast as they are."""
        pace = self._at_work.pace
        if not able and self._at_work:  # all hang: that is how fast they are
            pace = max(pace, self._at_work.longest)
        if not pace:
            return 2 if number >= DEEP else 1
        return max(1, math.floor(number * pace / AHEAD + 0.5))  # what little is left over is not worth a connection

    def _able(self, wants: Wants) -> int:
        """How many of those that stand carry what wants this: none that hangs, or stems from before a close."""
        if self.lane.is_probing:
            return 0
        serves = self.lane.hosts.serves
        hang = sum(serves(session.place, wants) for session in self._at_work.hanging)
        return sum(number for place, number in self._places.items() if serves(place, wants)) - hang

    def _may_open_one_more(self, width: int, waiting: int) -> bool:
        if len(self._tasks) >= width or not self._openings.may_challenge(waiting):
            return False
        if self.coming >= self.organisation.at_once:  # when they stand, as many again are opened
            self._is_held_back = True
            return False
        if not self.lane.is_shared and self._at_work.is_stuck and not self._leaves_places():
            return False
        any_is_silent = self._openings.longest_silent is not None
        return self._slots.take(self, self.organisation, self.lane.rule.connections, waits=not any_is_silent)

    def _leaves_places(self) -> bool:
        """Whether one session more leaves as many places as these are, though none of them may ever be free again."""
        own, at_address = len(self._tasks), self.lane.rule.most_at_address(self._slots.per_address)
        addresses = {place.address for place in self._places}
        return self.organisation.has_room(self._width - own) and not all(
            self._slots.is_full(address, at_address - own - len(self._openings)) for address in addresses
        )

    @property
    def _width(self) -> int:
        """How many sessions with the organisation this process may have."""
        return self._slots.most(self.organisation, self.lane.rule.connections)

    def _make_way_for(self, wants: Wants) -> None:
        """These miss a session, and none is on its way: one that is silent goes, or one that cannot carry them."""
        longest = self._openings.longest_silent
        if longest is not None:
            self._openings.give_up(longest)
        elif any(self.lane.hosts.serves(place, wants) for place in self._places):
            self._unserved.is_served(wants)
        elif self._unserved.has_waited(wants, self._loop.time()):
            for session in list(self.idle or self._open)[:1]:
                session.finish()

    def _make_way_for_others(self) -> None:
        """Other lanes wait for a place, and one here has been silent for long: it goes too."""
        longest = self._openings.longest_silent
        if longest is not None and self._slots.others_wait(self.lane, self.organisation):
            self._openings.give_up(longest)

    # -- one session ------------------------------------------------------------------------------------------------

    def _begin(self, wants: Wants) -> None:
        now = self._loop.time()
        opening = Opening(wants, now, lane=self.lane, is_challenger=bool(self._openings) and not self.coming)
        task = self._loop.create_task(self._carry(opening))
        self._openings.begin(opening, task)
        if self._tasks is EMPTY:
            self._tasks = {}
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    async def _carry(self, opening: Opening) -> None:
        """Open one session and let it carry work until it ends."""
        try:
            dialled = await self._open_one(opening)
        finally:
            self._openings.end(opening)
        if isinstance(dialled, Failed):
            self.lane.no_session(dialled, opening)
            return
        self._had_at = self._loop.time()
        self._openings.had(opening, self._had_at)
        try:
            await self._run(Session(self.lane, dialled, self._timeouts))
        finally:
            dialled.connection.abort()
            self._slots.leave(dialled.address, stood=True)

    async def _run(self, session: Session) -> None:
        place = session.place
        self.organisation.stands()
        if self._is_held_back:
            self._is_held_back = False
            self._loop.call_soon(self.lane.pump)
        if self._open is EMPTY:
            self._open, self._places = {}, {}
        self._open[session] = None
        self._places[place] = self._places.get(place, 0) + 1
        try:
            await session.run()
        finally:
            del self._open[session]
            self.organisation.ends()
            self._at_work.ends(session)
            left = self._places.pop(place) - 1
            if left:
                self._places[place] = left

    async def _open_one(self, opening: Opening) -> Dialled | Failed:
        """Open a session. Whatever goes wrong in doing so: there is none, and for that lanes close."""
        try:
            return await self._dialling.open(
                self.lane.name, self.lane.way.road, self.lane.hosts, self.lane.rule, opening
            )
        except Exception as error:
            log.exception("opening_failed", lane=self.lane.name)
            text = f"a fault of softbounce's own: {type(error).__name__}: {ascii(str(error))[1:200]}"
            trouble = Trouble(kind=TroubleKind.CONNECT_FAILED, text=text)
            return Failed(what=trouble, stage=Stage.CONNECT, host=None, address=opening.address)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not self._tasks:
            self._take_no_room()
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._failures = 0
        else:
            pause = pause_after(self._failures)
            self._failures += 1
            self._none_before = self._loop.time() + pause
            log.error("session_failed", lane=self.lane.name, again_in=pause, exc_info=error)
        self._slots.give_back(self.organisation)
        self.lane.pump()

    def _take_no_room(self) -> None:
        """There are none, as with most lanes most of the time: what is empty by now gives back what it took."""
        self._tasks = self._open = self._places = self.idle = EMPTY
        self._openings.take_no_room()
        self._at_work.take_no_room()

    # -- what sessions tell -----------------------------------------------------------------------------------------

    def come(self) -> None:
        """There may be a place for one more, or it is our turn to send."""
        self.lane.pump()

    def idles(self, session: Session) -> None:
        """It waits for work."""
        if self.idle is EMPTY:
            self.idle = {}
        self.idle[session] = None
        self._slots.idles(session, self.lane, self.organisation)

    def works(self, session: Session) -> None:
        """It waits no more."""
        if session in self.idle:
            del self.idle[session]
            self._slots.works(session, self.organisation)

    def begins(self, session: Session, domains: AbstractSet[str]) -> None:
        """It begins a transaction for recipients of these domains."""
        self._at_work.begins(session, domains, session.connection.queued)

    def comes_forward(self, session: Session) -> None:
        """It ended one."""
        if session.connection.is_open:
            self._at_work.comes_forward(session, session.connection.queued)
        else:
            self._at_work.ends(session)

    def unanswered(self, domain: str, *, is_canary: bool) -> int:
        """How many transactions of a domain go unanswered, where one more would leave too few sessions to others."""
        number = self._at_work.unanswered(domain)
        if not number or self._at_work.leaves_room(domain, self._width, is_canary=is_canary):
            return 0
        return number

    def is_wanted(self, session: Session) -> bool:
        """Whether others wait for a session's place, and it had its turn; or another, if what is left needs no more."""
        is_soon_done = self.lane.waiting <= session.carried
        return self._slots.is_wanted(session, self.lane, self.organisation, turns=2 if is_soon_done else 1)

    # -- silence ----------------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        """As long as any wait: a session that was to carry them may hang, of which nothing tells."""
        if self._next_look is None and (self._openings or self.lane.has_some_waiting):
            self._next_look = self._loop.call_later(1.05 * LOOK, self._look)

    def _look(self) -> None:
        self._next_look = None
        if self._goes_on:
            self._look_again()
        else:
            self.lane.pump()

    @property
    def _goes_on(self) -> bool:
        """Whether nothing would come of looking: mail waits in thousands of lanes, each for its turn or its place."""
        if self._openings.any_dials or self.idle or self._unserved or self._at_work.any_hangs:
            return False
        is_called = bool(self._tasks) or self._slots.is_waiting(self, self.organisation)
        return is_called and self._at_work.pace <= SLOWED * self._pace_then
