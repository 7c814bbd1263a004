"""What makes a stream's brake hold it, and what does not."""

from __future__ import annotations

import pytest
from softbounce_scheduler import stream_evidence
from softbounce_scheduler.stream_evidence import OLDEST_MS, StreamEvidence, Word, told_of_ms, word_of

from softbounce.events import StoredEvent
from softbounce.settings import BrakeRule, Settings

T = 1_800_000_000_000


def event(number: int, kind: str, *, stream: str = "news", **more: object) -> StoredEvent:
    """One of an envelope."""
    given = {"attempt": 1, "stage": "rcpt", **more}
    return StoredEvent(kind=kind, id=number.to_bytes(16), stream=stream, **given)  # type: ignore[arg-type]


def taken(number: int, **more: object) -> StoredEvent:
    """A delivery."""
    return event(number, "delivered", code=250, **more)


def dead(number: int, **more: object) -> StoredEvent:
    """A rejection."""
    return event(number, "bounced", **{"code": 550, "cause": "rejected", "fault": "recipient", **more})


def parked(number: int, **more: object) -> StoredEvent:
    """A deferral that blames the sender."""
    return event(number, "deferred", **{"code": 550, "fault": "sender", **more})


def complained(number: int, **more: object) -> StoredEvent:
    """A complaint, as a provider reports it."""
    return event(number, "complained", **{"stage": None, "fault": "sender", "reason": "complaint", **more})


def judge(events: list[StoredEvent], rule: BrakeRule, *, apart_ms: int = 1) -> str | None:
    """The reason for which the stream is held after these, if it is."""
    evidence = StreamEvidence(Settings(brake=(rule,)))
    for number, one in enumerate(events):
        evidence.hear(one, T + number * apart_ms)
    hold = evidence.too_much("news")
    return None if hold is None else hold.reason


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (taken(1), Word.TAKEN),
        (event(1, "delivered_late", code=250), Word.TAKEN),
        (dead(1), Word.HARD),
        (dead(1, fault="message"), Word.HARD),
        (dead(1, fault=None), Word.HARD),
        (dead(1, cause="unroutable", code=None, stage="route"), Word.HARD),
        (dead(1, fault="sender"), Word.SENDER_FAULT),
        (dead(1, cause="promoted"), None),
        (dead(1, cause="promoted", fault="sender"), None),
        (dead(1, cause="uncertain"), None),
        (parked(1), Word.SENDER_FAULT),
        (parked(1, stage="mail"), Word.SENDER_FAULT),
        (parked(1, stage="greeting"), None),
        (parked(1, fault="recipient"), Word.ASKED),
        (parked(1, fault="recipient", stage="mail"), None),
        (parked(1, fault="system", stage="end_of_data"), Word.ASKED),
        (parked(1, code=None, fault="system"), None),
        (parked(1, attempt=0), None),
        (event(1, "returned", stage=None, suppress=True, code=550), Word.HARD),
        (event(1, "returned", stage=None, suppress=False, code=552), None),
        (event(1, "returned", stage=None, suppress=True, code=550, attempt=0), None),
        (complained(1), Word.COMPLAINT),
        (complained(1, attempt=0, stream=""), None),
        (event(1, "held"), None),
        (event(1, "uncertain", code=None), None),
        (event(1, "stream_held"), None),
    ],
)
def test_what_an_event_says_of_its_stream(told: StoredEvent, word: Word | None) -> None:
    """A promotion, an unanswered attempt and what no host had a word on say nothing."""
    assert word_of(told) is word


TEN = BrakeRule(hard=0.1)


@pytest.mark.parametrize(
    ("refused", "others", "rule", "held"),
    [
        (15, 85, TEN, True),
        (10, 90, TEN, False),
        (11, 89, TEN, True),
        (50, 49, TEN, False),
        (50, 50, TEN, True),
        (50, 50, BrakeRule(sender_fault=0.1), False),
        (4, 6, BrakeRule(hard=0.1, at_least=10), False),
        (5, 5, BrakeRule(hard=0.1, at_least=10), True),
        (5, 95, BrakeRule(hard=0.01), True),
        (0, 200, TEN, False),
    ],
)
def test_a_share_of_the_last_messages_is_too_much(refused: int, others: int, rule: BrakeRule, *, held: bool) -> None:
    """More than the share, of enough messages, and more than chance."""
    events = [dead(number) for number in range(refused)] + [taken(1000 + number) for number in range(others)]
    assert judge(events, rule) == ("hard_bounces" if held else None)


