"""How much mail went in and out, over time: of the last day, in steps of minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms
from softbounce.errors import InvalidArgument
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.traffic import A_DAY, MINUTE_MS, TrafficNote, read_notes, read_totals

__all__ = ["TrafficPoint", "read_traffic"]

HOUR = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPoint:
    """What happened between two moments.

    :ivar from_at: when it began; ``until_at``: when it ended, which for the last point is now. They are a step apart,
        but where no scheduler was at work: then one point tells of the whole while.
    :ivar deferred: attempts that ended softly, the one that a policy made the last too.
    :ivar waiting: envelopes that had not ended at ``until_at``.
    """

    from_at: datetime
    until_at: datetime
    accepted: int
    delivered: int
    deferred: int
    bounced: int
    cancelled: int
    waiting: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "from_at": rfc3339(self.from_at),
            "until_at": rfc3339(self.until_at),
            "accepted": self.accepted,
            "delivered": self.delivered,
            "deferred": self.deferred,
            "bounced": self.bounced,
            "cancelled": self.cancelled,
            "waiting": self.waiting,
        }


def read_traffic(knowledge: Knowledge, minutes: int, step: int) -> Flow[list[TrafficPoint]]:
    """The traffic of the last minutes, the oldest first; it costs three short questions, whatever is in the store.

    :param minutes: up to a day.
    :param step: minutes in a point.
    :raises InvalidArgument: they are none.
    """
    if not 1 <= minutes <= A_DAY:
        raise InvalidArgument("minutes", f"{minutes}: give 1 to {A_DAY}, which is a day")
    if not 1 <= step <= HOUR:
        raise InvalidArgument("step", f"{step}: give 1 to {HOUR} minutes")
    known = yield from knowledge.current()
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    this = now_ms // MINUTE_MS
    oldest = max(this - minutes, this - A_DAY + 1)
    notes = yield from repeat(read_notes([one for one in range(oldest, this + 1) if one % step == 0], now_ms))
    totals = yield from repeat(read_totals(known.shards))
    return [_point(before, after) for before, after in pairwise([*notes, TrafficNote(now_ms, totals)])]


def _point(before: TrafficNote, after: TrafficNote) -> TrafficPoint:
    """A counter that went back (a shard is an older copy than the others) tells nothing."""
    grown = (max(0, late - early) for early, late in zip(before.totals[:-1], after.totals[:-1], strict=True))
    accepted, delivered, deferred, bounced, cancelled = grown
    return TrafficPoint(
        from_at=from_epoch_ms(before.at_ms),
        until_at=from_epoch_ms(after.at_ms),
        accepted=accepted,
        delivered=delivered,
        deferred=deferred,
        bounced=bounced,
        cancelled=cancelled,
        waiting=after.totals.waiting,
    )
