"""Durations in words and in whole milliseconds, the two forms in which they leave the pure code.

Reading durations from a config file is not done here: that is ``softbounce_config``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["LONGEST", "MILLISECOND", "floor_to_ms", "from_epoch_ms", "in_words", "to_epoch_ms"]

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
