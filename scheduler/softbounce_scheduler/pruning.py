"""Forgets small facts that nobody needs any more: of dead processes, of quiet lanes, of domains without mail.

One bounded step of each walk a sweep, and more while it finds much. What is forgotten costs nobody mail: a domain is
looked up once more, a lane begins without a past, a job may be sent twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec
import structlog

from softbounce.duration import from_epoch_ms
from softbounce.store import membership
from softbounce.store.keys import HOME
from softbounce.store.lanes import decode_state, forget_lanes
from softbounce.store.pruning import forget_facts, tidy_lists, walk_facts, walk_lists
from softbounce.store.quotas import recount
from softbounce.store.sites import decode_site
from softbounce.store.sts_policies import decode_policy
from softbounce.store.suppressions import STREAK, SUPPRESSED, decode_kept, decode_streak
from softbounce.store.tls_results import is_old_result

from .store_view import StoreView

__all__ = ["Pruner"]

LANE = "lane"
STEP = 500
MUCH = STEP // 4
LONGEST = 0.25
"""Seconds a sweep, for all that is left of one walk."""
KEPT_SITES = 200_000
"""In each shard. Beyond it a domain that was not used for :data:`SOON` is forgotten."""
SITE_AGE_MS = timedelta(days=30) // timedelta(milliseconds=1)
SOON_MS = timedelta(hours=1) // timedelta(milliseconds=1)
KEPT_POLICIES = 50_000
UNUSED_MS = timedelta(days=2) // timedelta(milliseconds=1)
COUNTED_MS = timedelta(days=30) // timedelta(milliseconds=1)
REMOVED_MS = timedelta(days=1) // timedelta(milliseconds=1)
LANE_AGE_MS = timedelta(days=1) // timedelta(milliseconds=1)
OLD_HINT_MS = timedelta(minutes=10) // timedelta(milliseconds=1)
log = structlog.get_logger("softbounce.scheduler")

IsOld = Callable[[bytes, int, int], bool]
"""Of a fact's value, how many there are in all, and now: whether it may be forgotten."""


