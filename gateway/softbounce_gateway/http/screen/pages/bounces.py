"""*Bounces*: for which reasons mail failed of late, and which replies no rule knew."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from litestar import Response

from softbounce.client.event_log import read_latest
from softbounce.events import Event
from softbounce.settings import Settings
from softbounce_gateway.http.house import House
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.drawing import Bar, bars
from softbounce_gateway.http.screen.remembered import Remembered
from softbounce_gateway.http.screen.visit import Visit
from softbounce_gateway.unknown_replies import UnknownReply, unknown_replies

__all__ = ["page"]

MOST_EVENTS = 30_000
ENTRIES = 500
FRESH_SECONDS = 60.0
PATIENCE = 0.15
HOUR = timedelta(hours=1)
HOURS = 24
UNKNOWN = 50
REASONS = 60
CHART = 90.0
FAILED = frozenset({"bounced", "deferred"})


@dataclass(slots=True, kw_only=True)
class Reason:
    """Why mail failed: how often for now, how often for good, and the last time that it did."""

    reason: str
    soft: int = 0
    hard: int = 0
    last: Event | None = None

    @property
    def both(self) -> int:
        """Of either kind."""
        return self.soft + self.hard


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What was found.

    :ivar events: so many events were looked at, back to
    :ivar since: this one; ``None``: there were none.
    :ivar is_all: there are no older ones.
    :ivar rare: how many unknown replies there are beside those that came most often.
    """

    events: int = 0
    since: datetime | None = None
    is_all: bool = True
    reasons: list[Reason] = field(default_factory=list)
    causes: dict[str, int] = field(default_factory=dict)
    hours: tuple[Bar, ...] = ()
    most_an_hour: int = 0
    unknown: list[UnknownReply] = field(default_factory=list)
    rare: int = 0


_known: Remembered[Failures] = Remembered(FRESH_SECONDS)


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/bounces``."""
    visit.query(Nothing)

    async def look() -> Failures:
        return await _look(visit.house)

    found = await _known.get(look, patience=PATIENCE)
    return visit.page(
        "bounces.html",
        title="Bounces",
        command=("softbounce", "classify", "--unknown"),
        found=found,
        height=CHART,
    )


async def _look(house: House) -> Failures:
    """Go back through the event log, as far as is bearable; what is heavy goes on beside the loop."""
    settings = await house.client.settings()
    failed: list[Event] = []
    looked, before = 0, None
    since: datetime | None = None
    while looked < MOST_EVENTS:
        step = await house.run(read_latest(house.knowledge, before, entries=ENTRIES))
        looked += len(step.events)
        since = step.events[-1].at if step.events else since
        failed += [one for one in step.events if one.kind in FAILED]
        before = step.before_ms
        if before is None:
            break
    return await asyncio.to_thread(_count, failed, looked, since, before is None, settings)


def _count(failed: list[Event], looked: int, since: datetime | None, is_all: bool, settings: Settings) -> Failures:  # noqa: FBT001 - a fact of five
    reasons: dict[str, Reason] = {}
    causes: Counter[str] = Counter()
    hours: Counter[datetime] = Counter()
    for event in failed:
        word = event.reason or event.cause or "unknown"
        one = reasons.setdefault(word, Reason(reason=word))
        if event.kind == "bounced":
            one.hard += 1
            causes[event.cause or "unknown"] += 1
            hours[event.at.replace(minute=0, second=0, microsecond=0)] += 1
        else:
            one.soft += 1
        one.last = one.last or event
    ordered = sorted(reasons.values(), key=lambda one: (-one.hard, -one.soft))[:REASONS]
    unknown = unknown_replies(reversed(failed), settings)
    latest = max(hours, default=None)
    columns = [] if latest is None else [latest - HOUR * back for back in reversed(range(HOURS))]
    return Failures(
        events=looked,
        since=since,
        is_all=is_all,
        reasons=ordered,
        causes=dict(causes.most_common()),
        hours=bars([(f"{at:%d %b %H:00}", hours[at]) for at in columns], height=CHART),
        most_an_hour=max((hours[at] for at in columns), default=0),
        unknown=unknown[:UNKNOWN],
        rare=max(0, len(unknown) - UNKNOWN),
    )
