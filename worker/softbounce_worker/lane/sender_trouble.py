"""The trouble of sender domains at one lane: which are refused there for what they are, and wait for that alone.

One tenant's DMARC, or its domain's reputation, is nobody else's: it closes the lane for mail of its own, and for
others the same reply is a sign that the site talks. Pure, as :mod:`.trouble`, of which it is a part; a gate each.

**A sender domain closes** by five replies that blame it, to as many messages, with nothing of it taken meanwhile;
where some was taken a moment before, by twenty: half of a tenant's mail may be refused for what is in it, and the
other half shall not wait for that. One message to many recipients is one. What only looks like
blame, an enhanced status without words, may be greylisting: as everywhere, it counts where it is no first try. A final
refusal that the policy waits out (:mod:`softbounce.parking`) closes for its delays, any other for those of the lane's
rule.

**Our address is no sender.** Where two sender domains are refused for the reputation of our address or for our names in
DNS, and nothing was taken between, neither is to blame: none closes for that, and who had closed for it opens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from zlib import crc32

from softbounce.ids import message_of
from softbounce.settings import LaneRule
from softbounce.verdict import Reason
from softbounce_worker.empty import EMPTY
from softbounce_worker.lane.evidence import Evidence, Scope
from softbounce_worker.lane.gate import Gate, Input, Output, Phase
from softbounce_worker.lane.signs import NOBODY, NOTHING, Closed, Reaction, Sign, Told

__all__ = ["ENOUGH", "ENOUGH_WHERE_TAKEN", "MOST_SENDERS", "NEAR", "SenderTrouble", "SenderTroubles"]

ENOUGH, ENOUGH_WHERE_TAKEN = 5, 20
MOST_SENDERS = 1000
NEAR = 3
"""So many envelopes of a closed sender come when it is asked again; all others wait until one of them got through."""
OURS = frozenset({Reason.IP_REPUTATION, Reason.SENDER_DNS})
LONG_AGO = float("-inf")


@dataclass(slots=True)
class SenderTrouble:
    """The evidence against one sender domain, and its gate.

    :ivar noted_at: when something was added last.
    :ivar refused: the messages that add up, by a checksum: one that somebody dislikes is one, to however many it goes.
    :ivar taken_at: when mail of it was taken last, since it is known.
    :ivar parked: the delays for which it closes; empty: those of the lane's rule.
    :ivar near: those of its mail that come when it is asked again.
    :ivar is_draining: it opened, and some may stand in its line still.
    """

    gate: Gate
    noted_at: float
    refused: set[int] = field(default_factory=set[int])
    taken_at: float = LONG_AGO
    parked: tuple[timedelta, ...] = ()
    told: Told = NOBODY
    near: list[bytes] = field(default_factory=list[bytes])
    is_draining: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether it closed, and nothing of it got through since."""
        return self.gate.failures > 0


