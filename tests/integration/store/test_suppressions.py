"""What is kept of suppressed addresses: found by name in its own shard, and changed as it was seen."""

from __future__ import annotations

import pytest
from mailbag import Mailbag

from softbounce import StoreUnavailable, StoreUncertain
from softbounce.client.flow import run_flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.suppressions.changing import Added, add_suppressions, check, remove_suppressions
from softbounce.client.suppressions.values import NewSuppression
from softbounce.store.suppressions import (
    FULL,
    STALE,
    SWAPPED,
    Swap,
    are_names,
    encode_kept,
    look_up,
    read_names,
    shard_of_name,
    swap,
)
from softbounce.suppression import Entry, Kept

ENTRY = Entry(source="operator", since_ms=1)
KEPT = encode_kept(Kept(entries=(ENTRY,)))
OTHER = encode_kept(Kept(entries=(ENTRY, Entry(source="complaint", since_ms=2))))


def test_a_name_is_changed_as_it_was_seen(one: Mailbag) -> None:
    """Who saw something else changes nothing, and hears it; beyond so many there are no new ones."""
    store = one.store
    assert not store.run(are_names(1))
    assert store.run(swap([Swap("a@b.test", b"", KEPT)], 1, most=1)) == [SWAPPED]
    again = [Swap("a@b.test", b"", OTHER), Swap("a@b.test", KEPT, OTHER), Swap("c@d.test", b"", KEPT)]
    assert store.run(swap(again, 1, most=1)) == [STALE, SWAPPED, FULL]
    assert store.run(read_names(["a@b.test", "c@d.test"], 1)) == {"a@b.test": OTHER}
    assert len(store.run(look_up(["a@b.test"], 1))["a@b.test"]) == 2
    assert store.run(are_names(1))


@pytest.mark.parametrize("junk", [b"", b"\xff", b"\x91", b"\x92\x91\x91\xa1x\x00"])
def test_what_is_none_stops_no_mail(one: Mailbag, junk: bytes) -> None:
    """An entry, or the whole key, that is something else is passed over, and replaced by the next change."""
    one.raw.hset("sb:{0}:suppressed", "a@b.test", junk)
    assert one.store.run(look_up(["a@b.test", "@b.test"], 1)) == {}
    one.raw.delete("sb:{0}:suppressed")
    one.raw.set("sb:{0}:suppressed", b"junk")
    assert one.store.run(look_up(["a@b.test"], 1)) == {}
    assert one.store.run(swap([Swap("a@b.test", b"", KEPT)], 1, most=5)) == [SWAPPED]
    assert one.store.run(look_up(["a@b.test"], 1)) == {"a@b.test": (ENTRY,)}


def test_names_are_spread_over_the_shards() -> None:
    """Evenly, and each always to the same."""
    places = [shard_of_name(f"user{number}@example.com", 16) for number in range(1600)]
    assert places == [shard_of_name(f"user{number}@example.com", 16) for number in range(1600)]
    assert all(60 < places.count(shard) < 140 for shard in range(16))
    assert shard_of_name("a@b.test", 1) == 0


def lost(flow: object, store: object, times: int) -> object:
    """Run a flow where the answers to its first changes are lost, though they were carried out."""
    operation = next(flow)  # type: ignore[call-overload]
    while True:
        answer = store.run(operation)  # type: ignore[attr-defined]
        name = operation.calls[0].script.name if operation.calls and operation.calls[0].script else ""
        try:
            if name == "swap" and times > 0:
                times -= 1
                operation = flow.throw(StoreUncertain("cut"))  # type: ignore[attr-defined]
            else:
                operation = flow.send(answer)  # type: ignore[attr-defined]
        except StopIteration as stop:
            return stop.value


def test_a_change_whose_answer_is_lost_is_made_once(one: Mailbag) -> None:
    """What was added is there once, what was taken off is counted."""
    knowledge = Knowledge()
    new = [check(NewSuppression(address="a@b.test"))]
    assert lost(add_suppressions(knowledge, new), one.store, 1) == Added(0, 1)
    assert lost(remove_suppressions(knowledge, ["A@b.test"]), one.store, 1) == 1
    assert run_flow(remove_suppressions(knowledge, ["a@b.test"]), one.store) == 0
    with pytest.raises(StoreUnavailable, match="changed 20 times"):
        lost(add_suppressions(knowledge, new), one.store, 1000)
