"""What holds for every schedule and every reply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from softbounce.classify import classify, parse_reply_text
from softbounce.decide import Defer, decide, last_moment, rederive
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.plan import Mark, PromotedBy, plan
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import BUILT_IN, Policy, Settings
from softbounce.stage import Stage
from softbounce.verdict import Verdict, VerdictWord

START = datetime(2030, 1, 1, tzinfo=UTC)
SOFT = Verdict(word=VerdictWord.SOFT, rule="r")
RULES_OFF = Settings(disabled_rules=("*",))


def durations(least: int, most: int) -> st.SearchStrategy[timedelta]:
    """Durations in whole milliseconds."""
    return st.integers(least, most).map(lambda ms: timedelta(milliseconds=ms))


policies = st.builds(
    Policy,
    name=st.just("p"),
    window=durations(1, 10**9),
    first=durations(10_000, 10**8),
    factor=st.floats(1, 10),
    cap=durations(1_000_000, 10**9),
    jitter=st.floats(0, 1),
    delays=st.lists(durations(1_000_000, 10**8), max_size=4).map(tuple),
    max_attempts=st.integers(0, 30),
    final_attempt=st.booleans(),
)
texts = st.text(max_size=200) | st.sampled_from(
    ["User unknown", "Mailbox full", "Try again later", "Greylisted", "Blocked, spam", "too many connections"],
)
replies = st.builds(
    Reply,
    code=st.integers(-5, 1100) | st.integers(200, 599),
    enhanced=st.none() | st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True) | st.text(max_size=6),
    lines=st.lists(texts, max_size=4).map(tuple),
)
stages = st.none() | st.sampled_from(Stage)
sites = st.none() | st.sampled_from(["yahoodns.net", "outlook.com", "a.example"])


@settings(max_examples=60, deadline=None)
@given(policies, st.binary(min_size=16, max_size=16), durations(0, 5000))
def test_a_schedule_is_monotone_and_ends_by_expiry(policy: Policy, identity: bytes, latency: timedelta) -> None:
    """Attempts follow one another, none starts at or after expiry, and the end is the window or max_attempts."""
    made = plan(policy, id=identity, latency=latency)
    offsets = [attempt.offset for attempt in made.attempts]
    assert offsets[0] == timedelta(0)
    assert all(later >= earlier + latency for earlier, later in pairwise(offsets))
    assert all(offset < policy.window for offset in offsets)
    if policy.max_attempts:
        assert len(offsets) <= policy.max_attempts
    if made.promoted_by is PromotedBy.WINDOW and not made.is_cut:
        assert policy.window <= made.promoted_at <= policy.window + latency
        assert made.attempts[-1].mark is Mark.LAST


@settings(max_examples=60, deadline=None)
@given(policies, st.integers(0, 10**9))
def test_a_window_is_never_wasted(policy: Policy, elapsed_ms: int) -> None:
    """Before the last moment there is always another attempt, at the last moment at the latest."""
    policy = Policy(name="p", window=policy.window, first=policy.first, jitter=policy.jitter)
    history = History(id=bytes(16), created_at=START)
    now = START + timedelta(milliseconds=elapsed_ms)
    decision = decide(policy, history, SOFT, now)
    latest = last_moment(policy, history)
    if now < latest:
        assert isinstance(decision, Defer)
        assert decision.at is not None
        assert now <= decision.at <= latest


@settings(max_examples=60, deadline=None)
@given(policies, st.lists(st.integers(0, 10**8), min_size=1, max_size=5), st.integers(0, 10**9))
def test_a_reload_stays_within_the_window(policy: Policy, gaps: list[int], elapsed_ms: int) -> None:
    """A rederived attempt starts before expiry, whatever policy made the record; asking again answers the same."""
    attempts: list[Attempt] = []
    at = to_epoch_ms(START)
    for number, gap in enumerate(gaps, start=1):
        at += gap
        attempts.append(Attempt(number=number, started_ms=at, ended_ms=at, rule="r"))
    history = History(id=bytes(16), created_at=START, attempts=attempts)
    now = START + timedelta(milliseconds=elapsed_ms)
    next_at, expires = rederive(policy, history, now)
    assert next_at is None or next_at < expires
    assert rederive(policy, history, now) == (next_at, expires)


@given(replies, stages, sites)
def test_classify_is_total(reply: Reply, stage: Stage | None, site: str | None) -> None:
    """Any reply at any stage has a verdict; only what is hard suppresses; a success needs a positive code."""
    verdict = classify(reply, stage=stage, site=site, settings=BUILT_IN)
    assert not (verdict.suppress and verdict.word is not VerdictWord.HARD)
    if verdict.word is VerdictWord.DELIVERED:
        assert reply.code // 100 == 2 or (reply.code, stage) in {(354, Stage.DATA), (334, Stage.AUTH)}
    else:
        assert verdict.fault
        assert verdict.reason
    if verdict.word is VerdictWord.HARD:
        assert reply.code // 100 == 5


@given(st.sampled_from(TroubleKind), st.text(max_size=50), st.booleans(), stages)
def test_every_trouble_has_a_verdict(kind: TroubleKind, text: str, permanent: bool, stage: Stage | None) -> None:
    """A trouble is soft or hard, never a delivery."""
    trouble = Trouble(kind=kind, text=text, permanent=permanent)
    assert classify(trouble, stage=stage, site=None, settings=BUILT_IN).word is not VerdictWord.DELIVERED


@given(replies, texts, stages)
def test_S10_with_rules_off_the_text_decides_nothing(reply: Reply, other: str, stage: Stage | None) -> None:
    """Texts exchanged, rules off: the verdict's word stays the same."""
    changed = Reply(code=reply.code, enhanced=reply.enhanced, lines=(other,))
    before = classify(reply, stage=stage, site=None, settings=RULES_OFF)
    assert classify(changed, stage=stage, site=None, settings=RULES_OFF).word is before.word


@given(st.integers(0, 999), st.text(max_size=300))
def test_any_text_after_a_code_is_read(code: int, text: str) -> None:
    """Three digits and a space make a reply, whatever follows; controls are gone from it."""
    reply = parse_reply_text(f"{code:03} {text}")
    assert reply.code == code
    assert "\x1b" not in reply.text
