"""Quiet hours: which minutes are quiet, when they end, for whom, and over which time what they put off is spread."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from softbounce import quiet
from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.settings import QuietRule, Settings

BERLIN = "Europe/Berlin"
NIGHT = QuietRule(from_minute=22 * 60, to_minute=7 * 60, zone=BERLIN)


def berlin(text: str, fold: int = 0) -> int:
    """An instant by the clock on the wall of Berlin."""
    return to_epoch_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC))


def opens(at_ms: int, *rules: QuietRule) -> str:
    """When it opens, by that clock."""
    return f"{from_epoch_ms(quiet.opens_ms(rules, at_ms)).astimezone(ZoneInfo(BERLIN)):%a %d.%m. %H:%M %Z}"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-14T21:59", "Wed 14.01. 21:59 CET"),
        ("2026-01-14T22:00", "Thu 15.01. 07:00 CET"),
        ("2026-01-15T06:59", "Thu 15.01. 07:00 CET"),
        ("2026-01-15T07:00", "Thu 15.01. 07:00 CET"),
        ("2026-03-28T23:00", "Sun 29.03. 07:00 CEST"),  # clocks go forward: an hour less
        ("2026-10-24T23:00", "Sun 25.10. 07:00 CET"),  # and back: an hour more
    ],
)
def test_a_night_ends_in_the_morning(at: str, expected: str) -> None:
    """By the clock on the wall, whatever was done to it in the night."""
    assert opens(berlin(at), NIGHT) == expected


def test_an_hour_that_comes_twice_is_quiet_twice_and_one_that_is_left_out_is_not() -> None:
    """The clock on the wall says so: 02:00 to 02:30 on the days on which it is set."""
    rule = QuietRule(from_minute=120, to_minute=150, zone=BERLIN)
    day = quiet.periods((rule,), berlin("2026-10-25T00:00"), berlin("2026-10-25T12:00"))
    assert day == [(berlin("2026-10-25T02:00", fold), berlin("2026-10-25T02:30", fold)) for fold in (0, 1)]
    assert quiet.periods((rule,), berlin("2026-03-29T00:00"), berlin("2026-03-29T12:00")) == []


def test_days_are_those_on_which_it_begins() -> None:
    """A night that begins on Friday goes on into Saturday."""
    rule = QuietRule(from_minute=22 * 60, to_minute=7 * 60, zone=BERLIN, days=("fri",))
    assert opens(berlin("2026-01-16T23:00"), rule) == "Sat 17.01. 07:00 CET"
    assert opens(berlin("2026-01-17T03:00"), rule) == "Sat 17.01. 07:00 CET"
    assert opens(berlin("2026-01-17T23:00"), rule) == "Sat 17.01. 23:00 CET"
    assert opens(berlin("2026-01-16T03:00"), rule) == "Fri 16.01. 03:00 CET"


def test_rules_are_joined() -> None:
    """A night and the whole weekend: what is put off on Friday night begins on Monday."""
    weekend = QuietRule(from_minute=0, to_minute=1440, zone=BERLIN, days=("sat", "sun"))
    assert opens(berlin("2026-01-16T23:00"), NIGHT, weekend) == "Mon 19.01. 07:00 CET"


def test_without_an_end_it_is_looked_at_again() -> None:
    """Rules that leave no time put off by eight days at a time; the configuration complains of them."""
    always = QuietRule(from_minute=0, to_minute=1440, zone="UTC")
    at_ms = berlin("2026-01-16T23:00")
    assert quiet.opens_ms((always,), at_ms) - at_ms >= quiet.DAYS_AHEAD * 86_400_000
    assert quiet.is_never_open([always])
    assert not quiet.is_never_open([NIGHT])


@pytest.mark.parametrize("name", ["Nowhere/Atlantis", "../etc/passwd", "/etc/localtime", "", "Europe", "x" * 500])
def test_a_zone_that_is_none_has_no_quiet_hours(name: str) -> None:
    """The store's settings are not ours: such a name reads no file and stops nothing."""
    rule = QuietRule(from_minute=0, to_minute=720, zone=name)
    assert quiet.zone_of(name) is None
    assert quiet.opens_ms((rule,), 1) == 1


def test_they_are_for_what_all_globs_fit() -> None:
    """By stream, sender and tenant."""
    rules = (
        QuietRule(from_minute=0, to_minute=1, zone="UTC", stream="news*"),
        QuietRule(from_minute=0, to_minute=2, zone="UTC", sender="*@a.test", tenant="t1"),
    )
    settings = Settings(quiet=rules)
    assert settings.quiet_hours_of("newsletter", "x@b.test", "t1") == rules[:1]
    assert settings.quiet_hours_of("newsletter", "x@a.test", "t1") == rules
    assert settings.quiet_hours_of("otp", "x@a.test", "t2") == ()


def test_what_was_put_off_is_spread_over_five_minutes() -> None:
    """Evenly enough, and each envelope at its own place each time."""
    delays = [quiet.delay_after(number.to_bytes(16)) for number in range(3000)]
    assert delays == [quiet.delay_after(number.to_bytes(16)) for number in range(3000)]
    by_minute = [sum(minute * 60_000 <= one < (minute + 1) * 60_000 for one in delays) for minute in range(5)]
    assert sum(by_minute) == 3000
    assert min(by_minute) > 500
