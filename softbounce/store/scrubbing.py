"""A slow walk over all records of a shard, for what no script of ours leaves behind: envelopes that a queue lacks.

The walk mends sorted sets by itself. Lists cannot be asked whether they have an entry, so for what is ready its caller
reads the lists, and for what is being attempted what processes hold: both *after* the walk saw the envelope. What still
has the version that was seen then, and was nowhere in between, is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from softbounce.envelope import State, text_of
from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.keys import ListPlace
from softbounce.store.scripts import script

__all__ = ["ScrubStep", "list_ends", "list_lengths", "list_part", "relist", "scrub_step"]

RELIST_LIMIT = 500
ENTRY_OCTETS = 20
ID_OCTETS = 16


class ScrubStep(NamedTuple):
    """What a step saw.

    :ivar cursor: of the next step; ``"0"``: this was the last.
    :ivar mended: how many envelopes a queue had lacked.
    :ivar odd: ids of what is no record.
    :ivar attempting: id -> claim token.
    :ivar ready: lane, stream and share -> id -> version.
    :ivar oldest: live state -> when the oldest of it was accepted, ms.
    """

    cursor: str
    mended: int
    odd: list[bytes]
    attempting: dict[bytes, bytes]
    ready: dict[tuple[str, str, int], dict[bytes, bytes]]
    oldest: dict[State, int]


def scrub_step(shard: int, cursor: str, size: int) -> Operation[ScrubStep]:
    """One bounded step."""
    call = Call(
        shard, script("scrub"), keys.of(shard, "e", "due", "exp", "held", "aside", "wake", "clock"), (cursor, size)
    )

    def read(answers: list[StoreAnswer]) -> ScrubStep:
        after, mended, odd, attempting, lists, oldest = first(answers)
        ready: dict[tuple[str, str, int], dict[bytes, bytes]] = {}
        for lane, stream, share, packed in zip(lists[::4], lists[1::4], lists[2::4], lists[3::4], strict=True):
            entries = (packed[start : start + ENTRY_OCTETS] for start in range(0, len(packed), ENTRY_OCTETS))
            ready.setdefault((text_of(lane), text_of(stream), share), {}).update(
                (entry[:ID_OCTETS], entry[ID_OCTETS:]) for entry in entries
            )
        return ScrubStep(
            after.decode(),
            mended,
            odd,
            dict(zip(attempting[::2], attempting[1::2], strict=True)),
            ready,
            {State(number): created for number, created in enumerate(oldest, 1) if created},
        )

    return Operation((call,), read)


def list_lengths(shard: int, names: Sequence[str]) -> Operation[list[int]]:
    """How many entries ready lists have; none, where there is something else in the list's place."""
    calls = [Call.read(shard, b"LLEN", keys.ready(shard, name)) for name in names]
    return Operation(calls, lambda answers: [0 if isinstance(one, StoreError) else one for one in answers])


def list_part(shard: int, name: str, behind: int, size: int) -> Operation[list[bytes]]:
    """Entries of a ready list, counted from its end: those before the last *behind* ones.

    Lists grow at their end and shrink at their head, so that whoever reads on towards the head passes over none.
    """
    call = Call.read(shard, b"LRANGE", keys.ready(shard, name), -behind - size, -behind - 1)
    return Operation((call,), first)


def list_ends(shard: int, names: Sequence[str], size: int) -> Operation[list[list[bytes]]]:
    """The last entries of ready lists, so many of each; none, where there is something else in the list's place."""
    calls = [Call.read(shard, b"LRANGE", keys.ready(shard, name), -size, -1) for name in names]
    return Operation(calls, lambda answers: [[] if isinstance(one, StoreError) else one for one in answers])


def relist(shard: int, place: ListPlace, entries: Mapping[bytes, bytes]) -> Operation[int]:
    """Put ready envelopes (id -> version) back into their list; tells how many were still so."""
    name, lane = keys.ready_name(*place), place[0]
    names = (*keys.of(shard, "e", "lanes"), keys.ready(shard, name))
    flat = list(entries.items())
    calls = []
    for start in range(0, len(flat), RELIST_LIMIT):
        part = [octets for entry in flat[start : start + RELIST_LIMIT] for octets in entry]
        calls.append(Call(shard, script("relist"), names, (name, lane, *part)))
    return Operation(calls, lambda answers: sum(every(answers)))
