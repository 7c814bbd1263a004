"""The history of an envelope: its clock, and how often it was really tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from softbounce.envelope import Attempt, Body, Envelope, Record
from softbounce.history import History

START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = 1_767_225_600_000


def tried(*rules: str | None) -> list[Attempt]:
    """Attempts that those rules judged; ``None`` is an uncharged one."""
    return [
        Attempt(number=number, started_ms=0, ended_ms=0, rule=rule or "lane", charged=rule is not None)
        for number, rule in enumerate(rules, 1)
    ]


def stored(charged: int, attempts: list[Attempt], **envelope: int) -> Record:
    """A record as it is stored."""
    record = Record(id=bytes(16), lane="l", charged=charged, created_ms=START_MS)
    record.envelope = Envelope(
        sender="", recipient="", domain="", key="", body=Body(octets=0), attempts=attempts, **envelope
    )
    return record


def test_a_record_s_clock_and_attempts_are_taken_over() -> None:
    """Instants become aware, durations become durations."""
    record = stored(1, tried("a"), at_ms=START_MS + 5000, held_ms=1000, window_ms=2000)
    history = History.of(record)
    assert (history.created_at, history.at) == (START, START + timedelta(seconds=5))
    assert (history.held, history.window) == (timedelta(seconds=1), timedelta(seconds=2))
    assert history.starts_at == START + timedelta(seconds=5)
    assert (history.charged, history.forgotten) == (1, 0)


def test_an_at_before_creation_is_creation() -> None:
    """The window cannot begin in the past."""
    assert History.of(stored(0, [], at_ms=0)).starts_at == START
    assert History.of(stored(0, [])).starts_at == START


@pytest.mark.parametrize(
    ("rules", "charged", "last", "in_a_row"),
    [
        ([], 0, None, 0),
        ([None, None], 0, None, 0),
        (["a"], 1, 1, 1),
        (["a", None, "a", None], 2, 3, 2),
        (["a", "b", "a"], 3, 3, 1),
        (["a", "b", None], 2, 2, 0),
    ],
)
def test_only_charged_attempts_count(rules: list[str | None], charged: int, last: int | None, in_a_row: int) -> None:
    """Their number, the latest of them, and how many of the latest rule "a" judged without another between."""
    history = History(id=b"", created_at=START, attempts=tried(*rules))
    assert history.charged == charged
    assert (history.last_charged.number if history.last_charged else None) == last
    assert history.judged_in_a_row("a") == in_a_row


def test_forgotten_attempts_count() -> None:
    """The header's count outlives the records of the attempts; a count below them is not believed."""
    assert History.of(stored(250, tried("a", None, "b"))).charged == 250
    assert History.of(stored(1, tried("a", None, "b"))).charged == 2
