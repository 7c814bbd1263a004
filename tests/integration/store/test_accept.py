"""accept: a message with all its envelopes, once per key, or nothing at all."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from mailbag import DAY, LANE, Mailbag, new_message, open_bag
from servers import Valkey

from softbounce.envelope import State
from softbounce.errors import StoreError
from softbounce.ids import new_message_id
from softbounce.settings import Settings
from softbounce.store import accepting, claiming, published
from softbounce.store.call import Call


def test_every_recipient_becomes_a_scheduled_envelope(bag: Mailbag, shard: int) -> None:
    """Records get the store's times, and stand in both queues; the message counts them; the body is kept."""
    new = new_message(shard, recipients=3, stream="otp")
    before_ms = time.time_ns() // 1_000_000
    answer = bag.accept(new)
    assert answer == ("stored", new.message, 3)
    records = bag.records([record.id for record in new.records])
    assert [record.envelope.recipient for record in records] == ["r0@example.net", "r1@example.net", "r2@example.net"]
    for record in records:
        assert record.state is State.SCHEDULED
        assert (record.lane, record.stream, record.version, record.charged) == (LANE, "otp", 0, 0)
        assert before_ms <= record.created_ms == record.next_ms
        assert record.expires_ms == record.created_ms + DAY
        assert bag.zset("exp", shard)[record.id] == record.expires_ms
    assert bag.live_of(new.message) == 3
    assert bag.store.run(claiming.bodies(records)) == [b"a body"] * 3
    assert [event.kind for event in bag.events(shard)] == ["accepted"] * 3


def test_a_thousand_recipients_fit_into_one_call(one: Mailbag) -> None:
    """The largest message that a client lets pass is one script run."""
    new = new_message(recipients=1000)
    assert one.accept(new) == ("stored", new.message, 1000)
    assert one.live_of(new.message) == 1000
    assert one.accept(new) == ("known", new.message, 1000)


def test_the_same_key_answers_what_was_stored(bag: Mailbag, shard: int) -> None:
    """Repeated under a new message id, with the same digest, it changes nothing and names the first id."""
    first = new_message(shard, key="order-1", recipients=2)
    bag.accept(first)
    events = bag.events(shard)
    assert bag.accept(new_message(shard, key="order-1", recipients=2)) == ("known", first.message, 2)
    assert len(bag.zset("due", shard)) == 2
    assert bag.events(shard) == events


def test_the_same_key_with_other_content_is_refused(bag: Mailbag, shard: int) -> None:
    """A key stands for one content."""
    bag.accept(new_message(shard, key="order-1"))
    other = new_message(shard, key="order-1", digest=b"x" * 16)
    assert bag.accept(other).outcome == "reused"
    assert not bag.has_body(other.message)


def test_an_id_that_is_taken_is_refused(bag: Mailbag, shard: int) -> None:
    """Two messages never share an id, whatever their keys."""
    message = new_message_id(shard)
    bag.accept(new_message(shard, message=message))
    assert bag.accept(new_message(shard, message=message)).outcome == "collision"
    assert len(bag.zset("due", shard)) == 1


def test_an_id_whose_body_is_still_there_is_refused(one: Mailbag) -> None:
    """A body without a message is not overwritten either."""
    new = new_message()
    one.raw.set(accepting.accept(new, shards=1, settings=Settings()).keys[8], b"left over")
    assert one.accept(new).outcome == "collision"
    one.raw.delete(accepting.accept(new, shards=1, settings=Settings()).keys[8])


@pytest.mark.parametrize("shards", [0, 2, 5], ids=["none", "fewer", "more"])
def test_another_number_of_shards_is_refused(bag: Mailbag, shards: int) -> None:
    """Who counts the shards differently would look for mail in the wrong places."""
    call = accepting.accept(new_message(), shards=shards, settings=Settings())
    assert accepting.read_accept(bag.store.call([call])[0]).outcome == "schema"
    assert bag.zset("due") == {}


def test_a_store_without_a_schema_takes_nothing(one: Mailbag) -> None:
    """A store that was emptied under a running app does not silently begin anew."""
    one.raw.delete(one.key("schema"))
    assert one.accept(new_message()).outcome == "schema"


def test_the_schema_is_written_once(one: Mailbag) -> None:
    """The first number of shards stays; later writers read it."""
    one.raw.delete(one.key("schema"))
    assert one.store.call([published.schema(0, shards=0)]) == [[0, 0]]
    assert one.store.call([published.schema(0, shards=4)]) == [[1, 4]]
    assert one.store.call([published.schema(0, shards=16)]) == [[1, 4]]
    assert one.store.call([published.schema(0, shards=0)]) == [[1, 4]]


def test_a_large_body_is_kept_in_chunks(bag: Mailbag, shard: int) -> None:
    """Chunks come back in order as one body."""
    chunks = [bytes([number]) * 256 * 1024 for number in range(4)]
    new = new_message(shard, chunks=chunks)
    bag.accept(new)
    assert bag.store.run(claiming.bodies(bag.records([new.records[0].id]))) == [b"".join(chunks)]


def test_a_body_that_is_gone_is_none(one: Mailbag) -> None:
    """A missing body is told from an empty one, in one piece or in chunks."""
    records = one.scheduled() + one.scheduled(chunks=[b"a", b"b"])
    bodies = [claiming.body_call(record).args[1] for record in records]
    kept = [(key, one.raw.dump(key)) for key in bodies]
    one.raw.delete(*bodies)
    assert one.store.run(claiming.bodies(records)) == [None, None]
    for key, value in kept:
        one.raw.restore(key, 0, value)


def test_not_before_shifts_start_and_window(one: Mailbag) -> None:
    """The window begins at the later of now and ``at``."""
    at_ms = 2_000_000_000_000
    record = one.scheduled(not_before_ms=at_ms, window_ms=1000)[0]
    assert (record.next_ms, record.expires_ms) == (at_ms, at_ms + 1000)
    assert record.created_ms < at_ms
    past = one.scheduled(not_before_ms=1000)[0]
    assert past.next_ms == past.created_ms


def test_accept_wakes_only_for_something_sooner(bag: Mailbag, shard: int) -> None:
    """The scheduler is told when the new mail is due before all that it knows."""
    pubsub = bag.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(bag.key("wake", shard))
    pubsub.get_sharded_message(timeout=1)
    plans = [3_000_000_000_000, 3_000_000_000_001, 2_000_000_000_000]
    for at_ms in plans:
        bag.scheduled(shard, not_before_ms=at_ms)
    now = bag.scheduled(shard)[0]
    heard = [pubsub.get_sharded_message(timeout=timeout) for timeout in (1, 1, 1, 0.02)]
    texts = [message["data"] for message in heard if message]
    assert texts == [b"3000000000000", b"2000000000000", str(now.next_ms).encode()]
    pubsub.close()


def test_records_hold_their_own_numbers(one: Mailbag) -> None:
    """Envelopes are told from their message's id and the recipient's number."""
    ids = [record.id for record in one.scheduled(recipients=300)]
    assert all(later[:-2] == earlier[:-2] and later > earlier for earlier, later in pairwise(ids))


def test_a_key_of_another_shard_is_refused(cluster_server: Valkey) -> None:
    """The cluster of one refuses a call that mixes two shards, so every call of these tests proves its keys."""
    with open_bag(cluster_server.url) as bag:
        call = accepting.accept(new_message(), shards=1, settings=Settings())
        foreign = [*call.keys[:-1], b"sb:{1}:wake"]
        assert isinstance(bag.store.call([Call(0, call.script, foreign, call.args)])[0], StoreError)
