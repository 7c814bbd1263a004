"""Which envelopes fit: by age, and by words of the last reply."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from softbounce import InvalidArgument
from softbounce.client.reply_words import LONGEST_REPLY, LONGEST_WORDS, ReplyWords, last_reply
from softbounce.client.selection import select
from softbounce.envelope import Attempt, Body, Envelope, Final, Record, State

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
GREYLISTED = Attempt(number=1, started_ms=1, ended_ms=2, code=451, enhanced="4.7.1", text="Try again LATER")
UNREACHABLE = Attempt(number=2, started_ms=3, ended_ms=4, stage="connect", text="connection refused")
SILENT = Attempt(number=3, started_ms=5, ended_ms=6)


def envelope(*attempts: Attempt, final: Final | None = None) -> Envelope:
    """One with this history."""
    return Envelope(
        sender="a@example.com",
        recipient="b@example.net",
        domain="example.net",
        key="k",
        body=Body(octets=1),
        attempts=list(attempts),
        final=final,
    )


def record(age_ms: int, *attempts: Attempt) -> Record:
    """One that was accepted so long ago."""
    new = Record(id=bytes(16), state=State.SCHEDULED, created_ms=NOW_MS - age_ms, lane="?example.net")
    new.envelope = envelope(*attempts)
    return new


@pytest.mark.parametrize(
    ("filters", "fitting"),
    [
        ({"older": "1h"}, [HOUR_MS, HOUR_MS + 1]),
        ({"younger": "1h"}, [0, HOUR_MS - 1]),
        ({"older": timedelta(hours=1), "younger": "1h1ms"}, [HOUR_MS]),
        ({"older": "0s"}, [0, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1]),
        ({"older": "10d"}, []),
    ],
    ids=["older", "younger", "between", "all", "none"],
)
def test_issue15_2_by_age(filters: dict[str, str], fitting: list[int]) -> None:
    """Older and younger share no envelope and leave none out; counted in the store they are the same."""
    selection = select(**filters)  # type: ignore[arg-type]
    ages = [0, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1]
    assert [age for age in ages if selection.fits(record(age), NOW_MS)] == fitting
    after_ms, until_ms = selection.accepted(NOW_MS)
    assert [age for age in ages if after_ms < NOW_MS - age <= until_ms] == fitting
    assert not selection.asks_payload


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("try again", True),
        ("451 4.7.1 try", True),
        ("4*try*later", True),
        ("*LATER*", True),
        ("try   again", True),
        ("", True),
        ("*", True),
        ("later*try", False),
        ("again again", False),
        ("[a-z]", False),
        ("tr?", False),
    ],
)
def test_issue15_2_words_stand_anywhere_in_order(words: str, fits: bool) -> None:
    """Case and spaces aside; ``*`` is anything, and no other sign is more than itself."""
    assert ReplyWords(words).stand_in(last_reply(envelope(GREYLISTED))) is fits


def test_issue15_2_the_last_reply_is_the_last_that_says_something() -> None:
    """Of what never was tried there is none; what ended has its own."""
    assert last_reply(envelope()) is None
    assert not ReplyWords("").stand_in(None)
    assert last_reply(envelope(GREYLISTED, UNREACHABLE, SILENT)) == "connection refused"
    assert last_reply(envelope(UNREACHABLE, final=Final(at_ms=1, code=550, text="no"))) == "550 no"
    assert last_reply(envelope(GREYLISTED, final=Final(at_ms=1))) == "451 4.7.1 Try again LATER"
    assert last_reply(envelope(final=Final(at_ms=1, text="network unreachable"))) == "network unreachable"


def test_issue15_2_a_hostile_reply_costs_no_time() -> None:
    """However long it is, and however many stars are asked for."""
    words = ReplyWords("a*" * (LONGEST_WORDS // 2 - 1) + "b")
    reply = "a" * 1_000_000
    began = time.process_time()
    assert not any(words.stand_in(reply) for _ in range(100))
    assert time.process_time() - began < 0.5
    assert not ReplyWords("end").stand_in("a" * LONGEST_REPLY + "end")


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"older": "2 hours"}, "older: a duration is a number and a unit"),
        ({"younger": "3700d"}, "younger: a duration is at most ten years"),
        ({"older": timedelta(seconds=-1)}, "older: is not between 0 and ten years"),
        ({"reply": "x" * (LONGEST_WORDS + 1)}, f"reply: is longer than {LONGEST_WORDS} characters"),
    ],
)
def test_issue15_2_what_cannot_be_so_is_named(filters: dict[str, str], why: str) -> None:
    """With the filter's name and the reason."""
    with pytest.raises(InvalidArgument, match=why):
        select(**filters)  # type: ignore[arg-type]


def test_issue15_2_whole_streams_are_not_released_by_age_or_reply() -> None:
    """Only some of their mail is meant."""
    assert select(stream="news").is_of_streams
    for more in ({"older": "1h"}, {"younger": "1h"}, {"reply": "x"}):
        assert not select(stream="news", **more).is_of_streams  # type: ignore[arg-type]
