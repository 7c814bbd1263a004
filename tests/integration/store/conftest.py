"""A store with one shard and with four, standalone and as a cluster of one; its books are audited after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mailbag import Mailbag, open_bag


@pytest.fixture
def one(store_url: str) -> Iterator[Mailbag]:
    """A store of one shard."""
    with open_bag(store_url) as bag:
        yield bag
        bag.audit()


@pytest.fixture(params=[1, 4], ids=["1-shard", "4-shards"])
def bag(store_url: str, request: pytest.FixtureRequest) -> Iterator[Mailbag]:
    """A store of one or four shards."""
    with open_bag(store_url, request.param) as bag:
        yield bag
        bag.audit()


@pytest.fixture
def shard(bag: Mailbag) -> int:
    """The last shard of the store, which is also the first where there is one only."""
    return bag.shards - 1
