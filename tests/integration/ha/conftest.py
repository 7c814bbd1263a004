"""Stores of several servers, whole and without data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, Watched

DOWN_AFTER_MS = 2000
"""With less, sentinels on a busy machine call well servers down."""


@pytest.fixture(scope="module")
def cluster_servers(store_binary: Path) -> Iterator[Cluster]:
    """Three primaries with a replica each."""
    with Cluster(store_binary) as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_servers: Cluster) -> Cluster:
    """A cluster without data."""
    cluster_servers.settle()
    cluster_servers.flush()
    return cluster_servers


@pytest.fixture
def watched(store_binary: Path) -> Iterator[Watched]:
    """A primary with two replicas, and three sentinels; new ones are there sooner than old ones are whole again."""
    with Watched(store_binary, DOWN_AFTER_MS) as watched:
        yield watched
