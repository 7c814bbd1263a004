"""Adds suppressions and takes them off: each address as it was seen, and anew where another change came first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.suppressions.values import NewSuppression, kept_name, name_by_hand
from softbounce.duration import to_epoch_ms
from softbounce.errors import InvalidArgument, NotFound, StoreFull, StoreUnavailable, StoreUncertain
from softbounce.ids import parse_id
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.pruning import forget_facts
from softbounce.store.suppressions import (
    FULL,
    STREAK,
    SWAPPED,
    Swap,
    encode_kept,
    read_kept,
    read_names,
    shard_of_name,
    swap,
)
from softbounce.suppression import NOTHING, Entry, Source, cut, put, taken_off

__all__ = ["MOST_AT_ONCE", "Added", "Checked", "add_suppressions", "check", "remove_suppressions"]

MOST_AT_ONCE = 1_000
"""Suppressions that are added in one step."""
TURNS = 20
SOURCES = frozenset(Source)
STREAM_CHARACTERS, TENANT_CHARACTERS = 64, 128


class Added(NamedTuple):
    """How many suppressions are new, and how many took the place of one."""

    added: int
    replaced: int


class Checked(NamedTuple):
    """A suppression that can be stored; times that hang on the store's clock are left out."""

    name: str
    entry: Entry
    lasts_ms: int

    def dated(self, now_ms: int) -> Entry:
        """The entry with its times."""
        since_ms = min(self.entry.since_ms, now_ms) or now_ms
        expires_ms = now_ms + self.lasts_ms if self.lasts_ms else self.entry.expires_ms
        return replace(self.entry, since_ms=since_ms, expires_ms=expires_ms)


def check(new: NewSuppression) -> Checked:
    """Check what is to be added.

    :raises InvalidArgument: naming the field, and what is wrong with it. ``InvalidAddress`` where it is the address.
    """
    if new.source not in SOURCES:
        raise InvalidArgument("source", f"{new.source[:64]!r} is none; sources are {', '.join(Source)}")
    lasts_ms = expires_ms = 0
    if isinstance(new.expires, timedelta):
        lasts_ms = new.expires // timedelta(milliseconds=1)
        if lasts_ms <= 0:
            raise InvalidArgument("expires", "is over already; leave it out for one that stays")
    elif new.expires is not None:
        expires_ms = _instant("expires", new.expires)
        if new.source == Source.OPERATOR and expires_ms <= time.time() * 1000:  # a list may well have some
            raise InvalidArgument("expires", f"{new.expires} is over already; leave it out for one that stays")
    entry = Entry(
        source=str(new.source),
        since_ms=0 if new.since is None else _instant("since", new.since),
        stream=_label("stream", new.stream, STREAM_CHARACTERS),
        tenant=_label("tenant", new.tenant, TENANT_CHARACTERS),
        reason=cut(new.reason),
        expires_ms=expires_ms,
        envelope=_envelope(new.envelope),
    )
    return Checked(name_by_hand(new.address), entry, lasts_ms)


def _label(field: str, text: str | None, most: int) -> str | None:
    if text is not None and (len(text) > most or not (text.isascii() and text.isprintable())):
        raise InvalidArgument(field, f"{text[:most]!r} is no name of one: those have up to {most} characters")
    return text


def _instant(field: str, instant: datetime) -> int:
    if instant.utcoffset() is None:
        raise InvalidArgument(field, "has no time zone; such as 2026-01-31T08:00:00Z has")
    ms = to_epoch_ms(instant)
    if not 0 < ms < to_epoch_ms(datetime.max.replace(tzinfo=instant.tzinfo, year=9000)):
        raise InvalidArgument(field, f"{instant} is no time that could be meant")
    return ms


def _envelope(text: str | None) -> bytes:
    if not text:
        return b""
    try:
        return parse_id(text)
    except NotFound:
        raise InvalidArgument("envelope", f"{text[:64]!r} is no envelope's id: 26 letters and digits") from None


