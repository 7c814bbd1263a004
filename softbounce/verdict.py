"""What a reply means: the verdict, and the closed sets of words it is made of.

Three questions, three answers: may this message be accepted later (``retry``), is the address dead (``suppress``),
whose fault is it (``fault``). The verdict is made by :mod:`softbounce.classify` and used by :mod:`softbounce.decide`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from softbounce.stage import Stage

__all__ = ["Fault", "FineFault", "Reason", "Verdict", "VerdictWord"]


class VerdictWord(StrEnum):
    """The verdict in one word, as ``show`` prints it."""

    DELIVERED = "delivered"
    SOFT = "soft"
    HARD = "hard"


class Fault(StrEnum):
    """Whose fault it is, coarsely: who is affected besides this envelope follows from it."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    SENDER = "sender"
    SYSTEM = "system"


class FineFault(StrEnum):
    """Whose fault it is, as ``softbounce classify`` prints it."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    SENDER_REPUTATION = "sender_reputation"
    SENDER_CONFIG = "sender_config"
    RECEIVER_SYSTEM = "receiver_system"
    POLICY = "policy"


class Reason(StrEnum):
    """What the reply is about."""

    BAD_MAILBOX = "bad_mailbox"
    BAD_DOMAIN = "bad_domain"
    INACTIVE = "inactive"
    MAILBOX_FULL = "mailbox_full"
    RATE_LIMIT = "rate_limit"
    GREYLIST = "greylist"
    SYSTEM = "system"
    NETWORK = "network"
    PROTOCOL = "protocol"
    POLICY = "policy"
    AUTH = "auth"
    IP_REPUTATION = "ip_reputation"
    SPAM_CONTENT = "spam_content"
    CONTENT = "content"
    VIRUS = "virus"
    TOO_BIG = "too_big"
    SENDER_DNS = "sender_dns"
    SENDER_REFUSED = "sender_refused"
    RECIPIENT_REFUSED = "recipient_refused"
    RELAY_DENIED = "relay_denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a reply or a trouble means for this envelope, and for others.

    :ivar word: delivered, soft (try again) or hard (do not).
    :ivar suppress: the address itself is dead: no other message will ever reach it.
    :ivar fault: whose fault, coarsely; ``None`` for delivered.
    :ivar fine_fault: whose fault, finely; ``None`` for delivered.
    :ivar reason: what it is about; ``None`` for delivered.
    :ivar rule: the name of the rule that judged, ``"builtin:..."`` or the user's own.
    :ivar delays: waits that the rule asks for instead of the policy's, the last one repeating; empty: the policy's.
    :ivar window: the window that the rule asks for instead of the policy's.
    :ivar stated: the wait that the reply itself states, as far as it is believed; it goes before all of these.
    :ivar may_park: a hard one that blames our IP, DNS or signature: a policy may wait for that to be mended
        (:mod:`softbounce.parking`).
    :ivar undecided: the code says give up, yet knowledgeable sources differ (reputation, policy): kept so that
        ``classify`` can print ``retry: null``; ``word`` follows the code.
    :ivar stage: where it happened; a hard verdict at ``route`` means that there is no host to ask.
    """

    word: VerdictWord
    suppress: bool = False
    fault: Fault | None = None
    fine_fault: FineFault | None = None
    reason: Reason | None = None
    rule: str
    delays: tuple[timedelta, ...] = ()
    window: timedelta | None = None
    stated: timedelta | None = None
    may_park: bool = False
    undecided: bool = False
    stage: Stage | None = None

    @property
    def retry(self) -> bool:
        """Whether the same message to the same recipient may be accepted later."""
        return self.word is VerdictWord.SOFT
