"""The trouble of a lane: a pure state machine that says who may go, who waits for how long, and what opens again.

What was seen comes in as a :class:`.Sign`, falls under a row of :data:`.evidence.SCOPES`, and moves the gate of its
site or of one recipient domain there (:mod:`.gate` has the table of steps); what it says of its sender domain is
counted in :mod:`.sender_trouble`. No I/O, no clock, nothing of envelopes but what a sign says of one.

**A domain** closes by five of its recipients, of evidence that counts, with nothing taken there meanwhile. Where the
lane carries several sender domains, more than one of them has to see it: one tenant may be unwelcome where others are
not. Where it carries one, the domain closes for that one only, until others have seen the same.
It closes as well where its transactions go unanswered on as many sessions as it leaves to the site's others, and where
no host gives what its mail asks of TLS.
**The site** closes when no session could be had; or when three of its domains closed, their canaries failed as well,
and the site took nothing from anybody since they began to, for as long as a first closing lasts: some sick domains
shall not stop a healthy neighbour.

**Greylisting** needs no words here: a first try never counts. Where further tries get through while first ones are
refused, even a host that blames itself is not believed about first tries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from zlib import crc32

from msgspec.structs import replace

from softbounce.settings import LaneRule
from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.evidence import SCOPES, Evidence, Scope
from softbounce_worker.lane.gate import JITTER, Gate, Input, Output, Phase
from softbounce_worker.lane.sender_trouble import SenderTroubles
from softbounce_worker.lane.signs import NOBODY, NOTED, NOTHING, Closed, Reaction, Sign, Told

__all__ = ["DomainTrouble", "TroubleMachine"]

ENOUGH_RECIPIENTS = 5
ENOUGH_DOMAINS = 3
MOST_DOMAINS = 1000
MOST_SENDERS = 1000
HANGS_FIRST = timedelta(seconds=2)
"""For so long at first what hangs closes; it is a host that pauses as often as not."""
LONG_AGO = float("-inf")


@dataclass(slots=True)
class DomainTrouble:
    """The evidence against one recipient domain, and its gate.

    :ivar since: when it began, or was recalled.
    :ivar noted_at: when something was added last.
    :ivar recipients: those that add up, by a checksum.
    :ivar senders: whose mail saw it; one: it is closed for that sender only.
    :ivar others: recipients of other senders that saw it since it closed for one.
    :ivar has_failed: its canary failed since then.
    """

    gate: Gate
    since: float
    noted_at: float
    recipients: set[int] = field(default_factory=set)
    senders: set[str] = field(default_factory=set)
    others: set[int] = field(default_factory=set)
    told: Told = NOBODY
    has_failed: bool = False

    def binds(self, sender: str) -> bool:
        """Whether it is about this sender's mail too."""
        return len(self.senders) != 1 or sender in self.senders


