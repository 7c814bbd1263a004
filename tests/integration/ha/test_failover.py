"""Primaries die and shards move under load: nothing that was acknowledged is lost, nothing is sent twice (F18, F19).

Every accept, mark and move waits for the replicas here. What single servers promise is shown elsewhere.
"""

from __future__ import annotations

import time

import pytest
from clusters import SHARDS, Cluster, Watched, until
from traffic import Traffic

RESUMES_WITHIN = 10.0


def check(traffic: Traffic) -> None:
    """Nothing lost, nothing twice, and nobody failed in another way."""
    assert not traffic.failures
    assert len(traffic.accepted) > 100
    assert traffic.reckon() == (0, 0)


def test_F18_a_primary_of_a_cluster_is_killed(cluster: Cluster) -> None:
    """Its replica takes over, and calls go on by themselves; then that one is killed too."""
    with Traffic(cluster.url, SHARDS) as traffic:
        for _ in range(2):
            time.sleep(1.0)
            victim = cluster.primary_of(0)
            killed_at = time.monotonic()
            victim.kill()
            time.sleep(4.0)
            assert cluster.primary_of(0) is not victim
            victim.start()
            cluster.settle()
            assert traffic.stall(0, killed_at) < RESUMES_WITHIN
        traffic.drain()
    check(traffic)


@pytest.mark.parametrize("how", [Cluster.move, Cluster.move_key_by_key], ids=["at-once", "key-by-key"])
def test_F18_shards_move_to_another_node(cluster: Cluster, how: object) -> None:
    """There and back under load: calls follow, whether the shard moves at once or lies in two places meanwhile."""
    assert callable(how)
    with Traffic(cluster.url, SHARDS) as traffic:
        time.sleep(0.7)
        for shard in (0, 5, 0):
            source = cluster.primary_of(shard)
            moved_at = time.monotonic()
            how(cluster, shard, next(one for one in cluster.primaries() if one is not source))
            time.sleep(0.7)
            assert traffic.stall(shard, moved_at) < RESUMES_WITHIN
        traffic.drain()
    check(traffic)


def test_F18_a_watched_primary_is_killed(watched: Watched) -> None:
    """Sentinels choose a replica; the old primary comes back as one too, and nobody writes to it meanwhile."""
    with Traffic(watched.url, 2) as traffic:
        time.sleep(1.0)
        victim = watched.primary()
        killed_at = time.monotonic()
        victim.kill()
        until(lambda: watched.primary() is not victim, "another primary")
        time.sleep(1.0)
        victim.start()
        time.sleep(2.0)
        assert traffic.stall(0, killed_at) < RESUMES_WITHIN
        traffic.drain()
    check(traffic)


def test_F18_an_operator_switches_the_primary(watched: Watched) -> None:
    """The old primary lives, takes writes, and has one replica left: that one's word does not count."""
    with Traffic(watched.url, 2) as traffic:
        time.sleep(1.0)
        old = watched.primary()
        asked_at = time.monotonic()
        watched.sentinels[0].ask("SENTINEL", "FAILOVER", watched.SERVICE)
        until(lambda: watched.primary() is not old, "another primary")
        time.sleep(2.0)
        assert traffic.stall(1, asked_at) < RESUMES_WITHIN
        traffic.drain()
    check(traffic)
