"""Lanes, wake-ups, sites, settings, counts and retention."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from mailbag import LANE, PROCESS, Mailbag

from softbounce.envelope import State
from softbounce.settings import Policy, Settings
from softbounce.store import housekeeping, keys
from softbounce.store.call import Call
from softbounce.store.housekeeping import LaneState, Site

OTHER = "worker-2"
NOW = 1_800_000_000_000
CLOSED = LaneState(closed_until_ms=NOW, failures=3, why="refused", code=421, text="not now", host="mx.example")


# -- lanes ----------------------------------------------------------------------------------------------------------


def test_a_lane_has_one_owner(one: Mailbag) -> None:
    """Who takes it first has it, and may take it again; the other hears so."""
    one.enlist(OTHER)
    assert one.store.run(housekeeping.take_lanes(PROCESS, ["a", "b"])) == [LaneState(), LaneState()]
    assert one.store.run(housekeeping.take_lanes(OTHER, ["b", "c"])) == [None, LaneState()]
    assert one.store.run(housekeeping.take_lanes(PROCESS, ["a"])) == [LaneState()]


def test_only_its_owner_gives_a_lane_back(one: Mailbag) -> None:
    """Given back it is free for the next one."""
    one.enlist(OTHER)
    one.store.run(housekeeping.take_lanes(PROCESS, ["a"]))
    assert one.store.run(housekeeping.give_lanes(OTHER, ["a"])) == 0
    assert one.store.run(housekeeping.give_lanes(PROCESS, ["a", "never taken"])) == 1
    assert one.store.run(housekeeping.take_lanes(OTHER, ["a"])) == [LaneState()]


def test_a_dead_owner_s_lane_is_free(one: Mailbag) -> None:
    """Living is being allowed to claim; who is not live gets no lane either."""
    one.enlist(OTHER)
    one.store.run(housekeeping.take_lanes(PROCESS, ["a"]))
    one.store.run(housekeeping.lapse(PROCESS, 0))
    assert one.store.run(housekeeping.take_lanes(OTHER, ["a"])) == [LaneState()]
    assert one.store.run(housekeeping.take_lanes(PROCESS, ["b"])) == [None]


def test_a_lane_s_state_outlives_its_owners(one: Mailbag) -> None:
    """Saved while closed, forgotten when there is nothing to remember."""
    one.store.run(housekeeping.save_lanes(PROCESS, {"a": CLOSED, "b": LaneState(failures=1)}))
    assert one.store.run(housekeeping.lane_states(["a", "x", "b"])) == [CLOSED, LaneState(), LaneState(failures=1)]
    assert one.store.run(housekeeping.take_lanes(PROCESS, ["a"])) == [CLOSED]
    assert one.store.run(housekeeping.save_lanes(PROCESS, {"a": LaneState()})) == 1
    assert one.raw.hkeys(one.key("lane")) == [b"b"]


def test_lists_with_work_are_known_in_every_shard(bag: Mailbag) -> None:
    """Named with their shard, whatever the stream."""
    for shard in range(bag.shards):
        bag.ready(shard, stream="otp")
    expected = {(shard, keys.ready_name(LANE, "otp")) for shard in range(bag.shards)}
    assert set(bag.store.run(housekeeping.list_lanes(bag.shards))) == expected
    assert keys.split_ready_name(keys.ready_name(LANE, "otp", 3)) == (LANE, 3, "otp")


# -- wake-ups -------------------------------------------------------------------------------------------------------


def wake(bag: Mailbag, *lanes: str, now_ms: int = NOW, processes: tuple[str, ...] = (PROCESS, OTHER)) -> list[str]:
    """Wake lanes; those that need a job."""
    work = {lane: f"work for {lane}" for lane in lanes}
    return bag.store.run(housekeeping.wake(now_ms, work, processes, repeat_after_ms=30_000))


def test_a_living_owner_is_woken_once_with_all_its_lanes(one: Mailbag) -> None:
    """And needs no job; lanes of nobody do."""
    one.enlist(OTHER)
    one.store.run(housekeeping.take_lanes(PROCESS, ["a", "b"]))
    one.store.run(housekeeping.take_lanes(OTHER, ["c"]))
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(keys.to_process(PROCESS), keys.to_process(OTHER))
    for _ in range(2):
        pubsub.get_sharded_message(timeout=1)
    assert wake(one, "a", "b", "c", "d") == ["d"]
    heard = [pubsub.get_sharded_message(timeout=timeout) for timeout in (1, 1, 0.02)]
    texts = {message["channel"]: message["data"] for message in heard if message}
    assert texts == {
        keys.to_process(PROCESS): b"work for a\nwork for b",
        keys.to_process(OTHER): b"work for c",
    }
    pubsub.close()


def test_one_job_is_outstanding_for_a_lane(one: Mailbag) -> None:
    """A hint is not repeated before it is old, and cleared by who takes the lane."""
    assert wake(one, "a") == ["a"]
    assert wake(one, "a", now_ms=NOW + 30_000) == []
    assert wake(one, "a", now_ms=NOW + 30_001) == ["a"]
    one.store.run(housekeeping.take_lanes(PROCESS, ["a"]))
    one.store.run(housekeeping.give_lanes(PROCESS, ["a"]))
    assert wake(one, "a", now_ms=NOW + 30_002) == ["a"]


def test_a_dead_or_unknown_owner_is_replaced_by_a_job(one: Mailbag) -> None:
    """It may be that nobody hears, or that the caller does not know its channel yet."""
    one.store.run(housekeeping.take_lanes(PROCESS, ["a", "b"]))
    assert wake(one, "a", processes=()) == ["a"]
    one.store.run(housekeeping.lapse(PROCESS, 0))
    assert wake(one, "b") == ["b"]
    assert wake(one) == []


def test_lanes_are_offered_without_jobs(one: Mailbag) -> None:
    """Where dramatiq takes no jobs the processes are told directly; the hints that were not sent are forgotten."""
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(keys.to_process(PROCESS))
    pubsub.get_sharded_message(timeout=1)
    assert wake(one, "a", "b") == ["a", "b"]
    one.store.run(housekeeping.offer_lanes({PROCESS: ["a", "b"]}, unsent=["a", "b"]))
    heard = pubsub.get_sharded_message(timeout=1)
    assert [line.lstrip(b"+ ")[-1:] for line in heard["data"].split(b"\n")] == [b"a", b"b"]
    assert wake(one, "a") == ["a"]
    one.store.run(housekeeping.offer_lanes({}, unsent=["a"]))
    assert wake(one, "a") == ["a"]
    pubsub.close()


# -- small facts ----------------------------------------------------------------------------------------------------


def test_every_shard_learns_where_domains_go(bag: Mailbag) -> None:
    """And forgets it together."""
    site = Site(lane="mx.example", shown="example", learnt_ms=NOW)
    bag.store.run(housekeeping.learn({"a.example": site, "b.example": site}, shards=bag.shards))
    bag.store.run(housekeeping.learn({"a.example": None}, shards=bag.shards))
    for shard in range(bag.shards):
        assert bag.store.run(housekeeping.sites(shard, ["a.example", "b.example"])) == [None, site]


def test_of_two_publications_one_wins(one: Mailbag) -> None:
    """The other saw a version that is no longer there, and all hear of the new one."""
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(one.key("news"))
    pubsub.get_sharded_message(timeout=1)
    assert one.store.run(housekeeping.read_settings()) is None
    first = Settings(version=1, policies={"default": Policy(name="default", window=timedelta(hours=1))})
    assert one.store.run(housekeeping.publish_settings(first, over=0))
    assert not one.store.run(housekeeping.publish_settings(Settings(version=1), over=0))
    assert one.store.run(housekeeping.publish_settings(Settings(version=2), over=1))
    assert not one.store.run(housekeeping.publish_settings(first, over=1))
    assert one.store.run(housekeeping.read_settings()) == Settings(version=2)
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
        cursor, tallies = bag.store.run(housekeeping.count_step(shard, cursor, 100))
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


# -- retention ------------------------------------------------------------------------------------------------------

FOREVER = Settings()
AT_ONCE = timedelta(milliseconds=-1)


def changed(**changes: object) -> Settings:
    """Settings that keep for a long time what a test does not name."""
    return msgspec.structs.replace(FOREVER, **changes)


def test_what_is_live_is_never_trimmed(one: Mailbag) -> None:
    """However old it is, neither its record nor its body nor its key."""
    record = one.scheduled(key="k")[0]
    trim = housekeeping.trim(0, changed(keep_finished=AT_ONCE, keep_keys=AT_ONCE, keep_finished_max_octets=0))
    one.raw.zadd(one.key("kage"), {"k": 1})
    assert one.store.run(trim) == (0, 0)
    assert one.record(record.id) == record
    assert one.raw.hexists(one.key("k"), "k")


def test_a_live_message_s_key_is_looked_at_again_later(one: Mailbag) -> None:
    """Its age moves on, so that the trim does not meet it at every step."""
    one.scheduled(key="k")
    one.raw.zadd(one.key("kage"), {"k": 1})
    one.store.run(housekeeping.trim(0, FOREVER))
    week_ms = 7 * 86_400_000
    assert one.zset("kage")[b"k"] > week_ms


def test_what_ended_goes_oldest_first_by_age(bag: Mailbag, shard: int) -> None:
    """At most so many a step, the record and its place in the queue."""
    records = bag.scheduled(shard, recipients=5)
    for record in records:
        bag.put(record, State.CANCELLED)
    done = bag.key("done", shard)
    bag.raw.zadd(done, {records[1].id: 1, records[3].id: 2})
    assert bag.store.run(housekeeping.trim(shard, FOREVER, limit=1)) == (1, 0)
    assert len(bag.records([record.id for record in records])) == 4
    assert bag.store.run(housekeeping.trim(shard, FOREVER)) == (1, 0)
    kept = bag.records([record.id for record in records])
    assert [record.id for record in kept] == [records[0].id, records[2].id, records[4].id]
    assert bag.store.run(housekeeping.trim(shard, changed(keep_finished=AT_ONCE))) == (3, 0)


def test_what_ended_goes_by_size(one: Mailbag) -> None:
    """Until what is kept fits; the total stays right."""
    records = one.scheduled(recipients=6)
    for record in records:
        one.put(record, State.CANCELLED)
    size = int(one.raw.hget(one.key("totals"), "done_octets")) // 6
    assert one.store.run(housekeeping.trim(0, changed(keep_finished_max_octets=size * 2 + 10))) == (4, 0)
    assert int(one.raw.hget(one.key("totals"), "done_octets")) <= size * 2 + 10
    assert one.store.run(housekeeping.trim(0, FOREVER)) == (0, 0)


def test_keys_of_ended_messages_are_forgotten(one: Mailbag) -> None:
    """Once they are old: before that a repeat must find them."""
    record = one.scheduled(key="k")[0]
    one.put(record, State.CANCELLED)
    assert one.store.run(housekeeping.trim(0, FOREVER)) == (0, 0)
    one.raw.zadd(one.key("kage"), {"k": 1, "a ghost": 1})
    assert one.store.run(housekeeping.trim(0, FOREVER)) == (0, 2)
    assert not one.raw.exists(one.key("k"))
    assert not one.raw.exists(one.key("kage"))


@pytest.mark.parametrize(
    "settings",
    [changed(keep_events=AT_ONCE), changed(keep_events_max=10)],
    ids=["age", "number"],
)
def test_events_are_trimmed(one: Mailbag, settings: Settings) -> None:
    """By age and by number, in the stream's own large steps; the newest stay."""
    for _ in range(350):
        one.scheduled()
    one.store.run(housekeeping.trim(0, settings))
    assert 0 <= one.raw.xlen(one.key("events")) <= 110


def test_an_empty_store_has_nothing_to_trim(bag: Mailbag, shard: int) -> None:
    """Nor to count."""
    assert bag.store.run(housekeeping.trim(shard, FOREVER)) == (0, 0)
    assert bag.store.run(housekeeping.count_step(shard, "0")) == ("0", [])


def test_a_plain_fact_is_put_and_forgotten(one: Mailbag) -> None:
    """An empty value forgets; the answer is how many were named."""
    assert one.run("put", (one.key("site"),), "a", "1", "b", "2", "a", "") == 3
    assert one.raw.hgetall(one.key("site")) == {b"b": b"2"}
    assert one.store.call([Call.read(0, b"HGET", one.key("site"), b"b")]) == [b"2"]
