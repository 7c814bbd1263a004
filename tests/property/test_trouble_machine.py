"""A lane's trouble under any signs in any order: what may wait because of what, for how long, and what opens it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from softbounce_worker.lane.evidence import SCOPES, Evidence, Scope
from softbounce_worker.lane.gate import STEPS, Gate, Input, Output, Phase
from softbounce_worker.lane.signs import Reaction, Sign, Told
from softbounce_worker.lane.trouble import TroubleMachine
from softbounce_worker.lane.trouble_memory import recall, remember

from softbounce.settings import LaneRule
from softbounce.store.lanes import LaneState

RULE = LaneRule(close_first=timedelta(seconds=30), close_cap=timedelta(minutes=5), greylist=timedelta(minutes=30))
LONGEST = 300.0
CANARY_AT_MOST = 300.0
OF_MAIL = [one for one in Evidence if one not in {Evidence.NO_ROUTE, Evidence.ADDRESS, Evidence.NO_SESSION}]
History = list[tuple[float, Sign | None]]
DOMAINS = ["a.test", "b.test", "c.test", "d.test"]

signs = st.builds(
    Sign,
    evidence=st.sampled_from(OF_MAIL),
    identity=st.binary(min_size=1, max_size=1),
    recipient=st.sampled_from([f"r{number}@x.test" for number in range(8)]),
    domain=st.sampled_from(DOMAINS),
    sender=st.sampled_from(["one.test", "two.test"]),
    refused_for=st.sampled_from([None, 0.0, 60.0, 1800.0, 7200.0]),
    is_named=st.booleans(),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 10.0, 100.0, 400.0]), signs | st.none()), max_size=60)


def play(trouble: TroubleMachine, history: History) -> list[tuple[float, Sign | None, Reaction]]:
    """Let things happen after one another; ``None``: no session could be had. Whoever may go, goes as a canary."""
    now, told = 1000.0, []
    for pause, sign in history:
        now += pause
        reaction = Reaction()
        if sign is None:
            trouble.no_session(Told(), now)
        else:
            trouble.carries([sign.sender])
            if trouble.is_probing and not trouble.is_closed(now) and not trouble.waits_for_canary(now):
                trouble.send_canary(sign.identity, now)
            was_refused = sign.refused_for is not None
            trouble.wait_for(sign.domain, sign.sender, sign.identity, now, was_refused=was_refused)
            reaction = trouble.meet(sign, now)
        told.append((now, sign, reaction))
    return told


def test_every_phase_and_input_has_a_step() -> None:
    """The table is whole; by time alone only what waits for time moves."""
    missing = {(phase, what) for phase in Phase for what in Input} - set(STEPS)
    assert missing == {(Phase.OPEN, Input.TIME), (Phase.PROBING, Input.TIME)}


MOST_LOOKS = 10
"""So often one asks that waits for a canary of five minutes: soon at first, seldom in all."""


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 6.0, 31.0, 400.0]), st.sampled_from(Input)), max_size=40))
def test_a_gate_does_what_its_table_says(history: list[tuple[float, Input]]) -> None:
    """After each step it is in the phase of the table, and closed no longer than its rule says."""
    gate, now = Gate("a.test"), 1000.0
    for pause, what in history:
        now += pause
        before = gate.phase(now)
        if what is Input.TIME or (what is Input.BACK and before in {Phase.OPEN, Phase.CLOSED, Phase.PROBING}):
            continue
        output = gate.step(what, now, RULE, b"x")
        assert (gate.phase(now), output) == STEPS[before, what][:2]
        assert 0 <= gate.wait(now) <= LONGEST
        if output is Output.CLOSE:
            assert 24 <= gate.length <= LONGEST
        if gate.phase(now) is Phase.CLOSED:
            assert gate.phase(now + gate.wait(now)) is STEPS[Phase.CLOSED, Input.TIME].phase
        looks, later = 0, now
        while gate.phase(later) is Phase.WAITING:
            later, looks = later + gate.wait(later), looks + 1
        assert looks <= MOST_LOOKS


@settings(max_examples=300)
@given(steps)
def test_nobody_waits_longer_than_the_rule_says_and_somebody_may_always_go(history: History) -> None:
    """However things came, each envelope may go within the longest closing, or behind a canary that hangs."""
    trouble = TroubleMachine("a.test", RULE)
    told = play(trouble, history)
    now = told[-1][0] if told else 0.0
    for domain in DOMAINS:
        for was_refused in (True, False):
            wait = trouble.wait_for(domain, "one.test", b"new", now, was_refused=was_refused)
            assert 0 <= wait <= max(LONGEST, CANARY_AT_MOST) + 2
    later = now + LONGEST + CANARY_AT_MOST + 3
    assert not trouble.is_closed(later)
    assert not trouble.waits_for_canary(later)
    assert all(trouble.wait_for(domain, "one.test", b"new", later, was_refused=True) == 0 for domain in DOMAINS)


@settings(max_examples=300)
@given(steps)
def test_first_tries_are_evidence_of_nothing_unless_a_host_blames_itself(history: History) -> None:
    """With no further tries, no words that blame the host, and sessions, nothing closes and all is charged."""
    mild = [
        (pause, sign)
        for pause, sign in history
        if sign is not None and sign.evidence is not Evidence.SYSTEM and sign.refused_for in {None, 0.0, 60.0}
    ]
    trouble = TroubleMachine("a.test", RULE)
    for _, _, reaction in play(trouble, mild):
        assert (reaction.waits, reaction.closed) == (Scope.ENVELOPE, ())
    assert not trouble.is_probing
    assert not any(one.gate.failures for one in trouble.domains.values())


@settings(max_examples=300)
@given(steps, signs)
def test_any_reply_that_is_no_evidence_opens(history: History, sign: Sign) -> None:
    """A 550, a full mailbox, a refused sender, a message taken: the site is open by it, and so is its domain for it."""
    trouble = TroubleMachine("a.test", RULE)
    told = play(trouble, history)
    now = told[-1][0] if told else 0.0
    row = SCOPES[sign.evidence]
    if row.counts or not row.is_reply:
        return
    trouble.meet(sign, now)
    assert not trouble.is_probing
    assert trouble.wait_for(sign.domain, sign.sender, b"new", now, was_refused=False) == 0


@settings(max_examples=300)
@given(steps)
def test_one_domain_s_evidence_holds_back_nobody_else(history: History) -> None:
    """Whatever is seen of one domain, as long as sessions are had: another's mail never waits."""
    of_one = [(pause, sign) for pause, sign in history if sign is not None and sign.domain == "a.test"]
    trouble = TroubleMachine("a.test", RULE)
    for now, _, _ in play(trouble, of_one):
        assert not trouble.is_probing
        assert trouble.wait_for("b.test", "one.test", b"new", now, was_refused=False) == 0


