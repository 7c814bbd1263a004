"""What a record becomes: each function turns the record it is given into the one to store, and makes the event.

Pure but for changing the record in place; nothing reaches the store here. The caller guards the change by the claim
token or the version it saw, so a record that lost the race is simply dropped. Which transitions there are::

    attempting -> delivered | scheduled (deferred, domain's fault) | ready (lane's fault) | held | bounced | cancelled
    scheduled, ready -> bounced (promoted) | held | cancelled          held -> scheduled | bounced | cancelled
    bounced, cancelled, scheduled ... -> delivered                     a real 250 always wins

Nothing leads out of delivered, and nothing but a late 250 out of the other ends.
"""

from softbounce.transitions.again import Twice, send_again
from softbounce.transitions.attempts import KEPT_ATTEMPTS, KEPT_TEXT, KEPT_UNCERTAIN, Seen
from softbounce.transitions.binding import expiry_ms, late_ms, look_ms, policy_of, stops_window
from softbounce.transitions.by_hand import NO_TERMS, Terms, change_terms, ends_at_once, give_terms, obey
from softbounce.transitions.change import Change
from softbounce.transitions.clock_set_back import mend
from softbounce.transitions.concluding import (
    close_uncertain,
    conclude,
    deliver_late,
    late_event,
    return_to_lane,
    unsuppress,
    wait_for_domain,
    wait_for_sender,
)
from softbounce.transitions.lost_attempt import lost_attempt
from softbounce.transitions.restored import hold_restored
from softbounce.transitions.suppressed import suppress
from softbounce.transitions.without_attempt import (
    ASKED,
    SUSPECT,
    bounce_by_hand,
    cancel,
    give_back,
    hear,
    hold,
    hold_at_gate,
    hold_standing,
    hold_with_stream,
    look_now_if_expired,
    postpone,
    promote,
    put_off_if_quiet,
    release,
    replan,
    reschedule,
    retry_now,
    warned_event,
)

__all__ = [
    "ASKED",
    "KEPT_ATTEMPTS",
    "KEPT_TEXT",
    "KEPT_UNCERTAIN",
    "NO_TERMS",
    "SUSPECT",
    "Change",
    "Seen",
    "Terms",
    "Twice",
    "bounce_by_hand",
    "cancel",
    "change_terms",
    "close_uncertain",
    "conclude",
    "deliver_late",
    "ends_at_once",
    "expiry_ms",
    "give_back",
    "give_terms",
    "hear",
    "hold",
    "hold_at_gate",
    "hold_restored",
    "hold_standing",
    "hold_with_stream",
    "late_event",
    "late_ms",
    "look_ms",
    "look_now_if_expired",
    "lost_attempt",
    "mend",
    "obey",
    "policy_of",
    "postpone",
    "promote",
    "put_off_if_quiet",
    "release",
    "replan",
    "reschedule",
    "retry_now",
    "return_to_lane",
    "send_again",
    "stops_window",
    "suppress",
    "unsuppress",
    "wait_for_domain",
    "wait_for_sender",
    "warned_event",
]