def add_suppressions(knowledge: Knowledge, new: Sequence[Checked]) -> Flow[Added]:
    """Add them, each instead of what was said of the same source, stream and tenant. Repeated it changes nothing.

    :raises InvalidArgument: one address has too many.
    :raises StoreFull: there are as many as the settings allow, or the store's memory is full.
    """
    known = yield from knowledge.current()
    knowledge.are_suppressed = True
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    left: dict[str, list[Entry]] = {}
    for one in new:
        left.setdefault(one.name, []).append(one.dated(now_ms))
    added = replaced = 0
    for _ in range(TURNS):
        seen = yield from repeat(read_names(left, known.shards))
        swaps, fresh = _swaps(left, seen)
        try:
            results: list[int] = yield swap(swaps, known.shards, most=known.settings.suppress.most)
        except StoreUncertain:
            continue  # what was done is seen now, and done once more
        if FULL in results:
            most = known.settings.suppress.most
            raise StoreFull(f"there are {most} suppressions ([suppress] most); take some off, or allow more")
        for one_swap, result in zip(swaps, results, strict=True):
            if result == SWAPPED:
                scopes = len({entry.scope for entry in left.pop(one_swap.name)})
                added += fresh[one_swap.name]
                replaced += scopes - fresh[one_swap.name]
        if not left:
            return Added(added, replaced)
    raise StoreUnavailable(f"{len(left)} addresses changed {TURNS} times while they were to be changed; try again")


def _swaps(new: Mapping[str, Sequence[Entry]], seen: Mapping[str, bytes]) -> tuple[list[Swap], dict[str, int]]:
    """The changes that add entries to what is kept, and how many of them are new, by name."""
    swaps: list[Swap] = []
    fresh: dict[str, int] = {}
    for name, entries in new.items():
        before = kept = read_kept(seen[name]) if name in seen else NOTHING
        for entry in entries:
            try:
                kept = put(kept, entry)
            except ValueError as error:
                raise InvalidArgument("address", f"{name} {error}") from None
        fresh[name] = len(kept.entries) - len(before.entries)
        swaps.append(Swap(name, seen.get(name, b""), encode_kept(kept)))
    return swaps, fresh


def remove_suppressions(
    knowledge: Knowledge, addresses: Iterable[str], *, stream: str | None = None, tenant: str | None = None
) -> Flow[int]:
    """Take addresses off; how many suppressions that were. What happened before is no evidence against them any more.

    :param stream: only what is said of this stream.
    :raises InvalidAddress: one is none.
    """
    known = yield from knowledge.current()
    left = {kept_name(address) for address in addresses}
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    yield from _forget_streaks(known, left)
    removed = 0
    lost: dict[str, int] = {}  # taken off, perhaps: the answer was lost
    for _ in range(TURNS):
        seen = yield from repeat(read_names(left, known.shards))
        swaps: list[Swap] = []
        gone: dict[str, int] = {}
        for name, octets in seen.items():
            kept, number = taken_off(read_kept(octets), now_ms, stream=stream, tenant=tenant)
            if number:
                gone[name] = number
                swaps.append(Swap(name, octets, encode_kept(kept)))
        removed += sum(number for name, number in lost.items() if name not in gone)
        if not swaps:
            return removed
        try:
            results: list[int] = yield swap(swaps, known.shards, most=known.settings.suppress.most)
        except StoreUncertain:
            left, lost = set(gone), gone
            continue
        lost = {}
        done = {one.name for one, result in zip(swaps, results, strict=True) if result == SWAPPED}
        removed += sum(gone[name] for name in done)
        left = set(gone) - done
        if not left:
            return removed
    raise StoreUnavailable(f"{len(left)} addresses changed {TURNS} times while they were to be changed; try again")


def _forget_streaks(known: KnownStore, names: Iterable[str]) -> Flow[None]:
    """Count anew how often mail to them fails."""
    for name, octets in (yield from repeat(read_names(names, known.shards, STREAK))).items():
        yield from repeat(forget_facts(shard_of_name(name, known.shards), STREAK, {name.encode(): octets}))
