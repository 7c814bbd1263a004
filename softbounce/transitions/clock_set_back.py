"""What a clock that was set back since has put into the future is brought back: no envelope waits, or lives, for ever.

A clock that is doubted may be set right again. So as long as it is, only the next attempt is brought back, which may be
late or early by that without harm; and nothing by which an envelope would be old.
"""

from __future__ import annotations

from datetime import timedelta

from softbounce.duration import MILLISECOND
from softbounce.envelope import Record, State
from softbounce.settings import Settings
from softbounce.transitions.binding import expiry_ms, history_of, look_ms, policy_of
from softbounce.transitions.change import Change
from softbounce.transitions.quiet_hours import forget_quiet
from softbounce.transitions.states import schedule
from softbounce.transitions.without_attempt import LONGEST_CLAIM_WAIT
from softbounce.waits import WaitNumber, own_wait

__all__ = ["mend"]

SLACK_MS = 1000
LONGEST_AGAIN = timedelta(hours=1)
"""So long waits once more at most what had a time that lies too far in the future."""


def mend(record: Record, settings: Settings, now_ms: int, *, is_sure: bool) -> Change | None:
    """Bring back what lies in the future and cannot; ``None``: nothing does, or it is being attempted.

    :param is_sure: whether the clock is believed.
    """
    if record.state.is_final or record.state is State.ATTEMPTING:
        return None
    is_redated = is_sure and _redate(record, now_ms)
    is_late = record.state is State.SCHEDULED and _hurry(record, settings, now_ms)
    is_redated |= is_sure and _shorten_hold(record, now_ms)
    if not (is_redated or is_late):
        return None
    expires_ms, again_ms = expiry_ms(record, settings, now_ms), look_ms(record, settings, now_ms)
    if record.state is State.READY:  # its list may lead to a lane that is never tried again; it comes there anew
        return schedule(record, now_ms, expires_ms, b"", look_ms=again_ms)
    record.expires_ms = expires_ms
    return Change(record, b"", again_ms)


def _redate(record: Record, now_ms: int) -> bool:
    """What was accepted or held in the future was now; what we put off then is put off from now."""
    envelope = record.envelope
    created_ms, since_ms = record.created_ms, envelope.held_since_ms
    if created_ms > now_ms + SLACK_MS:
        record.created_ms = now_ms
        if envelope.put_off and envelope.at_ms is not None:
            envelope.at_ms = max(now_ms, envelope.at_ms - (created_ms - now_ms))
    if since_ms is not None and since_ms > now_ms + SLACK_MS:
        envelope.held_since_ms = now_ms
    return (record.created_ms, envelope.held_since_ms) != (created_ms, since_ms)


def _shorten_hold(record: Record, now_ms: int) -> bool:
    """No hold is longer than the envelope is old, and quiet hours end when its next attempt begins."""
    envelope = record.envelope
    held_ms = envelope.held_ms
    ends_ms = max(now_ms, record.next_ms) if envelope.quiet_ms else now_ms
    envelope.held_ms = min(held_ms, max(0, ends_ms - record.created_ms))
    return envelope.held_ms != held_ms


def _hurry(record: Record, settings: Settings, now_ms: int) -> bool:
    """An attempt that is further away than it can be from now on comes after its wait, an hour at most."""
    start_ms = max(now_ms, record.envelope.at_ms or 0)
    wait = _wait(record, settings, now_ms)
    furthest_ms = start_ms + max(wait, LONGEST_CLAIM_WAIT) // MILLISECOND + record.envelope.quiet_ms
    if record.next_ms <= furthest_ms + SLACK_MS:
        return False
    forget_quiet(record, now_ms)
    record.next_ms = start_ms + min(wait, LONGEST_AGAIN) // MILLISECOND
    return True


def _wait(record: Record, settings: Settings, now_ms: int) -> timedelta:
    """The wait before its next attempt: as it was decided, or as the policy would have it now, where that is longer."""
    history = history_of(record, settings, now_ms)
    last = history.last_charged
    if last is None:
        return timedelta(0)
    decided = timedelta(0) if last.next_ms is None else (last.next_ms - last.ended_ms) * MILLISECOND
    policy = policy_of(record, settings)
    return decided if policy.wait else max(decided, own_wait(policy, history.id, WaitNumber.recorded(history)).delay)
