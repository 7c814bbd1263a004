"""How a worker process ends, and what it leaves: a real process on a real store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from mailbag import open_bag
from servers import Valkey
from softbounce_worker.service import LEASE_LOST

from softbounce.store import keys, membership
from softbounce.store.shards import Shards

CONFIG = """
[store]
url = "{url}"
shards = 1
data_dir = "{folder}"
[identity]
hostname = "mail.client.test"
[jobs]
url = "{url}?db=2"
[worker]
lease = "1s"
"""
WITHIN = 20.0


@contextmanager
def worker(server: Valkey, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A worker that takes work, and the name under which it claims."""
    config = folder / "softbounce.toml"
    config.write_text(CONFIG.format(url=server.url, folder=folder))
    command = [sys.executable, "-P", "-m", "softbounce_worker", "--config", str(config)]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as process:  # noqa: S603 - our own
        try:
            assert process.stdout is not None
            ready, _, name = process.stdout.readline().strip().rpartition(" ")
            assert ready == "ready worker"
            yield process, name
        finally:
            process.kill()


def journal_of(folder: Path, name: str) -> Path:
    """Where a process writes its results down."""
    return folder / "journal" / f"{name}.journal"


def test_issue10_who_lost_its_lease_keeps_its_journal(store_server: Valkey, tmp_path: Path) -> None:
    """It holds nothing that the store knows of; but the store may be an older copy, to be told by a successor."""
    with worker(store_server, tmp_path) as (process, name), store_server.client() as raw:
        assert journal_of(tmp_path, name).exists()
        forget(raw, name)
        assert process.wait(WITHIN) == LEASE_LOST
        assert journal_of(tmp_path, name).exists()


def test_who_ends_in_good_order_leaves_nothing(store_server: Valkey, tmp_path: Path) -> None:
    """Its journal is gone, and the store knows it no more."""
    store = Shards(store_server.url)
    with worker(store_server, tmp_path) as (process, name):
        process.terminate()
        assert process.wait(WITHIN) == 0
        assert not journal_of(tmp_path, name).exists()
        assert name not in store.run(membership.members(1))
    store.close()


def test_who_ends_with_claims_keeps_its_journal_and_its_name(store_server: Valkey, tmp_path: Path) -> None:
    """What it could not give back lapses with its lease, and the marked ones wait for the journal's replay."""
    store = Shards(store_server.url)
    with worker(store_server, tmp_path) as (process, name), open_bag(store_server.url) as bag:
        (record,) = bag.ready()
        assert [one.id for one in bag.claim(process=name)] == [record.id]
        process.terminate()
        assert process.wait(WITHIN) == 0
        assert journal_of(tmp_path, name).exists()
        assert name in store.run(membership.members(1))
    store.close()


def forget(raw: redis.Redis, name: str) -> None:
    """What a store says that was restored from before this process began."""
    raw.srem(keys.key(0, "live"), name)
    raw.zrem(keys.key(0, "leases"), name)
