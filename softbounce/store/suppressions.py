"""What is kept of suppressed addresses: each in the shard of its name's hash, whatever shard its mail is in.

So one look-up by name answers for an address, however many there are; and whoever changes one says what he saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.pruning import walk_facts
from softbounce.store.scripts import script
from softbounce.suppression import NOTHING, Entry, Kept

__all__ = [
    "FULL",
    "MOST_STREAKS",
    "STALE",
    "STREAK",
    "SUPPRESSED",
    "SWAPPED",
    "LookUp",
    "SeenName",
    "Swap",
    "are_names",
    "decode_kept",
    "decode_streak",
    "encode_kept",
    "encode_streak",
    "look_up",
    "read_kept",
    "read_names",
    "shard_of_name",
    "swap",
    "walk_names",
]

SUPPRESSED, STREAK = "suppressed", "streak"
SWAPPED, STALE, FULL = 1, 0, -1
"""What became of a change: another came first, or there are too many."""
MOST_STREAKS = 1_000_000
encode_kept = msgspec.msgpack.Encoder().encode
encode_streak = encode_kept
decode_kept = msgspec.msgpack.Decoder(Kept).decode
decode_streak = msgspec.msgpack.Decoder(tuple[int, ...]).decode


def shard_of_name(name: str, shards: int) -> int:
    """The shard that has what is kept of an address or a domain."""
    if shards == 1:
        return 0
    return int.from_bytes(blake2b(name.encode(errors="replace"), digest_size=8).digest()) % shards


def _key(shard: int, of: str) -> bytes:
    return keys.key(shard, "suppressed") if of == SUPPRESSED else keys.key(shard, "streak")


class LookUp:
    """What is to be asked of names, in one call a shard; it goes out with whatever else is asked.

    :ivar calls: the calls.
    """

    __slots__ = ("_placed", "calls")

    def __init__(self, names: Iterable[str], shards: int, of: str = SUPPRESSED) -> None:
        self._placed: dict[int, list[str]] = {}
        if shards == 1:  # every send asks, so it is worth the line
            if some := list(dict.fromkeys(names)):
                self._placed[0] = some
        else:
            for name in dict.fromkeys(names):
                self._placed.setdefault(shard_of_name(name, shards), []).append(name)
        self.calls = [Call.read(shard, b"HMGET", _key(shard, of), *some) for shard, some in self._placed.items()]

    def octets(self, answers: Sequence[StoreAnswer]) -> dict[str, bytes]:
        """What is stored under those names under which anything is.

        :raises StoreError: a shard could not be asked.
        """
        found: dict[str, bytes] = {}
        for names, answer in zip(self._placed.values(), answers, strict=True):
            entries = of_type(answer, "suppressed addresses", None)
            if entries is not None and entries.count(None) < len(entries):
                found.update((name, octets) for name, octets in zip(names, entries, strict=True) if octets)
        return found

    def read(self, answers: Sequence[StoreAnswer]) -> dict[str, tuple[Entry, ...]]:
        """The entries of those names that have some.

        :raises StoreError: a shard could not be asked.
        """
        found = self.octets(answers)
        if not found:
            return {}
        return {name: kept.entries for name, octets in found.items() if (kept := read_kept(octets)).entries}


def read_kept(octets: bytes) -> Kept:
    """What is stored of an address; what cannot be that stops no mail."""
    try:
        return decode_kept(octets)
    except msgspec.DecodeError:
        ignore("suppressed address", octets)
        return NOTHING


def look_up(names: Iterable[str], shards: int) -> Operation[dict[str, tuple[Entry, ...]]]:
    """The entries of those names that have some."""
    asked = LookUp(names, shards)
    return Operation(asked.calls, asked.read)


def are_names(shards: int) -> Operation[bool]:
    """Whether anything is kept of any name."""
    calls = [Call.read(shard, b"EXISTS", _key(shard, SUPPRESSED)) for shard in range(shards)]
    # A shard that cannot be asked may have some.
    return Operation(calls, lambda answers: any(isinstance(one, StoreError) or one > 0 for one in answers))


def read_names(names: Iterable[str], shards: int, of: str = SUPPRESSED) -> Operation[dict[str, bytes]]:
    """The same as it is stored, for whoever wants to change it."""
    asked = LookUp(names, shards, of)
    return Operation(asked.calls, asked.octets)


class Swap(NamedTuple):
    """A change of what is kept under a name: what was seen there (empty: nothing), and what it becomes."""

    name: str
    seen: bytes
    new: bytes


def swap(swaps: Sequence[Swap], shards: int, *, most: int, of: str = SUPPRESSED) -> Operation[list[int]]:
    """Change what is kept under names, each if it is as it was seen; what became of each.

    :param most: so many names there may be in all.
    """
    placed: dict[int, list[int]] = {}
    for at, one in enumerate(swaps):
        placed.setdefault(shard_of_name(one.name, shards), []).append(at)
    calls = []
    for shard, places in placed.items():
        arguments: list[bytes | str | int] = [-(-most // shards)]
        for at in places:
            arguments += swaps[at]
        calls.append(Call(shard, script("swap"), (_key(shard, of),), arguments))

    def read(answers: list[StoreAnswer]) -> list[int]:
        out = [STALE] * len(swaps)
        for places, results in zip(placed.values(), every(answers), strict=True):
            for at, result in zip(places, results, strict=True):
                out[at] = result
        return out

    return Operation(calls, read)


class SeenName(NamedTuple):
    """A step of a walk over a shard's names; it is over when the cursor comes back as 0."""

    cursor: int
    found: Mapping[str, Kept]


def walk_names(shard: int, cursor: int, size: int) -> Operation[SeenName]:
    """About so many of a shard's names, with what is kept of each, in no order."""
    walk = walk_facts(shard, SUPPRESSED, cursor, size)

    def read(answers: list[StoreAnswer]) -> SeenName:
        page = walk.read(answers)
        kept = {name.decode(errors="replace"): read_kept(octets) for name, octets in page.found.items()}
        return SeenName(page.cursor, kept)

    return Operation(walk.calls, read)
