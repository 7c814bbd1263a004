"""The client on a store of several shards, and shared by threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from softbounce import Client, EventsLost, InvalidArgument, Outgoing, SchemaMismatch
from softbounce.client.send.packing import shard_of_key
from softbounce.ids import parse_id, shard_of
from softbounce.store import keys, published
from softbounce.store.call import Call
from softbounce.store.shards import Shards

SHARDS = 4
MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"


@pytest.fixture
def store(store_url: str) -> Iterator[Shards]:
    """A store of four shards, as `up` makes it."""
    shards = Shards(store_url)
    shards.call([published.schema(shard, shards=SHARDS) for shard in range(SHARDS)])
    yield shards
    shards.close()


@pytest.fixture
def mail(store: Shards) -> Iterator[Client]:
    """A client of it."""
    with Client(store.url) as client:
        yield client


def outgoing(number: int) -> Outgoing:
    """The arguments of a send with a key of its own."""
    return {
        "sender": "app@example.com",
        "recipients": [f"u{number}@example.net"],
        "message": MESSAGE,
        "key": f"k{number}",
    }


def test_messages_spread_over_the_shards_and_are_found(mail: Client) -> None:
    """By id, in the counts, in pages; a repeat goes to the same shard."""
    receipts = mail.send_many([outgoing(number) for number in range(100)])
    ids = [identity for receipt in receipts for identity in receipt.envelopes.values()]
    assert {shard_of(parse_id(identity)) for identity in ids} == set(range(SHARDS))
    assert all(mail.show(identity).state == "scheduled" for identity in ids)
    assert mail.queue().total == 100
    assert mail.send(**outgoing(7)).message_id == receipts[7].message_id
    seen: list[str] = []
    after = None
    while True:
        page = mail.page(after=after, limit=10)
        seen += [shown.id for shown in page.envelopes]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(ids)
    assert mail.act_on_matching("cancel") == {"cancelled": 100}


def test_a_cursor_holds_its_place_in_every_shard(mail: Client) -> None:
    """Reading on from any event gives the others, each once; of one envelope in order."""
    receipts = mail.send_many([outgoing(number) for number in range(40)])
    for receipt in receipts:
        for identity in receipt.envelopes.values():
            mail.hold(identity)
            mail.cancel(identity)
    events = list(mail.events())
    assert len(events) == 120
    for position in range(0, 120, 7):
        rest = list(mail.events(after=events[position].cursor))
        key = [(event.id, event.kind) for event in rest]
        assert sorted(key) == sorted((event.id, event.kind) for event in events[position + 1 :])
    for receipt in receipts:
        for identity in receipt.envelopes.values():
            kinds = [event.kind for event in events if event.id == identity]
            assert kinds == ["accepted", "held", "cancelled"]


def test_a_gap_in_one_shard_is_a_gap(mail: Client, store: Shards) -> None:
    """And reading goes on behind it without losing the others' places."""
    mail.send_many([outgoing(number) for number in range(40)])
    events = list(mail.events())
    shard = shard_of(parse_id(events[-1].id))
    cursor = events[0].cursor
    store.call([Call.read(shard, b"XTRIM", keys.key(shard, "events"), b"MAXLEN", 1)])
    with pytest.raises(EventsLost) as caught:
        list(mail.events(after=cursor))
    rest = list(mail.events(after=caught.value.resume_after))
    others = {event.id for event in events[1:] if shard_of(parse_id(event.id)) != shard}
    assert {event.id for event in rest if shard_of(parse_id(event.id)) != shard} == others


def test_a_cursor_of_more_shards_than_there_are_is_refused(mail: Client, store: Shards) -> None:
    """It is another store's."""
    mail.send_many([outgoing(number) for number in range(20)])
    cursor = list(mail.events())[-1].cursor
    store.call([Call.read(0, b"FLUSHALL")])
    with Client(store.url) as other, pytest.raises(InvalidArgument):
        list(other.events(after=cursor))


def test_a_shard_that_was_never_prepared_takes_nothing(mail: Client, store: Shards) -> None:
    """The store says so; the client does not guess."""
    store.call([Call.read(shard, b"DEL", keys.key(shard, "schema")) for shard in range(1, SHARDS)])
    elsewhere = next(number for number in range(20) if shard_of_key(f"k{number}", SHARDS))
    with pytest.raises(SchemaMismatch, match="disagree"):
        mail.send(**outgoing(elsewhere))


def test_threads_share_a_client(mail: Client) -> None:
    """Each send is one message, whoever sends beside it."""
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda number: mail.send(**outgoing(number % 50)), range(200)))
    assert len({receipt.message_id for receipt in receipts}) == 50
    assert sum(not receipt.known for receipt in receipts) == 50
    assert mail.queue().total == 50
