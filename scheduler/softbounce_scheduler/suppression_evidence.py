"""What events say of addresses: who is to be suppressed, whose suppression is taken back, whose mail fails or arrives.

Pure: events and rules come as arguments. What counts:

==========================================  =========================================================================
bounced or returned, the address is dead    suppressed everywhere
complained                                  suppressed as ``complaints`` says: where it was complained about
unsuppressed                                what that envelope's bounce said is taken back
bounced: promoted, for the address's sake   one more of a streak. Neither an outage nor greylisting is: they say nothing
                                            of the address. Promotions less than a day apart are one, because mail that
                                            waited for the same trouble is
delivered                                   the streak begins anew
==========================================  =========================================================================

That a mail ended because its address is suppressed says nothing at all: else it would stay so for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from softbounce.decide import Cause
from softbounce.duration import MILLISECOND
from softbounce.events import StoredEvent
from softbounce.suppression import Entry, Kept, Source, SuppressRules, cut, learned, name_of, taken_back
from softbounce.verdict import Fault, Reason

__all__ = ["Evidence", "Failure", "may_tell", "streak_entry", "with_delivery", "with_failure"]

APART_MS = timedelta(days=1) // MILLISECOND
MOST_TIMES = 100
WORDS = (b"bounced", b"complained", b"returned", b"unsuppressed")
DELIVERED = b"delivered"
DELIVERED_KINDS = frozenset({"delivered", "delivered_late"})
DEAD_KINDS = frozenset({"bounced", "returned"})
LONGEST_NAME = 1024


class TakenBack(NamedTuple):
    """The bounce of this envelope is believed no more."""

    envelope: bytes


class Failure(NamedTuple):
    """A promotion for the address's sake."""

    at_ms: int
    envelope: bytes
    reason: str


class Evidence:
    """What a part of the event log says, by the name of the address, each in its order.

    :ivar changes: what is to be kept, or taken back.
    :ivar failures: promotions.
    :ivar deliveries: when the last mail was delivered.
    """

    def __init__(self, rules: SuppressRules) -> None:
        self._rules = rules
        self.changes: dict[str, list[Entry | TakenBack]] = {}
        self.failures: dict[str, list[Failure]] = {}
        self.deliveries: dict[str, int] = {}

    def hear(self, event: StoredEvent, at_ms: int) -> None:
        """Take note of an event."""
        if not 0 < len(event.recipient) <= LONGEST_NAME:
            return
        name = name_of(event.recipient)
        if event.kind in DELIVERED_KINDS:
            self.deliveries[name] = max(at_ms, self.deliveries.get(name, 0))
        elif event.kind == "unsuppressed":
            self.changes.setdefault(name, []).append(TakenBack(event.id))
        elif event.kind == "complained":
            if self._rules.complaints != "off":
                self.changes.setdefault(name, []).append(self._complaint(event, at_ms))
        elif event.kind in DEAD_KINDS and event.suppress:
            if self._rules.dead_addresses:
                self.changes.setdefault(name, []).append(self._dead(event, at_ms))
        elif _is_failure(event) and self._rules.streak:
            self.failures.setdefault(name, []).append(Failure(at_ms, event.id, _reply(event)))

    def _dead(self, event: StoredEvent, at_ms: int) -> Entry:
        return Entry(
            source=Source.VERDICT,
            since_ms=at_ms,
            reason=_reply(event),
            expires_ms=_end(at_ms, self._rules.dead_addresses_for),
            envelope=event.id,
        )

    def _complaint(self, event: StoredEvent, at_ms: int) -> Entry:
        how = self._rules.complaints
        return Entry(
            source=Source.COMPLAINT,
            since_ms=at_ms,
            stream=None if how == "everything" else event.stream,
            tenant=event.tenant if how == "tenant" else None,
            reason=cut(event.reason or ""),
            expires_ms=_end(at_ms, self._rules.complaints_for),
            envelope=event.id,
        )


def may_tell(octets: bytes, *, are_streaks: bool) -> bool:
    """Whether an entry of the log may tell something, as far as can be seen without reading it.

    :param are_streaks: whether there is any that a delivery could end.
    """
    return any(word in octets for word in WORDS) or (are_streaks and DELIVERED in octets)


def changed(kept: Kept, changes: Sequence[Entry | TakenBack]) -> Kept:
    """What is kept of an address, after these."""
    for one in changes:
        kept = learned(kept, one) if isinstance(one, Entry) else taken_back(kept, one.envelope)
    return kept


# -- streaks ----------------------------------------------------------------------------------------------------------


def with_failure(times_ms: Sequence[int], at_ms: int, rules: SuppressRules) -> tuple[int, ...]:
    """A streak with one more failure, which may be told twice."""
    since_ms = at_ms - rules.streak_within // MILLISECOND
    times = [one for one in times_ms if one > since_ms]
    if all(abs(at_ms - one) >= APART_MS for one in times):
        times = sorted([*times, at_ms])[-MOST_TIMES:]
    return tuple(times)


def with_delivery(times_ms: Sequence[int], at_ms: int) -> tuple[int, ...]:
    """What is left of a streak after a delivery."""
    return tuple(one for one in times_ms if one > at_ms)


def streak_entry(times_ms: Sequence[int], failure: Failure, rules: SuppressRules) -> Entry | None:
    """The suppression that a streak is reason for, if it is long enough."""
    if len(times_ms) < rules.streak:
        return None
    return Entry(
        source=Source.STREAK,
        since_ms=failure.at_ms,
        reason=cut(f"{len(times_ms)} times within {rules.streak_within.days} days, last: {failure.reason}"),
        expires_ms=_end(failure.at_ms, rules.streak_for),
        envelope=failure.envelope,
    )


def _is_failure(event: StoredEvent) -> bool:
    return (
        event.kind == "bounced"
        and event.cause == Cause.PROMOTED
        and event.fault == Fault.RECIPIENT
        and event.reason != Reason.GREYLIST
    )


def _reply(event: StoredEvent) -> str:
    return cut(" ".join(str(one) for one in (event.code, event.enhanced, event.text) if one))


def _end(at_ms: int, lasts: timedelta) -> int:
    return at_ms + lasts // MILLISECOND if lasts else 0
