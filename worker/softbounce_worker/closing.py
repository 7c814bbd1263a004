"""Whether a lane is closed, and what closes and opens it; the lane does what follows from that.

A lane closes when no session could be had on any of its hosts, or when replies in a row, from different sender domains
where it carries more than one, blame the system. After its backoff one canary at a time is tried, and any reply that
does not blame the lane opens it. A connection that broke is no reply: it neither counts nor ends the row.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from softbounce.reply import Reply, Trouble
from softbounce.settings import LaneRule
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState
from softbounce.transitions import Seen
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

from .clock import StoreClock

__all__ = ["Closing", "blames_host", "blames_lane"]

BLAMES_IN_A_ROW = 5
PATIENCE, LONGEST_PATIENCE = 5.0, 300.0
"""Seconds after which another canary goes beside one without an outcome; doubled each time; at most."""
SENDERS_KEPT = 1000
OUT_OF_ORDER = frozenset({421, 452})
SYSTEM_4_3 = "4.3."
SYSTEM_RULES = frozenset({"builtin:system-trouble", "builtin:system-space"})
OPEN = LaneState()


def blames_lane(verdict: Verdict) -> bool:
    """Whether a reply is about the lane as a whole: soft, and the fault of the site or of us."""
    return verdict.word is VerdictWord.SOFT and verdict.fault in {Fault.SYSTEM, Fault.SENDER}


def blames_host(what: Reply | Trouble, verdict: Verdict) -> bool:
    """Whether a reply is about the one host that gave it, by its words or its code: another may be better off.

    A plain 450 or 451 is not: greylisting looks like that. Nor is what a rule of the user's judged.
    """
    if not isinstance(what, Reply) or verdict.word is not VerdictWord.SOFT or verdict.reason is not Reason.SYSTEM:
        return False
    is_said = what.code in OUT_OF_ORDER or (what.enhanced or "").startswith(SYSTEM_4_3) or verdict.rule in SYSTEM_RULES
    return is_said and verdict.fault is Fault.SYSTEM


class Closing:
    """The state of one lane's trouble.

    :ivar state: what is remembered across owners and restarts.
    :ivar is_probing: it was closed, and no good sign was seen since: only a canary may go.
    :ivar canary: the envelope that is tried as such, the latest where one before had no outcome for too long.
    """

    def __init__(self, state: LaneState, clock: StoreClock, rule: LaneRule) -> None:
        self.state = state
        self.is_probing = state.closed_until_ms > 0
        self.canary: bytes | None = None
        self._clock = clock
        left = (state.closed_until_ms - clock.now_ms(HOME)) / 1000  # longer than any backoff: it was set back since
        self._opens_at = steady_seconds() + min(left, rule.close_cap.total_seconds())
        self._canary_until = 0.0
        self._patience = PATIENCE
        self._blames = 0
        self._blaming: set[str] = set()
        self._senders: set[str] = set()

    @property
    def is_closed(self) -> bool:
        """Whether the backoff still runs."""
        return self._opens_at > steady_seconds()

    @property
    def seconds_left(self) -> float:
        """How long the backoff still runs."""
        return max(0.0, self._opens_at - steady_seconds())

    def carries(self, sender_domains: Iterable[str]) -> None:
        """Note whose mail the lane carries."""
        if len(self._senders) < SENDERS_KEPT:
            self._senders.update(sender_domains)

    def send_canary(self, identity: bytes, now: float) -> float:
        """An envelope goes ahead; for so many seconds no other does (loop time)."""
        seconds = self._patience
        self.canary = identity
        self._canary_until = now + seconds
        self._patience = min(2 * seconds, LONGEST_PATIENCE)
        return seconds

    def waits_for_canary(self, now: float) -> bool:
        """Whether one is under way, and not for too long: a host that hangs on one keeps nobody else from it."""
        return self.canary is not None and now < self._canary_until

    def is_canary(self, identities: Iterable[bytes]) -> bool:
        """Whether the canary is among these envelopes."""
        return self.canary is not None and self.canary in identities

    def counts(self, what: Reply | Trouble, verdict: Verdict, sender_domains: Iterable[str]) -> bool:
        """Count what came back. True: it is enough to close the lane."""
        if not isinstance(what, Reply):
            return False
        if verdict.word is not VerdictWord.SOFT or verdict.fault is not Fault.SYSTEM:
            self._forget_row()
            return False
        self._blames += 1
        self._blaming.update(sender_domains)
        enough = min(2, max(1, len(self._senders)))
        return self._blames >= BLAMES_IN_A_ROW and len(self._blaming) >= enough and not self.is_closed

    def close(self, seen: Seen, verdict: Verdict, rule: LaneRule) -> float:
        """Close for the next backoff; tells its length in seconds."""
        failures = self.state.failures + 1
        longer = rule.close_first.total_seconds() * rule.close_factor ** min(failures - 1, 64)
        seconds = min(rule.close_cap.total_seconds(), longer)
        what = seen.what
        self.state = LaneState(
            closed_until_ms=self._clock.now_ms(HOME) + round(seconds * 1000),
            failures=failures,
            why=what.text[:200],
            code=what.code if isinstance(what, Reply) else None,
            enhanced=what.enhanced,
            text=what.text[:400],
            reason=verdict.reason,
            stage=seen.stage,
            host=seen.host,
            disbelieved_until_ms=self._disbelieved_until_ms,
        )
        self.is_probing = True
        self.canary = None
        self._opens_at = steady_seconds() + seconds
        self._forget_row()
        return seconds

    def open(self) -> bool:
        """Open. True: there was trouble that is over now."""
        was_in_trouble = self.state.failures > 0
        self._patience = PATIENCE
        self.state = msgspec.structs.replace(OPEN, disbelieved_until_ms=self._disbelieved_until_ms)
        self._opens_at = 0.0
        self.is_probing = False
        self.canary = None
        return was_in_trouble

    def disbelieve(self, seconds: float) -> None:
        """So long the site is not believed about its addresses; 0: it is."""
        until_ms = self._clock.now_ms(HOME) + round(seconds * 1000) if seconds else 0
        self.state = msgspec.structs.replace(self.state, disbelieved_until_ms=until_ms)

    @property
    def disbelief_left(self) -> float:
        """How long it is not believed still, seconds."""
        return max(0.0, (self.state.disbelieved_until_ms - self._clock.now_ms(HOME)) / 1000)

    @property
    def _disbelieved_until_ms(self) -> int:
        return self.state.disbelieved_until_ms if self.disbelief_left else 0

    def _forget_row(self) -> None:
        self._blames = 0
        self._blaming.clear()
