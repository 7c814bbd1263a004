"""Making a store ready: waiting for it, its schema, its settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.readiness import wait_for_store
from softbounce_gateway.store_checks.schema import prepare_schema
from softbounce_gateway.up.published_settings import differ, publish

from softbounce.settings import Policy, Settings
from softbounce.store import keys, published
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards, Shards

OTHERS = Settings(policies={"default": Policy(name="default", max_attempts=3)})


async def wait(url: str, *, patience: float | None = 0.2, lost: bool = False) -> None:
    """Wait for a store."""
    store = AsyncShards(url, patience=0.0)
    try:
        await wait_for_store(store, patience=patience, progress=print, is_lost=lambda: lost)
    finally:
        await store.close()


async def prepare(url: str, shards: int) -> None:
    """Prepare a store's schema."""
    store = AsyncShards(url)
    try:
        await prepare_schema(store, shards)
    finally:
        await store.close()


def test_a_store_that_answers(store_url: str) -> None:
    """A store that answers is waited for no longer."""
    asyncio.run(wait(store_url))


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """A store that does not answer in time ends the start with exit code 3, and is named."""
    with pytest.raises(StartFailed, match=r"did not answer for 0\.2 s") as failed:
        asyncio.run(wait(f"unix://{tmp_path}/none.sock"))
    assert failed.value.exit_code == 3


def test_a_store_that_ended(tmp_path: Path) -> None:
    """Waiting for a server of our own stops when that has ended."""
    with pytest.raises(StartFailed, match="ended while it was being started") as failed:
        asyncio.run(wait(f"unix://{tmp_path}/none.sock", patience=None, lost=True))
    assert failed.value.exit_code == 3


def test_the_first_start_writes_the_schema_everywhere(store_url: str) -> None:
    """Every shard gets version and number of shards; the next start finds them right."""
    asyncio.run(prepare(store_url, 3))
    asyncio.run(prepare(store_url, 3))
    store = Shards(store_url)
    found = store.call([published.schema(shard, shards=0) for shard in range(4)])
    store.close()
    assert found == [[keys.SCHEMA_VERSION, 3]] * 3 + [[0, 0]]


@pytest.mark.parametrize(
    ("version", "shards", "words"),
    [(keys.SCHEMA_VERSION, 2, r"has 2 shards, and \[store\] shards says 3"), (99, 3, "written by a newer softbounce")],
    ids=["other shards", "newer schema"],
)
def test_a_store_of_another_kind(store_url: str, version: int, shards: int, words: str) -> None:
    """Another number of shards, or a newer schema, is refused with exit code 2, and nothing is written."""
    store = Shards(store_url)
    name = keys.key(keys.HOME, "schema")
    store.call([Call.read(0, b"HSET", name, "version", version, "shards", shards)])
    with pytest.raises(StartFailed, match=words) as failed:
        asyncio.run(prepare(store_url, 3))
    assert failed.value.exit_code == 2
    assert store.call([published.schema(shard, shards=0) for shard in range(3)])[1:] == [[0, 0]] * 2
    store.close()


def test_publishing_counts_versions(store_url: str) -> None:
    """Each change is a new version; the same settings again are none."""
    store = Shards(store_url)
    assert publish(store, Settings()).version == 1
    assert publish(store, Settings()).version == 1
    assert publish(store, OTHERS).version == 2
    assert publish(store, Settings()).version == 3
    store.close()


def test_settings_differ_by_what_they_decide() -> None:
    """The version makes no difference."""
    assert not differ(Settings(version=1), Settings(version=2))
    assert differ(Settings(), OTHERS)
