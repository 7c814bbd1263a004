"""From one ready list to another: what waits for a domain goes to the list of its site, as soon as that is known."""

from __future__ import annotations

from softbounce.store import keys
from softbounce.store.call import Call, Operation, first
from softbounce.store.scripts import script

__all__ = ["reroute"]

REROUTED_TOGETHER = 500


def reroute(shard: int, lane: str, site: str, stream: str, limit: int = REROUTED_TOGETHER) -> Operation[int]:
    """Move the head of a lane's ready list to the list of another; tells how many entries the first has still."""
    old, new = keys.ready_name(lane, stream), keys.ready_name(site, stream)
    names = (*keys.of(shard, "e", "lanes"), keys.ready(shard, old), keys.ready(shard, new))
    return Operation((Call(shard, script("reroute"), names, (old, lane, new, site, limit)),), first)
