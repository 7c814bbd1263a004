"""What the store keeps of the receivers of webhooks: whose each is, and that all of a step is noted or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from softbounce import Client
from softbounce.errors import InvalidArgument
from softbounce.events import StoredEvent, encode_event
from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.shards import Shards
from softbounce.store.webhooks import (
    Changes,
    Dead,
    Order,
    Receiver,
    Untold,
    forget_order,
    forget_receiver,
    give_order,
    hold_receiver,
    lag_ms,
    read_dead,
    read_orders,
    read_receivers,
    read_untold,
)

A, B = b"a" * 8, b"b" * 8
MINUTE = 60_000
EVENT = StoredEvent(kind="bounced", id=bytes(16), recipient="u@x.test")


@pytest.fixture
def store(store_url: str) -> Iterator[Shards]:
    """A store, which forgets the receivers of the test before."""
    shards = Shards(store_url)
    for name in ("app", "other"):
        shards.run(forget_receiver(name))
    yield shards
    for name in ("app", "other"):
        shards.run(hold_receiver(name, A, lease_ms=0))
        shards.run(hold_receiver(name, B, lease_ms=0))
        shards.run(forget_receiver(name))
    shards.close()


def dead(number: int) -> Dead:
    """One that was given up."""
    return Dead(stored=EVENT, at_ms=1, cursor="c", place=b"%d" % number, dead_ms=2, charged=3, why="500")


def test_issue14_7_one_process_owns_a_receiver_until_it_lets_it_go(store: Shards) -> None:
    """The other learns until when, and changes nothing."""
    receiver = Receiver(cursor="here", told=7)
    mine = store.run(hold_receiver("app", A, lease_ms=MINUTE, receiver=receiver))
    assert (mine.is_ours, mine.receiver) == (True, receiver)
    assert 0 < mine.until_ms - mine.now_ms <= MINUTE
    changes = Changes(untold={b"p": Untold(stored=EVENT, at_ms=1, cursor="c")}, dead=[dead(1)])
    theirs = store.run(hold_receiver("app", B, lease_ms=MINUTE, receiver=Receiver(cursor="x"), changes=changes))
    assert (theirs.is_ours, theirs.until_ms, theirs.receiver) == (False, mine.until_ms, receiver)
    assert (store.run(read_untold("app"))[1], store.run(read_dead("app"))) == ({}, [])
    assert not store.run(forget_receiver("app"))
    store.run(hold_receiver("app", A, lease_ms=0))
    taken = store.run(hold_receiver("app", B, lease_ms=MINUTE))
    assert (taken.is_ours, taken.receiver) == (True, receiver)


def test_issue14_7_what_is_noted_is_read_back(store: Shards) -> None:
    """What waits by place, what is dead in order, and what is neither any more."""
    untold = {b"%d" % number: Untold(stored=EVENT, at_ms=number, cursor="c", charged=2) for number in range(12_000)}
    changes = Changes(untold=dict(untold), dead=[dead(number) for number in range(3)])
    store.run(hold_receiver("app", A, lease_ms=MINUTE, receiver=Receiver(cursor="1"), changes=changes))
    found: dict[bytes, Untold] = {}
    after = b"0"
    while True:
        after, page = store.run(read_untold("app", after))
        found |= page
        if after == b"0":
            break
    assert found == untold
    kept = store.run(read_dead("app"))
    assert [one for _, one in kept] == [dead(number) for number in range(3)]
    gone = Changes(untold=dict.fromkeys([b"0", b"1"]), undead=[kept[1][0]])
    store.run(hold_receiver("app", A, lease_ms=MINUTE, changes=gone))
    assert [one.place for _, one in store.run(read_dead("app"))] == [b"0", b"2"]
    assert store.call([Call.read(keys.HOME, b"HLEN", keys.untold("app"))]) == [11_998]
    store.run(hold_receiver("app", A, lease_ms=MINUTE, changes=Changes(untold=dict.fromkeys(untold))))
    assert store.run(read_untold("app")) == (b"0", {})


def test_issue14_7_of_the_dead_the_latest_thousand_are_kept(store: Shards) -> None:
    """However many there are."""
    for batch in range(3):
        changes = Changes(dead=[dead(number) for number in range(batch * 500, batch * 500 + 500)])
        store.run(hold_receiver("app", A, lease_ms=MINUTE, changes=changes))
    kept = store.run(read_dead("app"))
    assert (len(kept), kept[0][1].place, kept[-1][1].place) == (1000, b"500", b"1499")


def test_issue14_7_an_event_of_our_own_is_read_like_any_other(store: Shards, store_url: str) -> None:
    """It has no envelope."""
    with Client(store_url) as mail:
        before = [event.cursor for event in mail.events()][-1:]
        told = StoredEvent(kind="webhook_exhausted", id=b"", host="app", why="because")
        changes = Changes(told=[encode_event(told), encode_event(EVENT)])
        store.run(hold_receiver("app", A, lease_ms=MINUTE, changes=changes, keep_events=1000))
        kinds = [(event.kind, event.id, event.host) for event in mail.events(after=before[0] if before else None)]
    assert kinds[:1] == [("webhook_exhausted", "", "app")]
    assert len(kinds) == 2


def test_issue14_7_what_is_no_record_of_ours_stops_nobody(store: Shards) -> None:
    """Whatever stands in its place, the receiver begins anew and the others are read."""
    store.run(hold_receiver("other", A, lease_ms=MINUTE, receiver=Receiver(cursor="1")))
    name = keys.key(keys.HOME, "webhook")
    for octets in (b"", b"short", bytes(16) + b"\xc1nonsense", b"\xff" * 40):
        store.call([Call.read(keys.HOME, b"HSET", name, b"app", octets)])
        assert set(store.run(read_receivers())) == {"other"}
        store.call([Call.read(keys.HOME, b"HDEL", name, b"app")])
    store.call([Call.read(keys.HOME, b"HSET", name, b"app", bytes(16) + b"\xc1")])
    owned = store.run(hold_receiver("app", A, lease_ms=MINUTE))
    assert (owned.is_ours, owned.receiver) == (True, None)
    store.call([Call.read(keys.HOME, b"SET", keys.untold("app"), b"x")])
    changes = Changes(untold={b"p": Untold(stored=EVENT, at_ms=1, cursor="c")})
    assert store.run(hold_receiver("app", A, lease_ms=MINUTE, changes=changes)).is_ours
    store.call([Call.read(keys.HOME, b"HSET", keys.untold("app"), b"q", b"\xc1")])
    assert set(store.run(read_untold("app"))[1]) == {b"p"}


def test_F28_what_a_newer_version_appended_is_passed_over(store: Shards) -> None:
    """And what an older one did not know has its default."""
    newer = [*msgspec.structs.astuple(Receiver(cursor="1", told=5)), "more"]
    older = ["1", 0]
    for fields, told in ((newer, 5), (older, 0)):
        octets = bytes(16) + msgspec.msgpack.encode(fields)
        store.call([Call.read(keys.HOME, b"HSET", keys.key(keys.HOME, "webhook"), b"app", octets)])
        assert store.run(read_receivers())["app"][1] == Receiver(cursor="1", told=told)


def test_issue14_7_an_order_waits_until_it_is_done(store: Shards) -> None:
    """The latest of its kind; one that was given meanwhile stays."""
    for order in (Order(what="replay", cursor="a"), Order(what="replay", cursor="b"), Order(what="enable")):
        store.run(give_order("app", order))
    notes = {note.order.what: note for note in store.run(read_orders()) if note.order}
    assert {what: note.order and note.order.cursor for what, note in notes.items()} == {"replay": "b", "enable": None}
    store.run(give_order("app", Order(what="replay", cursor="c")))
    assert [store.run(forget_order(note)) for note in (notes["replay"], notes["enable"])] == [0, 1]
    (left,) = store.run(read_orders())
    assert store.run(forget_order(left)) == 1


def test_issue14_7_there_are_a_thousand_receivers_at_most(store: Shards) -> None:
    """Another is refused, and those that are there are not."""
    name = keys.key(keys.HOME, "webhook")
    fields = [part for number in range(1000) for part in (b"old%d" % number, bytes(16))]
    store.call([Call.read(keys.HOME, b"HSET", name, *fields)])
    try:
        with pytest.raises(InvalidArgument, match="1000 receivers"):
            store.run(hold_receiver("app", A, lease_ms=MINUTE))
        assert store.run(hold_receiver("old7", A, lease_ms=0)).is_ours
    finally:
        store.call([Call.read(keys.HOME, b"DEL", name)])


def test_issue14_7_the_lag_is_the_age_of_the_oldest_event_that_was_not_told() -> None:
    """Where nobody tells it, at least the time since it was told."""
    caught_up, behind = Receiver(cursor="", noted_ms=100), Receiver(cursor="", waiting_ms=50, noted_ms=100)
    assert [lag_ms(one, 2000, 1000) for one in (caught_up, behind)] == [0, 950]
    assert [lag_ms(one, 0, 1000) for one in (caught_up, behind)] == [900, 950]
