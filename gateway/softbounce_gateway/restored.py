"""``up`` meets a store: lets it in, holds all its mail first, or takes it as it is, as it was told to."""

from __future__ import annotations

import json

from softbounce_config import Config

from softbounce.settings import BUILT_IN
from softbounce.store import keys, witness
from softbounce.store.published import read_settings
from softbounce.store.shards import AsyncShards
from softbounce_gateway.restored_guard import Guard, history_end_ms
from softbounce_gateway.restored_hold import HoldAll
from softbounce_gateway.restored_report import make_report
from softbounce_gateway.supervise import complain, say

__all__ = ["hold_all"]


async def hold_all(store: AsyncShards, config: Config, guard: Guard, *, as_json: bool) -> None:
    """Hold all mail of a store, tell what may be duplicated, and take the store as it is from then on.

    Killed at any point, it leaves a store that no worker and no other ``up`` works with, until it was run again.

    :param guard: has read how far the store was seen.
    :raises StartFailed: an envelope could not be held.
    :raises StoreError: the store went away.
    """
    shards = config.store.shards
    end_ms = history_end_ms(await store.run(witness.look(shards)), guard.known)
    begun = await store.run(witness.begin_holding(guard.identity, shards, end_ms))
    until_ms = begun[keys.HOME].until_ms
    settings = await store.run(read_settings(waits=config.settings().waits))
    hold = HoldAll(
        store,
        BUILT_IN if settings is None else settings,
        until_ms=until_ms,
        began_ms=min(one.holding_ms for one in begun),
        progress=complain if as_json else say,
    )
    held = await hold.run(shards)
    report = await make_report(store, shards, until_ms)
    if not held and report.since_ms:  # all of it was held by an earlier run, whose own events are the newest now
        report.until_ms = report.since_ms
    if as_json:
        say(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        for line in report.lines():
            say(line)
    await guard.accept(store)