def test_a_message_counts_once_as_it_was_heard_last() -> None:
    """Sixty that are parked, each asked for ten times, are sixty; those that are taken in the end speak for it."""
    rule = BrakeRule(sender_fault=0.5, of=200)
    again = [parked(number) for _ in range(10) for number in range(60)]
    others = [taken(1000 + number) for number in range(40)]
    assert judge(again + others, rule) == "sender_faults"
    assert judge(again + others + [taken(number) for number in range(20)], rule) is None
    assert judge([*again, *others[:39]], rule) is None  # ninety-nine messages, however often


def test_a_message_that_is_complained_of_was_taken_first_and_is_no_refusal() -> None:
    """Of a thousand that were taken so many are called spam; one that is not among the last counts as one more."""
    rule = BrakeRule(hard=0.001, sender_fault=0.001, complaints=0.005, of=1000)
    took = [taken(number) for number in range(1000)]
    assert judge([*took, *(complained(number) for number in range(990, 995))], rule) is None
    assert judge([*took, *(complained(number) for number in range(990, 996))], rule) == "complaints"
    assert judge([*took, *(complained(number) for number in range(5000, 5006))], rule) == "complaints"
    assert judge([*took, *(complained(990) for _ in range(100))], rule) is None


def test_what_comes_late_speaks_of_when_its_mail_was_sent() -> None:
    """A complaint of after a release, of mail of before it, does not hold the stream again."""
    identity = (0).to_bytes(2) + (3 << 42 | T).to_bytes(6) + bytes(8)
    for kind, when in (("complained", T), ("returned", T), ("bounced", T + 5), ("delivered", T + 5)):
        assert told_of_ms(StoredEvent(kind=kind, id=identity), T + 5) == when


def test_a_list_whose_hosts_greylist_is_not_all_dead_at_first() -> None:
    """Those that were put off count as asked: else only the dead ones would have answered by then."""
    asked = [parked(1000 + number, fault="recipient", code=450) for number in range(95)]
    assert judge([*asked, *(dead(number) for number in range(5))], TEN) is None


def test_only_the_last_messages_count() -> None:
    """What is behind so many others, or older than a day, is forgotten."""
    rule = BrakeRule(hard=0.1, of=200)
    bad, good = [dead(number) for number in range(60)], [taken(1000 + number) for number in range(140)]
    assert judge(bad + good, rule) == "hard_bounces"
    assert judge(bad + good + [taken(5000 + number) for number in range(40)], rule) is None
    assert judge(bad + good, BrakeRule(hard=0.1), apart_ms=OLDEST_MS // 130) is None


def test_each_stream_is_counted_alone_by_the_first_rule_that_fits() -> None:
    """A stream without a rule is never held."""
    evidence = StreamEvidence(Settings(brake=(BrakeRule(stream="news*", hard=0.5), BrakeRule(stream="o*", hard=0.1))))
    for number in range(200):
        for stream in ("news-a", "otp", "login"):
            evidence.hear(dead(number, stream=stream) if number % 4 == 0 else taken(number, stream=stream), T + number)
    held = {one for one in ("news-a", "otp", "login", "none") if evidence.too_much(one) is not None}
    assert held == {"otp"}


def test_forgetting_begins_anew() -> None:
    """After a release there have to be enough messages again."""
    evidence = StreamEvidence(Settings(brake=(TEN,)))
    for number in range(100):
        evidence.hear(dead(number), T + number)
    hold = evidence.too_much("news")
    assert hold is not None
    assert (hold.refused, hold.of, hold.why) == (
        100,
        100,
        "100 of its last 100 messages were refused for good, and the brake allows 10 %",
    )
    evidence.forget("news")
    for number in range(99):
        evidence.hear(dead(number), T + number)
    assert evidence.too_much("news") is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many streams those are forgotten that were not heard of for longest; the others are counted right."""
    monkeypatch.setattr(stream_evidence, "MOST_MESSAGES", 1000)
    evidence = StreamEvidence(Settings(brake=(BrakeRule(hard=0.1, of=100),)))
    for stream in range(50):
        for number in range(200):
            evidence.hear(dead(number, stream=f"s{stream}"), T + number)
    assert evidence._messages == sum(len(one.messages) for one in evidence._streams.values()) == 1000
    assert list(evidence._streams) == [f"s{stream}" for stream in range(40, 50)]
    assert all(evidence.too_much(f"s{stream}") for stream in range(40, 50))


def test_only_what_speaks_against_a_stream_asks_for_a_judgement() -> None:
    """A refusal does, for either reason; a delivery, and mail of a stream without a brake, do not."""
    evidence = StreamEvidence(Settings(brake=(BrakeRule(stream="news", hard=0.1),)))
    told = [dead(1), parked(2), taken(3), event(4, "held"), dead(5, stream="otp")]
    assert [evidence.hear(one, T) for one in told] == [True, True, False, False, False]
