"""The reply codes, stage by stage: what each says, and what it points to when nothing else tells more.

RFC 5321 §4.2.3 and §4.3.2, with RFC 1846 and 7504 (521), 7505 (556), 4954 (authentication) and 3207 (TLS). A code
that stands in no table is read by its first digit (RFC 5321 §4.3.2): see :func:`code_meaning`.

Whether we try again follows from the first digit and the stage, and is decided in :mod:`softbounce.classify`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from softbounce.meaning import Meaning
from softbounce.stage import Stage
from softbounce.verdict import FineFault, Reason

__all__ = [
    "BY_DIGIT",
    "CODES",
    "NEVER",
    "NOT_NOW",
    "POSITIVE",
    "SESSION_STAGES",
    "ReplyCode",
    "code_meaning",
    "is_positive_at",
]

SESSION_STAGES = frozenset(
    {Stage.ROUTE, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH},
)
"""Stages before any mail is spoken of: what is said here concerns the road, not the mail."""

POSITIVE, NOT_NOW, NEVER = 2, 4, 5
"""First digits (RFC 5321 §4.2.1)."""

GO_ON_334 = 334
START_MAIL_INPUT_354 = 354

SYSTEM = Meaning(reason=Reason.SYSTEM, fault=FineFault.RECEIVER_SYSTEM)
PROTOCOL = Meaning(reason=Reason.PROTOCOL, fault=FineFault.MESSAGE)
OUT_OF_PLACE = Meaning(reason=Reason.PROTOCOL, fault=FineFault.RECEIVER_SYSTEM)
UNKNOWN = Meaning(reason=Reason.UNKNOWN, fault=FineFault.POLICY)
BAD_MAILBOX = Meaning(reason=Reason.BAD_MAILBOX, fault=FineFault.RECIPIENT)
BAD_DOMAIN = Meaning(reason=Reason.BAD_DOMAIN, fault=FineFault.RECIPIENT, dead=True)
MAILBOX_FULL = Meaning(reason=Reason.MAILBOX_FULL, fault=FineFault.RECIPIENT)
TOO_BIG = Meaning(reason=Reason.TOO_BIG, fault=FineFault.MESSAGE)
SENDER_REFUSED = Meaning(reason=Reason.SENDER_REFUSED, fault=FineFault.SENDER_CONFIG)
SENDER_BLOCKED = Meaning(reason=Reason.IP_REPUTATION, fault=FineFault.SENDER_REPUTATION)
POLICY = Meaning(reason=Reason.POLICY, fault=FineFault.POLICY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCode:
    """One reply code.

    :ivar words: what it says, wherever it stands.
    :ivar meaning: what it points to.
    :ivar at: where a stage makes it say something else: the words and the meaning there.
    """

    words: str
    meaning: Meaning
    at: dict[Stage, tuple[str, Meaning]] = field(default_factory=dict[Stage, tuple[str, Meaning]])


BUSY_NOW = ("the host takes no mail now", SYSTEM)
REFUSES_US = ("the host refuses to talk to us", SENDER_BLOCKED)

CODES: dict[int, ReplyCode] = {
    211: ReplyCode(words="system status", meaning=SYSTEM),
    214: ReplyCode(words="help", meaning=SYSTEM),
    220: ReplyCode(words="ready", meaning=SYSTEM),
    221: ReplyCode(words="closing the connection", meaning=SYSTEM),
    235: ReplyCode(words="authentication succeeded", meaning=SYSTEM),
    250: ReplyCode(words="done", meaning=SYSTEM),
    251: ReplyCode(words="not local, will be forwarded", meaning=SYSTEM),
    252: ReplyCode(words="cannot be verified, yet is accepted", meaning=SYSTEM),
    334: ReplyCode(words="go on with authentication", meaning=OUT_OF_PLACE),
    354: ReplyCode(words="send the message, end it with a dot", meaning=OUT_OF_PLACE),
    421: ReplyCode(words="service not available, closing the connection", meaning=SYSTEM),
    432: ReplyCode(words="the password must be set anew", meaning=SYSTEM),
    450: ReplyCode(
        words="mailbox not available now",
        meaning=SYSTEM,
        at={Stage.GREETING: BUSY_NOW, Stage.CONNECT: BUSY_NOW, Stage.MAIL: ("the sender is not taken now", SYSTEM)},
    ),
    451: ReplyCode(words="a local error in processing", meaning=SYSTEM),
    452: ReplyCode(
        words="not enough storage",
        meaning=SYSTEM,
        at={
            Stage.RCPT: (
                "not enough storage, or too many recipients in one transaction",
                Meaning(reason=Reason.RATE_LIMIT, fault=FineFault.RECEIVER_SYSTEM),
            ),
        },
    ),
    453: ReplyCode(words="no mail for you here now", meaning=SYSTEM),
    454: ReplyCode(
        words="TLS or authentication not available for now",
        meaning=SYSTEM,
        at={Stage.RCPT: ("refused for now", POLICY)},
    ),
    455: ReplyCode(words="parameters cannot be served now", meaning=SYSTEM),
    458: ReplyCode(words="cannot queue now", meaning=SYSTEM),
    459: ReplyCode(words="not allowed now", meaning=POLICY),
    500: ReplyCode(words="command not recognised", meaning=PROTOCOL),
    501: ReplyCode(
        words="syntax error in an argument",
        meaning=PROTOCOL,
        at={
            Stage.MAIL: ("the sender's address is not taken as written", PROTOCOL),
            Stage.RCPT: ("the recipient's address is not taken as written", BAD_MAILBOX),
        },
    ),
    502: ReplyCode(words="command not implemented", meaning=PROTOCOL),
    503: ReplyCode(words="commands out of order", meaning=PROTOCOL),
    504: ReplyCode(words="parameter not implemented", meaning=PROTOCOL),
    521: ReplyCode(
        words="the host takes no mail",
        meaning=BAD_DOMAIN,
        at={Stage.GREETING: ("the host takes no mail", SYSTEM), Stage.CONNECT: ("the host takes no mail", SYSTEM)},
    ),
    530: ReplyCode(words="authentication or TLS is needed first", meaning=POLICY),
    534: ReplyCode(words="the way of authentication is too weak", meaning=POLICY),
    535: ReplyCode(words="the credentials are not valid", meaning=SENDER_REFUSED),
    538: ReplyCode(words="encryption is needed to authenticate so", meaning=POLICY),
    550: ReplyCode(
        words="mailbox not available, or refused",
        meaning=UNKNOWN,
        at={
            Stage.GREETING: REFUSES_US,
            Stage.CONNECT: REFUSES_US,
            Stage.MAIL: ("the sender is refused", SENDER_REFUSED),
            Stage.RCPT: ("mailbox not available, or refused", BAD_MAILBOX),
            Stage.DATA: ("refused", POLICY),
            Stage.END_OF_DATA: ("the message is refused", POLICY),
        },
    ),
    551: ReplyCode(words="not a user of this host", meaning=BAD_MAILBOX),
    552: ReplyCode(
        words="exceeds the storage allowed",
        meaning=MAILBOX_FULL,
        at={
            Stage.MAIL: ("the message is too big", TOO_BIG),
            Stage.RCPT: ("the mailbox is full", MAILBOX_FULL),
            Stage.END_OF_DATA: ("the message is too big", TOO_BIG),
        },
    ),
    553: ReplyCode(
        words="mailbox name not allowed",
        meaning=UNKNOWN,
        at={
            Stage.MAIL: ("the sender is refused", SENDER_REFUSED),
            Stage.RCPT: ("mailbox name not allowed", BAD_MAILBOX),
        },
    ),
    554: ReplyCode(
        words="failed, for no reason that the code tells",
        meaning=UNKNOWN,
        at={
            Stage.GREETING: REFUSES_US,
            Stage.CONNECT: REFUSES_US,
            Stage.MAIL: ("the sender is refused", SENDER_REFUSED),
            Stage.DATA: ("no valid recipients, or refused", UNKNOWN),
            Stage.END_OF_DATA: ("the message is refused", POLICY),
        },
    ),
    555: ReplyCode(words="parameters of MAIL or RCPT not recognised", meaning=PROTOCOL),
    556: ReplyCode(words="the domain takes no mail", meaning=BAD_DOMAIN),
}

BY_DIGIT: dict[int, ReplyCode] = {
    2: ReplyCode(words="done", meaning=SYSTEM),
    3: ReplyCode(words="go on, where nothing was to go on", meaning=OUT_OF_PLACE),
    4: ReplyCode(words="not now", meaning=SYSTEM),
    5: ReplyCode(words="no", meaning=UNKNOWN),
}
OUT_OF_RANGE = ReplyCode(words="no code of SMTP", meaning=OUT_OF_PLACE)


def code_meaning(code: int, stage: Stage | None) -> tuple[str, Meaning]:
    """What a code says at a stage, in words and as a meaning. Total: an unknown code is read by its first digit."""
    known = CODES.get(code) or BY_DIGIT.get(code // 100, OUT_OF_RANGE)
    if stage is not None and stage in known.at:
        return known.at[stage]
    return known.words, known.meaning


def is_positive_at(code: int, stage: Stage | None) -> bool:
    """Whether the session may go on after this code: 354 alone after DATA, 334 too within AUTH, else any 2xx.

    A 250 to DATA is not positive (RFC 5321 §4.2.1): the host did not ask for the message, and none is sent.
    """
    if stage is Stage.DATA:
        return code == START_MAIL_INPUT_354
    return code // 100 == POSITIVE or (code == GO_ON_334 and stage is Stage.AUTH)
