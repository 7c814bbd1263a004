"""Changes of an envelope without an attempt: it is given back, promoted, cancelled, held, released, planned anew."""

from __future__ import annotations

from datetime import timedelta

from softbounce.decide import Bounce, Cause, binding_window, rederive
from softbounce.duration import from_epoch_ms, in_words, to_epoch_ms
from softbounce.envelope import BRAKE, GATE, STANDING, Final, Flag, Record, State
from softbounce.gate import GateRules
from softbounce.settings import Settings
from softbounce.standing import StandingHold, digest_of
from softbounce.transitions.binding import expiry_ms, history_of, look_ms, policy_of, stops_window
from softbounce.transitions.change import Change, event_of
from softbounce.transitions.quiet_hours import forget_quiet, put_off, quiet_for
from softbounce.transitions.states import bounce, end, hold_for, schedule, unclaim

__all__ = [
    "ASKED",
    "SUSPECT",
    "bounce_by_hand",
    "cancel",
    "give_back",
    "hear",
    "hold",
    "hold_at_gate",
    "hold_standing",
    "hold_with_stream",
    "look_now_if_expired",
    "may_have_left",
    "postpone",
    "promote",
    "put_off_if_quiet",
    "release",
    "replan",
    "reschedule",
    "retry_now",
    "warned_event",
]

LONGEST_CLAIM_WAIT = timedelta(minutes=5)
ASKED = Flag.CANCEL_ASKED | Flag.HOLD_ASKED
UNANSWERED = "It was cancelled after an attempt that ended unanswered: the recipient may have got it."
MAY_HAVE_IT = "An attempt ended unanswered: the recipient may have got it."
WAITING = frozenset({State.READY, State.SCHEDULED})
CHOSEN = ("set_policy", "set_window_ms", "set_route")
"""What an operator chooses (:mod:`softbounce.transitions.by_hand`)."""
SUSPECT = 3
"""From this claim in a row without an outcome on, an envelope is tried apart from the others."""


def may_have_left(record: Record) -> bool:
    """Whether some attempt ended unanswered: the recipient may have the message."""
    return bool(record.flags & Flag.UNCERTAIN) or any(one.uncertain for one in record.envelope.attempts)


def hear(record: Record, stored: Record) -> None:
    """Take over what was asked of an envelope while it was attempted, from the record as it is stored."""
    record.flags |= stored.flags & ASKED
    record.envelope.bounce_asked = stored.envelope.bounce_asked
    record.envelope.held_by = stored.envelope.held_by
    for name in CHOSEN:
        setattr(record.envelope, name, getattr(stored.envelope, name))


def give_back(record: Record, event: bytes = b"") -> Change:
    """Put a claimed envelope back into its lane as if it had not been claimed."""
    unclaim(record)
    record.claims = max(0, record.claims - 1)
    record.state = State.READY
    return Change(record, event)


def postpone(record: Record, until_ms: int, now_ms: int, event: bytes = b"") -> Change:
    """Put a claimed envelope back to *scheduled*, as if it had not been claimed: it is not its turn before then."""
    unclaim(record)
    record.claims = max(0, record.claims - 1)
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    if record.flags & Flag.HOLD_ASKED:
        return hold(record, now_ms)
    record.state = State.SCHEDULED
    record.next_ms = until_ms
    return Change(record, event)


def put_off_if_quiet(record: Record, settings: Settings, now_ms: int) -> Change | None:
    """Put a claimed envelope whose attempt was to begin now back to *scheduled*; ``None``: no hours are quiet."""
    late = quiet_for(record, settings, now_ms)
    if not late:
        return None
    until_ms = now_ms + late
    why = f"Quiet hours: no attempt of it begins before {from_epoch_ms(until_ms):%Y-%m-%d %H:%M:%S} UTC."
    change = postpone(record, until_ms, now_ms, event_of(record, "deferred", why=why))
    if record.state is State.SCHEDULED:
        record.envelope.quiet_ms = late
        record.envelope.held_ms += late
        record.expires_ms = expiry_ms(record, settings, now_ms)
        change.look_ms = look_ms(record, settings, now_ms)
    return change


