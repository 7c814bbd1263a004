"""Keeps mail for the world and mail for a playground apart: a store that had the one kind is refused to the other.

A playground on a store with real mail would deliver it to nobody; a real service on a playground's would mail the world
with tests. The first ``up`` that runs a scheduler or workers writes down which it is.
"""

from __future__ import annotations

from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.published import destination
from softbounce.store.shards import AsyncShards, redact
from softbounce_gateway.errors import StartFailed

__all__ = ["settle_destination"]

OWN_STORE = "a store of its own ([store] data_dir, or url)"
REFUSALS = {
    "world": f"has mail for the world, which a playground must not swallow: give the playground {OWN_STORE}",
    "playground": "is a playground's, and its mail must not reach the world: start with --playground, or give the "
    f"service {OWN_STORE}",
}


async def settle_destination(store: AsyncShards, shards: int, *, is_playground: bool) -> None:
    """Write down where the store's mail goes, or check that it is there.

    :raises StartFailed: its mail goes elsewhere (exit code 2).
    :raises StoreError: the store went away.
    """
    wanted = "playground" if is_playground else "world"
    others = [Call.read(shard, b"EXISTS", keys.key(shard, "events")) for shard in range(shards) if shard != keys.HOME]
    answers = await store.call(others) if others else []
    for answer in answers:
        if isinstance(answer, StoreError):
            raise answer
    found = await store.run(destination(wanted, others_with_mail=sum(answers)))
    if found != wanted:
        raise StartFailed(f"the store at {redact(store.url)} {REFUSALS[found]}", exit_code=2)
