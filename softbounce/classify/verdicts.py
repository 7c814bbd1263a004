"""The verdict on a reply or a trouble: collects the signs, weighs them, and lets the user's rules have the last word.

Signs, strongest first: a wording that names a thing, an exact enhanced status code, a weak wording, a vague enhanced
status code, the reply code at its stage. The strongest gives reason and fault; *whether to try again* is not weighed
at all but follows from the first digit, the stage and the named rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from softbounce.classify.choice import Choice, choose, retrying_rule
from softbounce.classify.rule_pack import PREFIX, active_rules
from softbounce.classify.signs import Signs
from softbounce.classify.stated_wait import stated_wait
from softbounce.classify.troubles import judge_trouble
from softbounce.classify.user_rules import apply_user_rules
from softbounce.meaning import coarse_fault
from softbounce.parking import blames_sender
from softbounce.reply import Reply, Trouble
from softbounce.reply_codes import NEVER, NOT_NOW, SESSION_STAGES, is_positive_at
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord

__all__ = ["classify"]

POSITIVE = Verdict(word=VerdictWord.DELIVERED, rule=PREFIX + "positive")
DISPUTED = frozenset({Reason.IP_REPUTATION, Reason.UNKNOWN})
"""Where a final reply is often withdrawn within hours, so that knowledgeable sources differ on retrying."""


def classify(what: Reply | Trouble, *, stage: Stage | None, site: str | None, settings: Settings) -> Verdict:
    """Say what a reply, or the trouble in its place, means. Total: any reply and any trouble has a verdict.

    ``delivered`` means *positive*: the step succeeded. Only at ``end_of_data`` does it mean that mail was delivered.
    A 452 or 552 that follows accepted recipients in one transaction (RFC 5321 §4.5.3.1.10) is the session's business:
    this function sees one reply alone.

    :param stage: the step that was under way; ``None``: not known, as for replies from a log.
    :param site: the site that spoke, for rules that are bound to one; ``None``: not known.
    """
    match what:
        case Reply():
            if is_positive_at(what.code, stage):
                return POSITIVE
            verdict = _judge_reply(what, stage, site, settings)
        case Trouble():
            verdict = judge_trouble(what, stage)
        case _:
            assert_never(what)
    if settings.reply:
        return apply_user_rules(settings.reply, what, verdict, stage=stage, site=site)
    return verdict


def _judge_reply(reply: Reply, stage: Stage | None, site: str | None, settings: Settings) -> Verdict:
    digit = reply.code // 100
    if digit not in (NOT_NOW, NEVER):
        return Verdict(
            word=VerdictWord.SOFT,
            fault=Fault.SYSTEM,
            fine_fault=FineFault.RECEIVER_SYSTEM,
            reason=Reason.PROTOCOL,
            rule=PREFIX + "unexpected-code",
            stage=stage,
        )
    rules = active_rules(settings.rule_pack, settings.disabled_rules)
    signs = Signs.read(reply, stage=stage, site=site, rules=rules)
    choice = choose(signs)
    verdict = replace(_as_soft(choice, stage), stated=stated_wait(signs.raw))
    if digit == NOT_NOW:
        return verdict
    if stage in SESSION_STAGES:  # soft, for it must not bounce a backlog; but nobody promises that it will be withdrawn
        if stage is Stage.AUTH:  # a smarthost does not know us: nobody else is to blame, whatever its words are
            return replace(verdict, fault=Fault.SENDER, fine_fault=FineFault.SENDER_CONFIG, reason=Reason.AUTH)
        return replace(verdict, fault=Fault.SYSTEM, undecided=retrying_rule(signs, choice) is None)
    retrying = retrying_rule(signs, choice)
    if retrying is not None:
        return replace(verdict, rule=PREFIX + retrying)
    is_about_one = stage in (Stage.RCPT, Stage.DATA, Stage.END_OF_DATA, None)
    return replace(
        verdict,
        word=VerdictWord.HARD,
        stated=None,
        may_park=blames_sender(choice.meaning.fault, choice.meaning.reason),
        suppress=choice.meaning.dead and is_about_one,
        undecided=choice.meaning.reason in DISPUTED,
    )


def _as_soft(choice: Choice, stage: Stage | None) -> Verdict:
    meaning = choice.meaning
    return Verdict(
        word=VerdictWord.SOFT,
        fault=coarse_fault(meaning.fault, meaning.reason),
        fine_fault=meaning.fault,
        reason=meaning.reason,
        rule=PREFIX + choice.rule,
        stage=stage,
    )
