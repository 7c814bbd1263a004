"""The user's own reply rules: the first that fits replaces those answers of the built-in verdict that it gives.

Globs (``*``, ``?``) stand in ``code``, ``enhanced``, ``site`` and ``stage``. ``text`` is looked for anywhere in the
text, case ignored; ``*`` in it stands for anything in between. No regular expressions: a reply's text is hostile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from softbounce.classify.wording import TEXT_LIMIT
from softbounce.globs import matches
from softbounce.meaning import coarse_fault
from softbounce.parking import blames_sender
from softbounce.reply import Reply, Trouble
from softbounce.settings import ReplyRule
from softbounce.stage import Stage
from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord

__all__ = ["apply_user_rules"]

FINE_OF_COARSE = {
    Fault.RECIPIENT: FineFault.RECIPIENT,
    Fault.MESSAGE: FineFault.MESSAGE,
    Fault.SENDER: FineFault.SENDER_CONFIG,
    Fault.SYSTEM: FineFault.RECEIVER_SYSTEM,
}
REASONS = {reason.value: reason for reason in Reason}
FAULTS = {fault.value: fault for fault in Fault}
FINE_FAULTS = {fault.value: fault for fault in FineFault}


def apply_user_rules(
    rules: Iterable[ReplyRule], what: Reply | Trouble, verdict: Verdict, *, stage: Stage | None, site: str | None
) -> Verdict:
    """The verdict after the first rule that fits; the built-in one where none does."""
    text = what.text[:TEXT_LIMIT].casefold()
    code = str(what.code) if isinstance(what, Reply) else None
    for rule in rules:
        if (
            matches(rule.code, code)
            and matches(rule.enhanced, what.enhanced)
            and matches(rule.site, site)
            and matches(rule.stage, stage)
            and _is_in(rule.text, text)
        ):
            return _overrule(verdict, rule)
    return verdict


def _is_in(wanted: str | None, text: str) -> bool:
    """Whether the pieces of *wanted* between its stars stand in *text* in this order."""
    if wanted is None:
        return True
    position = 0
    for piece in wanted.casefold().split("*"):
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _overrule(verdict: Verdict, rule: ReplyRule) -> Verdict:
    word = verdict.word
    if rule.retry is not None:
        word = VerdictWord.SOFT if rule.retry else VerdictWord.HARD
    reason = REASONS.get(rule.reason or "", verdict.reason or Reason.UNKNOWN)
    fault, fine = verdict.fault, verdict.fine_fault
    if rule.fault in FINE_FAULTS:
        fine = FINE_FAULTS[rule.fault]
        fault = coarse_fault(fine, reason)
    elif rule.fault in FAULTS:
        fault = FAULTS[rule.fault]
        fine = FINE_OF_COARSE[fault]
    suppress = verdict.suppress if rule.suppress is None else rule.suppress
    return replace(
        verdict,
        word=word,
        suppress=suppress and word is VerdictWord.HARD,
        fault=fault,
        fine_fault=fine,
        reason=reason,
        rule=rule.name,
        delays=rule.delays,
        window=rule.window,
        stated=None if rule.delays else verdict.stated,
        may_park=word is VerdictWord.HARD and rule.retry is None and blames_sender(fine, reason),
        undecided=verdict.undecided and rule.retry is None,
    )