class Pruner:
    """The walks of all shards, each at its own pace."""

    def __init__(self, view: StoreView) -> None:
        self._view = view
        self._cursors: dict[tuple[int, str], int] = {}

    async def prune(self) -> None:
        """One step of every walk."""
        for shard in range(self._view.shards):
            await self._walk(shard, "site", is_old_site)
            await self._walk(shard, SUPPRESSED, is_old_suppression)
            await self._walk(shard, STREAK, self._is_old_streak)
            await self._tidy(shard)
            await self._recount(shard)
        await self._walk(HOME, LANE, is_old_lane)
        await self._walk(HOME, "sts", is_old_policy)
        await self._forget_days()
        await self._walk(HOME, "hint", is_old_hint)
        await self._walk(HOME, "told", is_old_told)
        await self._walk_dead("owner", lambda _lane, process: process)
        await self._walk_dead("replayed", lambda process, _: process)
        await self._walk_dead("sessions", lambda process, _: process)

    async def _walk(self, shard: int, name: str, is_old: IsOld) -> None:
        now_ms = self._view.earliest_ms(shard)
        if not now_ms:
            return
        began = time.monotonic()
        while True:
            total, found = await self._step(shard, name)
            gone = await self._forget(
                shard, name, {field: value for field, value in found.items() if is_old(value, total, now_ms)}
            )
            if gone < MUCH or time.monotonic() - began > LONGEST:
                return

    async def _forget_days(self) -> None:
        """Forget what was counted of days that are long over."""
        now_ms = self._view.earliest_ms(HOME)
        if now_ms:
            before = f"{from_epoch_ms(now_ms - COUNTED_MS):%Y-%m-%d}"
            _, found = await self._step(HOME, "tls")
            await self._forget(
                HOME, "tls", {field: number for field, number in found.items() if is_old_result(field, before)}
            )

    async def _tidy(self, shard: int) -> None:
        """Of lists that no worker claims from, what is stale goes too: mail whose window closed meanwhile."""
        began = time.monotonic()
        while True:
            walk = walk_lists(shard, self._cursors.get((shard, "lanes"), 0), STEP)
            self._cursors[shard, "lanes"], names = await self._view.store.run(walk)
            dropped = await self._view.store.run(tidy_lists(shard, names)) if names else 0
            if dropped < MUCH or time.monotonic() - began > LONGEST:
                return

    async def _recount(self, shard: int) -> None:
        """Of what is counted for quotas, count no more what ended without a word of it, or was never accepted."""
        began = time.monotonic()
        while True:
            cursor = str(self._cursors.get((shard, "counted"), 0))
            after, ended = await self._view.store.run(recount(shard, cursor, STEP))
            self._cursors[shard, "counted"] = int(after)
            if ended:
                log.info("quotas_recounted", shard=shard, envelopes=ended)
            if ended < MUCH or time.monotonic() - began > LONGEST:
                return

    def _is_old_streak(self, value: bytes, _total: int, now_ms: int) -> bool:
        """Whether mail to an address failed so long ago that it does not count any more."""
        try:
            latest_ms = max(decode_streak(value), default=0)
        except msgspec.DecodeError:
            return True
        return now_ms - latest_ms > self._view.settings.suppress.streak_within // timedelta(milliseconds=1)

    async def _walk_dead(self, name: str, process_of: Callable[[bytes, bytes], bytes]) -> None:
        """Forget what is of processes that are gone. A process was let in before there was a fact about it."""
        began = time.monotonic()
        while True:
            _, found = await self._step(HOME, name)
            if not found:
                return
            members = {member.encode() for member in await self._view.store.run(membership.members(self._view.shards))}
            dead = {field: value for field, value in found.items() if process_of(field, value) not in members}
            if await self._forget(HOME, name, dead) < MUCH or time.monotonic() - began > LONGEST:
                return

    async def _step(self, shard: int, name: str) -> tuple[int, Mapping[bytes, bytes]]:
        facts = await self._view.store.run(walk_facts(shard, name, self._cursors.get((shard, name), 0), STEP))
        self._cursors[shard, name] = facts.cursor
        return facts.total, facts.found

    async def _forget(self, shard: int, name: str, facts: Mapping[bytes, bytes]) -> int:
        if not facts:
            return 0
        keep = self._view.settings.keep_events_max
        forget = forget_lanes(facts, keep_events=keep) if name == LANE else forget_facts(shard, name, facts)
        gone = await self._view.store.run(forget)
        log.debug("facts_forgotten", shard=shard, what=name, number=gone)
        return gone


def is_old_suppression(value: bytes, _total: int, now_ms: int) -> bool:
    """Whether all that is kept of an address ended; that it was taken off is remembered for a day."""
    try:
        kept = decode_kept(value)
    except msgspec.DecodeError:
        return True
    return abs(now_ms - kept.removed_ms) > REMOVED_MS and all(one.is_over(now_ms) for one in kept.entries)


def is_old_site(value: bytes, total: int, now_ms: int) -> bool:
    """Whether mail last went to a domain too long ago; what cannot be read is of no use to anybody."""
    try:
        used_ms = decode_site(value).learnt_ms
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return abs(now_ms - used_ms) > (SITE_AGE_MS if total <= KEPT_SITES else SOON_MS)


def is_old_policy(value: bytes, total: int, now_ms: int) -> bool:
    """Whether a policy is of no force any more, or one too many of those that nobody renews, as who uses one does."""
    try:
        policy = decode_policy(value)
    except ValueError:
        return True
    return policy.expires_ms < now_ms or (total > KEPT_POLICIES and now_ms - policy.fetched_ms > UNUSED_MS)


def is_old_lane(value: bytes, _total: int, now_ms: int) -> bool:
    """Whether a lane's trouble is long over: where mail waits, its owner tries again and again, and notes that."""
    try:
        state = decode_state(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return abs(now_ms - state.latest_ms) > LANE_AGE_MS


def is_old_hint(value: bytes, _total: int, now_ms: int) -> bool:
    """Whether a job was sent so long ago that it would be sent again anyway."""
    return not value.isdigit() or abs(now_ms - int(value)) > OLD_HINT_MS


def is_old_told(value: bytes, total: int, now_ms: int) -> bool:
    """Whether a lane was last told of work so long ago that it is told again anyway, if there is any."""
    return is_old_hint(value.partition(b"\n")[0], total, now_ms)
