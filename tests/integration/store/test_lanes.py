"""Lanes: their owners, what is remembered of them, and wake-ups."""

from __future__ import annotations

from mailbag import LANE, PROCESS, Mailbag

from softbounce.store import keys, membership
from softbounce.store.lanes import (
    LaneState,
    TakenLane,
    forget_lanes,
    give_lanes,
    lane_states,
    offer_lanes,
    save_lanes,
    take_lanes,
    wake_lanes,
)

OTHER = "worker-2"
NOW = 1_800_000_000_000
FREE = TakenLane(LaneState(), [])
CLOSED = LaneState(closed_until_ms=NOW, failures=3, why="refused", code=421, text="not now", host="mx.example")


# -- lanes ----------------------------------------------------------------------------------------------------------


def test_a_lane_has_one_owner(one: Mailbag) -> None:
    """Who takes it first has it, and may take it again; the other hears so."""
    one.enlist(OTHER)
    assert one.store.run(take_lanes(PROCESS, ["a", "b"])) == [FREE, FREE]
    assert one.store.run(take_lanes(OTHER, ["b", "c"])) == [None, FREE]
    assert one.store.run(take_lanes(PROCESS, ["a"])) == [FREE]


def test_only_its_owner_gives_a_lane_back(one: Mailbag) -> None:
    """Given back it is free for the next one."""
    one.enlist(OTHER)
    one.store.run(take_lanes(PROCESS, ["a"]))
    assert one.store.run(give_lanes(OTHER, ["a"])) == 0
    assert one.store.run(give_lanes(PROCESS, ["a", "never taken"])) == 1
    assert one.store.run(take_lanes(OTHER, ["a"])) == [FREE]


def test_a_dead_owner_s_lane_is_free(one: Mailbag) -> None:
    """Living is being allowed to claim; who is not live gets no lane either."""
    one.enlist(OTHER)
    one.store.run(take_lanes(PROCESS, ["a"]))
    one.store.run(membership.lapse(PROCESS, 0))
    assert one.store.run(take_lanes(OTHER, ["a"])) == [FREE]
    assert one.store.run(take_lanes(PROCESS, ["b"])) == [None]


def test_a_lane_s_state_outlives_its_owners(one: Mailbag) -> None:
    """Saved while closed, forgotten when there is nothing to remember."""
    one.store.run(save_lanes(PROCESS, {"a": CLOSED, "b": LaneState(failures=1)}, keep_events=1000))
    assert one.store.run(lane_states(["a", "x", "b"])) == [CLOSED, LaneState(), LaneState(failures=1)]
    assert one.store.run(take_lanes(PROCESS, ["a"])) == [TakenLane(CLOSED, [])]
    assert one.store.run(save_lanes(PROCESS, {"a": LaneState()}, keep_events=1000)) == 1
    assert one.raw.hkeys(one.key("lane")) == [b"b"]


def test_a_lane_that_was_saved_since_is_not_forgotten(one: Mailbag) -> None:
    """Nor is anybody told that it is open."""
    one.store.run(save_lanes(PROCESS, {"a": CLOSED}, keep_events=1000))
    seen = one.raw.hget(one.key("lane"), "a")
    one.store.run(save_lanes(PROCESS, {"a": LaneState(closed_until_ms=NOW + 1, failures=4)}, keep_events=1000))
    assert one.store.run(forget_lanes({b"a": seen}, keep_events=1000)) == 0
    assert one.store.run(lane_states(["a"])) == [LaneState(closed_until_ms=NOW + 1, failures=4)]
    assert [event.kind for event in one.events()] == ["site_closed"]


def test_lists_with_work_are_known_in_every_shard(bag: Mailbag) -> None:
    """Named with their shard, whatever the stream."""
    for shard in range(bag.shards):
        bag.ready(shard, stream="otp")
    expected = {(shard, keys.ready_name(LANE, "otp")) for shard in range(bag.shards)}
    assert bag.lists() == expected
    assert keys.parse_ready_name(keys.ready_name(LANE, "otp", 3)) == (LANE, 3, "otp")