class TroubleMachine:
    """The state of one lane's trouble. All times are seconds of one clock that never steps.

    :ivar rule: how long what closes is closed.
    :ivar site: the gate of all.
    :ivar told: what was seen last of the site's trouble.
    :ivar has_no_session: why the site closed: no session could be had; or else its domains.
    :ivar failed_sender: whose canary the site refused last.
    :ivar domains: those with evidence against them.
    :ivar senders: the same of sender domains.
    """

    __slots__ = (
        "_greylisting",
        "_name",
        "_senders",
        "_taken_at",
        "domains",
        "failed_sender",
        "has_no_session",
        "rule",
        "senders",
        "site",
        "told",
    )

    def __init__(self, name: str, rule: LaneRule) -> None:
        self.rule = rule
        self.site = Gate(name)
        self.told = NOBODY
        self.has_no_session = True
        self.failed_sender = ""
        self.domains: dict[str, DomainTrouble] = EMPTY
        self.senders = SenderTroubles(name)
        self._name = name
        self._senders: dict[str, None] = {}  # empty ones take less than sets do
        self._taken_at = LONG_AGO
        self._greylisting: dict[str, None] = EMPTY

    # -- what it is -------------------------------------------------------------------------------------------------

    def is_closed(self, now: float) -> bool:
        """Whether the site's backoff still runs."""
        return self.site.phase(now) is Phase.CLOSED

    @property
    def is_probing(self) -> bool:
        """Whether the site closed, and no good sign was seen since: only a canary may go."""
        return self.site.failures > 0

    @property
    def wants_telling_canary(self) -> bool:
        """Whether the canary should be one that was refused before: not every reply would open the site."""
        return self.is_probing and not self.has_no_session and _is_turn_of_refused(self.site)

    def canary_rank(self, sender: str, *, was_refused: bool) -> tuple[bool, bool]:
        """How far behind others an envelope comes as the site's canary: whose outcome tells most comes first.

        Not the sender's whose canary failed the last time, as far as another's waits: one tenant's mail that is refused
        for ever must not keep the site closed for others.
        """
        return sender == self.failed_sender, self.wants_telling_canary and not was_refused

    def carries(self, senders: Iterable[str]) -> None:
        """Note whose mail the lane carries."""
        if len(self._senders) < MOST_SENDERS:
            self._senders.update(dict.fromkeys(senders))

    # -- who may go -------------------------------------------------------------------------------------------------

    def wait_for(self, domain: str, sender: str, identity: bytes, now: float, *, was_refused: bool) -> float:
        """For how many seconds an envelope waits because of its domain; 0: it goes, as its canary where one is needed.

        :param was_refused: a host refused it before: what it meets tells most.
        """
        trouble = self.domains.get(domain)
        if trouble is None or not trouble.gate.failures or not trouble.binds(sender) or trouble.gate.canary == identity:
            return 0.0
        wait = _wait(trouble.gate, identity, now, was_refused=was_refused)
        if wait <= 0:
            trouble.gate.step(Input.ASKED, now, self.rule, identity)
        return max(wait, 0.0)

    def left_of(self, domain: str, identity: bytes, now: float, *, was_refused: bool) -> float:
        """For how many seconds an envelope waits whose domain closed by it, or while it was under way."""
        trouble = self.domains.get(domain)
        return 0.0 if trouble is None else max(0.0, _wait(trouble.gate, identity, now, was_refused=was_refused))

    def send_canary(self, identity: bytes, now: float) -> float:
        """An envelope goes ahead of the site's others; for so many seconds no other does."""
        self.site.step(Input.ASKED, now, self.rule, identity)
        return self.site.canary_until - now

    def waits_for_canary(self, now: float) -> bool:
        """Whether the site's canary is under way, and not for too long."""
        return self.site.phase(now) is Phase.WAITING

    def is_canary(self, identity: bytes, domain: str) -> bool:
        """Whether an envelope goes ahead of its domain's others."""
        trouble = self.domains.get(domain)
        return trouble is not None and trouble.gate.canary == identity

    def came_back(self, identity: bytes, domain: str, now: float) -> None:
        """An envelope was not tried after all: if it was a canary, another may go."""
        self.senders.came_back(identity, now, self.rule)
        if self.site.canary == identity:
            self.site.step(Input.BACK, now, self.rule)
        trouble = self.domains.get(domain)
        if trouble is not None and trouble.gate.canary == identity:
            trouble.gate.step(Input.BACK, now, self.rule)

    def urge(self, now: float) -> list[str]:
        """An operator wants to know now: the time of all that is closed is up, and one may try each.

        :returns: the sender domains of which that is so: theirs stand in lines.
        """
        self.site.step(Input.URGED, now, self.rule)
        for trouble in self.domains.values():
            trouble.gate.step(Input.URGED, now, self.rule)
        return self.senders.urge(now, self.rule)

    # -- what was seen ----------------------------------------------------------------------------------------------

    def no_session(self, told: Told, now: float) -> Closed | None:
        """No session could be had on any host, or no route to them. What closes; nothing where it is closed already."""
        what = Input.FAILED if self.is_probing else Input.ENOUGH
        if self.site.step(what, now, self.rule) is not Output.CLOSE:
            return None
        self.told, self.has_no_session = told, True
        return Closed(self.site.length)

    def hangs(self, domain: str, told: Told, now: float) -> Closed | None:
        """A domain's transactions have no answer, and it leaves too few sessions to others: it closes, for all senders.

        For seconds at first: a host that only paused answers what is out, and that opens it.
        """
        rule = replace(self.rule, close_first=min(HANGS_FIRST, self.rule.close_first))
        return self._close_domain(domain, told, now, rule)

    def lacks_tls(self, domain: str, told: Told, now: float) -> Closed | None:
        """No host gives what its mail asks of TLS: it closes, for all senders, and says nothing of anybody else."""
        return self._close_domain(domain, told, now, self.rule)

    def _close_domain(self, domain: str, told: Told, now: float, rule: LaneRule) -> Closed | None:
        trouble = self.domains.get(domain) or self._begin(domain, now)
        trouble.senders.clear()
        what = Input.FAILED if trouble.gate.failures else Input.ENOUGH
        if trouble.gate.step(what, now, rule) is not Output.CLOSE:
            return None
        trouble.told, trouble.noted_at = told, now
        return Closed(trouble.gate.length, domain)

    def open(self, now: float) -> bool:
        """A good sign about the site. True: it had been in trouble."""
        return self.site.step(Input.GOOD, now, self.rule) is Output.OPEN

    def meet(self, sign: Sign, now: float) -> Reaction:
        """Take note of what came back for an envelope."""
        return self._meet(sign, now).and_of_sender(self.senders.meet(sign, now, self.rule))

    def _meet(self, sign: Sign, now: float) -> Reaction:
        if sign.evidence is Evidence.TAKEN:
            self._note_taken(sign, now)
        if sign.evidence is Evidence.SILENCE:
            return self._meet_silence(sign, now)
        is_same = SCOPES[sign.evidence].counts and not (self.has_no_session and sign.is_named)
        if self.is_probing and is_same:
            return self._meet_same(sign, now)
        opened = Scope.SITE if self.is_probing and self.open(now) else None
        reaction = self._meet_domain(sign, now)
        return reaction if opened is None else Reaction(reaction.waits, reaction.closed, opened)

    def _counts(self, sign: Sign) -> bool:
        """Whether a sign adds up against its domain."""
        row = SCOPES[sign.evidence]
        if row.at_first and sign.domain not in self._greylisting:
            return True
        waited = sign.refused_for is not None and sign.refused_for >= self.rule.greylist.total_seconds()
        return row.counts and waited

    def _note_taken(self, sign: Sign, now: float) -> None:
        self._taken_at = now
        if sign.refused_for is None:
            self._greylisting.pop(sign.domain, None)
        elif len(self._greylisting) < MOST_DOMAINS:
            if self._greylisting is EMPTY:
                self._greylisting = {}
            self._greylisting[sign.domain] = None

    def _meet_silence(self, sign: Sign, now: float) -> Reaction:
        """No reply: it counts for nothing, but a canary that meets it failed."""
        if self.is_probing:
            return self._meet_same(sign, now)
        trouble = self.domains.get(sign.domain)
        if trouble is not None and trouble.gate.canary == sign.identity:
            return self._fail(trouble, sign, now)
        return NOTHING

    def _meet_same(self, sign: Sign, now: float) -> Reaction:
        """The site is in trouble, and this is what it closed for, or no reply at all.

        A first refusal is charged all the same: if it was for being fresh, the next try is by its own clock.
        """
        is_own = sign.is_named and sign.evidence is not Evidence.SILENCE and not self._counts(sign)
        waits = Scope.ENVELOPE if is_own else Scope.SITE
        is_canary = self.site.canary == sign.identity
        if is_canary and self.site.step(Input.FAILED, now, self.rule) is Output.CLOSE:
            self.told, self.failed_sender = sign.told, sign.sender
            return Reaction(waits, (Closed(self.site.length),))
        return Reaction(waits)

    # -- one domain -------------------------------------------------------------------------------------------------

    def _meet_domain(self, sign: Sign, now: float) -> Reaction:
        trouble = self.domains.get(sign.domain)
        if not SCOPES[sign.evidence].counts:
            return NOTHING if trouble is None else self._absolve(trouble, sign)
        if trouble is not None and trouble.gate.canary == sign.identity:
            return self._fail(trouble, sign, now)
        if not self._counts(sign):
            return NOTHING
        return self._accuse(trouble or self._begin(sign.domain, now), sign, now)

    def _absolve(self, trouble: DomainTrouble, sign: Sign) -> Reaction:
        """A reply that is no evidence opens what it is about; of what only adds up so far, nothing but a success is."""
        if trouble.gate.failures and trouble.binds(sign.sender):
            del self.domains[sign.domain]
            return Reaction(opened=Scope.DOMAIN)
        if sign.evidence is Evidence.TAKEN and not trouble.gate.failures:
            del self.domains[sign.domain]
        elif sign.evidence is Evidence.TAKEN:
            trouble.others.clear()
        return NOTHING

    def _accuse(self, trouble: DomainTrouble, sign: Sign, now: float) -> Reaction:
        """One more that counts."""
        if trouble.gate.failures:
            return self._widen(trouble, sign)
        known = len(trouble.recipients), len(trouble.senders)
        trouble.told, trouble.noted_at = sign.told, now
        if len(trouble.recipients) < ENOUGH_RECIPIENTS:
            trouble.recipients.add(crc32(sign.recipient.encode()))
        trouble.senders.add(sign.sender)  # few: the one who comes when it is enough closes it
        if len(trouble.recipients) < ENOUGH_RECIPIENTS or not self._are_enough(trouble.senders):
            return NOTHING if known == (len(trouble.recipients), len(trouble.senders)) else NOTED
        trouble.gate.step(Input.ENOUGH, now, self.rule)
        trouble.recipients.clear()
        return Reaction(Scope.DOMAIN, (Closed(trouble.gate.length, sign.domain),))

    def _widen(self, trouble: DomainTrouble, sign: Sign) -> Reaction:
        """It is closed already; where for one sender only, others may have seen enough by now as well."""
        if trouble.binds(sign.sender):
            return Reaction(Scope.DOMAIN)
        trouble.others.add(crc32(sign.recipient.encode()))
        if len(trouble.others) < ENOUGH_RECIPIENTS:
            return NOTHING
        trouble.senders.add(sign.sender)
        return Reaction(Scope.DOMAIN)

    def _fail(self, trouble: DomainTrouble, sign: Sign, now: float) -> Reaction:
        """A domain's canary met the same, or no reply."""
        waits = Scope.DOMAIN if sign.evidence is Evidence.SILENCE or self._counts(sign) else Scope.ENVELOPE
        trouble.gate.step(Input.FAILED, now, self.rule)  # it has a canary: it probes or waits, and closes
        trouble.told, trouble.noted_at, trouble.has_failed = sign.told, now, True
        closed = Closed(trouble.gate.length, sign.domain)
        if not self._is_enough_for_site(now):
            return Reaction(waits, (closed,))
        self.site.step(Input.ENOUGH, now, self.rule)
        self.told, self.has_no_session = sign.told, False
        self.domains.clear()
        waits = Scope.SITE if waits is Scope.DOMAIN else waits
        return Reaction(waits, (closed, Closed(self.site.length)))

    def _is_enough_for_site(self, now: float) -> bool:
        before = now - self.rule.close_first.total_seconds() * (1 - JITTER)
        sick = [one for one in self.domains.values() if one.has_failed and self._taken_at < one.since <= before]
        senders = set[str]().union(*(one.senders for one in sick))
        return len(sick) >= ENOUGH_DOMAINS and self._are_enough(senders)

    def _are_enough(self, senders: set[str]) -> bool:
        """Whether so many tenants saw it that it can be no single one's trouble, as far as there are several."""
        return len(senders) >= min(2, len(self._senders))

    def remember(self, domain: str, trouble: DomainTrouble) -> DomainTrouble:
        """So much is known against it."""
        if self.domains is EMPTY:
            self.domains = {}
        self.domains[domain] = trouble
        return trouble

    def _begin(self, domain: str, now: float) -> DomainTrouble:
        if len(self.domains) >= MOST_DOMAINS:
            del self.domains[next(iter(self.domains))]
        return self.remember(domain, DomainTrouble(Gate(f"{self._name} {domain}"), now, now))


def _wait(gate: Gate, identity: bytes, now: float, *, was_refused: bool) -> float:
    """How long before this one may ask: those whose turn it is a moment before others, who failed behind its kind."""
    late = 0.0 if was_refused == _is_turn_of_refused(gate) else gate.moment
    if identity == gate.failed_canary:
        late += gate.moment / 2
    return max(gate.wait(now), gate.opens_at + late - now)


def _is_turn_of_refused(gate: Gate) -> bool:
    """Whether the canary should be one that was refused before: a fresh one may be refused for being fresh.

    Every other time a fresh one is tried: those that were refused may be so for reasons of their own.
    """
    return gate.failures % 2 == 1