def reschedule(record: Record, *, claim_wait: bool, now_ms: int) -> Change:
    """Put an envelope whose process is gone back to *scheduled*, uncharged; the later the oftener it was claimed.

    One that was alone in its process when that ended is quarantined: it may well be what ended it. For a suspect
    whose turn had not come, the claim does not count: so each process that ends leaves fewer that may have done it.
    """
    was_alone = bool(record.flags & Flag.ALONE)
    if record.claims >= SUSPECT and not record.flags & (Flag.TRIED | Flag.ALONE):
        record.claims -= 1
    unclaim(record)
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    if record.flags & Flag.HOLD_ASKED:
        return hold(record, now_ms)
    if was_alone:
        times = f"{record.claims} times in a row its worker ended while it had this envelope, the last time alone"
        why = f"Quarantined: {times}. Look at the message, then release or cancel it; its window runs on."
        return hold_for(record, "quarantined", why, now_ms)
    record.state = State.SCHEDULED
    wait = min(timedelta(seconds=2 ** min(record.claims, 20)), LONGEST_CLAIM_WAIT) if claim_wait else timedelta(0)
    record.next_ms = now_ms + wait // timedelta(milliseconds=1)
    why = f"The worker that had it is gone; it is tried again in {in_words(wait)}."
    return Change(record, event_of(record, "released", why=why))


def look_now_if_expired(change: Change, settings: Settings, now_ms: int) -> Change:
    """An attempt ended without a result, and the window has closed: its expiry is looked at now.

    Whoever looked at it meanwhile found it attempted, and put the next look off.
    """
    record = change.record
    if change.look_ms is None and record.state in WAITING and expiry_ms(record, settings, now_ms) <= now_ms:
        change.look_ms = now_ms
    return change


def promote(record: Record, settings: Settings, now_ms: int, lane_trouble: Final | None = None) -> Change:
    """A soft bounce outlived its window: hard from now on, with its last real reply, or the lane's last failure."""
    length, owner = binding_window(policy_of(record, settings), history_of(record, settings, now_ms))
    if record.envelope.window_ms is not None and not record.envelope.set_window_ms:
        owner = "the send's own window"
    tries = record.charged
    counted = f"{tries} attempt{'' if tries == 1 else 's'}"
    state = "Still not known to be delivered" if may_have_left(record) else "Still undelivered"
    why = f"{state} after {counted} when its window of {in_words(length)} closed ({owner})."
    return bounce(record, Bounce(cause=Cause.PROMOTED, why=why), now_ms, lane_trouble)


def warned_event(record: Record, settings: Settings, now_ms: int) -> bytes:
    """The event that an envelope is late. Nothing of it changes, so whoever dies behind this tells it again."""
    last = record.envelope.attempts[-1] if record.envelope.attempts else None
    policy, history = policy_of(record, settings), history_of(record, settings, now_ms)
    waited = from_epoch_ms(now_ms) - history.starts_at - history.held
    tries = f"after {record.charged} attempt{'' if record.charged == 1 else 's'}"
    whose = "as its send asked" if record.envelope.warn_ms else f"warn_after of policy {policy.name}"
    why = f"Not delivered yet {in_words(waited)} after it could begin, {tries} ({whose})."
    return event_of(record, "warned", attempt=last, why=why)


def cancel(record: Record, now_ms: int) -> Change:
    """End an envelope because the app or an operator asked for it: as a bounce, where that was asked for meanwhile."""
    if record.envelope.bounce_asked:
        return bounce_by_hand(record, now_ms, record.envelope.bounce_asked)
    why = UNANSWERED if may_have_left(record) else "It was cancelled before it was delivered."
    record.envelope.final = Final(at_ms=now_ms, why=why)
    return end(record, State.CANCELLED, None)


def bounce_by_hand(record: Record, now_ms: int, why: str) -> Change:
    """End an envelope as a bounce because an operator asked for it."""
    if may_have_left(record):
        why = f"{why} {MAY_HAVE_IT}"
    record.envelope.bounce_asked = ""
    return bounce(record, Bounce(cause=Cause.OPERATOR, why=why), now_ms)


