"""What a replica does not have yet may be lost in a failover: it does not count as done (F18)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Pair
from mailbag import PROCESS, TOKEN, Mailbag, new_message, open_bag

from softbounce.envelope import State
from softbounce.errors import StoreUncertain
from softbounce.store import accepting, claiming
from softbounce.store.shards import Shards


@pytest.fixture
def pair(store_binary: Path) -> Iterator[Pair]:
    """A primary and its replica."""
    with Pair(store_binary) as pair:
        yield pair


@pytest.fixture
def bag(pair: Pair) -> Iterator[Mailbag]:
    """A store of one shard on the pair."""
    with open_bag(pair.url) as bag:
        yield bag
        bag.audit()


def test_F18_what_no_replica_has_is_not_accepted(pair: Pair, bag: Mailbag) -> None:
    """It is uncertain, also when another client repeats it and finds it there; it counts once the replica has it."""
    accept = accepting.accept(new_message(key="once"), shards=1, settings=bag.settings)
    other = Shards(pair.url)
    pair.replica.signal(signal.SIGSTOP)
    for store in (bag.store, other):
        (answer,) = store.call([accept])
        assert isinstance(answer, StoreUncertain)
        assert "a failover might lose it" in str(answer)
    pair.replica.signal(signal.SIGCONT)
    (answer,) = other.call([accept])
    assert accepting.read_accept(answer).outcome == "known"
    other.close()


def test_F18_what_no_replica_has_is_neither_marked_nor_moved(pair: Pair, bag: Mailbag) -> None:
    """No final dot leaves for it, and no result counts as stored; both are repeated."""
    (record,) = bag.claimed()
    mark = claiming.mark(PROCESS, [(record.id, TOKEN)])
    pair.replica.signal(signal.SIGSTOP)
    with pytest.raises(StoreUncertain):
        bag.store.run(mark)
    pair.replica.signal(signal.SIGCONT)
    assert bag.store.run(mark) == [1]
    pair.replica.signal(signal.SIGSTOP)
    with pytest.raises(StoreUncertain):
        bag.put(record, State.DELIVERED, token=TOKEN)
    pair.replica.signal(signal.SIGCONT)
    assert bag.record(record.id).state is State.DELIVERED


def test_without_its_replica_a_primary_goes_on(pair: Pair, bag: Mailbag) -> None:
    """A replica that is gone is not waited for: who wants that sets ``min-replicas-to-write``."""
    bag.accept(new_message())
    pair.replica.kill()
    with pytest.raises(StoreUncertain):
        bag.accept(new_message(key="then"))
    assert bag.accept(new_message(key="then")).outcome == "known"
    assert bag.accept(new_message()).outcome == "stored"
