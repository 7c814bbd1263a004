"""Looks beside each other: what is told of, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from softbounce_gateway.checkups.comparing import compare
from softbounce_gateway.doctor.finding import Finding, State

from softbounce.store.health import MOST_FINDINGS, KeptFinding

OK = Finding(check="senders", what="a.test: SPF", state=State.OK, found="it may send")
FAIL = replace(OK, state=State.FAIL, found="it may not", mend="add ip4:192.0.2.1")
UNKNOWN = replace(OK, state=State.UNKNOWN, found="the name server does not tell", mend="mend it")
WARN = replace(OK, state=State.WARN, found="neither", mend="add it")


def looked(*looks: Finding) -> tuple[list[str], KeptFinding]:
    """What is told of one look after another of one thing, and how it stands then."""
    kept: tuple[KeptFinding, ...] = ()
    told: list[str] = []
    for number, one in enumerate(looks, 1):
        kept, events = compare(kept, [one], "here", 1000 * number)
        told += [f"{number} {event.reason}" for event in events]
    return told, kept[0]


def test_issue15_4_a_change_of_colour_is_told_once() -> None:
    """Bad and good again, not each look; what is good when it is first seen is nothing new."""
    told, now = looked(OK, OK, FAIL, FAIL, WARN, OK)
    assert told == ["3 fail", "5 warn", "6 ok"]
    assert (now.state, now.known, now.since_ms) == ("ok", "ok", 6000)
    assert looked(FAIL, FAIL)[0] == ["1 fail"]
    assert looked(WARN, WARN)[0] == []


def test_issue15_4_a_name_server_that_is_away_changes_no_colour() -> None:
    """What could not be looked at is as it was known last: nobody is told, before or after."""
    assert looked(OK, UNKNOWN, OK)[0] == []
    told, now = looked(FAIL, UNKNOWN)
    assert told == ["1 fail"]
    assert (now.state, now.known, now.since_ms) == ("unknown", "fail", 1000)
    assert looked(FAIL, UNKNOWN, FAIL)[0] == ["1 fail"]
    assert looked(UNKNOWN, UNKNOWN, FAIL)[0] == ["3 fail"]


def test_issue15_4_a_check_that_hung_forgets_nothing() -> None:
    """It has one line then, about itself: what was known of each thing stays, and none is told of anew."""
    hung = Finding(check="senders", what="senders", state=State.UNKNOWN, found="no end within 45 s")
    told: list[str | None] = []
    kept: tuple[KeptFinding, ...] = ()
    for number, look in enumerate(([FAIL], [hung], [hung], [FAIL], *([hung] for _ in range(20)), [OK]), 1):
        kept, events = compare(kept, look, "here", 1000 * number)
        told += [event.reason for event in events]
        assert ("a.test: SPF", "ok" if look == [OK] else "fail") in {(one.what, one.known) for one in kept}
    assert told == ["fail", "ok"]


def test_issue15_4_what_is_no_more_is_forgotten() -> None:
    """At once where its check saw all that there is, else after some looks; who heard that it is red hears that."""
    kept, _ = compare((), [FAIL], "here", 1000)
    other = replace(OK, what="b.test: SPF")
    assert [one.what for one in compare(kept, [other], "here", 2000)[0]] == ["b.test: SPF"]
    assert [(one.reason, one.text) for one in compare(kept, [other], "here", 2000)[1]] == [("gone", "a.test: SPF")]
    assert compare(compare((), [OK], "here", 1000)[0], [other], "here", 2000)[1] == ()
    told: list[tuple[str | None, str]] = []
    for number in range(20):
        kept, events = compare(kept, [other, replace(UNKNOWN, what="sender domains")], "here", 3000 + number)
        told += [(one.reason, one.text) for one in events]
    assert told == [("gone", "a.test: SPF")]
    assert {one.what for one in kept} == {"b.test: SPF", "sender domains"}


def test_issue15_4_what_is_told_says_what_where_and_how_to_mend_it() -> None:
    """The event has no envelope; two lines about one thing count by the worse."""
    kept, _ = compare((), [OK], "here", 1000)
    _, (event,) = compare(kept, [OK, FAIL, OK], "here", 2000)
    assert (event.kind, event.id, event.host, event.reason, event.text) == (
        "health_changed",
        b"",
        "here",
        "fail",
        "a.test: SPF",
    )
    assert event.why == "It is wrong, and was well: it may not. To mend it: add ip4:192.0.2.1."


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (WARN, OK, "It is well, and was worth mending: it may send."),
        (OK, WARN, "It is worth mending, and was well: neither. To mend it: add it."),
        (FAIL, replace(OK, found="all is well."), "It is well, and was wrong: all is well."),
    ],
)
def test_issue15_4_what_is_told_can_be_read_by_who_does_not_know_our_words(
    before: Finding, now: Finding, words: str
) -> None:
    """The states are words of the table's first column, and no adjectives; a sentence has one full stop."""
    kept, _ = compare((), [before], "here", 1000)
    assert [event.why for event in compare(kept, [now], "here", 2000)[1]] == [words]


def test_issue15_4_a_look_is_bounded() -> None:
    """However many domains and addresses there are, so many lines are kept, and few told."""
    many = [replace(FAIL, what=f"{number}.test: SPF") for number in range(1000)]
    kept, events = compare((), many, "here", 1000)
    assert (len(kept), len(events)) == (MOST_FINDINGS, 20)
