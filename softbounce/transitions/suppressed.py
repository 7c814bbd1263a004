"""Ends an envelope whose address gets no mail, without an attempt."""

from __future__ import annotations

from softbounce.decide import Cause
from softbounce.envelope import Final, Record, State
from softbounce.suppression import Entry, words
from softbounce.transitions.change import Change, event_of
from softbounce.transitions.states import end
from softbounce.transitions.without_attempt import may_have_left

__all__ = ["suppress"]

_UNANSWERED = " An attempt ended unanswered before: the recipient may have got it."


def suppress(record: Record, entry: Entry, now_ms: int) -> Change:
    """Into *bounced*: an event says that it was suppressed, ahead of the one of its end.

    The end says nothing of the address itself (``suppress`` is off): an address does not stay suppressed because mail
    to it was.
    """
    why = f"{words(entry)}{_UNANSWERED if may_have_left(record) else ''}"
    final = Final(at_ms=now_ms, cause=Cause.SUPPRESSED, reason=entry.source, why=why)
    record.envelope.final = final
    ahead = event_of(record, "suppressed", final=final, why=why, cause=Cause.SUPPRESSED)
    change = end(record, State.BOUNCED, None)
    change.ahead = ahead
    return change
