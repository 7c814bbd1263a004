"""Pictures as numbers: where things lie in a drawing. The templates draw them, as SVG within the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import log1p
from typing import NamedTuple

from softbounce.duration import in_words
from softbounce.plan import Mark, Plan

__all__ = ["Bar", "Dot", "Drawing", "Tick", "bars", "timeline"]

WIDTH = 1000.0
LEFT, RIGHT = 46.0, 90.0
MOST_DOTS = 300
STEPS = tuple(
    timedelta(seconds=one)
    for one in (
        1,
        10,
        60,
        300,
        1800,
        3600,
        4 * 3600,
        12 * 3600,
        86_400,
        2 * 86_400,
        5 * 86_400,
        14 * 86_400,
        60 * 86_400,
    )
)
APART = 70.0
"""Between two words below a line."""


class Dot(NamedTuple):
    """An attempt: where, and what it is called."""

    x: float
    words: str
    is_last: bool


class Tick(NamedTuple):
    """A word below the line."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A schedule along a line, on which each wait looks about as long however long it is.

    :ivar end: where the soft bounce becomes a hard one.
    """

    width: float
    left: float
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    end: float
    end_words: str


class Bar(NamedTuple):
    """A bar: its corner, its size and what it says."""

    x: float
    y: float
    width: float
    height: float
    words: str


def timeline(plan: Plan, longest: timedelta) -> Drawing:
    """Where the attempts of a plan lie.

    :param longest: what the line is as long as, so that two can be compared.
    """
    waits = [one.offset for one in plan.attempts if one.offset]
    unit = max(min(waits, default=longest) / 2, timedelta(milliseconds=100))
    whole = log1p(longest / unit) or 1.0

    def place(offset: timedelta) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * log1p(max(offset / unit, 0.0)) / whole, 1)

    end = place(plan.promoted_at)
    ticks: list[Tick] = []
    for step in STEPS:
        x = place(step)
        if step <= longest and x - (ticks[-1].x if ticks else LEFT) >= APART:
            ticks.append(Tick(x, in_words(step)))
    dots = tuple(
        Dot(
            place(one.offset),
            f"attempt {one.number}, {in_words(one.offset) + ' after acceptance' if one.offset else 'at once'}",
            one.mark is Mark.LAST,
        )
        for one in plan.attempts[:MOST_DOTS]
    )
    return Drawing(WIDTH, LEFT, dots, (Tick(LEFT, "at once"), *ticks), end, f"bounces at {in_words(plan.promoted_at)}")


def bars(counts: Sequence[tuple[str, int]], *, height: float, width: float = WIDTH) -> tuple[Bar, ...]:
    """A bar for each count, the largest as high as there is room."""
    most = max((count for _, count in counts), default=0) or 1
    step = width / max(len(counts), 1)
    return tuple(
        Bar(
            round(number * step + 1, 1),
            round(height * (1 - count / most), 1),
            round(max(step - 2, 1), 1),
            round(height * count / most, 1),
            f"{words}: {count:,}",
        )
        for number, (words, count) in enumerate(counts)
    )
