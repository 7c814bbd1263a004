"""Quiet hours: when no attempt of some mail begins, by the clock on the wall of a time zone. Pure, but for zone data.

A minute is quiet where the wall's clock, as it reads in that minute, is in a rule's time. So where clocks are set
forward the quiet hours are shorter, and where they are set back those between the two readings of an hour come twice.
Where mail goes when they end is not said here; what ends them all at one time is spread over :data:`SPREAD_MS`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.settings import DAYS, QuietRule

__all__ = [
    "DAYS_AHEAD",
    "SPREAD_MS",
    "delay_after",
    "is_never_open",
    "opens_ms",
    "periods",
    "zone_of",
]

DAY_MS = 86_400_000
DAY_MINUTES = 1440
DAYS_AHEAD = 8
"""So far is looked for their end: a week has every day, and one day more what began on its last."""
SPREAD_MS = 300_000
"""What was put off by them begins within so long behind their end."""
Period = tuple[int, int]
"""From, and up to, in ms since 1970."""


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo | None:
    """A time zone by its name; ``None``: this machine knows none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # ValueError: a name that is no key at all
        return None


def opens_ms(rules: tuple[QuietRule, ...], at_ms: int) -> int:
    """When an attempt may begin that was to begin at some time: then, or at the end of the quiet hours around it.

    Quiet hours without an end are looked at again after :data:`DAYS_AHEAD`.
    """
    if not rules:
        return at_ms
    opens = at_ms
    for start, end in periods(rules, at_ms, at_ms + DAYS_AHEAD * DAY_MS):
        if start > opens:
            break
        opens = max(opens, end)
    return opens


def delay_after(identity: bytes) -> int:
    """How long after the end of quiet hours an envelope begins, ms: the same for it each time."""
    return int.from_bytes(blake2b(identity, digest_size=8).digest()) % SPREAD_MS


def periods(rules: tuple[QuietRule, ...], from_ms: int, to_ms: int) -> list[Period]:
    """All quiet time between two instants, in order, neighbours joined. Whole at its end, where that is later."""
    found: list[Period] = []
    for day in range(from_ms // DAY_MS, -(-to_ms // DAY_MS)):
        for start, end in _of_day(rules, day):
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            elif end > from_ms and start < to_ms:
                found.append((start, end))
    return found


def is_never_open(rules: Sequence[QuietRule]) -> bool:
    """Whether rules together leave no time at all; looked at in two weeks of a year that change the clock, and two."""
    return all(
        opens_ms(tuple(rules), start) - start >= DAYS_AHEAD * DAY_MS
        for start in (to_epoch_ms(datetime(2026, month, 1, tzinfo=UTC)) for month in (1, 3, 7, 10))
    )


@lru_cache(maxsize=4096)
def _of_day(rules: tuple[QuietRule, ...], day: int) -> tuple[Period, ...]:
    """The quiet time of a day of UTC, in order: each worked out once."""
    start, end = day * DAY_MS, (day + 1) * DAY_MS
    quiet: list[Period] = []
    for rule in rules:
        zone = zone_of(rule.zone)
        if zone is None:
            continue
        points = sorted({start, *_changes(rule, zone, start, end)})
        quiet += [
            (one, after)
            for one, after in zip(points, [*points[1:], end], strict=True)
            if _is_quiet(rule, from_epoch_ms(one).astimezone(zone))
        ]
    return tuple(sorted(quiet))


def _is_quiet(rule: QuietRule, wall: datetime) -> bool:
    minute, weekday = wall.hour * 60 + wall.minute, wall.weekday()
    if rule.from_minute < rule.to_minute:
        return rule.from_minute <= minute < rule.to_minute and DAYS[weekday] in rule.days
    if minute >= rule.from_minute:
        return DAYS[weekday] in rule.days
    return minute < rule.to_minute and DAYS[weekday - 1] in rule.days


def _changes(rule: QuietRule, zone: tzinfo, start: int, end: int) -> Iterator[int]:
    """Where in a day of UTC it may become quiet or end: at the rule's times, at midnight, where clocks are set."""
    first = from_epoch_ms(start).astimezone(zone).date()
    last = from_epoch_ms(end).astimezone(zone).date()
    minutes = {0, rule.from_minute, rule.to_minute}.intersection(range(DAY_MINUTES))
    for number in range((last - first).days + 1):
        for minute in minutes:
            for fold in (0, 1):
                at = _instant(first + timedelta(days=number), minute, zone, fold)
                if start <= at < end:
                    yield at
    if (when := _clocks_set(zone, start, end)) is not None:
        yield when


def _instant(day: date, minute: int, zone: tzinfo, fold: int) -> int:
    wall = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), tzinfo=zone)
    return to_epoch_ms(wall.astimezone(UTC))


def _clocks_set(zone: tzinfo, start: int, end: int) -> int | None:
    """When the zone's clocks are set within a day of UTC, to the minute."""

    def offset(minute: int) -> timedelta | None:
        return from_epoch_ms(start + minute * 60_000).astimezone(zone).utcoffset()

    before, minutes = offset(0), (end - start) // 60_000
    if offset(minutes) == before:
        return None
    return start + 60_000 * bisect_right(range(minutes + 1), 0, key=lambda minute: int(offset(minute) != before))