@settings(max_examples=300)
@given(steps)
def test_one_tenant_s_evidence_holds_back_no_other(history: History) -> None:
    """Whatever is seen by one sender domain's mail to one domain: another's never waits."""
    of_one = [
        (pause, sign)
        for pause, sign in history
        if sign is not None and sign.sender == "one.test" and sign.domain == "a.test"
    ]
    trouble = TroubleMachine("a.test", RULE)
    for now, _, _ in play(trouble, of_one):
        assert trouble.wait_for("a.test", "two.test", b"new", now, was_refused=False) == 0


@settings(max_examples=300)
@given(steps)
def test_what_is_remembered_holds_the_same_mail_back(history: History) -> None:
    """The next owner closes what this one had closed, for as long; and what is open is forgotten."""
    trouble = TroubleMachine("a.test", RULE)
    told = play(trouble, history)
    now = told[-1][0] if told else 1000.0
    state = remember(trouble, now, 1_000_000_000, 0, {})
    again = recall(state, "a.test", RULE, now + 5, 1_000_005_000)
    assert again.is_probing == trouble.is_probing
    assert again.is_closed(now + 5) == trouble.is_closed(now + 5)
    for domain, one in trouble.domains.items():
        assert bool(again.domains[domain].gate.failures) == bool(one.gate.failures)
        assert again.domains[domain].senders == one.senders
        assert abs(again.domains[domain].gate.opens_at - one.gate.opens_at) < 0.01 or not one.gate.failures
    if not trouble.domains and not trouble.is_probing and not trouble.senders.known:
        assert state == LaneState()


@settings(max_examples=300)
@given(steps, st.lists(st.sampled_from([0.0, 1.0, 10.0, 400.0]), min_size=1, max_size=12), signs)
def test_a_domain_that_hangs_waits_alone_and_any_other_reply_opens_it(
    history: History, pauses: list[float], sign: Sign
) -> None:
    """However often it hangs, whatever was before: others wait no longer for it, it waits for minutes at most."""
    trouble = TroubleMachine("a.test", RULE)
    told = play(trouble, history)
    now = told[-1][0] if told else 1000.0
    for pause in pauses:
        now += pause
        before = {one: trouble.left_of(one, b"new", now, was_refused=False) for one in DOMAINS if one != sign.domain}
        was_closed = trouble.is_closed(now)
        closed = trouble.hangs(sign.domain, Told(text="no answer yet"), now)
        assert closed is None or (closed.domain == sign.domain and closed.seconds <= LONGEST)
        assert 0 < trouble.wait_for(sign.domain, "any.test", b"new", now, was_refused=False) <= LONGEST + 2
        assert trouble.is_closed(now) == was_closed
        assert before == {one: trouble.left_of(one, b"new", now, was_refused=False) for one in before}
    if not SCOPES[sign.evidence].counts and SCOPES[sign.evidence].is_reply:
        trouble.meet(sign, now)
        assert trouble.wait_for(sign.domain, "any.test", b"new", now, was_refused=False) == 0
