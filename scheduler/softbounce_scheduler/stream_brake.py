"""The stream brake: follows the event logs, and holds a stream of which too much is refused.

The logs are the counters: what became of an envelope stands there with the change itself, whoever was killed behind it,
in any shard, and it costs a delivery nothing. Who starts anew reads the last day of them once more, and knows what its
predecessor knew. Two schedulers at once count the same, and the stream is held once. What counts is in
:mod:`.stream_evidence`; while no brake is configured nothing is read.

A hold that appears, or goes, is followed by a walk over what is queued: mail of a held stream is moved to *held*, so
that it does not age, and what a release left behind is released, whoever died in the middle of it. What sessions had in
hand at that moment, or a worker that died, is held when it waits again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog
from msgspec.structs import replace

from softbounce.duration import from_epoch_ms
from softbounce.events import StoredEvent, decode_events
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.event_log import Place, read_on
from softbounce.store.held_streams import StreamHold, forget_release, hold_stream, read_holds
from softbounce.store.nonsense import ignore

from .expiry import Expiry
from .store_view import LATE_WORKERS_MS, StoreView
from .stream_evidence import OLDEST_MS, StreamEvidence, told_of_ms

__all__ = ["StreamBrake"]

FOLLOW_EVERY = 0.25
LOOK_EVERY = 5.0
"""Seconds between two looks at which streams are held, where no brake is configured."""
PAGE_ENTRIES = 50
FORGET_MS = 2 * OLDEST_MS
NOTHING = StreamHold()
log = structlog.get_logger("softbounce.scheduler")


class StreamBrake:
    """The brake of all streams.

    :param queues: of each shard, what walks over it and makes of its mail what :attr:`StoreView.holds` says.
    """

    def __init__(self, view: StoreView, queues: Sequence[Expiry]) -> None:
        self._view = view
        self._queues = queues
        self._evidence: StreamEvidence | None = None
        self._of_version = 0
        self._read_to: dict[int, Place] = {}
        self._woken = asyncio.Event()
        self._walks: list[float] = []
        self._has_walks = asyncio.Event()

    def wake(self) -> None:
        """Something may be held or released."""
        self._woken.set()

    async def step(self) -> None:
        """Look at what is held, and at what was said of streams since."""
        pause = FOLLOW_EVERY if self._view.settings.brake else LOOK_EVERY
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        now_ms = (await self._view.store.run(read_time(keys.HOME))).now_ms
        await self._look_at_holds(now_ms)
        settings = self._view.settings
        if not settings.brake:
            self._evidence = None
            return
        evidence = self._evidence
        if evidence is None or self._of_version != settings.version:
            self._evidence = evidence = StreamEvidence(settings)
            self._of_version = settings.version
            self._read_to = dict.fromkeys(range(self._view.shards), Place.at(now_ms - OLDEST_MS))
        await self._follow(evidence, now_ms)

    async def _look_at_holds(self, now_ms: int) -> None:
        before, holds = self._view.holds, await self._view.store.run(read_holds())
        self._view.holds = holds
        for stream, hold in holds.items():
            if before.get(stream, NOTHING).revision == hold.revision:
                if not hold.is_held and now_ms - hold.released_ms > FORGET_MS:
                    await self._view.store.run(forget_release(stream, hold))
                continue
            if self._evidence is not None:
                self._evidence.forget(stream)
            if hold.is_held:
                mend = f"mend its list or its sender, then: softbounce release --stream {stream or chr(39) * 2}"
                since = from_epoch_ms(hold.held_ms).isoformat()
                log.error("stream_held", stream=stream, reason=hold.reason, why=hold.why, since=since, mend=mend)
            elif stream in before:
                log.warning("stream_released", stream=stream)
            if hold.is_held:
                self._walk_in(0.0)
            self._walk_in(LATE_WORKERS_MS / 1000)

    async def _follow(self, evidence: StreamEvidence, now_ms: int) -> None:
        """Read all logs to their ends, and then judge: what once was too much, and is not any more, is no reason."""
        suspects: set[str] = set()
        for shard in range(self._view.shards):
            is_more = True
            while is_more:
                page = (await self._view.store.run(read_on({shard: self._read_to[shard]}, PAGE_ENTRIES)))[shard]
                for entry in page.entries:
                    suspects |= self._hear(evidence, entry.octets, entry.at_ms)
                # Only a time: what is heard twice would count twice.
                self._read_to[shard] = page.behind._replace(is_read=False)
                is_more = page.has_more
                await asyncio.sleep(0)
        for stream in suspects:
            if (hold := evidence.too_much(stream)) is not None:
                await self._hold(stream, replace(hold, held_ms=now_ms))

    def _hear(self, evidence: StreamEvidence, octets: bytes, at_ms: int) -> set[str]:
        """The streams against which an entry says something."""
        try:
            events = decode_events(octets)
        except msgspec.DecodeError:
            ignore("events", octets)
            return set()
        return {one.stream for one in events if self._counts(one, at_ms) and evidence.hear(one, at_ms)}

    def _counts(self, event: StoredEvent, at_ms: int) -> bool:
        """Whether it is of a stream that is not held, and of mail of after its last release."""
        hold = self._view.holds.get(event.stream)
        return hold is None or not (hold.is_held or told_of_ms(event, at_ms) <= hold.released_ms)

    async def _hold(self, stream: str, hold: StreamHold) -> None:
        known, keep = self._view.holds.get(stream, NOTHING), self._view.settings.keep_events_max
        await self._view.store.run(hold_stream(stream, hold, over=known, keep_events=keep))
        if self._evidence is not None:  # held; or released, or held by another scheduler, since it was seen
            self._evidence.forget(stream)
        await self._look_at_holds(hold.held_ms)

    # -- what is queued ---------------------------------------------------------------------------------------------

    def _walk_in(self, seconds: float) -> None:
        self._walks.append(time.monotonic() + seconds)
        self._has_walks.set()

    async def walk(self) -> None:
        """Walk over what is queued, when something was held or released; else see to what was in hand then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self._has_walks.wait()
        if not self._walks:
            for queue in self._queues:
                await queue.hold_what_was_in_hand()
            return
        now = time.monotonic()
        first = min(self._walks)
        if first > now:
            await asyncio.sleep(min(first - now, FOLLOW_EVERY))
            return
        self._walks = [at for at in self._walks if at > now]
        if not self._walks:
            self._has_walks.clear()
        try:
            changed = [await queue.obey_holds() for queue in self._queues]
        except Exception:
            self._walk_in(0.0)  # once more
            raise
        log.info("stream_holds_obeyed", envelopes_changed=sum(changed))
