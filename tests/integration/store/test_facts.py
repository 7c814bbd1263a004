"""What a store knows besides envelopes: sites, settings, and counts of all it has."""

from __future__ import annotations

from datetime import timedelta

from mailbag import LANE, Mailbag

from softbounce.envelope import State
from softbounce.settings import Policy, Settings
from softbounce.store.call import Call
from softbounce.store.published import publish_settings, read_settings
from softbounce.store.reading import count_step
from softbounce.store.sites import Site, learn_sites, read_sites

OTHER = "worker-2"
NOW = 1_800_000_000_000


# -- small facts ----------------------------------------------------------------------------------------------------


def test_every_shard_learns_where_domains_go(bag: Mailbag) -> None:
    """And forgets it together."""
    site = Site(lane="mx.example", shown="example", learnt_ms=NOW)
    bag.store.run(learn_sites({"a.example": site, "b.example": site}, shards=bag.shards))
    bag.store.run(learn_sites({"a.example": None}, shards=bag.shards))
    for shard in range(bag.shards):
        assert bag.store.run(read_sites(shard, ["a.example", "b.example"])) == [None, site]


def test_of_two_publications_one_wins(one: Mailbag) -> None:
    """The other saw a version that is no longer there, and all hear of the new one."""
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(one.key("news"))
    pubsub.get_sharded_message(timeout=1)
    assert one.store.run(read_settings()) is None
    first = Settings(version=1, policies={"default": Policy(name="default", window=timedelta(hours=1))})
    assert one.store.run(publish_settings(first, over=0))
    assert not one.store.run(publish_settings(Settings(version=1), over=0))
    assert one.store.run(publish_settings(Settings(version=2), over=1))
    assert not one.store.run(publish_settings(first, over=1))
    assert one.store.run(read_settings()) == Settings(version=2)
    heard = [pubsub.get_sharded_message(timeout=timeout) for timeout in (1, 1, 0.02)]
    assert [message and message["data"] for message in heard] == [b"settings", b"settings", None]
    pubsub.close()


# -- counts ---------------------------------------------------------------------------------------------------------


def test_a_count_sums_up_by_state_lane_and_stream(bag: Mailbag, shard: int) -> None:
    """With the oldest of each, however many steps the walk takes."""
    ready = bag.ready(shard, recipients=300, stream="otp")
    scheduled = bag.scheduled(shard, recipients=300, lane="?other.example")
    ended = bag.scheduled(shard)[0]
    bag.put(ended, State.CANCELLED)
    numbers: dict[tuple[int, str, str], int] = {}
    oldest: dict[tuple[int, str, str], int] = {}
    cursor, steps = "0", 0
    while steps == 0 or cursor != "0":
        cursor, tallies = bag.store.run(count_step(shard, cursor, 100))
        steps += 1
        for tally in tallies:
            name = (tally.state, tally.lane, tally.stream)
            numbers[name] = numbers.get(name, 0) + tally.number
            oldest[name] = min(oldest.get(name, NOW * 2), tally.oldest_ms)
    assert numbers == {
        (State.READY, LANE, "otp"): 300,
        (State.SCHEDULED, "?other.example", ""): 300,
        (State.CANCELLED, LANE, ""): 1,
    }
    assert oldest[State.READY, LANE, "otp"] == ready[0].created_ms
    assert oldest[State.SCHEDULED, "?other.example", ""] == scheduled[0].created_ms
    assert steps > 1


def test_a_plain_fact_is_put_and_forgotten(one: Mailbag) -> None:
    """An empty value forgets; the answer is how many were named."""
    assert one.run("put", (one.key("site"),), "a", "1", "b", "2", "a", "") == 3
    assert one.raw.hgetall(one.key("site")) == {b"b": b"2"}
    assert one.store.call([Call.read(0, b"HGET", one.key("site"), b"b")]) == [b"2"]
