"""A lane as its owner has it: which lists it claims from, whether it is closed, and who does what in it.

:mod:`.backlog` holds what was claimed for it, :mod:`.sessions` the sessions that take from there, :mod:`.concluding`
what becomes of what they had, and :mod:`.untried` of what none had. :mod:`.trouble` says who may go, and
:mod:`.lane_trouble` does what follows: while the lane is closed, what waits is back in its list; when it opens, the
backlog flows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import proxy

import structlog

from softbounce.road import MX
from softbounce.settings import LaneRule, Settings
from softbounce.site import shown_of
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState
from softbounce_worker.lane.address_memory import AddressMemory
from softbounce_worker.lane.backlog import DEEPEST, Backlog
from softbounce_worker.lane.concluding import Concluding
from softbounce_worker.lane.denial_guard import DenialGuard
from softbounce_worker.lane.lane_domains import Known, LaneDomains
from softbounce_worker.lane.lane_road import LaneRoad
from softbounce_worker.lane.lane_trouble import CANARIES, LaneTrouble
from softbounce_worker.lane.ready_lists import Entries, ListName, ReadyLists, split
from softbounce_worker.lane.roads import Roads
from softbounce_worker.lane.sessions import LaneSessions
from softbounce_worker.lane.site_dialling import SiteDialling
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.lane.untried import Untried
from softbounce_worker.posture import Sts
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.session.dialling import Failed, Opening, Timeouts
from softbounce_worker.session.session import Session
from softbounce_worker.session.slots import Slots
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.tls_results.tally import TlsTally
from softbounce_worker.work import NO_HOSTS, Work

__all__ = ["Lane", "LaneParts"]

log = structlog.get_logger("softbounce.worker")


class Registry(Protocol):
    """Who keeps the lanes of the process."""

    def changed(self, lane: Lane) -> None:
        """What it wants, or whether it has work, may be otherwise now."""

    def has(self, lane: Lane) -> bool:
        """Whether this very lane is this process's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneParts:
    """What all lanes of a process work with.

    :ivar resolve: finds out where a domain's claimed mail belongs, and sends it there.
    """

    process: WorkerProcess
    registry: Registry
    ledger: ClaimLedger
    slots: Slots
    dialling: SiteDialling
    roads: Roads
    denials: DenialGuard
    addresses: AddressMemory
    tally: TlsTally
    timeouts: Timeouts
    resolve: Callable[[Lane, str, list[Work]], None]


