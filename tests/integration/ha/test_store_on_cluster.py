"""The store's own tests once more, on a real cluster: 16 shards over three primaries, each with a replica.

They are those of ``tests/integration/store`` that take any number of shards; each shard's keys are looked at directly.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from clusters import SHARDS, Cluster
from mailbag import Mailbag, open_bag

MODULES = ("accept", "facts", "lanes", "mark_ask_lapse", "move", "release_and_claim", "retention")


@pytest.fixture
def bag(cluster_servers: Cluster) -> Iterator[Mailbag]:
    """A store of 16 shards on three nodes."""
    cluster_servers.flush()
    with open_bag(cluster_servers.url, SHARDS, cluster_servers.raw()) as bag:
        yield bag
        bag.audit()


@pytest.fixture(params=[0, 7], ids=["first", "another"])
def shard(request: pytest.FixtureRequest) -> int:
    """Shards of different nodes."""
    number: int = request.param
    return number


def _tests_of(name: str) -> Iterator[tuple[str, Callable[..., None]]]:
    """The tests of a module that want nothing but a store of any number of shards."""
    path = Path(__file__).parents[1] / "store" / f"test_{name}.py"
    spec = spec_from_file_location(f"store_test_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    for test_name, test in vars(module).items():
        if test_name.startswith("test_") and set(inspect.signature(test).parameters) in ({"bag"}, {"bag", "shard"}):
            yield test_name, test


for _name in MODULES:
    globals().update(_tests_of(_name))
