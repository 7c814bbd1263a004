"""A cluster whose servers' clocks differ: each shard goes by its own. Issue 10, F."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from clusters import SHARDS, Cluster
from softbounce_worker.clock import StoreClock
from stepped import CompilerMissing, SteppedClock, build_shim

from softbounce.ids import envelope_id, new_message_id
from softbounce.store.shards import AsyncShards

AHEAD = 1800


def test_issue10_a_worker_measures_each_window_by_the_clock_of_its_shard(store_binary: Path, tmp_path: Path) -> None:
    """Not by the home shard's: one server is half an hour ahead of the others."""
    try:
        clock = SteppedClock(build_shim(tmp_path), tmp_path / "shift")
    except CompilerMissing as error:
        pytest.skip(str(error))
    clock.set(AHEAD)

    async def ahead(url: str) -> list[float]:
        store = AsyncShards(url)
        told = StoreClock(store, SHARDS)
        await told.begin()
        identities = [envelope_id(new_message_id(shard), 0) for shard in range(SHARDS)]
        found = [told.now_of(one) / 1000 - time.time() for one in identities]
        assert all(map(told.is_sure, identities))
        await store.close()
        return found

    with Cluster(store_binary, environ={1: clock.environ}) as cluster:
        wrong = cluster.servers[1]
        expected = [AHEAD if cluster.primary_of(shard) is wrong else 0 for shard in range(SHARDS)]
        assert {*expected} == {0, AHEAD}
        assert expected[0] == 0
        assert asyncio.run(ahead(cluster.url)) == pytest.approx(expected, abs=5)