def test_issue11_1_thousands_of_lanes_are_taken_in_calls_that_are_bounded(one: Mailbag) -> None:
    """What is asked at once is answered as a whole, in order; each call is about a thousand lanes at most."""
    names = [f"lane{number}.test" for number in range(2500)]
    one.store.run(save_lanes(PROCESS, dict.fromkeys(names[::2], CLOSED), keep_events=1000))
    taking = take_lanes(PROCESS, names)
    assert max(len(call.args) for call in taking.calls) <= 1002
    assert one.store.run(taking) == [FREE if number % 2 else TakenLane(CLOSED, []) for number in range(2500)]
    assert one.store.run(give_lanes(PROCESS, names)) == 2500
    assert one.store.run(take_lanes(PROCESS, [])) == []


# -- wake-ups -------------------------------------------------------------------------------------------------------


def wake(bag: Mailbag, *lanes: str, now_ms: int = NOW, processes: tuple[str, ...] = (PROCESS, OTHER)) -> list[str]:
    """Wake lanes; those that need a job."""
    work = {lane: f"work for {lane}" for lane in lanes}
    return bag.store.run(wake_lanes(now_ms, work, processes, repeat_after_ms=30_000))


def test_issue11_who_takes_a_lane_hears_what_it_was_told_of_while_nobody_had_it(one: Mailbag) -> None:
    """Each list once, until it is handed back; what no list's name is, or of another lane, is passed over."""
    texts = [f"0|{keys.ready_name('a', stream)}" for stream in ("", "otp")]
    for text in (*texts, texts[0], "0|" + keys.ready_name("b", ""), "x|a|0|"):
        one.store.run(wake_lanes(NOW, {"a": text}, (PROCESS,), repeat_after_ms=30_000))
    told = TakenLane(LaneState(), [(0, "", 0), (0, "otp", 0)])
    assert one.store.run(take_lanes(PROCESS, ["a", "b"])) == [told, FREE]
    assert one.store.run(take_lanes(PROCESS, ["a"])) == [told]
    one.store.run(give_lanes(PROCESS, ["a"]))
    assert one.raw.hkeys(one.key("told")) == []
    assert one.store.run(take_lanes(PROCESS, ["a"])) == [FREE]


def test_issue11_what_a_lane_was_told_of_is_bounded(one: Mailbag) -> None:
    """However many lists it has: the walks find the others."""
    for start in range(0, 1000, 100):
        text = "\n".join(f"0|{keys.ready_name('a', f'stream-{number}')}" for number in range(start, start + 100))
        one.store.run(wake_lanes(NOW, {"a": text}, (PROCESS,), repeat_after_ms=30_000))
    assert len(one.raw.hget(one.key("told"), "a")) < 9000
    (taken,) = one.store.run(take_lanes(PROCESS, ["a"]))
    assert taken is not None
    assert 100 < len(taken.lists) < 1000


def test_a_living_owner_is_woken_once_with_all_its_lanes(one: Mailbag) -> None:
    """And needs no job; lanes of nobody do."""
    one.enlist(OTHER)
    one.store.run(take_lanes(PROCESS, ["a", "b"]))
    one.store.run(take_lanes(OTHER, ["c"]))
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
    one.store.run(take_lanes(PROCESS, ["a"]))
    one.store.run(give_lanes(PROCESS, ["a"]))
    assert wake(one, "a", now_ms=NOW + 30_002) == ["a"]


def test_a_dead_or_unknown_owner_is_replaced_by_a_job(one: Mailbag) -> None:
    """It may be that nobody hears, or that the caller does not know its channel yet."""
    one.store.run(take_lanes(PROCESS, ["a", "b"]))
    assert wake(one, "a", processes=()) == ["a"]
    one.store.run(membership.lapse(PROCESS, 0))
    assert wake(one, "b") == ["b"]
    assert wake(one) == []


def test_lanes_are_offered_without_jobs(one: Mailbag) -> None:
    """Where dramatiq takes no jobs the processes are told directly; the hints that were not sent are forgotten."""
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(keys.to_process(PROCESS))
    pubsub.get_sharded_message(timeout=1)
    assert wake(one, "a", "b") == ["a", "b"]
    one.store.run(offer_lanes({PROCESS: ["a", "b"]}, unsent=["a", "b"]))
    heard = pubsub.get_sharded_message(timeout=1)
    assert [line.lstrip(b"+ ")[-1:] for line in heard["data"].split(b"\n")] == [b"a", b"b"]
    assert wake(one, "a") == ["a"]
    one.store.run(offer_lanes({}, unsent=["a"]))
    assert wake(one, "a") == ["a"]
    pubsub.close()
