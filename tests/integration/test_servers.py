"""The servers that other tests run against keep what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from redis.crc import key_slot

if TYPE_CHECKING:
    from conftest import StartStore
    from servers import Valkey

REACHES_ANOTHER_SLOT = "#!lua\nredis.call('SET', 'undeclared', '1')\nreturn 1"


def test_a_store_is_empty_and_syncs_every_write(store_url: str) -> None:
    """Both kinds of store start each test empty, with the append-only file synced on every write."""
    with redis.Redis.from_url(store_url) as client:
        assert client.dbsize() == 0
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        client.set("left", "behind")


@pytest.mark.parametrize("cluster", [False, True], ids=["standalone", "cluster"])
def test_a_killed_server_starts_again_with_its_data(start_store: StartStore, cluster: bool) -> None:
    """What a server acknowledged before SIGKILL is there when it is started again."""
    server = start_store(cluster=cluster)
    with server.client() as client:
        client.set("kept", "yes")
    first = server.pid
    server.kill()
    server.start()
    assert server.pid != first
    with server.client() as client:
        assert client.get("kept") == b"yes"


def test_a_cluster_refuses_a_script_that_reaches_another_slot(cluster_server: Valkey) -> None:
    """The cluster of one refuses what a standalone server lets pass: a key that was not declared."""
    assert key_slot(b"declared") != key_slot(b"undeclared")
    with cluster_server.client() as client, pytest.raises(redis.ResponseError):
        client.eval(REACHES_ANOTHER_SLOT, 1, "declared")


def test_options_reach_the_server(start_store: StartStore) -> None:
    """A test may start a server with options of its own."""
    with start_store(options=("--maxmemory", "8mb")).client() as client:
        assert client.config_get("maxmemory") == {"maxmemory": "8388608"}
