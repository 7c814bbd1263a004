"""Durations in words and in whole milliseconds, the forms in which they leave the pure code; and as people write them.

What else people write in a config file is read by ``softbounce_config.units``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = [
    "DURATION_HINT",
    "DURATION_UNITS_MS",
    "LONGEST",
    "MILLISECOND",
    "floor_to_ms",
    "format_duration",
    "from_epoch_ms",
    "in_words",
    "parse_duration",
    "to_epoch_ms",
]

MILLISECOND = timedelta(milliseconds=1)
LONGEST = timedelta(days=3660)
"""Ten years: no wait, window or setting is longer, and no sum of them overflows."""
MOST_UNITS = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)

DURATION_UNITS_MS = {
    "w": 7 * 24 * 60 * 60 * 1000,
    "d": 24 * 60 * 60 * 1000,
    "h": 60 * 60 * 1000,
    "m": 60 * 1000,
    "s": 1000,
    "ms": 1,
}
DURATION_HINT = 'ms, s, m, h, d and w, as in "90s" or "1h30m"'

# Enough digits for any sane value, few enough that no arithmetic below can overflow.
NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,6})?"
DURATION_PART = re.compile(rf"({NUMBER})(ms|[wdhms])")
DURATION = re.compile(rf"(?:{NUMBER}(?:ms|[wdhms]))+")
ROUNDING = 1e-6  # what a sum of decimal fractions may miss a whole millisecond by


def floor_to_ms(duration: timedelta) -> timedelta:
    """The duration without what is finer than a millisecond, which the store cannot keep."""
    return duration - duration % MILLISECOND


def from_epoch_ms(milliseconds: int) -> datetime:
    """The instant that many milliseconds after 1970, aware and in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def to_epoch_ms(instant: datetime) -> int:
    """Milliseconds from 1970 to an aware instant, rounded down."""
    return (instant - EPOCH) // MILLISECOND


def in_words(duration: timedelta) -> str:
    """A duration as people write it, by its two largest units: ``1 h 30 min``, ``45 s``, ``200 ms``."""
    if duration < timedelta(0):
        return f"-{in_words(-duration)}"
    if duration < timedelta(seconds=1):
        return f"{duration // MILLISECOND} ms"
    rest = timedelta(seconds=round(duration / timedelta(seconds=1), 1 if duration < timedelta(seconds=10) else 0))
    parts: list[str] = []
    for number, (unit, size) in enumerate(UNITS, start=1):
        if number == len(UNITS):
            count: float = rest / size
        else:
            count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:g} {unit}")
        if len(parts) == MOST_UNITS or (parts and not rest):
            break
    return " ".join(parts)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as ``"250ms"``, ``"90s"``, ``"1h30m"`` or ``"5d"``.

    Units go from large to small and appear once each; the finest step is a millisecond, the longest duration ten years.

    :raises ValueError: it is none; the message says what would be one.
    """
    written = text.strip()
    if DURATION.fullmatch(written) is None:
        raise ValueError(f"a duration is a number and a unit; the units are {DURATION_HINT}")
    parts = DURATION_PART.findall(written)
    order = [list(DURATION_UNITS_MS).index(unit) for _, unit in parts]
    if sorted(set(order)) != order:
        raise ValueError('a duration has each unit once, the largest first, as in "1h30m"')
    total_ms = sum(float(number) * DURATION_UNITS_MS[unit] for number, unit in parts)
    if total_ms > LONGEST / timedelta(milliseconds=1):
        raise ValueError("a duration is at most ten years")
    if abs(total_ms - round(total_ms)) > ROUNDING:
        raise ValueError("a duration has no finer part than a millisecond")
    return timedelta(milliseconds=round(total_ms))


def format_duration(duration: timedelta) -> str:
    """Write a duration as :func:`parse_duration` reads it, rounded to a millisecond; negative ones with a ``-``."""
    rest_ms = round(duration / MILLISECOND)
    sign = "-" if rest_ms < 0 else ""
    rest_ms = abs(rest_ms)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest_ms = divmod(rest_ms, DURATION_UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts) if parts else "0s"
