"""Weighing the signs of a reply: which of them gives reason and fault, and whether a named rule asks to try again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from softbounce.classify.signs import Signs
from softbounce.classify.wordings.recipient import MAILBOX_FULL
from softbounce.classify.wordings.sender import RATE_OF_SENDER
from softbounce.classify.wordings.system import GREYLIST, RATE_OF_RECIPIENT, RATE_OF_SYSTEM, SAYS_LATER
from softbounce.enhanced_status import EnhancedStatus, enhanced_status
from softbounce.meaning import Meaning
from softbounce.reply_codes import NOT_NOW, SESSION_STAGES, code_meaning
from softbounce.stage import Stage
from softbounce.verdict import FineFault, Reason

__all__ = ["Choice", "choose", "retrying_rule"]

BY_ENHANCED = {
    (Reason.MAILBOX_FULL, FineFault.RECIPIENT): MAILBOX_FULL,
    (Reason.RATE_LIMIT, FineFault.RECIPIENT): RATE_OF_RECIPIENT,
    (Reason.RATE_LIMIT, FineFault.SENDER_REPUTATION): RATE_OF_SENDER,
    (Reason.RATE_LIMIT, FineFault.RECEIVER_SYSTEM): RATE_OF_SYSTEM,
    (Reason.GREYLIST, FineFault.RECEIVER_SYSTEM): GREYLIST,
}
"""The named rule that also retries a 5xx for its enhanced status code, without any wording."""

FINAL_WHATEVER_IT_SAYS = frozenset({Reason.VIRUS, Reason.TOO_BIG, Reason.CONTENT, Reason.PROTOCOL, Reason.RELAY_DENIED})
"""Reasons that stay while nobody changes anything, however politely the text says "later"."""

ABOUT_THE_SENDER = {
    Reason.BAD_MAILBOX: Meaning(reason=Reason.SENDER_REFUSED, fault=FineFault.SENDER_CONFIG),
    Reason.BAD_DOMAIN: Meaning(reason=Reason.SENDER_DNS, fault=FineFault.SENDER_CONFIG),
}
"""At MAIL no recipient was named yet: an address that is not known is the sender's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The sign that counts.

    :ivar rule: its name.
    :ivar by_code: nothing but the reply code spoke.
    """

    meaning: Meaning
    rule: str
    by_code: bool = False


def choose(signs: Signs) -> Choice:
    """The strongest sign, read for the stage it stands at."""
    choice = _strongest(signs)
    meaning = choice.meaning
    if signs.stage is Stage.MAIL and meaning.reason in ABOUT_THE_SENDER:
        return replace(choice, meaning=ABOUT_THE_SENDER[meaning.reason])
    if signs.stage in SESSION_STAGES and meaning.fault is FineFault.RECIPIENT:
        return replace(choice, meaning=Meaning(reason=meaning.reason, fault=FineFault.RECEIVER_SYSTEM))
    if signs.code // 100 == NOT_NOW and meaning.reason is Reason.BAD_DOMAIN:
        return replace(choice, meaning=Meaning(reason=meaning.reason, fault=FineFault.RECEIVER_SYSTEM))
    return choice


def retrying_rule(signs: Signs, choice: Choice) -> str | None:
    """The name of the rule by which this 5xx, after a recipient or sender was named, may be accepted later.

    ``None``: the code rules. A dead address stays dead, whatever the text adds.
    """
    meaning = choice.meaning
    if signs.strong is not None and signs.strong.retries and not meaning.dead:
        return signs.strong.name
    if not choice.by_code and choice.rule.startswith("enhanced-"):
        named = BY_ENHANCED.get((meaning.reason, meaning.fault))
        if named is not None and named in signs.active:
            return named.name
    if SAYS_LATER not in signs.active or meaning.dead or meaning.reason in FINAL_WHATEVER_IT_SAYS:
        return None
    return SAYS_LATER.name if SAYS_LATER.fits(signs.text) else None


def _strongest(signs: Signs) -> Choice:
    if signs.strong is not None:
        return Choice(meaning=signs.strong.meaning, rule=signs.strong.name)
    status = enhanced_status(signs.enhanced) if signs.enhanced else None
    is_softened = status is not None and status.meaning.dead and signs.code // 100 == NOT_NOW
    if status is not None and not status.is_vague and not (is_softened and signs.weak is not None):
        return _by_enhanced(signs, status)
    if signs.weak is not None:
        return Choice(meaning=signs.weak.meaning, rule=signs.weak.name)
    if status is not None and status.meaning.reason is not Reason.UNKNOWN:
        return _by_enhanced(signs, status)
    _, meaning = code_meaning(signs.code, signs.stage)
    return Choice(meaning=meaning, rule=f"code-{signs.code}", by_code=True)


def _by_enhanced(signs: Signs, status: EnhancedStatus) -> Choice:
    """What the enhanced status code says; where its class contradicts the reply code, the latter wins (RFC 3463)."""
    meaning = status.meaning
    if signs.enhanced is None or signs.enhanced[0] != str(signs.code // 100):
        meaning = replace(meaning, dead=False)
    return Choice(meaning=meaning, rule=f"enhanced-{signs.enhanced}")
