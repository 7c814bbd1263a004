"""Final refusals that blame the sender's IP, DNS or signature, and what a policy makes of them: it waits, or gives up.

Such a reply says nothing about the address or the message. A listing is lifted, a PTR record or a key is mended, and
the same mail goes through; bounced, a day's mail would be lost to a fault of an hour. So it *parks* by default: it is
deferred on delays of its own, in hours, the address stays alive, and at the end of its window it is promoted, for that
reason. Who wants to hear at once sets ``sender_fault = "bounce"``.

A refused sender *address* is the app's to change, and no fault that mends itself: it bounces.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from softbounce.settings import Policy
from softbounce.verdict import FineFault, Reason, Verdict, VerdictWord

__all__ = ["PARKED_DELAYS", "blames_sender", "park"]

PARKED_DELAYS = (timedelta(minutes=70), timedelta(hours=2), timedelta(hours=4), timedelta(hours=6))
"""An hour at least, whatever the jitter: who asks a blocklist's user again within minutes stays on the list."""

SENDERS = frozenset({FineFault.SENDER_REPUTATION, FineFault.SENDER_CONFIG})
MENDABLE = frozenset({Reason.IP_REPUTATION, Reason.SENDER_DNS, Reason.AUTH, Reason.RATE_LIMIT})


def blames_sender(fault: FineFault | None, reason: Reason | None) -> bool:
    """Whether it is our IP, DNS or signature that is refused."""
    return fault in SENDERS and reason in MENDABLE


def park(verdict: Verdict, policy: Policy) -> Verdict:
    """The verdict as *policy* takes it: a hard one that may be parked becomes soft, with delays of its own."""
    if verdict.word is not VerdictWord.HARD or not verdict.may_park or policy.sender_fault == "bounce":
        return verdict
    return replace(
        verdict, word=VerdictWord.SOFT, suppress=False, undecided=False, delays=verdict.delays or PARKED_DELAYS
    )
