"""Each share of a stream's mail is released into lists of its own, and found there by whoever looks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbag import LANE, PROCESS, TOKEN, Mailbag

from softbounce import Client, transitions
from softbounce.envelope import Record, State
from softbounce.ids import format_id, new_message_id
from softbounce.share import TENANTS
from softbounce.store import claiming, keys
from softbounce.store.claiming import Batch
from softbounce.store.moving import Move

if TYPE_CHECKING:
    from conftest import Bench


def of_tenant(bag: Mailbag, number: int, *, charged: int = 0) -> Record:
    """A scheduled envelope of a tenant with this number, after so many charged attempts."""
    (record,) = bag.scheduled(message=new_message_id(0, number), stream="news")
    if charged:
        record.charged = charged
        assert bag.move(Move(record=record, version=record.version)) == [1]
        record = bag.record(record.id)
    return record


def test_issue13_6_each_share_has_a_list_of_its_own(bench: Bench) -> None:
    """By tenant, and by whether it was tried; one claim takes from several, and gives each back to its own."""
    bag = bench.bag
    shares = {3: of_tenant(bag, 3), 5: of_tenant(bag, 5), 5 + TENANTS: of_tenant(bag, 5, charged=2)}
    bench.run(lambda parts: parts.releaser.step())
    assert bag.lists() == {(0, f"{LANE}|{share}|news") for share in shares}
    for share, record in shares.items():
        assert bag.list_of(stream="news", share=share) == [record.id]
    bag.enlist()
    batch = Batch(0, [(LANE, "news", 1, share) for share in shares])
    (claimed,) = bag.store.run(claiming.claim(PROCESS, TOKEN, [batch]))
    assert [one.id for one in claimed.records] == [record.id for record in shares.values()]
    assert claimed.left == [0, 0, 0]
    assert bag.lists() == set()
    moves = [Move(record=transitions.give_back(record).record, token=TOKEN) for record in claimed.records]
    assert bag.move(*moves) == [1, 1, 1]
    assert bag.lists() == {(0, f"{LANE}|{share}|news") for share in shares}


def test_issue13_6_the_slow_walk_knows_the_list_of_each_share(bench: Bench) -> None:
    """What is in its own is in no other; what is in none is put there."""
    bag = bench.bag
    kept, lost, retried = of_tenant(bag, 3), of_tenant(bag, 5), of_tenant(bag, 5, charged=1)
    bench.run(lambda parts: parts.releaser.step())
    for share in (5, 5 + TENANTS):
        bag.raw.delete(keys.ready(0, keys.ready_name(LANE, "news", share)))
    for _ in range(2):
        bench.run(lambda parts: parts.scrub.step())
        assert bag.list_of(stream="news", share=3) == [kept.id]
        assert bag.list_of(stream="news", share=5) == [lost.id]
        assert bag.list_of(stream="news", share=5 + TENANTS) == [retried.id]


def test_issue13_6_the_list_of_an_older_version_is_claimed_from(bench: Bench) -> None:
    """It knows no shares: what it had put in the one list there was is carried, whatever it was tried before."""
    bag = bench.bag
    tried = of_tenant(bag, 0, charged=1)
    assert bag.release() == 1
    assert bag.lists() == {(0, f"{LANE}|0|news")}
    bag.enlist()
    (claimed,) = bag.store.run(claiming.claim(PROCESS, TOKEN, [Batch(0, [(LANE, "news", 9)])]))
    assert [(one.id, one.state) for one in claimed.records] == [(tried.id, State.ATTEMPTING)]


def test_issue13_6_explain_counts_what_stands_before_it_in_its_share(bench: Bench) -> None:
    """Another tenant's does not."""
    bag = bench.bag
    for _ in range(3):
        of_tenant(bag, 3)
    for _ in range(2):
        of_tenant(bag, 5)
    bench.run(lambda parts: parts.releaser.step())
    _, last = bag.list_of(stream="news", share=5)
    with Client(bag.store.url) as mail:
        words = mail.explain(format_id(last))
    assert "1 wait before this one, 2 in all;" in " ".join(words.split())
