"""A store was restored from a backup: its mail is held until a person decides, for some may have been sent since."""

from __future__ import annotations

from softbounce.duration import from_epoch_ms
from softbounce.envelope import Flag, Record, State
from softbounce.settings import Settings
from softbounce.transitions.change import Change
from softbounce.transitions.concluding import close_as_uncertain
from softbounce.transitions.lost_attempt import lost_attempt
from softbounce.transitions.states import hold_for
from softbounce.transitions.without_attempt import cancel

__all__ = ["hold_restored"]


def hold_restored(record: Record, settings: Settings, *, until_ms: int, now_ms: int) -> Change | None:
    """Hold an envelope of a store whose history ends at *until_ms*; ``None``: it has ended, or is held already.

    What was due since, waited in its lane or was being tried may have been delivered meanwhile; what is due later was
    not tried, unless somebody hurried it. Its window stands still from where the history ends: nothing could be tried
    from there on as far as this store knows, and an envelope that nobody knows about must not bounce for its age.
    """
    if record.state.is_final or record.state is State.HELD:
        return None
    is_marked = record.state is State.ATTEMPTING and bool(record.flags & Flag.MARKED)
    is_later = record.state is State.SCHEDULED and not 0 < record.next_ms <= now_ms
    ahead = b""
    if is_marked:
        seen, verdict = lost_attempt(record, settings, now_ms)
        ahead = close_as_uncertain(record, seen, verdict)
    change = _held(record, until_ms=until_ms, now_ms=now_ms, is_later=is_later)
    change.ahead = ahead
    return change


def _held(record: Record, *, until_ms: int, now_ms: int, is_later: bool) -> Change:
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    ends = f"The store was restored from a copy that ends {from_epoch_ms(until_ms):%Y-%m-%d %H:%M:%S} UTC."
    since_ms = max(until_ms, record.created_ms)
    if is_later:
        why = f"{ends} Its next attempt was not due since, so it was not sent unless somebody hurried it: release it."
        return hold_for(record, "restored", why, since_ms)
    why = f"{ends} It was due since, so it may have been delivered: release it to send it all the same, or cancel it."
    return hold_for(record, "may_duplicate", why, since_ms)
