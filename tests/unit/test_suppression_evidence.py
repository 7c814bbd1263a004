"""What the event log says of addresses: whom it suppresses, whom it takes back, whose streak it makes and ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_scheduler.suppression_evidence import (
    Evidence,
    Failure,
    TakenBack,
    changed,
    may_tell,
    streak_entry,
    with_delivery,
    with_failure,
)

from softbounce.events import StoredEvent, encode_events
from softbounce.suppression import NOTHING, Entry, SuppressRules

DAY = 86_400_000
NOW = 1_800_000_000_000
RULES = SuppressRules()


def event(kind: str, **more: object) -> StoredEvent:
    """An event of an envelope to Joe."""
    fields = {"id": b"1" * 16, "recipient": "Joe@example.com", "stream": "news", "tenant": "acme", **more}
    return StoredEvent(kind=kind, **fields)  # type: ignore[arg-type]


def promoted(**more: object) -> StoredEvent:
    """A soft bounce that turned hard for the address's sake."""
    told = {"code": 452, "text": "full", "fault": "recipient", "reason": "mailbox_full"}
    return event("bounced", cause="promoted", **(told | more))


def heard(*events: StoredEvent, rules: SuppressRules = RULES) -> Evidence:
    """What these say, a second apart."""
    evidence = Evidence(rules)
    for number, one in enumerate(events):
        evidence.hear(one, NOW + 1000 * number)
    return evidence


@pytest.mark.parametrize(
    ("told", "entry"),
    [
        (
            event("bounced", cause="rejected", suppress=True, code=550, enhanced="5.1.1", text="no such user"),
            Entry(
                source="verdict",
                since_ms=NOW,
                reason="550 5.1.1 no such user",
                expires_ms=NOW + 180 * DAY,
                envelope=b"1" * 16,
            ),
        ),
        (
            event("returned", suppress=True),
            Entry(source="verdict", since_ms=NOW, expires_ms=NOW + 180 * DAY, envelope=b"1" * 16),
        ),
        (
            event("complained", reason="abuse"),
            Entry(source="complaint", since_ms=NOW, stream="news", reason="abuse", envelope=b"1" * 16),
        ),
    ],
    ids=["dead", "dead, said later", "complaint"],
)
def test_who_is_suppressed(told: StoredEvent, entry: Entry) -> None:
    """By the address in lower case."""
    assert heard(told).changes == {"joe@example.com": [entry]}


@pytest.mark.parametrize(
    "told",
    [
        event("bounced", cause="rejected", suppress=False, fault="message"),
        event("bounced", cause="suppressed", reason="verdict"),
        event("suppressed", reason="verdict"),
        event("deferred", fault="recipient"),
        event("returned", suppress=False),
        event("accepted"),
        event("bounced", cause="rejected", suppress=True, recipient=""),
        event("bounced", cause="rejected", suppress=True, recipient="x" * 2000),
        promoted(fault="system", reason="network"),
        promoted(fault=None, reason=None),
        promoted(reason="greylist"),
    ],
)
def test_A25_what_says_nothing_of_an_address_suppresses_nobody(told: StoredEvent) -> None:
    """No word on a message, no outage, no greylisting, and not that mail was not sent for being suppressed."""
    evidence = heard(told)
    assert (evidence.changes, evidence.failures) == ({}, {})


def test_each_source_can_be_switched_off() -> None:
    """Then nobody is suppressed by it."""
    off = SuppressRules(dead_addresses=False, complaints="off", streak=0)
    evidence = heard(event("bounced", suppress=True), event("complained"), promoted(), rules=off)
    assert (evidence.changes, evidence.failures) == ({}, {})
    assert not off.are_fed
    assert all(one.are_fed for one in (RULES, SuppressRules(dead_addresses=False, complaints="off")))


@pytest.mark.parametrize(
    ("how", "scope"), [("stream", ("news", None)), ("tenant", ("news", "acme")), ("everything", (None, None))]
)
def test_what_a_complaint_stops(how: str, scope: tuple[str | None, str | None]) -> None:
    """As the configuration says; and for as long."""
    rules = SuppressRules(complaints=how, complaints_for=timedelta(days=1))  # type: ignore[arg-type]
    ((entry,),) = heard(event("complained"), rules=rules).changes.values()
    assert isinstance(entry, Entry)
    assert ((entry.stream, entry.tenant), entry.expires_ms) == (scope, NOW + DAY)


def test_what_is_taken_back_goes_in_the_order_of_the_log() -> None:
    """A bounce, and that it is believed no more, leave nothing; the other way round the bounce stands."""
    dead, back = event("bounced", suppress=True), event("unsuppressed")
    assert heard(dead, back).changes["joe@example.com"][1] == TakenBack(b"1" * 16)
    assert changed(NOTHING, heard(dead, back).changes["joe@example.com"]) == NOTHING
    assert len(changed(NOTHING, heard(back, dead).changes["joe@example.com"]).entries) == 1


def test_a_streak_counts_days_and_not_mails() -> None:
    """What is promoted within a day is one; told twice it is one; what is too old counts no more."""
    times = with_failure((), NOW, RULES)
    assert with_failure(times, NOW, RULES) == with_failure(times, NOW + DAY - 1, RULES) == (NOW,)
    times = with_failure(times, NOW + DAY, RULES)
    assert times == (NOW, NOW + DAY)
    assert with_failure(times, NOW + 30 * DAY, RULES) == (NOW + DAY, NOW + 30 * DAY)
    late = Failure(NOW + 2 * DAY, b"3" * 16, "452 full")
    assert streak_entry(times, late, RULES) is None
    assert streak_entry((*times, NOW + 2 * DAY), late, RULES) == Entry(
        source="streak",
        since_ms=NOW + 2 * DAY,
        reason="3 times within 30 days, last: 452 full",
        expires_ms=NOW + 32 * DAY,
        envelope=b"3" * 16,
    )


def test_a_delivery_ends_a_streak() -> None:
    """What failed before it; not what failed behind it."""
    assert with_delivery((NOW, NOW + DAY, NOW + 2 * DAY), NOW + DAY) == (NOW + 2 * DAY,)
    assert heard(event("delivered"), event("delivered_late")).deliveries == {"joe@example.com": NOW + 1000}


def test_what_an_entry_may_tell_is_seen_without_reading_it() -> None:
    """So a log of nothing but accepted and delivered mail is not even decoded, while there is no streak."""
    harmless = encode_events([event("accepted"), event("delivered"), event("deferred", text="450 later")])
    assert not may_tell(harmless, are_streaks=False)
    assert may_tell(harmless, are_streaks=True)
    for kind in ("bounced", "complained", "returned", "unsuppressed"):
        assert may_tell(encode_events([event("accepted"), event(kind)]), are_streaks=False)
