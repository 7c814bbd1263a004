"""What puts off the first attempts of a send, or refuses it: its spread, quotas, and quiet hours.

Only worked out here: the script ``accept`` counts, and moves an envelope's ``at``, so that none of it makes it older.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from softbounce import quiet
from softbounce.client.send.arguments import Checked
from softbounce.duration import MILLISECOND, in_words
from softbounce.envelope import Record
from softbounce.errors import QuotaExceeded
from softbounce.quotas import Bucket, Room, Whose, buckets_for, rooms_for, written
from softbounce.settings import Settings
from softbounce.store.accepting import OverQuota, PuttingOff

__all__ = ["Limits", "Turn", "limits_of", "over_quota", "putting_off", "turns"]

DAY_MS = 86_400_000
SLACK_MS = 600_000
"""The store's clock may be behind ours by so much."""
FURTHEST_MS = 31 * DAY_MS
"""Quiet hours later than that are left to the worker that meets them."""


class Turn(NamedTuple):
    """The place of a message among all that are spread together: behind so many envelopes, of so many."""

    behind: int
    total: int


class Limits(NamedTuple):
    """The limits of the quotas that a message is under, in the order in which the store numbers them."""

    buckets: tuple[Bucket, ...]
    rooms: tuple[Room, ...]

    @property
    def refusing(self) -> Limits:
        """Those by which it may be refused."""
        return Limits(tuple(one for one in self.buckets if one.rule.over == "refuse"), self.rooms)


def turns(sends: Sequence[Checked]) -> list[Turn]:
    """The place of each of these: those of the same spread are spread together, in their order."""
    totals: dict[int, int] = {}
    behind: list[int] = []
    for one in sends:
        behind.append(totals.get(one.spread_ms, 0))
        totals[one.spread_ms] = behind[-1] + len(one.recipients)
    return [Turn(before, totals[one.spread_ms]) for before, one in zip(behind, sends, strict=True)]


def limits_of(checked: Checked, settings: Settings, *, shards: int) -> Limits:
    """The quotas' limits that count for a send."""
    if not settings.quota:
        return NO_LIMITS
    whose = _whose(checked)
    rules, octets = settings.quotas_of(*whose), len(checked.prepared.octets)
    return Limits(
        tuple(buckets_for(rules, whose, octets=octets, shards=shards)), tuple(rooms_for(rules, whose, shards=shards))
    )


def _whose(checked: Checked) -> Whose:
    return Whose(checked.stream, checked.sender.canonical, checked.tenant or checked.sender.domain)


def over_quota(limits: Limits, over: OverQuota, *, index: int | None = None) -> QuotaExceeded:
    """The error of a send for which a limit has no room."""
    number = over.limit
    if number >= len(limits.buckets):
        room = limits.rooms[number - len(limits.buckets)]
        reason = f"so many envelopes are unfinished{_in_shard(room.most, room.rule.waiting)}"
        return QuotaExceeded(room.rule.name, f"waiting {room.rule.waiting}", reason=reason, index=index)
    bucket = limits.buckets[number]
    allowance = bucket.rule.messages if bucket.kind == "messages" else bucket.rule.octets
    limit = f"{bucket.kind} {written(allowance)}" if allowance else bucket.kind
    if over.room_in_ms < 0:
        reason = "this is more than it has at a time, so it never has room"
        return QuotaExceeded(bucket.rule.name, limit, reason=reason, index=index)
    wait = over.room_in_ms * MILLISECOND
    reason = f"there is room in {in_words(wait)}"
    return QuotaExceeded(bucket.rule.name, limit, reason=reason, retry_after=wait, index=index)


def _in_shard(most: int, of_all: int) -> str:
    return "" if most == of_all else f" ({most} in this shard of the store)"


def putting_off(
    checked: Checked, records: Sequence[Record], settings: Settings, *, shards: int, turn: Turn | None
) -> PuttingOff | None:
    """All that may put off, or refuse, a message with these records; ``None``: nothing does."""
    limits = limits_of(checked, settings, shards=shards)
    periods = _quiet_ms(checked, settings)
    if not (checked.spread_ms or periods or limits.buckets or limits.rooms):
        return None
    behind, total = turn or (0, len(records))
    names = ("spread", "quiet", *(f"quota:{bucket.rule.name}" for bucket in limits.buckets))
    return PuttingOff(
        spread_ms=[checked.spread_ms * (behind + number) // total for number in range(len(records))]
        if checked.spread_ms
        else (),
        quiet_ms=periods,
        delays_ms=[quiet.delay_after(record.id) for record in records] if periods else (),
        places=[number for record in records for name in ("at_ms", "put_off") for number in record.span_of(name)],
        words=[msgspec.msgpack.encode(name) for name in names],
        buckets=limits.buckets,
        rooms=limits.rooms,
    )


def _quiet_ms(checked: Checked, settings: Settings) -> list[int]:
    """The quiet hours that may be met when it begins, flat."""
    rules = settings.quiet_hours_of(*_whose(checked))
    if not rules:
        return []
    from_ms = max(time.time_ns() // 1_000_000 - SLACK_MS, checked.at_ms or 0)
    to_ms = from_ms + min(checked.spread_ms + quiet.DAYS_AHEAD * DAY_MS, FURTHEST_MS)
    return [at for period in quiet.periods(rules, from_ms, to_ms) for at in period]


NO_LIMITS = Limits((), ())
