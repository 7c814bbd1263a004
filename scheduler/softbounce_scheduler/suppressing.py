"""Keeps who gets no mail, by what the event logs tell of bounces, complaints and deliveries.

What became of an envelope stands there with the change itself, so nobody who dies behind that forgets it, and it costs
a delivery nothing. How far a log was followed is written down after what it told was done; told again it changes
nothing, so two schedulers are harmless. What a log lost before it was followed is found out once more by the next mail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from softbounce.decide import Cause
from softbounce.errors import StoreError
from softbounce.events import decode_events
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.clock import ask_time, time_of
from softbounce.store.event_log import Page, Place, read_on, read_place
from softbounce.store.nonsense import ignore
from softbounce.store.pruning import forget_facts
from softbounce.store.scripts import script
from softbounce.store.suppressions import (
    FULL,
    MOST_STREAKS,
    STALE,
    STREAK,
    SUPPRESSED,
    Swap,
    decode_streak,
    encode_kept,
    encode_streak,
    read_kept,
    read_names,
    shard_of_name,
    swap,
)
from softbounce.suppression import NOTHING, Entry, SuppressRules

from .store_view import StoreView
from .suppression_evidence import (
    Evidence,
    Failure,
    TakenBack,
    changed,
    may_tell,
    streak_entry,
    with_delivery,
    with_failure,
)

__all__ = ["Suppressing"]

FOLLOW_EVERY = 0.5
LOOK_EVERY = 5.0
"""Seconds between two looks at the settings, where nothing suppresses anybody."""
NOTE_EVERY = 5.0
"""Seconds between two notes of how far a log was followed that told nothing."""
PAGE_ENTRIES = 100
AT_ONCE = 500
"""Names that are changed in one call."""
TURNS = 20
SAID_AGAIN = 3600.0
PROMOTED = Cause.PROMOTED.value.encode()
log = structlog.get_logger("softbounce.scheduler")


class Suppressing:
    """Follows the logs of all shards."""

    def __init__(self, view: StoreView) -> None:
        self._view = view
        self._read_to: dict[int, Place] = {}
        self._noted_at = 0.0
        self._said_full_at = -SAID_AGAIN

    async def step(self) -> None:
        """See what was told since."""
        rules = self._view.settings.suppress
        await asyncio.sleep(FOLLOW_EVERY if rules.are_fed else LOOK_EVERY)
        if rules.are_fed:
            await self.follow()

    async def follow(self) -> None:
        """Read all logs to their ends, and do what they tell."""
        store = self._view.store
        if not self._read_to:
            self._read_to = await store.run(_read_places(self._view.shards))
        is_more = True
        while is_more:
            rules = self._view.settings.suppress
            pages, streaks = await store.run(_pages(self._read_to))
            evidence = Evidence(rules)
            are_streaks = rules.streak > 0 and (streaks > 0 or _may_begin_streak(pages))
            for page in pages.values():
                for entry in page.entries:
                    if may_tell(entry.octets, are_streaks=are_streaks):
                        _hear(evidence, entry.octets, entry.at_ms)
            told = await self._obey(evidence, rules)
            await self._note({shard: page.behind for shard, page in pages.items()}, is_due=told)
            is_more = any(page.has_more for page in pages.values())

    async def _note(self, places: dict[int, Place], *, is_due: bool) -> None:
        if places != self._read_to and (is_due or time.monotonic() - self._noted_at > NOTE_EVERY):
            await self._view.store.run(_note_places(places))
            self._noted_at = time.monotonic()
        self._read_to = places

    async def _obey(self, evidence: Evidence, rules: SuppressRules) -> bool:
        """Whether there was anything to do."""
        reached = await self._count(evidence, rules)
        for name, entry in reached.items():
            evidence.changes.setdefault(name, []).append(entry)
        if not evidence.changes:
            return bool(evidence.failures)
        new = await self._change(
            SUPPRESSED,
            {name: _changing(some) for name, some in evidence.changes.items()},
            most=rules.most,
        )
        if new:
            log.info("suppressions_changed", addresses=new)
        streaks = await self._view.store.run(read_names(reached, self._view.shards, STREAK)) if reached else {}
        for name, octets in streaks.items():  # it begins anew when that ends
            await self._forget_streak(name, octets)
        return True

    # -- streaks ------------------------------------------------------------------------------------------------------

    async def _count(self, evidence: Evidence, rules: SuppressRules) -> dict[str, Entry]:
        """Count failures and deliveries; the addresses whose streak is long enough."""
        reached: dict[str, Entry] = {}

        def fail(name: str, failures: Sequence[Failure], delivered_ms: int) -> Callable[[bytes], bytes]:
            def change(octets: bytes) -> bytes:
                before = _times(octets)
                times = with_delivery(before, delivered_ms)
                for one in failures:
                    if one.at_ms > delivered_ms:
                        times = with_failure(times, one.at_ms, rules)
                        if (entry := streak_entry(times, one, rules)) is not None:
                            reached[name] = entry
                return octets if times == before else encode_streak(times)

            return change

        deliveries = evidence.deliveries
        failing = {name: fail(name, some, deliveries.get(name, 0)) for name, some in evidence.failures.items()}
        await self._change(STREAK, failing, most=MOST_STREAKS)
        await self._reset(deliveries)
        return reached

    async def _reset(self, deliveries: Mapping[str, int]) -> None:
        """End the streaks of those who got mail."""
        names = list(deliveries)
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            found = await self._view.store.run(read_names(some, self._view.shards, STREAK))
            for name in found:
                left = with_delivery(_times(found[name]), deliveries[name])
                if not left:
                    await self._forget_streak(name, found[name])
                elif (octets := encode_streak(left)) != found[name]:
                    await self._view.store.run(
                        swap([Swap(name, found[name], octets)], self._view.shards, most=MOST_STREAKS, of=STREAK)
                    )

    async def _forget_streak(self, name: str, seen: bytes) -> None:
        shard = shard_of_name(name, self._view.shards)
        await self._view.store.run(forget_facts(shard, STREAK, {name.encode(): seen}))

    # -- changing -----------------------------------------------------------------------------------------------------

    async def _change(self, of: str, changes: Mapping[str, Callable[[bytes], bytes]], *, most: int) -> int:
        """Change what is kept under names, each by its function of what is there; of how many something changed."""
        left = dict(changes)
        done = 0
        for _ in range(TURNS):
            if not left:
                break
            names = list(left)[:AT_ONCE]
            seen = await self._view.store.run(read_names(names, self._view.shards, of))
            swaps = [Swap(name, seen.get(name, b""), left[name](seen.get(name, b""))) for name in names]
            wanted = [one for one in swaps if one.new != one.seen]
            results = await self._view.store.run(swap(wanted, self._view.shards, most=most, of=of)) if wanted else []
            stale = {one.name for one, result in zip(wanted, results, strict=True) if result == STALE}
            if FULL in results:
                self._say_full(of, most)
            done += len(wanted) - len(stale)
            left = {name: change for name, change in left.items() if name in stale or name not in names}
        return done

    def _say_full(self, of: str, most: int) -> None:
        if time.monotonic() - self._said_full_at >= SAID_AGAIN:
            self._said_full_at = time.monotonic()
            log.error("suppressions_full", what=of, most=most, mend="take some off, or raise [suppress] most")


def _hear(evidence: Evidence, octets: bytes, at_ms: int) -> None:
    try:
        events = decode_events(octets)
    except msgspec.DecodeError:
        ignore("events", octets)
        return
    for one in events:
        evidence.hear(one, at_ms)


def _may_begin_streak(pages: Mapping[int, Page]) -> bool:
    return any(PROMOTED in entry.octets for page in pages.values() for entry in page.entries)


def _changing(changes: Sequence[Entry | TakenBack]) -> Callable[[bytes], bytes]:
    def change(octets: bytes) -> bytes:
        before = read_kept(octets) if octets else NOTHING
        after = changed(before, changes)
        return octets if after == before else encode_kept(after)

    return change


def _times(octets: bytes) -> tuple[int, ...]:
    """When mail to an address failed, as it is stored; what cannot be that is nothing."""
    try:
        return decode_streak(octets) if octets else ()
    except msgspec.DecodeError:
        ignore("streak", octets)
        return ()


def _pages(read_to: Mapping[int, Place]) -> Operation[tuple[dict[int, Page], int]]:
    """The next entries of each log, and how many streaks there are."""
    reading = read_on(read_to, PAGE_ENTRIES)
    counts = [Call.read(shard, b"HLEN", keys.key(shard, "streak")) for shard in read_to]

    def read(answers: list[StoreAnswer]) -> tuple[dict[int, Page], int]:
        streaks = sum(0 if isinstance(one, StoreError) else one for one in answers[len(read_to) :])
        return reading.read(answers[: len(read_to)]), streaks

    return Operation([*reading.calls, *counts], read)


def _read_places(shards: int) -> Operation[dict[int, Place]]:
    """Up to where each log was followed."""
    fields = [str(shard).encode() for shard in range(shards)]
    call = Call.read(keys.HOME, b"HMGET", keys.key(keys.HOME, "followed"), *fields)

    def read(answers: list[StoreAnswer]) -> dict[int, Place]:
        places, *times = every(answers)
        return {
            shard: read_place(one, time_of(at).now_ms) or Place.at(0)
            for shard, (one, at) in enumerate(zip(places, times, strict=True))
        }

    return Operation([call, *(ask_time(shard) for shard in range(shards))], read)


def _note_places(places: Mapping[int, Place]) -> Operation[StoreAnswer]:
    arguments: list[bytes | str] = []
    for shard, place in places.items():
        arguments += (str(shard), place.entry)
    return Operation((Call(keys.HOME, script("put"), (keys.key(keys.HOME, "followed"),), arguments),), every)
