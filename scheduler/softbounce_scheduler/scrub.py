"""The slow walk: finds envelopes that no queue has, whatever took them out of theirs, and puts them back.

Nothing that our scripts do leaves such a one. A hand in the store, a fault of an older version, or a failover that was
not waited for may, and it would wait for its window to close. Steps are small and far between: a million records are
passed in five minutes. Of lists that are long now nothing is asked: they are looked at again when they are short.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import structlog

from softbounce.envelope import Record, State
from softbounce.store import keys, membership, moving, reading
from softbounce.store.metrics import tell_oldest
from softbounce.store.moving import MoveResult
from softbounce.store.scrubbing import list_ends, list_lengths, list_part, relist, scrub_step
from softbounce.store.unreadable import put_back

from .store_view import StoreView
from .sweep import Sweeper
from .unreadable import Aside

__all__ = ["Scrub"]

STEP = 500
PAUSE = 0.15
BETWEEN_ROUNDS, AT_LEAST = 60.0, 5.0
"""Seconds; where a round took less, it is as long until the next, for its ages are shown meanwhile."""
MOST_SEEN = 100_000
LONGEST_LIST = 10_000
PART = 2_000
NAMES = 500
ASIDE_AGAIN = 600.0
"""Seconds after which what is set aside is looked at again."""
Place: TypeAlias = tuple[str, str, int]
"""A lane, a stream, a share of it."""
Entries: TypeAlias = dict[bytes, bytes]
"""Envelopes by id, with their versions."""
log = structlog.get_logger("softbounce.scheduler")


class Scrub:
    """The walk over all shards, one after another, for ever."""

    def __init__(self, view: StoreView, sweeper: Sweeper) -> None:
        self._view = view
        self._sweeper = sweeper
        self._shard = 0
        self._cursor = "0"
        self._pause = PAUSE
        self._began = time.monotonic()
        self._oldest: dict[State, int] = {}
        self._seen = 0
        self._ready: dict[Place, Entries] = {}
        self._attempting: dict[bytes, bytes] = {}
        self._aside_at = [-math.inf] * view.shards  # a steady clock may begin with the machine

    async def step(self) -> None:
        """Wait, and take one step."""
        await asyncio.sleep(self._pause)
        store, shard = self._view.store, self._shard
        seen = await store.run(scrub_step(shard, self._cursor, STEP))
        if seen.mended:
            log.error("envelopes_requeued", shard=shard, envelopes=seen.mended)
        await self._set_aside(seen.odd)
        for place, entries in seen.ready.items():
            self._ready.setdefault(place, {}).update(entries)
            self._seen += len(entries)
        self._attempting.update(seen.attempting)
        for state, created_ms in seen.oldest.items():
            self._oldest[state] = min(created_ms, self._oldest.get(state, created_ms))
        self._cursor, is_over = seen.cursor, seen.cursor == "0"
        if is_over or self._seen + len(self._attempting) >= MOST_SEEN:
            await self.check()
        self._pause = PAUSE
        if is_over:
            await self._look_at_aside(shard)
            oldest, self._oldest = self._oldest, {}
            await store.run(tell_oldest(shard, oldest))
            self._shard = (shard + 1) % self._view.shards
            if not self._shard:
                now = time.monotonic()
                self._pause = min(BETWEEN_ROUNDS, max(AT_LEAST, now - self._began))
                self._began = now + self._pause

    async def _set_aside(self, ids: list[bytes]) -> None:
        aside = Aside(self._view.store, self._shard)
        for identity in ids:
            aside.add(identity, "what is stored there is no record")
        await aside.put()

    async def check(self) -> None:
        """See whether what was seen is where it should be."""
        ready, self._ready = self._ready, {}
        attempting, self._attempting = self._attempting, {}
        self._seen = 0
        all_places = list(ready)
        for start in range(0, len(all_places), NAMES):
            places = all_places[start : start + NAMES]
            names = [keys.ready_name(*place) for place in places]
            lengths = dict(zip(places, await self._view.store.run(list_lengths(self._shard, names)), strict=True))
            for place in places:
                if PART <= lengths[place] <= LONGEST_LIST:
                    await self._relist(place, await self._left_of(place, ready[place]))
            for some in self._together([place for place in places if lengths[place] < PART], lengths):
                await self._relist_short(some, ready)
        if attempting:
            await self._return_orphans(attempting)

    def _together(self, places: Sequence[Place], lengths: Mapping[Place, int]) -> Iterator[list[Place]]:
        """Short lists, as many as are read in one call."""
        some: list[Place] = []
        entries = 0
        for place in places:
            some.append(place)
            entries += lengths[place]
            if entries >= PART:
                yield some
                some, entries = [], 0
        if some:
            yield some

    async def _relist_short(self, places: Sequence[Place], ready: Mapping[Place, Entries]) -> None:
        names = [keys.ready_name(*place) for place in places]
        parts = await self._view.store.run(list_ends(self._shard, names, PART))
        for place, part in zip(places, parts, strict=True):
            if len(part) < PART:  # else it has grown: the next round looks at it
                there = set(part)
                await self._relist(place, {one: version for one, version in ready[place].items() if one not in there})

    async def _left_of(self, place: Place, entries: Entries) -> Entries:
        """Those of these that a longer list has not, read in parts."""
        missing = dict(entries)
        behind, is_more = 0, True
        while missing and is_more:
            part = await self._view.store.run(list_part(self._shard, keys.ready_name(*place), behind, PART))
            for one in part:
                missing.pop(one, None)
            behind += len(part)
            is_more = len(part) == PART
        return missing

    async def _relist(self, place: Place, missing: Entries) -> None:
        if missing and (number := await self._view.store.run(relist(self._shard, place, missing))):
            log.error("envelopes_relisted", shard=self._shard, lane=place[0], envelopes=number)

    async def _return_orphans(self, attempting: dict[bytes, bytes]) -> None:
        """Give back what is being attempted by nobody."""
        store, shard = self._view.store, self._shard
        for process in await store.run(membership.members(self._view.shards)):
            for identity, token in (await store.run(membership.list_claims(process, shard))).items():
                if attempting.get(identity) == token:
                    del attempting[identity]
        if not attempting:
            return
        aside = Aside(store, shard)
        found = aside.readable(await store.run(reading.read_all(list(attempting))))
        orphans = [one for one in found if one.state is State.ATTEMPTING and one.token == attempting[one.id]]
        now_ms = self._view.earliest_ms(shard)
        moves = [
            move
            for _, move in aside.judged(orphans, lambda record: self._sweeper.returned(record, now_ms, settle=True))
            if move
        ]
        await aside.put()
        results = await store.run(moving.move(moves, keep_events=self._view.settings.keep_events_max))
        if number := results.count(MoveResult.MOVED):
            log.error("orphans_returned", shard=shard, envelopes=number)

    async def _look_at_aside(self, shard: int) -> None:
        """Put back what was set aside and can be read now, and forget what is gone."""
        if time.monotonic() - self._aside_at[shard] < ASIDE_AGAIN:
            return
        self._aside_at[shard] = time.monotonic()
        cursor = "0"
        while True:
            _, entries, cursor = await self._view.store.run(reading.walk_aside(shard, cursor, STEP))
            ids = [identity for identity, record in entries if record is None or isinstance(record, Record)]
            if ids and (number := await self._view.store.run(put_back(shard, ids))):
                log.warning("envelopes_put_back", shard=shard, envelopes=number)
            if cursor == "0":
                return
            await asyncio.sleep(PAUSE)
