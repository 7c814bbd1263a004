"""From one ready list to another: what waits for a domain goes to the list of its site, as soon as that is known."""

from __future__ import annotations

from softbounce.store import keys
from softbounce.store.call import Call, Operation, first
from softbounce.store.keys import ListPlace
from softbounce.store.scripts import script

__all__ = ["reroute"]

REROUTED_TOGETHER = 500


def reroute(shard: int, place: ListPlace, site: str, limit: int = REROUTED_TOGETHER) -> Operation[int]:
    """Move the head of a ready list to the same one of another lane; tells how many entries the first has still."""
    old, new = keys.ready_name(*place), keys.ready_name(site, place[1], *place[2:])
    names = (*keys.of(shard, "e", "lanes"), keys.ready(shard, old), keys.ready(shard, new))
    return Operation((Call(shard, script("reroute"), names, (old, place[0], new, site, limit)),), first)