def hold(record: Record, now_ms: int) -> Change:
    """Hold an envelope that is not being attempted, because an operator asked for it."""
    return hold_for(record, "operator", "An operator holds it.", now_ms)


def hold_with_stream(record: Record, now_ms: int) -> Change:
    """Hold an envelope because its whole stream is held: one event, the stream's, tells that of all of them."""
    change = hold_for(record, BRAKE, "", now_ms)
    change.event = b""
    return change


def hold_at_gate(record: Record, gate: GateRules, now_ms: int) -> Change:
    """Hold an envelope whose recipient the staging gate lets have no mail; cancelled it ends."""
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    record.envelope.held_by = b""
    return hold_for(record, GATE, gate.why_held(record.envelope.recipient), now_ms)


def hold_standing(record: Record, name: str, hold: StandingHold, now_ms: int) -> Change:
    """Hold an envelope that met a standing hold; cancelled it ends.

    :param name: of the hold.
    """
    if record.flags & Flag.CANCEL_ASKED:
        return cancel(record, now_ms)
    record.envelope.held_by = digest_of(name)
    return hold_for(record, STANDING, hold.why(name), now_ms)


def release(record: Record, settings: Settings, now_ms: int, *, past_gate: bool = False) -> Change:
    """Lift a hold: to *scheduled*, at the time that was planned, or now. No event where its whole stream was held.

    :param past_gate: the staging gate does not hold it anew.
    """
    is_of_stream = record.envelope.held_why == BRAKE
    if stops_window(record, settings) and record.envelope.held_since_ms is not None:
        record.envelope.held_ms += max(0, now_ms - record.envelope.held_since_ms)
    record.envelope.held_since_ms = None
    record.envelope.held_why = None
    record.envelope.held_by = b""
    record.envelope.past_gate |= past_gate
    why = "The hold was lifted, past the staging gate." if past_gate else "The hold was lifted."
    event = b"" if is_of_stream else event_of(record, "released", why=why)
    return _schedule(record, settings, max(now_ms, record.next_ms), now_ms, event)


def retry_now(record: Record, settings: Settings, now_ms: int) -> Change:
    """Plan the next attempt for now, because an operator asked for it."""
    record.envelope.planned = True
    forget_quiet(record, now_ms)
    record.envelope.behind = record.id
    event = event_of(record, "released", why="An operator asked for an attempt now.")
    return _schedule(record, settings, now_ms, now_ms, event)


def _schedule(record: Record, settings: Settings, next_ms: int, now_ms: int, event: bytes) -> Change:
    expires_ms, again_ms = expiry_ms(record, settings, now_ms), look_ms(record, settings, now_ms)
    return schedule(record, next_ms, expires_ms, event, look_ms=again_ms)


def replan(record: Record, settings: Settings, now_ms: int) -> Change | None:
    """Re-derive a scheduled envelope's next attempt and expiry after a reload; ``None``: nothing changes."""
    envelope = record.envelope
    before = record.next_ms, record.expires_ms, envelope.held_ms
    is_planned = envelope.planned and envelope.attempts and 0 < record.next_ms < expiry_ms(record, settings, now_ms)
    if is_planned or (not envelope.attempts and record.next_ms):
        next_ms, expires_ms = record.next_ms, expiry_ms(record, settings, now_ms)
    else:
        forget_quiet(record, now_ms)
        next_at, _ = rederive(policy_of(record, settings), history_of(record, settings, now_ms), from_epoch_ms(now_ms))
        next_ms = 0 if next_at is None else to_epoch_ms(next_at)
        if next_ms and (begins_ms := put_off(record, settings, max(next_ms, now_ms))) > max(next_ms, now_ms):
            next_ms = begins_ms
        expires_ms = expiry_ms(record, settings, now_ms)
    if (next_ms, expires_ms, envelope.held_ms) == before:
        return None
    record.next_ms, record.expires_ms = next_ms, expires_ms
    return Change(record, b"", look_ms(record, settings, now_ms))
