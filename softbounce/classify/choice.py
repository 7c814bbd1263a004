"""Weighing the signs of a reply: which of them gives reason and fault, and whether a named rule asks to try again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from softbounce.classify.signs import Signs
from softbounce.classify.wording import Wording
from softbounce.enhanced_status import EnhancedStatus, enhanced_status, is_exchange
from softbounce.meaning import Meaning
from softbounce.reply_codes import NOT_NOW, SESSION_STAGES, code_meaning
from softbounce.stage import Stage
from softbounce.verdict import FineFault, Reason

__all__ = ["Choice", "choose", "retrying_rule"]

BY_ENHANCED = {
    (Reason.MAILBOX_FULL, FineFault.RECIPIENT): "mailbox-full",
    (Reason.RATE_LIMIT, FineFault.RECIPIENT): "rate-limit-recipient",
    (Reason.RATE_LIMIT, FineFault.SENDER_REPUTATION): "rate-limit-sender",
    (Reason.RATE_LIMIT, FineFault.RECEIVER_SYSTEM): "rate-limit-system",
    (Reason.GREYLIST, FineFault.RECEIVER_SYSTEM): "greylist",
}
"""The named rule that also retries a 5xx for its enhanced status code, without any wording."""

SAYS_LATER = "says-try-later"
FINAL_WHATEVER_IT_SAYS = frozenset(
    {Reason.VIRUS, Reason.TOO_BIG, Reason.CONTENT, Reason.PROTOCOL, Reason.RELAY_DENIED, Reason.AUTH}
)
"""Reasons that stay while nobody changes anything, however politely the text says "later"."""

DISAVOWS_THE_STATUS = frozenset({"network", "policy", "says-not-now", "says-try-later", "system-trouble"})
"""Weak wordings beside which a status proves nobody's death: "5.1.1 Temporary failure, try again later"."""

ABOUT_THE_SENDER = {
    Reason.BAD_MAILBOX: Meaning(reason=Reason.SENDER_REFUSED, fault=FineFault.SENDER_CONFIG),
    Reason.BAD_DOMAIN: Meaning(reason=Reason.SENDER_DNS, fault=FineFault.SENDER_CONFIG),
}
"""At MAIL no recipient was named yet: an address that is not known is the sender's."""


BEFORE_ANY_NAME = frozenset({Stage.CONNECT, Stage.GREETING})
REFUSES_US = Meaning(reason=Reason.IP_REPUTATION, fault=FineFault.SENDER_REPUTATION)
"""What "refused" and "policy" mean where a host knows nothing of us but our address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The sign that counts.

    :ivar rule: its name.
    """

    meaning: Meaning
    rule: str


def choose(signs: Signs) -> Choice:
    """The strongest sign, read for the stage it stands at."""
    choice = _strongest(signs)
    meaning = choice.meaning
    if signs.stage in BEFORE_ANY_NAME and _refuses_whoever_calls(signs, meaning):
        return replace(choice, meaning=REFUSES_US)
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
    if choice.rule.startswith("enhanced-"):
        named = BY_ENHANCED.get((meaning.reason, meaning.fault))
        if named in signs.rules.by_name:
            return named
    if signs.strong is not None and signs.strong.sites:
        return None  # what the provider means by it is known
    later = signs.rules.by_name.get(SAYS_LATER)
    if later is None or meaning.dead or meaning.reason in FINAL_WHATEVER_IT_SAYS:
        return None
    return later.name if later.fits(signs.text) else None


def _strongest(signs: Signs) -> Choice:
    status = enhanced_status(signs.enhanced) if signs.enhanced else None
    if signs.strong is not None and not (status is not None and _says_more(signs, status, signs.strong)):
        return Choice(meaning=signs.strong.meaning, rule=signs.strong.name)
    is_softened = status is not None and status.meaning.dead and signs.code // 100 == NOT_NOW
    if status is not None and not status.is_vague and not (is_softened and signs.weak is not None):
        return _by_enhanced(signs, status)
    if signs.weak is not None:
        return Choice(meaning=signs.weak.meaning, rule=signs.weak.name)
    if status is not None and status.meaning.reason is not Reason.UNKNOWN:
        return _by_enhanced(signs, status)
    _, meaning = code_meaning(signs.code, signs.stage)
    return Choice(meaning=meaning, rule=f"code-{signs.code}")


def _says_more(signs: Signs, status: EnhancedStatus, strong: Wording) -> bool:
    """Whether an exact enhanced status outranks a wording that names a thing."""
    if status.is_vague or signs.enhanced is None:
        return False
    is_of_address = status.meaning.dead and strong.meaning.reason is Reason.PROTOCOL  # "recipient syntax error"
    return is_of_address or (is_exchange(signs.enhanced) and not strong.sites)


def _by_enhanced(signs: Signs, status: EnhancedStatus) -> Choice:
    """What the enhanced status code says; where its class contradicts the reply code, the latter wins (RFC 3463).

    An address is dead by it only where neither the reply code nor the words say otherwise.
    """
    meaning = status.meaning
    is_disavowed = signs.weak is not None and signs.weak.name in DISAVOWS_THE_STATUS
    if signs.enhanced is None or signs.enhanced[0] != str(signs.code // 100) or is_disavowed:
        meaning = replace(meaning, dead=False)
    return Choice(meaning=meaning, rule=f"enhanced-{signs.enhanced}")


def _refuses_whoever_calls(signs: Signs, meaning: Meaning) -> bool:
    """Whether a refusal names no other reason than that it is we who call."""
    if meaning.reason in {Reason.POLICY, Reason.RECIPIENT_REFUSED} and meaning.fault is FineFault.POLICY:
        return signs.strong is None or signs.strong.meaning.reason is not Reason.POLICY
    return meaning.reason is Reason.NETWORK and "refused" in signs.text.words
