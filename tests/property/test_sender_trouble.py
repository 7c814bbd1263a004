"""Sender domains in trouble at a lane, under any signs in any order: whose mail waits, for how long, what opens it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from softbounce_worker.lane.evidence import SCOPES, Evidence, Scope
from softbounce_worker.lane.sender_trouble import ENOUGH, MOST_SENDERS
from softbounce_worker.lane.signs import Sign, Told
from softbounce_worker.lane.trouble import TroubleMachine
from softbounce_worker.lane.trouble_memory import KEPT_SENDERS, recall, remember

from softbounce.parking import PARKED_DELAYS
from softbounce.settings import LaneRule

RULE = LaneRule(close_first=timedelta(seconds=30), close_cap=timedelta(minutes=5), greylist=timedelta(minutes=30))
LONGEST = PARKED_DELAYS[-1].total_seconds() * 1.2
CANARY_AT_MOST = 300.0
SENDERS = ["one.test", "two.test", "three.test"]
OF_MAIL = [one for one in Evidence if one not in {Evidence.NO_ROUTE, Evidence.ADDRESS, Evidence.NO_SESSION}]
OURS = ("ip_reputation", "sender_dns")

signs = st.builds(
    Sign,
    evidence=st.sampled_from([*OF_MAIL, *[Evidence.SENDER] * 12]),
    identity=st.integers(0, 40).map(lambda number: bytes([number, 0, 0])),
    recipient=st.just("r@a.test"),
    domain=st.sampled_from(["a.test", "b.test"]),
    sender=st.sampled_from(SENDERS),
    refused_for=st.sampled_from([None, 0.0, 60.0, 7200.0]),
    is_named=st.booleans(),
    blames_by_words=st.booleans(),
    parked=st.sampled_from([(), PARKED_DELAYS]),
    told=st.sampled_from([Told(reason="auth"), Told(reason="policy"), Told(reason="ip_reputation")]),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 100.0, 6000.0]), signs), max_size=80)
History = list[tuple[float, Sign]]


def play(trouble: TroubleMachine, history: History) -> float:
    """Let things happen after one another; whoever may go, goes as a canary. When the last was."""
    now = 1000.0
    for pause, sign in history:
        now += pause
        trouble.senders.wait_for(sign.sender, sign.identity, now, RULE)
        trouble.meet(sign, now)
    return now


@settings(max_examples=300)
@given(steps)
def test_one_sender_s_evidence_holds_back_no_other(history: History) -> None:
    """Whatever is seen by one sender domain's mail: another's never waits for its sender."""
    trouble = TroubleMachine("a.test", RULE)
    now = play(trouble, [(pause, sign) for pause, sign in history if sign.sender == "one.test"])
    assert trouble.senders.wait_for("two.test", b"new", now, RULE) == 0


@settings(max_examples=300)
@given(steps)
def test_nobody_waits_longer_than_the_closing_and_somebody_may_always_go(history: History) -> None:
    """However things came, each may go within the longest closing, or behind a canary that hangs."""
    trouble = TroubleMachine("a.test", RULE)
    now = play(trouble, history)
    for sender in SENDERS:
        assert 0 <= trouble.senders.wait_for(sender, b"new", now, RULE) <= LONGEST + 1
    later = now + LONGEST + CANARY_AT_MOST + 3
    assert all(trouble.senders.wait_for(sender, b"other", later, RULE) == 0 for sender in SENDERS)


@settings(max_examples=300)
@given(steps, signs)
def test_any_reply_that_does_not_blame_the_sender_opens(history: History, sign: Sign) -> None:
    """A message taken, a 550, "not now": what waits for the sender goes, and is told to be brought forward."""
    trouble = TroubleMachine("a.test", RULE)
    now = play(trouble, history)
    if sign.evidence in {Evidence.SENDER, Evidence.SILENCE}:
        return
    was_closed = trouble.senders.is_closed(sign.sender)
    reaction = trouble.meet(sign, now)
    assert trouble.senders.wait_for(sign.sender, b"new", now, RULE) == 0
    assert reaction.opened_senders == ((sign.sender,) if was_closed else ())


@settings(max_examples=300)
@given(steps)
def test_few_messages_and_first_tries_without_words_close_nothing(history: History) -> None:
    """Less than five replies, or a status alone to a named recipient at its first try: greylisting looks like that."""
    trouble = TroubleMachine("a.test", RULE)
    mild = [
        (pause, sign)
        for pause, sign in history
        if sign.evidence is not Evidence.SENDER
        or (sign.is_named and not sign.blames_by_words and sign.refused_for != 7200.0)
        or sign.identity in {bytes([number, 0, 0]) for number in range(ENOUGH - 1)}
    ]
    play(trouble, mild)
    assert not any(trouble.senders.is_closed(sender) for sender in SENDERS)


@settings(max_examples=300)
@given(steps)
def test_a_charged_refusal_is_one_of_a_sender_that_is_open(history: History) -> None:
    """What is refused while its sender is closed waits for that, uncharged; and closing is what does not charge."""
    trouble, now = TroubleMachine("a.test", RULE), 1000.0
    for pause, sign in history:
        now += pause
        trouble.senders.wait_for(sign.sender, sign.identity, now, RULE)
        reaction = trouble.senders.meet(sign, now, RULE)
        is_closed = trouble.senders.is_closed(sign.sender)
        if sign.evidence is Evidence.SENDER:
            assert (reaction.waits is Scope.SENDER) == is_closed
        assert all(one.sender == sign.sender for one in reaction.closed)


@settings(max_examples=300)
@given(steps)
def test_what_is_remembered_of_senders_holds_the_same_mail_back(history: History) -> None:
    """The next owner closes for whom this one did, as long, and goes on to bring forward whose line was not empty."""
    trouble = TroubleMachine("a.test", RULE)
    now = play(trouble, history)
    state = remember(trouble, now, 1_000_000_000, 0, {})
    again = recall(state, "a.test", RULE, now + 5, 1_000_005_000)
    for sender in SENDERS:
        assert again.senders.is_closed(sender) == trouble.senders.is_closed(sender)
        one = trouble.senders.known.get(sender)
        if one is not None and (one.is_closed or one.is_draining):
            assert again.senders.known[sender].is_draining == one.is_draining
        if one is not None and one.is_closed:
            assert abs(again.senders.known[sender].gate.opens_at - one.gate.opens_at) < 0.01
            assert again.senders.known[sender].parked == one.parked


def test_senders_are_bounded_in_memory_and_in_the_store() -> None:
    """Tenants choose them: the oldest are forgotten, and what waits for those comes forward."""
    trouble, forgotten = TroubleMachine("a.test", RULE), 0
    for number in range(MOST_SENDERS + 50):
        for message in range(ENOUGH):
            sign = Sign(
                evidence=Evidence.SENDER,
                identity=number.to_bytes(4) + bytes([message, 0, 0]),
                recipient="r@a.test",
                domain="a.test",
                sender=f"s{number}.test",
                blames_by_words=True,
            )
            forgotten += len(trouble.meet(sign, 1000.0 + number).opened_senders)
    assert len(trouble.senders.known) == MOST_SENDERS
    assert forgotten == 50
    assert len(remember(trouble, 2000.0, 1_000_000_000, 0, {}).senders) == KEPT_SENDERS


def test_every_row_that_blames_a_sender_is_of_that_scope() -> None:
    """And no other is."""
    assert [one for one, row in SCOPES.items() if row.scope is Scope.SENDER] == [Evidence.SENDER]
