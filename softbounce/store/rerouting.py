"""From one ready list to another: what waits for a domain goes to the list of its site, as soon as that is known."""

from __future__ import annotations

from collections.abc import Sequence

from softbounce.store import keys
from softbounce.store.call import Call, Operation, first
from softbounce.store.keys import ListPlace
from softbounce.store.scripts import script

__all__ = ["reroute"]

REROUTED_TOGETHER = 500


def reroute(shard: int, place: ListPlace, lanes: Sequence[str], limit: int = REROUTED_TOGETHER) -> Operation[int]:
    """Move the head of a ready list to the same one of other lanes; tells how many entries the first has still.

    :param lanes: one, or all the parts of one (:func:`softbounce.routing.lanes_of`).
    """
    old = keys.ready_name(*place)
    new = [keys.ready_name(lane, place[1], *place[2:]) for lane in lanes]
    names = (*keys.of(shard, "e", "lanes"), *(keys.ready(shard, name) for name in (old, *new)))
    pairs = [one for pair in zip(new, lanes, strict=True) for one in pair]
    return Operation((Call(shard, script("reroute"), names, (old, place[0], limit, *pairs)),), first)
