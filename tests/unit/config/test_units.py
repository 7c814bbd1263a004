from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_config.units import (
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("4h", timedelta(hours=4)),
        ("5d", timedelta(days=5)),
        ("2w", timedelta(days=14)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1.5h", timedelta(minutes=90)),
        ("0.1s", timedelta(milliseconds=100)),
        (" 5m ", timedelta(minutes=5)),
        ("0s", timedelta(0)),
    ],
)
def test_duration_is_numbers_with_units(text: str, duration: timedelta) -> None:
    """A duration is the sum of its numbers, each in its unit."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the units are ms, s, m, h, d and w"),
        ("15", "the units are ms, s, m, h, d and w"),
        ("0", "the units are ms, s, m, h, d and w"),
        ("m", "a number and a unit"),
        ("5 m", "a number and a unit"),
        ("5M", "a number and a unit"),
        ("-5m", "a number and a unit"),
        ("1e3s", "a number and a unit"),
        ("\u0665m", "a number and a unit"),  # an Arabic five is a digit to \d
        ("5m\n5s", "a number and a unit"),
        ("30m1h", "the largest first"),
        ("1m1m", "each unit once"),
        ("0.5ms", "finer"),
        ("11000d", "ten years"),
        ("999999999999999w", "ten years"),
    ],
)
def test_other_durations_are_refused(text: str, reason: str) -> None:
    """A duration without unit, or out of order, too fine or too long, is refused with what would be right."""
    with pytest.raises(ValueError, match=reason):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(seconds=90), "1m30s"),
        (timedelta(days=14), "14d"),
        (timedelta(0), "0s"),
        (timedelta(microseconds=1_500_400), "1s500ms"),
        (timedelta(minutes=-5), "-5m"),
    ],
)
def test_duration_is_written_in_its_units(duration: timedelta, text: str) -> None:
    """A duration is written with the largest units first, rounded to a millisecond."""
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    ("text", "octets", "canonical"),
    [
        ("25MiB", 26214400, "25MiB"),
        ("512 KiB", 524288, "512KiB"),
        ("1GiB", 1 << 30, "1GiB"),
        ("1000B", 1000, "1000B"),
        ("0.5MiB", 524288, "512KiB"),
        ("0B", 0, "0B"),
    ],
)
def test_size_is_octets(text: str, octets: int, canonical: str) -> None:
    """A size is octets, in units of 1024, and is written in the largest unit that leaves a whole number."""
    assert (parse_size(text), format_size(octets)) == (octets, canonical)


@pytest.mark.parametrize("text", ["", "25", "25MB", "25mib", "-1B", "9999999TiB"])
def test_other_sizes_are_refused(text: str) -> None:
    """A size without unit, with a unit of 1000, negative or absurd is refused."""
    with pytest.raises(ValueError, match="a size is"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate", "canonical"),
    [
        ("100/s", 100.0, "100/s"),
        ("600/m", 10.0, "10/s"),
        ("90/m", 1.5, "90/m"),
        ("1/h", 1 / 3600, "1/h"),
        ("5000 / d", 5000 / 86400, "5000/d"),
        ("0.1234567/s", None, None),
    ],
)
def test_rate_is_a_number_a_second(text: str, rate: float | None, canonical: str | None) -> None:
    """A rate is a number a second, and is written in the unit that leaves a whole number."""
    if rate is None or canonical is None:
        with pytest.raises(ValueError, match="a rate is"):
            parse_rate(text)
        return
    assert parse_rate(text) == pytest.approx(rate)
    assert format_rate(rate) == canonical


def test_odd_rate_is_written_a_second() -> None:
    """A rate that is whole in no unit is written with a fraction."""
    assert format_rate(0.12345) == "0.12345/s"
