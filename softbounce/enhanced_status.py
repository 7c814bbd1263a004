"""The enhanced status codes of the IANA registry (RFC 3463, 5248 and later) as a table: what each points to.

Keys are ``subject.detail``; the class says success (2), not now (4) or never (5), and where it differs from the reply
code, the reply code wins. Exchange extends subject 7 and some others with details beyond the registry; those that are
documented stand in a table of their own.

A *vague* code tells a subject at most. Senders of replies use it for want of a better one, so any wording that is
recognised outranks it; and 7.1, formally exact, is used for everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = ["ENHANCED", "EnhancedStatus", "enhanced_status", "is_exchange"]

LONGEST_DETAIL = 3  # RFC 3463 §2

RECIPIENT = FineFault.RECIPIENT
MESSAGE = FineFault.MESSAGE
REPUTATION = FineFault.SENDER_REPUTATION
CONFIG = FineFault.SENDER_CONFIG
SYSTEM = FineFault.RECEIVER_SYSTEM
POLICY = FineFault.POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancedStatus:
    """One code of the registry.

    :ivar words: what it says.
    :ivar meaning: what it points to.
    :ivar is_vague: it tells a subject at most; wording outranks it.
    """

    words: str
    meaning: Meaning
    is_vague: bool = False


def _exact(words: str, reason: Reason, fault: FineFault) -> EnhancedStatus:
    return EnhancedStatus(words=words, meaning=Meaning(reason=reason, fault=fault))


def _dead(words: str, reason: Reason) -> EnhancedStatus:
    return EnhancedStatus(words=words, meaning=Meaning(reason=reason, fault=RECIPIENT, dead=True))


def _vague(words: str, reason: Reason, fault: FineFault) -> EnhancedStatus:
    return EnhancedStatus(words=words, meaning=Meaning(reason=reason, fault=fault), is_vague=True)


ENHANCED: dict[str, EnhancedStatus] = {
    "0.0": _vague("nothing more exact is said", Reason.UNKNOWN, SYSTEM),
    # 1: the address
    "1.0": _vague("something about an address", Reason.BAD_MAILBOX, RECIPIENT),
    "1.1": _dead("there is no such mailbox", Reason.BAD_MAILBOX),
    "1.2": _dead("there is no such destination system", Reason.BAD_DOMAIN),
    "1.3": _dead("the recipient's address is malformed", Reason.BAD_MAILBOX),
    "1.4": _exact("the recipient's address is ambiguous", Reason.BAD_MAILBOX, RECIPIENT),
    "1.5": _vague("the recipient's address is valid", Reason.UNKNOWN, SYSTEM),
    "1.6": _dead("the mailbox has moved and nothing is forwarded", Reason.BAD_MAILBOX),
    "1.7": _exact("the sender's address is malformed", Reason.SENDER_REFUSED, CONFIG),
    "1.8": _exact("the sender's domain is not there", Reason.SENDER_DNS, CONFIG),
    "1.9": _vague("passed on to a system without these codes", Reason.UNKNOWN, SYSTEM),
    "1.10": _dead("the recipient's domain takes no mail (null MX)", Reason.BAD_DOMAIN),
    # 2: the mailbox
    "2.0": _vague("something about the mailbox", Reason.UNKNOWN, RECIPIENT),
    "2.1": _dead("the mailbox is disabled", Reason.INACTIVE),
    "2.2": _exact("the mailbox is full", Reason.MAILBOX_FULL, RECIPIENT),
    "2.3": _exact("the message is longer than this mailbox takes", Reason.TOO_BIG, MESSAGE),
    "2.4": _exact("the mailing list could not be expanded", Reason.SYSTEM, SYSTEM),
    # 3: the mail system
    "3.0": _vague("something about the receiving system", Reason.SYSTEM, SYSTEM),
    "3.1": _exact("the receiving system has no space left", Reason.SYSTEM, SYSTEM),
    "3.2": _vague("the receiving system takes no mail now", Reason.SYSTEM, SYSTEM),
    "3.3": _exact("the receiving system cannot do what was asked", Reason.SYSTEM, SYSTEM),
    "3.4": _exact("the message is too big for the system", Reason.TOO_BIG, MESSAGE),
    "3.5": _exact("the receiving system is wrongly configured", Reason.SYSTEM, SYSTEM),
    "3.6": _vague("the priority that was asked for was changed", Reason.SYSTEM, SYSTEM),
    # 4: network and routing
    "4.0": _vague("something about the network or the route", Reason.SYSTEM, SYSTEM),
    "4.1": _vague("the next host does not answer", Reason.NETWORK, SYSTEM),
    "4.2": _exact("the connection is bad", Reason.NETWORK, SYSTEM),
    "4.3": _vague("a directory or the DNS failed", Reason.SYSTEM, SYSTEM),
    "4.4": _exact("there is no route", Reason.BAD_DOMAIN, RECIPIENT),
    "4.5": _vague("the receiving system is congested", Reason.SYSTEM, SYSTEM),
    "4.6": _exact("the message goes round in a loop", Reason.PROTOCOL, MESSAGE),
    "4.7": _exact("the time for delivery ran out", Reason.NETWORK, SYSTEM),
    # 5: the protocol
    "5.0": _vague("something about the protocol", Reason.PROTOCOL, MESSAGE),
    "5.1": _vague("the command is not valid here", Reason.PROTOCOL, MESSAGE),
    "5.2": _vague("a syntax error", Reason.PROTOCOL, MESSAGE),
    "5.3": _vague("too many recipients", Reason.RATE_LIMIT, SYSTEM),
    "5.4": _vague("arguments that the command does not take", Reason.PROTOCOL, MESSAGE),
    "5.5": _exact("another version of the protocol", Reason.PROTOCOL, MESSAGE),
    "5.6": _exact("a line of the authentication is too long", Reason.PROTOCOL, CONFIG),
    # 6: the content
    "6.0": _vague("something about the content", Reason.CONTENT, MESSAGE),
    "6.1": _exact("the kind of content is not taken", Reason.CONTENT, MESSAGE),
    "6.2": _exact("it would have to be converted, which is not allowed", Reason.CONTENT, MESSAGE),
    "6.3": _exact("it would have to be converted, which the host cannot do", Reason.CONTENT, MESSAGE),
    "6.4": _exact("it was converted, and lost something", Reason.CONTENT, MESSAGE),
    "6.5": _exact("it could not be converted", Reason.CONTENT, MESSAGE),
    "6.6": _exact("the content could not be fetched", Reason.CONTENT, MESSAGE),
    "6.7": _exact("addresses beyond ASCII are not taken", Reason.CONTENT, MESSAGE),
    "6.8": _exact("the reply would need UTF-8, which was not asked for", Reason.CONTENT, MESSAGE),
    "6.9": _exact("headers in UTF-8 cannot be passed on", Reason.CONTENT, MESSAGE),
    "6.10": _exact("the reply would need UTF-8 (an old double of 6.8)", Reason.CONTENT, MESSAGE),
    # 7: security and policy
    "7.0": _vague("something about security or policy", Reason.POLICY, POLICY),
    "7.1": _vague("not authorised, refused", Reason.POLICY, POLICY),
    "7.2": _exact("this sender may not write to the list", Reason.RECIPIENT_REFUSED, POLICY),
    "7.3": _vague("security would have to be converted", Reason.POLICY, POLICY),
    "7.4": _exact("a security feature is not supported", Reason.POLICY, POLICY),
    "7.5": _exact("cryptography failed", Reason.AUTH, CONFIG),
    "7.6": _exact("the algorithm is not supported", Reason.AUTH, CONFIG),
    "7.7": _exact("the message was changed on the way", Reason.AUTH, CONFIG),
    "7.8": _exact("the credentials are not valid", Reason.POLICY, CONFIG),
    "7.9": _vague("the way of authentication is too weak", Reason.POLICY, POLICY),
    "7.10": _exact("encryption is needed", Reason.POLICY, POLICY),
    "7.11": _exact("encryption is needed to authenticate so", Reason.POLICY, POLICY),
    "7.12": _exact("the password must be set anew", Reason.POLICY, CONFIG),
    "7.13": _exact("the user's account is disabled", Reason.INACTIVE, RECIPIENT),
    "7.14": _exact("a relation of trust is needed", Reason.POLICY, POLICY),
    "7.15": _exact("the priority is too low", Reason.RATE_LIMIT, SYSTEM),
    "7.16": _exact("the message is too big for its priority", Reason.TOO_BIG, MESSAGE),
    "7.17": _dead("the mailbox has another owner now", Reason.BAD_MAILBOX),
    "7.18": _dead("the domain has another owner now", Reason.BAD_DOMAIN),
    "7.19": _exact("whether the recipient's owner changed cannot be told", Reason.SYSTEM, SYSTEM),
    "7.20": _exact("no DKIM signature passed", Reason.AUTH, CONFIG),
    "7.21": _exact("no DKIM signature is acceptable", Reason.AUTH, CONFIG),
    "7.22": _exact("no DKIM signature is the author's", Reason.AUTH, CONFIG),
    "7.23": _exact("SPF says no", Reason.AUTH, CONFIG),
    "7.24": _exact("SPF could not be checked", Reason.AUTH, CONFIG),
    "7.25": _exact("the reverse DNS of our address does not hold", Reason.SENDER_DNS, CONFIG),
    "7.26": _exact("several checks of authentication failed", Reason.AUTH, CONFIG),
    "7.27": _exact("the sender's domain has a null MX", Reason.SENDER_DNS, CONFIG),
    "7.28": _exact("a flood of mail", Reason.RATE_LIMIT, REPUTATION),
    "7.29": _exact("the ARC chain does not hold", Reason.AUTH, CONFIG),
    "7.30": _exact("REQUIRETLS is not supported", Reason.POLICY, POLICY),
}

# Ranges of details beyond the registry, (subject, first, last): documented by Microsoft for Exchange and Outlook.
EXCHANGE: tuple[tuple[int, int, int, EnhancedStatus], ...] = (
    (1, 20, 20, _exact("several recipients match", Reason.BAD_MAILBOX, RECIPIENT)),
    (2, 120, 120, _exact("the message is too big for the mailbox", Reason.TOO_BIG, MESSAGE)),
    (2, 121, 121, _exact("the sender exceeds its rate to this recipient", Reason.RATE_LIMIT, REPUTATION)),
    (2, 122, 122, _exact("the recipient exceeds its rate", Reason.RATE_LIMIT, RECIPIENT)),
    (3, 190, 190, _exact("the recipient's journal takes no such mail", Reason.POLICY, POLICY)),
    (4, 14, 14, _exact("too many hops", Reason.PROTOCOL, MESSAGE)),
    (4, 300, 300, _exact("the message expired on the way", Reason.NETWORK, SYSTEM)),
    (4, 310, 310, _dead("the recipient's domain is not in the DNS", Reason.BAD_DOMAIN)),
    (4, 311, 317, _exact("the next host could not be reached", Reason.NETWORK, SYSTEM)),
    (7, 57, 64, _exact("refused by restriction of the tenant", Reason.POLICY, POLICY)),
    (7, 101, 199, _exact("the recipient takes mail of some senders only", Reason.RECIPIENT_REFUSED, POLICY)),
    (7, 321, 324, _exact("the destination's TLS, or what DNS says of it, does not hold", Reason.POLICY, SYSTEM)),
    (7, 500, 500, _exact("the server is busy with this sender", Reason.RATE_LIMIT, SYSTEM)),
    (7, 501, 503, _exact("the sender is banned for spam", Reason.IP_REPUTATION, REPUTATION)),
    (7, 504, 505, _dead("the address is not valid there", Reason.BAD_MAILBOX)),
    (7, 506, 506, _exact("our EHLO name is refused", Reason.SENDER_DNS, CONFIG)),
    (7, 507, 507, _exact("the recipient's organisation refuses us", Reason.RECIPIENT_REFUSED, POLICY)),
    (7, 508, 508, _exact("our range of addresses sends too much", Reason.RATE_LIMIT, REPUTATION)),
    (7, 509, 509, _exact("DMARC failed", Reason.AUTH, CONFIG)),
    (7, 510, 510, _exact("mail over IPv6 is not taken", Reason.POLICY, POLICY)),
    (7, 511, 511, _exact("our address is banned", Reason.IP_REPUTATION, REPUTATION)),
    (7, 512, 512, _exact("the From field is not well formed", Reason.CONTENT, MESSAGE)),
    (7, 513, 513, _exact("the customer refuses this sender", Reason.RECIPIENT_REFUSED, POLICY)),
    (7, 515, 515, _exact("the sender domain is not authenticated well enough", Reason.AUTH, CONFIG)),
    (7, 520, 520, _exact("its content is spam", Reason.SPAM_CONTENT, MESSAGE)),
    (7, 514, 599, _exact("our address sends unusual traffic", Reason.IP_REPUTATION, REPUTATION)),
    (7, 600, 649, _exact("our address is banned", Reason.IP_REPUTATION, REPUTATION)),
    (7, 650, 699, _exact("our address is limited for its reputation", Reason.RATE_LIMIT, REPUTATION)),
    (7, 703, 703, _exact("the sender's own organisation blocks the recipient", Reason.POLICY, POLICY)),
    (7, 750, 750, _exact("the sender's domain is not registered", Reason.SENDER_REFUSED, CONFIG)),
    (7, 700, 799, _exact("the sending tenant exceeds its limits", Reason.IP_REPUTATION, REPUTATION)),
    (7, 800, 899, _exact("the sender domain is banned", Reason.SENDER_REFUSED, REPUTATION)),
)
EXCHANGE_OWN = 100
"""Details from here on are nobody's but Exchange's, so that they are exact whatever the words are."""


def enhanced_status(code: str) -> EnhancedStatus | None:
    """What ``class.subject.detail`` says, whatever its class; ``None``: nobody knows that code."""
    _, _, rest = code.partition(".")
    known = ENHANCED.get(rest)
    if known is not None:
        return known
    subject, _, detail = rest.partition(".")
    if not (subject.isdecimal() and detail.isdecimal() and len(detail) <= LONGEST_DETAIL):
        return None
    for of_subject, first, last, status in EXCHANGE:
        if of_subject == int(subject) and first <= int(detail) <= last:
            return status
    return ENHANCED.get(f"{int(subject)}.0")


def is_exchange(code: str) -> bool:
    """Whether the detail is one of Exchange's own."""
    detail = code.rpartition(".")[2]
    return detail.isdecimal() and len(detail) <= LONGEST_DETAIL and int(detail) >= EXCHANGE_OWN
