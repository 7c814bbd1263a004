"""Quiet hours against looking at every minute, over the changes of clocks in many zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from softbounce import quiet
from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.settings import DAYS, QuietRule

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",  # clocks are set at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",
    "Antarctica/Troll",  # by two hours
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "UTC",
)
CLOCKS_SET = ((3, 8), (3, 29), (4, 5), (9, 6), (9, 27), (10, 4), (10, 25), (11, 1), (2, 15), (3, 22), (7, 1))
MINUTE = 60_000


def is_quiet(rule: QuietRule, at_ms: int) -> bool:
    """What the clock on the wall says, in so many words."""
    wall = from_epoch_ms(at_ms).astimezone(ZoneInfo(rule.zone))
    begins = wall.replace(tzinfo=None)
    read = wall.hour * 60 + wall.minute
    if rule.from_minute >= rule.to_minute and read < rule.to_minute:
        begins -= timedelta(days=1)
    elif not (rule.from_minute <= read and (read < rule.to_minute or rule.from_minute >= rule.to_minute)):
        return False
    return DAYS[begins.weekday()] in rule.days


@st.composite
def rules(draw: st.DrawFn) -> QuietRule:
    """Any times of a day that differ."""
    start = draw(st.integers(0, 1439))
    end = draw(st.integers(1, 1440).filter(lambda end: end != start))
    days = draw(st.sets(st.sampled_from(DAYS), min_size=1))
    return QuietRule(from_minute=start, to_minute=end, zone=draw(st.sampled_from(ZONES)), days=tuple(days))


@settings(max_examples=60, deadline=None)
@given(
    one=rules(),
    another=rules(),
    day=st.sampled_from(CLOCKS_SET),
    year=st.integers(2020, 2030),
    shift=st.integers(-1, 1),
)
def test_every_minute_is_as_the_wall_says(
    one: QuietRule, another: QuietRule, day: tuple[int, int], year: int, shift: int
) -> None:
    """For two days around each change, and two rules in any two zones."""
    start = to_epoch_ms(datetime.combine(date(year, *day) + timedelta(days=shift), datetime.min.time(), tzinfo=UTC))
    end = start + 2 * 86_400_000
    found = quiet.periods((one, another), start, end)
    assert found == sorted(found)
    assert all(first[1] < second[0] for first, second in pairwise(found))
    for at in range(start, end, MINUTE):
        is_one = any(begin <= at < close for begin, close in found)
        assert is_one == (is_quiet(one, at) or is_quiet(another, at)), from_epoch_ms(at)


@settings(max_examples=60, deadline=None)
@given(one=rules(), another=rules(), minute=st.integers(0, 366 * 1440))
def test_it_opens_at_the_first_minute_that_is_not_quiet(one: QuietRule, another: QuietRule, minute: int) -> None:
    """Found by walking on, minute by minute, for a week at most."""
    at = to_epoch_ms(datetime(2026, 1, 1, tzinfo=UTC)) + minute * MINUTE
    opens = quiet.opens_ms((one, another), at)
    walked = at
    while (is_quiet(one, walked) or is_quiet(another, walked)) and walked - at <= 7 * 86_400_000:
        walked += MINUTE
    assert opens == walked or walked - at > 7 * 86_400_000
