"""Durations in words and milliseconds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from softbounce.duration import floor_to_ms, from_epoch_ms, in_words, to_epoch_ms


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=200), "200 ms"),
        (timedelta(seconds=1.5), "1.5 s"),
        (timedelta(seconds=59.9), "1 min"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(hours=1, seconds=5), "1 h 5 s"),
        (timedelta(days=5), "5 d"),
        (timedelta(days=1, hours=2, minutes=3), "1 d 2 h"),
        (timedelta(seconds=-90), "-1 min 30 s"),
    ],
)
def test_words(duration: timedelta, words: str) -> None:
    """A duration is told by its two largest units."""
    assert in_words(duration) == words


def test_milliseconds() -> None:
    """Instants cross the border to the store and back in whole milliseconds."""
    assert to_epoch_ms(from_epoch_ms(1_234_567_890_123)) == 1_234_567_890_123
    assert floor_to_ms(timedelta(microseconds=1999)) == timedelta(milliseconds=1)
