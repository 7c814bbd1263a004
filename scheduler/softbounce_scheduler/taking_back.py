"""Takes back what bounces said of their addresses, where the site that said so turned out not to be believed.

A worker notices only after some denials that there are far too many of them. What it had believed by then has bounced,
and its addresses are to be suppressed: the event log tells which, and each is told anew by an event ``unsuppressed``.
They stay bounced, for their messages are gone. Repeated, this changes nothing, so whoever dies in the middle of it
leaves it to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from softbounce import transitions
from softbounce.classify.rule_pack import PREFIX
from softbounce.envelope import Record, State
from softbounce.events import StoredEvent, decode_events
from softbounce.store import keys, reading
from softbounce.store.clock import read_time
from softbounce.store.event_log import Place, read_on
from softbounce.store.nonsense import ignore
from softbounce.store.unbelieved import Amendment, Unbelieved, Whom, amend, forget_unbelieved, read_unbelieved

from .store_view import StoreView

__all__ = ["TakingBack"]

LOOK_EVERY = 5.0
PAGE_ENTRIES = 50
AT_ONCE = 200
log = structlog.get_logger("softbounce.scheduler")


class TakingBack:
    """Sees to all notes of which the time is over."""

    def __init__(self, view: StoreView) -> None:
        self._view = view

    async def step(self) -> None:
        """Look after a while."""
        await asyncio.sleep(LOOK_EVERY)
        await self.take_back()

    async def take_back(self) -> int:
        """Take back what is noted, in one walk over the logs for all notes; of how many envelopes it was."""
        store = self._view.store
        notes = await store.run(read_unbelieved())
        if not notes:
            return 0
        now_ms = (await store.run(read_time(keys.HOME))).now_ms
        over = [one for one in notes if one.until_ms <= now_ms]
        if not over:
            return 0
        doubted = {one.whom: one for one in over if one.whom.lane}
        taken_back = 0
        for shard in range(self._view.shards) if doubted else ():
            taken_back += await self._walk(shard, doubted)
        await store.run(forget_unbelieved(over))
        log.warning("suppressions_taken_back", envelopes=taken_back, storms=len(doubted))
        return taken_back

    async def _walk(self, shard: int, doubted: dict[Whom, Unbelieved]) -> int:
        """The same in one shard."""
        taken_back = 0
        place = Place.at(min(one.since_ms for one in doubted.values()))
        until_ms = max(one.until_ms for one in doubted.values())
        while True:
            page = (await self._view.store.run(read_on({shard: place}, PAGE_ENTRIES)))[shard]
            within = [(entry.at_ms, entry.octets) for entry in page.entries if entry.at_ms <= until_ms]
            suspects = [(one.id, at_ms) for at_ms, octets in within for one in _suppressing(octets)]
            for start in range(0, len(suspects), AT_ONCE):
                taken_back += await self._take_back(shard, dict(suspects[start : start + AT_ONCE]), doubted)
            if len(within) < PAGE_ENTRIES:
                return taken_back
            place = page.behind._replace(is_read=False)  # each entry once, whatever is trimmed meanwhile
            await asyncio.sleep(0)

    async def _take_back(self, shard: int, suspects: dict[bytes, int], doubted: dict[Whom, Unbelieved]) -> int:
        store = self._view.store
        amendments = [
            Amendment(record, transitions.unsuppress(record))
            for record in await store.run(reading.read_all(list(suspects)))
            if isinstance(record, Record) and _is_doubted(record, suspects[record.id], doubted)
        ]
        if not amendments:
            return 0
        return await store.run(amend(shard, amendments, keep_events=self._view.settings.keep_events_max))


def _suppressing(octets: bytes) -> Iterator[StoredEvent]:
    """The bounces among an entry's events after which their addresses are to be suppressed."""
    try:
        events: Sequence[StoredEvent] = decode_events(octets)
    except msgspec.DecodeError:
        ignore("events", octets)
        return
    yield from (one for one in events if one.kind == "bounced" and one.suppress)


def _is_doubted(record: Record, at_ms: int, doubted: dict[Whom, Unbelieved]) -> bool:
    """Whether an envelope bounced, at this time, by a denial that is believed no more: by our reading of it."""
    envelope = record.envelope
    if record.state is not State.BOUNCED or envelope.final is None or not envelope.final.suppress:
        return False
    if not envelope.attempts or not (envelope.attempts[-1].rule or "").startswith(PREFIX):
        return False
    notes = (doubted.get(Whom(record.lane, domain)) for domain in (envelope.domain, ""))
    return any(one is not None and one.since_ms <= at_ms <= one.until_ms for one in notes)
