"""Has lanes in trouble asked now: an order to whoever has the lane, or a note in what is remembered of it.

The order may be lost, as all that is said by a channel, and it opens nothing: one envelope goes ahead, as it would when
the time of what closed is up, and its outcome decides. So it may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import chain

import msgspec

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every
from softbounce.store.keys import HOME
from softbounce.store.lanes import DomainState, LaneState, SenderState, decode_lane
from softbounce.store.scripts import script

__all__ = ["URGE", "Urged", "read_closed", "urge_lanes"]

URGE = "!"
"""Begins a line to a process that has it ask a lane now."""
AT_ONCE = 300
_encode = msgspec.msgpack.Encoder().encode
replace = msgspec.structs.replace


class Urged(IntEnum):
    """What came of an order."""

    UNHEARD = -1
    CHANGED = 0
    TOLD = 1
    NOTED = 2


def read_closed(lanes: Sequence[str]) -> Operation[dict[str, tuple[bytes, LaneState]]]:
    """Of these lanes those with something closed: what is remembered, as it is stored and read."""
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "lane"), *lanes)

    def read(answers: list[StoreAnswer]) -> dict[str, tuple[bytes, LaneState]]:
        found = zip(lanes, every(answers)[0], strict=True)
        states = {lane: (octets, decode_lane(octets)) for lane, octets in found if octets}
        return {lane: one for lane, one in states.items() if is_in_trouble(one[1])}

    return Operation((call,), read)


def is_in_trouble(state: LaneState) -> bool:
    """Whether anything is closed there, or feels its way."""
    return state.failures > 0 or any(one.failures for one in (*state.domains.values(), *state.senders.values()))


def urge_lanes(
    seen: Mapping[str, tuple[bytes, LaneState]], processes: Sequence[str], now_ms: int
) -> Operation[dict[str, Urged]]:
    """Have these asked now, of each as it was seen."""
    names = (*keys.of(HOME, "owner", "live", "lane", "closed"), *(keys.to_process(one) for one in processes))
    lanes = list(seen)
    calls: list[Call] = []
    for start in range(0, len(lanes), AT_ONCE):
        arguments: list[str | bytes | int] = [now_ms, len(processes), *processes]
        for lane in lanes[start : start + AT_ONCE]:
            octets, state = seen[lane]
            arguments += (lane, octets, _encode(_due(state, now_ms)))
        calls.append(Call(HOME, script("urge"), names, arguments))

    def read(answers: list[StoreAnswer]) -> dict[str, Urged]:
        return {lane: Urged(answer) for lane, answer in zip(lanes, chain(*every(answers)), strict=True)}

    return Operation(calls, read)


def _due(state: LaneState, now_ms: int) -> LaneState:
    """The same with the time up of all that is closed."""
    domains: dict[str, DomainState] = {
        name: replace(one, closed_until_ms=min(one.closed_until_ms, now_ms)) for name, one in state.domains.items()
    }
    senders: dict[str, SenderState] = {
        name: replace(one, closed_until_ms=min(one.closed_until_ms, now_ms)) for name, one in state.senders.items()
    }
    return replace(state, closed_until_ms=min(state.closed_until_ms, now_ms), domains=domains, senders=senders)