class Lane:
    """One lane that this process owns.

    :ivar way: its road, and which mail takes it.
    :ivar hosts: the hosts of its site.
    :ivar lists: the ready lists that it claims from.
    :ivar forwards_only: of a lane ``?domain``: what is claimed here is known to belong elsewhere.
    :ivar resolving: envelopes of which it is being found out whether they belong here.
    :ivar seeks_all: all that wait are, because routes are others now; how many that is nobody knows yet.
    :ivar astray: so many that wait in its lists are looked at, though the site is in trouble: some belong elsewhere.
    """

    __slots__ = (
        "__weakref__",
        "_domains",
        "_health",
        "_ledger",
        "_process",
        "_registry",
        "_resolve",
        "_slots",
        "astray",
        "backlog",
        "forwards_only",
        "hosts",
        "is_ending",
        "lists",
        "name",
        "outcomes",
        "owned_at",
        "resolving",
        "seeks_all",
        "sessions",
        "trouble",
        "untried",
        "way",
    )

    def __init__(self, name: str, state: LaneState, rule: LaneRule, parts: LaneParts) -> None:
        me: Lane = proxy(self)  # with its last session it is gone at once: to look for rings of thousands halts all
        process, ledger, denials, health = parts.process, parts.ledger, parts.denials, parts.roads.health_of(name)
        self.name = name
        self.way = LaneRoad(name, parts.roads, process)
        self.trouble = LaneTrouble(me, state, rule, process, ledger, denials, parts.addresses)
        self.hosts = SiteHosts(health, self.way.families(rule))
        self.backlog = Backlog(ledger, process.weight_of)
        self.sessions = LaneSessions(me, parts.slots, parts.dialling, parts.timeouts)
        self.sessions.apply(rule)
        self.sessions.recall(state.learned, process.clock.now_ms(HOME))
        self.untried = Untried(me, process, ledger, parts.tally)
        self.outcomes = Concluding(me, process, ledger, health, denials, parts.tally, self.untried)
        self.lists = ReadyLists()
        self.forwards_only = False
        self.is_ending = False
        self.resolving = 0
        self.astray = 0
        self.seeks_all = False
        self.owned_at = process.loop.time()
        self._process = process
        self._ledger = ledger
        self._registry = parts.registry
        self._slots = parts.slots
        self._health = health
        self._resolve = parts.resolve
        self._domains = LaneDomains()

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def rule(self) -> LaneRule:
        """How hard it may be pushed, and for how long it closes."""
        return self.trouble.machine.rule

    @rule.setter
    def rule(self, rule: LaneRule) -> None:
        self.trouble.machine.rule = rule
        self.sessions.apply(rule)

    @property
    def is_closed(self) -> bool:
        """Whether the lane's backoff still runs."""
        return self.trouble.is_closed

    @property
    def is_probing(self) -> bool:
        """Whether the site closed, and no good sign was seen since: only a canary may go."""
        return self.trouble.is_probing

    @property
    def is_ours(self) -> bool:
        """Whether this process has it still."""
        return self._registry.has(self)

    @property
    def state(self) -> LaneState:
        """What is remembered of its trouble."""
        return self.trouble.state

    @property
    def is_shared(self) -> bool:
        """Whether several domains are known to go here."""
        return len(self._domains) > 1

    @property
    def has_some_waiting(self) -> bool:
        """Whether anything waits for a session."""
        return bool(self.backlog)

    @property
    def waiting(self) -> int:
        """How many do, in the store too, as far as is known."""
        return len(self.backlog) + self.lists.entries

    @property
    def has_work(self) -> bool:
        """Whether anything waits or is under way here."""
        return bool(self.lists) or self._has_some_in_hand

    @property
    def is_quiet(self) -> bool:
        """Whether nothing at all is in hand, so that the lane can be handed back."""
        return not (self._has_some_in_hand or self.sessions)

    @property
    def _has_some_in_hand(self) -> bool:
        return bool(self.backlog or self.outcomes.under_way or self.sessions.opening or self.resolving)

    # -- whose mail it carries --------------------------------------------------------------------------------------

    def leads(self, domain: str, now: float) -> bool:
        """Whether a domain's mail is known to go by this lane still."""
        return self._domains.leads(domain, now)

    def seek_astray(self) -> None:
        """A domain moved away. What waits of it, and of others that did, shall not wait for a site in trouble."""
        if self.is_probing and not self.astray:
            self.astray = self.lists.entries

    def learn(self, domain: str, until: float, sts: Sts | None = None, *, dane: bool = False) -> None:
        """A domain's mail goes by this lane, for as long as DNS said so.

        :param sts: what its own policy asks for here.
        :param dane: DNSSEC proves that it goes here.
        """
        self._domains.learn(domain, Known(until, sts, dane))

    def seek_detours(self) -> None:
        """It is closed. All that waits is looked at, where a route may lead around the site."""
        if self.is_closed and self.way.has_detour(self.trouble.machine.told.reason):
            self.astray, self.seeks_all = DEEPEST, True

    def found(self, number: int) -> None:
        """So many were looked at of those that may be astray; how many there are is known since they were claimed."""
        if self.seeks_all:
            self.astray, self.seeks_all = self.lists.entries + DEEPEST, False
        self.astray = max(0, self.astray - number)

    def note(self, shard: int, stream: str, share: int = 0) -> None:
        """A ready list of this lane may have entries."""
        name = ListName(shard, stream, self.name, share)
        self.lists.note(name)
        if self.backlog and not self.backlog.has(stream, share):
            self.lists.press(name)
        if not self.astray and self._process.settings.route:
            self.seek_detours()
        self.changed()

    # -- work comes and is taken ------------------------------------------------------------------------------------

    def wanted(self) -> int:
        """How many envelopes to claim now."""
        if self.is_ending or not self.lists:
            return 0
        if self.way.road is None:
            return 0 if self.resolving or self.way.may_be_told else DEEPEST
        if self.astray and self.is_probing and not (self.backlog or self.resolving):
            return min(DEEPEST, self.astray)
        if self.is_closed:
            return 0
        if self.name.startswith("?") and not self.resolving:
            if self.forwards_only and self._process.settings.route:
                return DEEPEST  # where a route asks for more than a header tells, each is looked at
            return self.rule.connections  # and what more there is is moved unclaimed, once it is known where to
        if self.is_probing:
            busy = self.backlog or self.trouble.has_canary_out or self.sessions.coming or self.resolving
            return 0 if busy else CANARIES
        return self.backlog.wanted(self.rule.connections, self.resolving) or self._pressing()

    def _pressing(self) -> int:
        """How many to claim of shares of which nothing waits here, though there is enough of others."""
        pressing = len(self.lists.pressing)
        if not pressing or self.resolving:
            return 0
        return pressing * self.backlog.part_of(self.rule.connections, len(self.lists))

    def draw(self, most: int, waits: Callable[[str], bool]) -> dict[ListName, Entries]:
        """The lists to claim from now, see :meth:`ReadyLists.draw`."""
        has_enough = bool(self.backlog) and not self.backlog.wanted(self.rule.connections, self.resolving)
        is_pressed = has_enough and not self.is_probing and bool(self.lists.pressing)
        return self.lists.draw(most, waits, pressing_only=is_pressed)

    def split(self, want: int, drawn: dict[ListName, Entries]) -> list[int]:
        """How many of about so many to claim from each of these lists."""
        return split(want, drawn, self._process.weight_of)

    def has_room_for(self) -> int:
        """How many envelopes it takes that come from a domain just resolved."""
        if self.is_ending or self.is_closed:
            return 0
        return int(not self.backlog) if self.is_probing else self.backlog.room(self.rule.connections)

    def add(self, works: Sequence[Work]) -> None:
        """Take over claimed envelopes, and see that sessions carry them; a lane that ended meanwhile keeps none."""
        if self.is_ending:
            self.give_back(works)
            return
        works = self._ledger.hold(works)
        self.trouble.machine.carries(work.sender_domain for work in works)
        works = self.trouble.hold_back(works)
        shown = shown_of(self.name)
        is_signed = self.way.road is None or self.way.road.sign
        for work in works:
            work.parcel = work.parcel.signed if is_signed else work.parcel.signed.unsigned()
            work.record.envelope.site = shown
            work.shuns = self.hosts.deferred_by(work.record) | work.tried or NO_HOSTS
        self._ask_of_tls(works)
        telling, others = self.trouble.split(works)
        self.backlog.add_first(telling)
        self.backlog.add(others)
        self.pump()

    def apply(self, settings: Settings) -> None:
        """New settings bind: what waits here goes by them."""
        self.rule = settings.lane_rule_for(shown_of(self.name))
        has_moved = self.way.apply(settings)
        self.hosts.families = self.way.families(self.rule)
        kept, others = self.way.sort(self.backlog.take_all())
        self._send_elsewhere(others)
        self._ask_of_tls(kept)
        self.backlog.add(kept)
        if has_moved and self.is_probing:
            self.astray, self.seeks_all = DEEPEST, True
        self.pump()

    def obey_holds(self) -> None:
        """Streams are held, or other things: what waits of them here is. What a session has is seen to its end."""
        self.backlog.add(self._ledger.hold(self.backlog.take_all()))
        self.changed()

    def _send_elsewhere(self, works: Sequence[Work]) -> None:
        """What takes another road than this lane's."""
        domains: dict[str, list[Work]] = {}
        for work in works:
            domains.setdefault(work.domain, []).append(work)
        for domain, some in domains.items():
            self._resolve(self, domain, some)

    def _ask_of_tls(self, works: Sequence[Work]) -> None:
        """What is asked for them binds from when they wait here: those that come back may have been asked less."""
        self._domains.ask_of_tls(works, self._process.settings, shown_of(self.name), self.way.road or MX)

    def pump(self) -> None:
        """See that there are sessions for what waits."""
        if not (self.is_closed or self.is_ending):
            self._provide()
        self.changed()

    def _provide(self) -> None:
        width = self.rule.connections
        if self.is_probing:  # one for the canary, whatever the sessions from before still wait for
            if self.backlog and self.trouble.has_canary_out:
                return
            width = min(width, len(self.sessions) + (0 if self.sessions.coming else 1))
        self.sessions.provide(self.backlog.groups(), self.lists.entries, width)

    def changed(self) -> None:
        """It wants more, or less, than it did; it has work, or none."""
        self._registry.changed(self)

    def take(self, session: Session) -> Transaction | None:
        """The next transaction for a session: one message, with all its recipients that wait at the head."""
        is_probing = self.is_probing
        now = self._process.loop.time()
        if self.is_closed or self.is_ending or (is_probing and self.trouble.has_canary_out):
            return None
        organisation = self.sessions.organisation
        rate = self._slots.rate(organisation, self.rule.rate)
        if rate and not organisation.may_send(self.sessions):
            return None
        most = min(session.most_recipients, self.rule.recipients_per_message)
        works = self._take_for(session, 1 if is_probing else most)
        if not works:
            if not is_probing and self.lists:
                self.backlog.deepen(self.rule.connections)
            self.changed()
            return None
        self.outcomes.begin(works)
        if is_probing:
            self._look_at(now + self.trouble.send_canary(works[0]))
        if is_probing or self.backlog.is_low(self.rule.connections):  # else it wants no more than before
            self.changed()
        if rate:
            organisation.sent(len(works), rate)
        return Transaction(works, self._process.clock.now_of(works[0].record.id))

    def _take_for(self, session: Session, most: int) -> list[Work]:
        """What this session may carry; where the domain whose turn it is needs a session of its own, it ends."""
        place = session.place
        works: list[Work] = []
        while not works and self.backlog:
            taken = self.backlog.take(
                most,
                lambda wants: self.hosts.serves(place, wants),
                one_domain=session.most_domains is not None or self._health.takes_one_domain(session.host),
            )
            if not taken:
                break
            works = self._unless_stuck(self._still_led(self.trouble.holding.hold_back(taken)))
        if works and not session.admits(works[0].domain):
            self.backlog.add_first(works)
            session.finish()
            return []
        return works

    def _still_led(self, works: Sequence[Work]) -> list[Work]:
        """Those whose domain's mail goes this way still; where the others belong is found out anew.

        Behind a rate, or slow hosts, they may have waited here for longer than what DNS said of them holds.
        """
        now = self._process.loop.time()
        stale = [work for work in works if not self.leads(work.domain, now)]
        if not stale:
            return list(works)
        for domain in dict.fromkeys(work.domain for work in stale):
            self._resolve(self, domain, [work for work in stale if work.domain == domain])
        return [work for work in works if work not in stale]

    def _unless_stuck(self, works: Sequence[Work]) -> list[Work]:
        """Those whose domain leaves sessions to others of its hosts; where it hangs, and does not, it closes."""
        if self.is_shared:
            for domain in {work.domain for work in works}:
                is_canary = any(self.trouble.is_canary(work) for work in works if work.domain == domain)
                if unanswered := self.sessions.unanswered(domain, is_canary=is_canary):
                    self.trouble.hangs(domain, unanswered)
                    works = self.trouble.hold_back(works)
        return list(works)

    def _look_at(self, when: float) -> None:
        """A canary may be without an outcome still: then another goes."""
        self._process.loop.call_at(when, self.pump)

    def no_session(self, failed: Failed, opening: Opening) -> None:
        """No session could be had for what waits."""
        self.untried.no_session(failed, opening)

    # -- work goes back ---------------------------------------------------------------------------------------------

    def take_back(self, works: Sequence[Work]) -> None:
        """They come before all that waits; or back to their list, where nothing is tried any more."""
        if self.is_ending or self.is_closed:
            self.give_back(works)
        else:
            self._ask_of_tls(works)
            self.backlog.add_first(self.trouble.hold_back(works))
            self.pump()

    def give_back(self, works: Sequence[Work]) -> None:
        """Put envelopes back into their list as if they had not been claimed; it is noted when they are there."""
        self._ledger.give_back(works)
        self.changed()

    def give_back_unsuspected(self) -> None:
        """What waits goes back to its list, because suspects are tried now; they themselves stay."""
        self.give_back(self.backlog.take_unsuspected())

    # -- the end ----------------------------------------------------------------------------------------------------

    def reopen(self) -> None:
        """A good sign: the lane is open, and the backlog flows at once."""
        self.trouble.open()

    def end(self) -> None:
        """Take no more; what waits goes back to its list, and sessions end after what they are at."""
        self.is_ending = True
        self.give_back(self.backlog.take_all())
        self.sessions.end()
        self.trouble.end()
