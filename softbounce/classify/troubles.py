"""The verdict on what ended an attempt without a reply: DNS, connections, TLS, and what we ourselves cannot send."""

from __future__ import annotations

from dataclasses import dataclass

from softbounce.classify.rule_pack import PREFIX
from softbounce.meaning import Meaning, coarse_fault
from softbounce.reply import Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce.verdict import FineFault, Reason, Verdict, VerdictWord

__all__ = ["TROUBLES", "TroubleMeaning", "judge_trouble"]

NETWORK = Meaning(reason=Reason.NETWORK, fault=FineFault.RECEIVER_SYSTEM)
SYSTEM = Meaning(reason=Reason.SYSTEM, fault=FineFault.RECEIVER_SYSTEM)
PROTOCOL = Meaning(reason=Reason.PROTOCOL, fault=FineFault.RECEIVER_SYSTEM)
BAD_DOMAIN = Meaning(reason=Reason.BAD_DOMAIN, fault=FineFault.RECIPIENT)
GONE_DOMAIN = Meaning(reason=Reason.BAD_DOMAIN, fault=FineFault.RECIPIENT, dead=True)
LOGIN = Meaning(reason=Reason.AUTH, fault=FineFault.SENDER_CONFIG)
CONTENT = Meaning(reason=Reason.CONTENT, fault=FineFault.MESSAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleMeaning:
    """What a kind of trouble means.

    :ivar words: what it says.
    :ivar enhanced: the code of RFC 3463 that says the same.
    :ivar is_hard: the same request can never succeed.
    """

    words: str
    enhanced: str
    meaning: Meaning
    is_hard: bool = False


def _soft(words: str, enhanced: str, meaning: Meaning) -> TroubleMeaning:
    return TroubleMeaning(words=words, enhanced=enhanced, meaning=meaning)


def _hard(words: str, enhanced: str, meaning: Meaning) -> TroubleMeaning:
    return TroubleMeaning(words=words, enhanced=enhanced, meaning=meaning, is_hard=True)


TROUBLES: dict[TroubleKind, TroubleMeaning] = {
    # RFC 5321 §5.1: a domain that does not exist is an error; one that cannot be looked up now is not.
    TroubleKind.NO_SUCH_DOMAIN: _hard("the domain does not exist", "5.4.4", GONE_DOMAIN),
    TroubleKind.NULL_MX: _hard("the domain says that it takes no mail", "5.1.10", GONE_DOMAIN),
    # The domain is there, only its mail hosts are not: often a slip that is mended, so the address is not dead.
    TroubleKind.NO_MAIL_HOST: _hard("the domain has no usable mail host", "5.4.4", BAD_DOMAIN),
    TroubleKind.MAIL_LOOP: _hard("the best mail host is ourselves", "5.4.6", PROTOCOL),
    TroubleKind.ADDRESS_REFUSED: _hard("the mail host's address is not allowed", "5.4.4", BAD_DOMAIN),
    TroubleKind.DNS_TEMPORARY: _soft("the DNS gave no answer", "4.4.3", NETWORK),
    TroubleKind.CONNECT_REFUSED: _soft("the connection was refused", "4.4.1", NETWORK),
    TroubleKind.CONNECT_TIMEOUT: _soft("the host did not answer the connection", "4.4.1", NETWORK),
    TroubleKind.CONNECT_FAILED: _soft("no connection could be made", "4.4.1", NETWORK),
    TroubleKind.TIMEOUT: _soft("no reply in time", "4.4.2", NETWORK),
    TroubleKind.CONNECTION_LOST: _soft("the connection was lost", "4.4.2", NETWORK),
    TroubleKind.PROTOCOL_ERROR: _soft("the reply made no sense where it stood", "4.5.0", PROTOCOL),
    TroubleKind.TLS_FAILED: _soft("TLS could not be set up", "4.7.5", SYSTEM),
    TroubleKind.LOGIN_FAILED: _soft("the login at the smarthost failed", "4.7.0", LOGIN),
    TroubleKind.TOO_BIG: _hard(
        "the message is larger than the host takes", "5.3.4", Meaning(reason=Reason.TOO_BIG, fault=FineFault.MESSAGE)
    ),
    TroubleKind.NEEDS_8BITMIME: _hard("the host takes no 8-bit content", "5.6.3", CONTENT),
    TroubleKind.NEEDS_SMTPUTF8: _hard("the host takes no addresses beyond ASCII", "5.6.7", CONTENT),
    TroubleKind.NEEDS_REQUIRETLS: _hard("the host does not promise TLS for the rest of the way", "5.7.30", SYSTEM),
    TroubleKind.NEEDS_DELIVERBY: _hard("the host does not promise to deliver it in time", "5.4.7", SYSTEM),
    TroubleKind.HOST_LACKS: _soft("this host cannot take the message, another of its site may", "4.3.3", CONTENT),
    TroubleKind.WORKER_LOST: _soft("our process ended before it saw the answer", "4.3.0", SYSTEM),
    TroubleKind.SITE_UNAVAILABLE: _soft("no session with the site could be had lately", "4.4.1", NETWORK),
}


def judge_trouble(trouble: Trouble, stage: Stage | None) -> Verdict:
    """The verdict on a trouble. ``trouble.permanent`` makes a kind hard that is soft as a rule."""
    known = TROUBLES[trouble.kind]
    is_hard = known.is_hard or trouble.permanent
    meaning = known.meaning
    return Verdict(
        word=VerdictWord.HARD if is_hard else VerdictWord.SOFT,
        suppress=is_hard and meaning.dead,
        fault=coarse_fault(meaning.fault, meaning.reason),
        fine_fault=meaning.fault,
        reason=meaning.reason,
        rule=PREFIX + trouble.kind.value.replace("_", "-"),
        stage=stage,
    )
