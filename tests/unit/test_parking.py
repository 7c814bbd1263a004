"""A final refusal for our IP, DNS or signature waits to be mended, where the policy does not say otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from softbounce.classify import classify, parse_reply_text
from softbounce.decide import Bounce, Cause, Defer, decide
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.parking import PARKED_DELAYS, park
from softbounce.settings import BUILT_IN, Policy, ReplyRule, Settings
from softbounce.stage import Stage
from softbounce.verdict import Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARKS = [
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example", Stage.RCPT),
    ("550 5.7.25 The IP address sending this message does not have a PTR record", Stage.END_OF_DATA),
    ("550 5.7.26 This mail is unauthenticated: DKIM did not pass", Stage.END_OF_DATA),
    ("550 5.7.1 your IP has a poor reputation", Stage.MAIL),
]
BOUNCES = [
    ("550 5.1.1 no such user", Stage.RCPT),
    ("554 5.7.1 message looks like spam", Stage.END_OF_DATA),
    ("550 sender address rejected: badmailfrom", Stage.MAIL),
    ("554 5.7.1 relay access denied", Stage.RCPT),
]


def judged(text: str, stage: Stage, settings: Settings = BUILT_IN) -> Verdict:
    """The verdict on a reply that is written as text."""
    return classify(parse_reply_text(text), stage=stage, site=None, settings=settings)


def history(*attempts: Attempt) -> History:
    """The past of an envelope that was accepted just now."""
    return History(id=b"m" * 18, created_at=NOW, attempts=attempts)


@pytest.mark.parametrize(("text", "stage"), PARKS)
def test_what_blames_our_ip_dns_or_signature_parks(text: str, stage: Stage) -> None:
    """It is deferred, by an hour at least, and says why."""
    decision = decide(BUILT_IN.policies["default"], history(), judged(text, stage), NOW)
    assert isinstance(decision, Defer)
    assert decision.at is not None
    assert NOW + timedelta(hours=1) <= decision.at <= NOW + timedelta(minutes=80)
    assert "our own IP, DNS or signature" in decision.why


@pytest.mark.parametrize(("text", "stage"), BOUNCES)
def test_what_blames_the_address_the_message_or_the_senders_name_bounces(text: str, stage: Stage) -> None:
    """Nothing of that mends itself."""
    decision = decide(BUILT_IN.policies["default"], history(), judged(text, stage), NOW)
    assert isinstance(decision, Bounce)
    assert decision.cause is Cause.REJECTED


@pytest.mark.parametrize(("text", "stage"), PARKS)
def test_a_policy_may_give_up_at_once(text: str, stage: Stage) -> None:
    """``sender_fault = "bounce"``."""
    policy = Policy(name="p", sender_fault="bounce")
    assert isinstance(decide(policy, history(), judged(text, stage), NOW), Bounce)


def test_a_rule_of_the_users_that_says_no_is_final() -> None:
    """``retry = false`` is his word; a reason alone is not."""
    text, stage = PARKS[0]
    final = msgspec.structs.replace(BUILT_IN, reply=(ReplyRule(name="mine", code="554", retry=False),))
    named = msgspec.structs.replace(BUILT_IN, reply=(ReplyRule(name="mine", code="55?", reason="ip_reputation"),))
    policy = BUILT_IN.policies["default"]
    assert isinstance(decide(policy, history(), judged(text, stage, final), NOW), Bounce)
    assert isinstance(decide(policy, history(), judged("550 no", Stage.DATA, named), NOW), Bounce)
    blamed = ReplyRule(name="mine", code="55?", reason="ip_reputation", fault="sender_reputation")
    ours = msgspec.structs.replace(BUILT_IN, reply=(blamed,))
    assert isinstance(decide(policy, history(), judged("550 no", Stage.DATA, ours), NOW), Defer)


def test_parked_mail_is_promoted_when_its_window_closes() -> None:
    """The last word is the reason that it waited for."""
    text, stage = PARKS[0]
    late = NOW + timedelta(days=5)
    decision = decide(BUILT_IN.policies["default"], history(), judged(text, stage), late)
    assert isinstance(decision, Bounce)
    assert decision.cause is Cause.PROMOTED


def test_each_wait_of_parked_mail_is_longer_than_the_last() -> None:
    """An hour, then hours."""
    text, stage = PARKS[0]
    verdict = judged(text, stage)
    past: list[Attempt] = []
    waits: list[timedelta] = []
    now = NOW
    policy = Policy(name="p", jitter=0.0)
    for number in range(1, 7):
        decision = decide(policy, history(*past), verdict, now)
        assert isinstance(decision, Defer)
        assert decision.at is not None
        waits.append(decision.at - now)
        past.append(Attempt(number=number, started_ms=0, ended_ms=0, rule=verdict.rule))
        now = decision.at
    assert waits == [*PARKED_DELAYS, PARKED_DELAYS[-1], PARKED_DELAYS[-1]]


def test_what_parks_suppresses_nobody_and_is_decided() -> None:
    """Whatever the reply's rule says of the address: it was our fault. And the waits are these, hours long."""
    told = replace(judged(*PARKS[0]), suppress=True, undecided=True, delays=())
    parked = park(told, Policy(name="default"))
    assert (parked.retry, parked.suppress, parked.undecided) == (True, False, False)
    assert [wait.total_seconds() / 3600 for wait in parked.delays] == [7 / 6, 2, 4, 6]
