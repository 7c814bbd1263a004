"""Follows the event logs, and has a notice written for what a sender is to be told of.

What became of an envelope stands there with the change itself, so nobody who dies behind that forgets the notice, and
who needs none pays nothing. How far a log was followed is written down behind what it told, so a scheduler that dies in
between has it told again, by the same keys: each notice is written once. Two schedulers are harmless.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec
import structlog

from softbounce.events import decode_events
from softbounce.settings import Notices
from softbounce.store.event_log import LogEntry, Page, Place, read_on
from softbounce.store.nonsense import ignore
from softbounce.store.notices import forget_places, note_places, read_counts, read_places
from softbounce_scheduler.notices.due import Due, due, may_tell
from softbounce_scheduler.notices.hourly import Hourly
from softbounce_scheduler.notices.writing import Writing
from softbounce_scheduler.store_view import StoreView

__all__ = ["Noticing"]

FOLLOW_EVERY = 1.0
LOOK_EVERY = 5.0
"""Seconds between two looks at the settings, where nobody gets a notice."""
NOTE_EVERY = 5.0
"""Seconds between two notes of how far a log was followed that told nothing."""
PAGE_ENTRIES = 100
log = structlog.get_logger("softbounce.scheduler")


class Noticing:
    """Follows the logs of all shards.

    :param hostname: ours.
    """

    def __init__(self, view: StoreView, hostname: str) -> None:
        self._view = view
        self._hourly = Hourly()
        self._writing = Writing(view.store, hostname, self._hourly)
        self._places: dict[int, Place] = {}
        self._is_off = False
        self._noted_at = 0.0

    async def step(self) -> None:
        """See what was told since."""
        is_on = self._view.settings.notices.about != "none"
        await asyncio.sleep(FOLLOW_EVERY if is_on else LOOK_EVERY)
        if is_on:
            await self.follow()
        else:
            await self.leave_off()

    async def leave_off(self) -> None:
        """Nobody gets a notice: what happens meanwhile is told to nobody later, either."""
        if not self._is_off:
            await self._view.store.run(forget_places(self._view.shards))
            self._is_off, self._places = True, {}

    async def follow(self) -> None:
        """Read all logs to their ends, and have written what is due."""
        store, self._is_off = self._view.store, False
        if not self._places:
            self._hourly.go_on_with(await store.run(read_counts()))
            self._places = await store.run(read_places(self._view.shards))
        is_more = True
        while is_more:
            settings = self._view.settings
            pages = await store.run(read_on(self._places, PAGE_ENTRIES))
            self._look_for_gaps(pages)
            wanted = [one for page in pages.values() for entry in page.entries for one in _due(entry, settings.notices)]
            await self._writing.write(wanted, settings)
            await self._note(pages, is_due=bool(wanted))
            is_more = any(page.has_more for page in pages.values())

    def _look_for_gaps(self, pages: Mapping[int, Page]) -> None:
        for shard, place in self._places.items():
            entries = pages[shard].entries
            if entries and 0 <= place.number < entries[0].before:
                lost = entries[0].before - place.number
                mend = "[store] keep_events and keep_events_max say how long a scheduler may be away"
                log.error("notices_lost", shard=shard, events=lost, mend=mend)

    async def _note(self, pages: Mapping[int, Page], *, is_due: bool) -> None:
        places = {shard: page.behind for shard, page in pages.items()}
        is_due = is_due or time.monotonic() - self._noted_at > NOTE_EVERY
        if is_due and any(page.entries for page in pages.values()):
            await self._view.store.run(note_places(places, self._hourly.note()))
            self._noted_at = time.monotonic()
        self._places = places


def _due(entry: LogEntry, notices: Notices) -> list[Due]:
    if not may_tell(entry.octets):
        return []
    try:
        events = decode_events(entry.octets)
    except msgspec.DecodeError:
        ignore("events", entry.octets)
        return []
    return due(events, entry.at_ms, notices)