class SenderTroubles:
    """The sender domains of one lane that are in trouble. All times are seconds of one clock that never steps.

    :ivar known: those with evidence against them, and those that were just in trouble.
    """

    __slots__ = ("_canaries", "_name", "_refused_us", "known")

    def __init__(self, name: str) -> None:
        self.known: dict[str, SenderTrouble] = EMPTY
        self._name = name
        self._canaries: dict[bytes, str] = EMPTY
        self._refused_us: dict[str, None] = EMPTY

    # -- who may go -------------------------------------------------------------------------------------------------

    def wait_for(self, sender: str, identity: bytes, now: float, rule: LaneRule) -> float:
        """For how many seconds an envelope waits for its sender; 0: it goes, as its canary where one is needed."""
        trouble = self.known.get(sender)
        if trouble is None or not trouble.is_closed or trouble.gate.canary == identity:
            return 0.0
        gate = trouble.gate
        late = gate.moment / 2 if identity == gate.failed_canary else 0.0
        wait = max(gate.wait(now), gate.opens_at + late - now)
        if wait > 0:
            return wait
        if self._canaries is EMPTY:
            self._canaries = {}
        if gate.canary is not None:  # it has no outcome for too long
            self._canaries.pop(gate.canary, None)
        gate.step(Input.ASKED, now, rule, identity)
        self._canaries[identity] = sender
        return 0.0

    def left_of(self, sender: str, now: float) -> float:
        """For how many seconds it is closed still."""
        trouble = self.known.get(sender)
        return 0.0 if trouble is None else trouble.gate.wait(now)

    def is_near(self, sender: str, identity: bytes) -> bool:
        """Whether one that waits is among the few that come when its sender is asked again."""
        near = self.known[sender].near if sender in self.known else []
        if identity not in near and len(near) < NEAR:
            near.append(identity)
        return identity in near

    def is_closed(self, sender: str) -> bool:
        """Whether it closed, and nothing of it got through since."""
        trouble = self.known.get(sender)
        return trouble is not None and trouble.is_closed

    def has_failed(self, sender: str) -> bool:
        """Whether its canary failed since it closed."""
        trouble = self.known.get(sender)
        return trouble is not None and trouble.gate.failures > 1

    def came_back(self, identity: bytes, now: float, rule: LaneRule) -> None:
        """An envelope was not tried after all: if it was a canary, another may go."""
        sender = self._canaries.pop(identity, None)
        trouble = None if sender is None else self.known.get(sender)
        if trouble is not None and trouble.gate.canary == identity:
            trouble.gate.step(Input.BACK, now, rule)

    def urge(self, now: float, rule: LaneRule) -> list[str]:
        """An operator wants to know now: whose time is up by that."""
        closed = [sender for sender, trouble in self.known.items() if trouble.gate.phase(now) is Phase.CLOSED]
        for sender in closed:
            self.known[sender].gate.step(Input.URGED, now, rule)
        return closed

    # -- what was seen ----------------------------------------------------------------------------------------------

    def meet(self, sign: Sign, now: float, rule: LaneRule) -> Reaction:
        """Take note of what came back for an envelope."""
        if sign.evidence is Evidence.TAKEN and self._refused_us:
            self._refused_us = EMPTY
        trouble = self.known.get(sign.sender) if self.known else None
        if sign.evidence is Evidence.SENDER and sign.told.reason != Reason.GREYLIST:
            return self._accuse(trouble, sign, now, rule)
        if trouble is None:
            return NOTHING
        if sign.evidence is not Evidence.SILENCE:
            return self._absolve(trouble, sign, now, rule)
        return self._meet_same(trouble, sign, now, rule) if trouble.gate.canary == sign.identity else NOTHING

    def _accuse(self, trouble: SenderTrouble | None, sign: Sign, now: float, rule: LaneRule) -> Reaction:
        """One more reply that blames it."""
        ours = self._refuses_us(sign.sender, now, rule) if sign.told.reason in OURS else None
        if trouble is not None and trouble.is_closed:  # for something of its own, if this is ours
            same = self._meet_same(trouble, sign, now, rule)
            return same if ours is None else ours.and_of_sender(same)
        if ours is not None:
            return ours
        waited = sign.refused_for is not None and sign.refused_for >= rule.greylist.total_seconds()
        if not (sign.blames_by_words or not sign.is_named or waited):
            return NOTHING
        forgotten: tuple[str, ...] = ()
        if trouble is None:
            trouble, forgotten = self._begin(sign.sender, now)
        known = len(trouble.refused)
        trouble.refused.add(crc32(message_of(sign.identity)))
        trouble.told, trouble.noted_at, trouble.parked = sign.told, now, sign.parked
        was_taken = now - trouble.taken_at < rule.close_first.total_seconds()
        if len(trouble.refused) < (ENOUGH_WHERE_TAKEN if was_taken else ENOUGH):
            return Reaction(is_noted=len(trouble.refused) > known, opened_senders=forgotten)
        trouble.gate.step(Input.ENOUGH, now, rule, delays=trouble.parked)
        return self._closed(trouble, sign.sender, forgotten)

    def _closed(self, trouble: SenderTrouble, sender: str, forgotten: tuple[str, ...] = ()) -> Reaction:
        trouble.refused.clear()
        trouble.near.clear()
        trouble.is_draining = False
        closed = Closed(trouble.gate.length, sender=sender)
        return Reaction(Scope.SENDER, (closed,), opened_senders=forgotten)

    def _meet_same(self, trouble: SenderTrouble, sign: Sign, now: float, rule: LaneRule) -> Reaction:
        """It is closed, and this is what it closed for; or its canary has no reply, which is its own affair."""
        waits = Scope.ENVELOPE if sign.evidence is Evidence.SILENCE else Scope.SENDER
        if trouble.gate.canary != sign.identity:
            return Reaction(waits)
        self._canaries.pop(sign.identity, None)
        if sign.evidence is Evidence.SENDER:
            trouble.told, trouble.noted_at, trouble.parked = sign.told, now, sign.parked
        if trouble.gate.step(Input.FAILED, now, rule, delays=trouble.parked) is not Output.CLOSE:
            return Reaction(waits)
        return Reaction(waits, self._closed(trouble, sign.sender).closed)

    def _absolve(self, trouble: SenderTrouble, sign: Sign, now: float, rule: LaneRule) -> Reaction:
        """A reply that is no such evidence opens; of what only adds up so far, nothing but a success is."""
        is_taken, was_closed = sign.evidence is Evidence.TAKEN, trouble.is_closed
        if is_taken:
            trouble.taken_at = now
            trouble.refused.clear()
        self._open(trouble, now, rule)
        return Reaction(opened_senders=(sign.sender,)) if was_closed else NOTHING

    def _refuses_us(self, sender: str, now: float, rule: LaneRule) -> Reaction | None:
        """Our address or our names are refused to it; to another as well, and none was taken between: it is us."""
        if self._refused_us is EMPTY:
            self._refused_us = {}
        if len(self._refused_us) > 1:
            return NOTHING
        self._refused_us[sender] = None
        if len(self._refused_us) == 1:
            return None
        blamed = {name: one for name, one in self.known.items() if one.told.reason in OURS}
        opened = tuple(name for name, one in blamed.items() if one.is_closed)
        for one in blamed.values():
            one.refused.clear()
            self._open(one, now, rule)
        return Reaction(is_noted=bool(blamed), opened_senders=opened)

    def _open(self, trouble: SenderTrouble, now: float, rule: LaneRule) -> None:
        if trouble.is_closed:
            if trouble.gate.canary is not None:
                self._canaries.pop(trouble.gate.canary, None)
            trouble.gate.step(Input.GOOD, now, rule)
            trouble.is_draining = True

    # -- what is kept -----------------------------------------------------------------------------------------------

    def remember(self, sender: str, trouble: SenderTrouble) -> SenderTrouble:
        """So much is known of it."""
        if self.known is EMPTY:
            self.known = {}
        self.known[sender] = trouble
        return trouble

    def drained(self, sender: str) -> None:
        """None stands in its line any more."""
        if (trouble := self.known.get(sender)) is not None:
            trouble.is_draining = False

    def forget(self, sender: str) -> None:
        """Nothing is known of it."""
        trouble = self.known.pop(sender, None)
        if trouble is not None and trouble.gate.canary is not None:
            self._canaries.pop(trouble.gate.canary, None)

    def _begin(self, sender: str, now: float) -> tuple[SenderTrouble, tuple[str, ...]]:
        """It is known from now on; and whom that made forgotten though it was closed: tenants choose their senders."""
        forgotten: tuple[str, ...] = ()
        if len(self.known) >= MOST_SENDERS:
            one = next((name for name, trouble in self.known.items() if not trouble.is_closed), None)
            if one is None:
                one = next(iter(self.known))
                forgotten = (one,)
            self.forget(one)
        return self.remember(sender, SenderTrouble(Gate(f"{self._name} from {sender}"), now)), forgotten
