"""A user's own rules: when they fit, and what they leave of the built-in verdict."""

from __future__ import annotations

import msgspec
import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.settings import BUILT_IN, ReplyRule
from softbounce.stage import Stage
from softbounce.verdict import Reason, Verdict, VerdictWord


def judge(text: str, *rules: ReplyRule) -> Verdict:
    """The verdict on a reply at RCPT under these rules."""
    settings = msgspec.structs.replace(BUILT_IN, reply=rules)
    return classify(parse_reply_text(text), stage=Stage.RCPT, site=None, settings=settings)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("pleine", True),
        ("boite*pleine", True),
        ("BOITE * pleine*merci", True),
        ("*pleine*", True),
        ("pleine*boite", False),
        ("boite*boite", False),
        ("merci*merci", False),
        ("ei*in", False),
        ("vide", False),
    ],
)
def test_pieces_of_text_stand_in_their_order_and_not_in_each_other(text: str, fits: bool) -> None:
    """From the first letter to the last."""
    verdict = judge("552 boite de reception pleine, merci", ReplyRule(name="mine", text=text))
    assert (verdict.rule == "mine") is fits


def test_a_rule_that_says_no_reason_keeps_the_built_in_one() -> None:
    """Its own otherwise."""
    assert judge("552 5.2.2 mailbox full", ReplyRule(name="mine")).reason is Reason.MAILBOX_FULL
    assert judge("552 5.2.2 mailbox full", ReplyRule(name="mine", reason="content")).reason is Reason.CONTENT


@pytest.mark.parametrize(
    ("text", "rule", "may_park"),
    [
        ("550 5.7.26 DMARC policy", ReplyRule(name="mine"), True),
        ("550 5.7.26 DMARC policy", ReplyRule(name="mine", retry=False), False),
        ("550 5.7.26 DMARC policy", ReplyRule(name="mine", retry=True), False),
        ("550 5.7.26 DMARC policy", ReplyRule(name="mine", reason="content", fault="message"), False),
        ("550 5.1.1 no such user", ReplyRule(name="mine"), False),
        ("550 5.1.1 no such user", ReplyRule(name="mine", reason="auth", fault="sender"), True),
        ("450 4.7.26 DMARC policy", ReplyRule(name="mine"), False),
    ],
)
def test_what_a_rule_does_not_say_may_still_park(text: str, rule: ReplyRule, may_park: bool) -> None:
    """A 5xx that blames the sender; a rule that says whether to retry is obeyed."""
    assert judge(text, rule).may_park is may_park


def test_a_rule_that_says_whether_to_retry_decides() -> None:
    """Where knowledgeable sources differ, too; one that does not say leaves it open."""
    text = "550 5.7.1 your IP address is on our blocklist"
    assert judge(text).undecided
    assert judge(text, ReplyRule(name="mine", window=None)).undecided
    for retry in (True, False):
        verdict = judge(text, ReplyRule(name="mine", retry=retry))
        assert (verdict.undecided, verdict.word is VerdictWord.SOFT) == (False, retry)
