"""Expiry is derived, never frozen: the queue only says when to look."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from mailbag import DAY, Mailbag

from softbounce import transitions
from softbounce.envelope import Flag, Record, State
from softbounce.gate import GateRules
from softbounce.settings import Policy, Settings
from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.lanes import LaneState, save_lanes
from softbounce.store.moving import Move
from softbounce.store.sites import Site, learn_sites

if TYPE_CHECKING:
    from conftest import Bench, Parts


def settings(window: timedelta) -> Settings:
    """Settings whose only policy has this window."""
    return Settings(policies={"default": Policy(name="default", window=window)})


def overdue(bag: Mailbag) -> Record:
    """An envelope that was accepted a while ago, and whose time to be looked at has come."""
    (record,) = bag.scheduled(not_before_ms=bag.raw.time()[0] * 1000 + DAY, window_ms=1000)
    record.created_ms -= 60_000
    record.next_ms = record.created_ms + 2 * DAY
    record.expires_ms = record.created_ms + 1000
    record.envelope = msgspec.structs.replace(record.envelope, at_ms=None)
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    bag.raw.zadd(bag.key("due"), {record.id: record.next_ms})
    bag.raw.zadd(bag.key("exp"), {record.id: record.expires_ms})
    return record


def test_a_longer_window_of_now_saves_what_looked_expired(bench: Bench) -> None:
    """What the record says of its expiry is not asked: the policy of now decides, and says when to look again."""
    bag = bench.bag
    record = overdue(bag)
    bench.settings = settings(timedelta(hours=1))
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(record.id).state is State.SCHEDULED
    assert bag.zset("exp")[record.id] == record.created_ms + 3_600_000


@pytest.mark.parametrize("state", [State.SCHEDULED, State.READY])
def test_issue13_what_is_late_is_told_once(bench: Bench, state: State) -> None:
    """Whether it has a time of its own or waits in a lane; from then on its expiry is looked at when it is due."""
    bag = bench.bag
    record = overdue(bag)
    if state is State.READY:
        bag.put(record, State.READY)
    bench.settings = Settings(policies={"default": Policy(name="default", warn_after=timedelta(seconds=30))})
    for _ in range(2):
        bench.run(lambda parts: parts.expiry.step())
    told = [event for event in bag.events() if event.kind == "warned"]
    assert [event.id for event in told] == [record.id]
    assert told[0].why.endswith("after 0 attempts (warn_after of policy default).")
    assert bag.record(record.id).state is state
    assert bag.zset("exp")[record.id] == record.created_ms + 5 * DAY


def test_issue14_3_what_is_late_by_its_own_send_is_told_whatever_the_policy_says(bench: Bench) -> None:
    """One that said when; of one that did not, nobody is told."""
    bag = bench.bag
    record, _ = overdue(bag), overdue(bag)
    record.envelope = msgspec.structs.replace(record.envelope, warn_ms=30_000)
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    bench.settings = Settings(policies={"default": Policy(name="default", warn_after=timedelta(0))})
    for _ in range(2):
        bench.run(lambda parts: parts.expiry.step())
    told = [event for event in bag.events() if event.kind == "warned"]
    assert [event.id for event in told] == [record.id]
    assert told[0].why.endswith("(as its send asked).")
    assert bag.zset("exp")[record.id] == record.created_ms + 5 * DAY


def test_issue13_what_is_not_late_yet_is_looked_at_when_it_is(bench: Bench) -> None:
    """And before it expires; 0 tells nobody."""
    bag = bench.bag
    record = overdue(bag)
    bench.run(lambda parts: parts.expiry.step())
    assert bag.zset("exp")[record.id] == record.created_ms + 4 * 3_600_000
    bag.raw.zadd(bag.key("exp"), {record.id: 1})
    bench.settings = Settings(policies={"default": Policy(name="default", warn_after=timedelta(0))})
    bench.run(lambda parts: parts.expiry.step())
    assert bag.zset("exp")[record.id] == record.created_ms + 5 * DAY
    assert not [event for event in bag.events() if event.kind == "warned"]


def test_issue13_what_is_being_attempted_or_held_is_not_called_late(bench: Bench) -> None:
    """The first is looked at again soon; whoever holds the other knows that it waits."""
    bag = bench.bag
    held = overdue(bag)
    bag.put(held, State.HELD)
    (tried,) = bag.claimed(window_ms=1000)
    tried.created_ms -= 60_000
    bag.raw.hset(bag.key("e"), tried.id, tried.pack())
    bag.raw.zadd(bag.key("exp"), {tried.id: 1})
    bench.settings = Settings(policies={"default": Policy(name="default", warn_after=timedelta(seconds=30))})
    bench.run(lambda parts: parts.expiry.step())
    assert not [event for event in bag.events() if event.kind == "warned"]
    now_ms = bag.raw.time()[0] * 1000
    assert bag.zset("exp")[tried.id] <= now_ms + 11_000


def test_what_outlived_its_window_is_promoted(bench: Bench) -> None:
    """Whatever queue it is in, and however its next attempt was planned."""
    bag = bench.bag
    record = overdue(bag)
    bench.settings = settings(timedelta(seconds=30))
    bench.run(lambda parts: parts.expiry.step())
    after = bag.record(record.id)
    assert after.state is State.BOUNCED
    assert after.envelope.final is not None
    assert after.envelope.final.cause == "promoted"


def test_an_attempt_under_way_is_not_ended_by_expiry(bench: Bench) -> None:
    """It is looked at again later."""
    bag = bench.bag
    (record,) = bag.claimed()
    bag.raw.zadd(bag.key("exp"), {record.id: 1})
    bench.settings = settings(timedelta(milliseconds=1))
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(record.id).state is State.ATTEMPTING
    assert bag.zset("exp")[record.id] > bag.raw.time()[0] * 1000


def test_issue10_an_operator_s_hold_stops_the_window_where_the_sweep_looks(bench: Bench) -> None:
    """Held after its window closed but before anybody looked: it stays, and is looked at again in an hour only."""
    bag = bench.bag
    record = overdue(bag)
    bench.settings = settings(timedelta(seconds=30))
    now_ms = bag.raw.time()[0] * 1000
    change = transitions.hold(record, now_ms)
    assert bag.move(Move(record=change.record, version=record.version, event=change.event)) == [1]
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(record.id).state is State.HELD
    assert bag.zset("exp")[record.id] >= now_ms + 3_600_000


def test_a_quarantine_stops_no_window(bench: Bench) -> None:
    """Nobody decided it: it is promoted when its window closes."""
    bag = bench.bag
    record = overdue(bag)
    bench.settings = settings(timedelta(seconds=30))
    record.flags |= Flag.ALONE
    change = transitions.reschedule(record, claim_wait=True, now_ms=record.created_ms)
    assert bag.move(Move(record=change.record, version=record.version, event=change.event)) == [1]
    assert bag.record(record.id).state is State.HELD
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(record.id).state is State.BOUNCED


def test_issue10_18_nothing_is_promoted_for_an_hour_after_the_clock_stepped(bench: Bench) -> None:
    """As far as this scheduler can tell it was set ahead by an hour; another that saw no step promotes all the same."""
    bag = bench.bag
    record = overdue(bag)
    bench.settings = settings(timedelta(seconds=30))

    async def step(parts: Parts) -> None:
        now_ms, at = bag.raw.time()[0] * 1000, steady_seconds()
        await parts.view.believes(0, StoreTime(now_ms - 3_600_000), at - 0.001)
        await parts.expiry.step()
        await parts.expiry.step()

    bench.run(step)
    assert bag.record(record.id).state is State.SCHEDULED
    assert bag.zset("exp")[record.id] == record.expires_ms
    bag.raw.delete(bag.key("clock"))
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(record.id).state is State.BOUNCED


def test_issue10_18_a_clock_that_is_doubted_is_not_noted(bench: Bench) -> None:
    """Who starts next would take it for right."""
    bag = bench.bag
    now_ms = bag.raw.time()[0] * 1000
    for wrong_by, is_noted in ((-5 * DAY, False), (-30_000, True)):
        bag.raw.hset(bag.key("clock"), mapping={"seen": now_ms + wrong_by, "by": "another machine"})
        bench.run(lambda parts: parts.expiry.step())
        seen_ms = int(bag.raw.hget(bag.key("clock"), "seen"))
        assert (seen_ms >= now_ms) == is_noted


def stray(bag: Mailbag, ahead_ms: int) -> Record:
    """An envelope that was taken by a clock that ran ahead."""
    (record,) = bag.scheduled(window_ms=3_600_000)
    record.created_ms += ahead_ms
    record.next_ms += ahead_ms
    record.expires_ms += ahead_ms
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    bag.raw.zadd(bag.key("due"), {record.id: record.next_ms})
    bag.raw.zadd(bag.key("exp"), {record.id: record.expires_ms})
    return record


def test_F20_what_was_dated_by_a_clock_that_ran_ahead_is_mended(bench: Bench) -> None:
    """All of it, once, and nothing else: it is due at once, and its window closes when it should."""
    bag = bench.bag
    strays = [stray(bag, 5 * DAY) for _ in range(250)]
    at_ms = bag.raw.time()[0] * 1000 + DAY
    (planned,) = bag.scheduled(not_before_ms=at_ms)
    planned.envelope.at_ms = at_ms
    bag.raw.hset(bag.key("e"), planned.id, planned.pack())

    async def mend(parts: Parts) -> list[int]:
        await parts.releaser.step()
        return [await parts.expiry.mend(), await parts.expiry.mend()]

    assert bench.run(mend) == [250, 0]
    now_ms = bag.raw.time()[0] * 1000 + 1000
    for record in bag.records([one.id for one in strays]):
        assert record.next_ms == record.created_ms == record.expires_ms - 5 * DAY
        assert now_ms - 60_000 < record.created_ms <= now_ms
        assert bag.zset("exp")[record.id] == record.created_ms + 4 * 3_600_000  # when it is late
    assert bag.record(planned.id).next_ms == planned.next_ms


@pytest.mark.parametrize("lane", ["a.test", "?d.test"])
def test_what_was_never_tried_bounces_for_what_its_lane_fails_of(bench: Bench, lane: str) -> None:
    """Also where it waits as mail of a domain whose lane a worker has only found since."""
    bag = bench.bag
    record = overdue(bag)
    record.lane = lane
    bag.raw.hset(bag.key("e"), record.id, record.pack())
    bag.store.run(save_lanes("worker", {"a.test": LaneState(failures=1, text="connection refused")}, keep_events=1000))
    bag.store.run(learn_sites({"d.test": Site(lane="a.test", shown="a.test", learnt_ms=1)}, shards=1))
    bench.settings = settings(timedelta(seconds=30))
    bench.run(lambda parts: parts.expiry.step())
    final = bag.record(record.id).envelope.final
    assert final is not None
    assert final.text == "connection refused"


@pytest.mark.parametrize("state", [State.SCHEDULED, State.READY])
def test_issue15_6_what_the_gate_keeps_is_held_and_not_promoted(bench: Bench, state: State) -> None:
    """The mail of a copied store is long past its window: nobody is told that it bounced, and it waits as it is."""
    bag = bench.bag
    record = overdue(bag)
    if state is State.READY:
        bag.put(record, State.READY)
    bench.settings = msgspec.structs.replace(settings(timedelta(seconds=1)), gate=GateRules(allow=()))
    for _ in range(2):
        bench.run(lambda parts: parts.expiry.step())
    after = bag.record(record.id)
    assert (after.state, after.envelope.held_why) == (State.HELD, "gate")
    assert [event.kind for event in bag.events() if event.kind != "accepted"] == ["held"]
