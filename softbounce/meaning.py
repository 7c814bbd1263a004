"""What a sign in a reply points to: its reason, whose fault it is, whether the address is dead.

The tables of reply codes, enhanced status codes and wordings all speak in meanings. Whether to try again is not part
of one: that is for the reply code to say, and for the few rules in :mod:`softbounce.classify` that may overrule it.
"""

from __future__ import annotations

from dataclasses import dataclass

from softbounce.verdict import Fault, FineFault, Reason

__all__ = ["Meaning", "coarse_fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one sign points to.

    :ivar dead: the address itself is dead, provided that the reply is final and about one recipient.
    """

    reason: Reason
    fault: FineFault
    dead: bool = False


COARSE = {
    FineFault.RECIPIENT: Fault.RECIPIENT,
    FineFault.MESSAGE: Fault.MESSAGE,
    FineFault.SENDER_REPUTATION: Fault.SENDER,
    FineFault.SENDER_CONFIG: Fault.SENDER,
    FineFault.RECEIVER_SYSTEM: Fault.SYSTEM,
}
POLICY_ABOUT = {
    Reason.RECIPIENT_REFUSED: Fault.RECIPIENT,
    Reason.RELAY_DENIED: Fault.RECIPIENT,
    Reason.BAD_MAILBOX: Fault.RECIPIENT,
    Reason.SENDER_REFUSED: Fault.SENDER,
    Reason.IP_REPUTATION: Fault.SENDER,
    Reason.AUTH: Fault.SENDER,
}


def coarse_fault(fault: FineFault, reason: Reason) -> Fault:
    """The fault in one of four words. A policy stays with whoever the reason names, else with the message.

    Greylisting is the recipient's, whoever's machine does it: it is about one sender and one recipient, has a clock of
    its own, and says nothing about the site.
    """
    if reason is Reason.GREYLIST:
        return Fault.RECIPIENT
    return COARSE.get(fault) or POLICY_ABOUT.get(reason, Fault.MESSAGE)
