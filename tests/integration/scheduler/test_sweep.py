"""The sweep: what lapsed processes held goes back or closes as uncertain, and lanes with work are hinted at again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from mailbag import DAY, LANE, PROCESS, TOKEN, Mailbag

from softbounce.envelope import Flag, Record, State
from softbounce.jobs import QUEUE
from softbounce.settings import Policy, Settings
from softbounce.store import claiming, membership, reading
from softbounce.store.lanes import LaneState, save_lanes

if TYPE_CHECKING:
    from conftest import Bench, Parts

WAIT_MS = 2000  # the first claim wait


def now_ms(bag: Mailbag) -> int:
    """The store's clock."""
    seconds, micros = bag.raw.time()
    return int(seconds * 1000 + micros // 1000)


def dead(bag: Mailbag, for_ms: int = 1) -> None:
    """The process's lease ended a while ago."""
    bag.raw.zadd(bag.key("leases"), {PROCESS: now_ms(bag) - for_ms})


def marked(bag: Mailbag) -> Record:
    """A claimed envelope whose dot may have left."""
    (record,) = bag.claimed()
    assert bag.store.run(claiming.mark(PROCESS, [(record.id, TOKEN)])) == [1]
    return bag.record(record.id)


def hinted(bag: Mailbag) -> int:
    """How many jobs dramatiq has."""
    with redis.Redis.from_url(bag.store.url, db=1) as jobs:
        return jobs.llen(f"dramatiq:{QUEUE}")


def test_F02_R08_an_unmarked_claim_goes_back_uncharged_and_later(bench: Bench) -> None:
    """Scheduled, no attempt charged, one claim more, due after two seconds; the process is forgotten."""
    bag = bench.bag
    (record,) = bag.claimed()
    dead(bag)
    before_ms = now_ms(bag)
    bench.run(lambda parts: parts.sweeper.sweep())
    after = bag.record(record.id)
    assert (after.state, after.charged, after.claims) == (State.SCHEDULED, 0, 1)
    assert after.envelope.attempts == []
    assert before_ms + WAIT_MS <= after.next_ms <= now_ms(bag) + WAIT_MS
    assert bag.store.run(membership.leases()).ends == {}


def test_issue10_a_lost_claim_whose_window_closed_is_promoted_at_once(bench: Bench) -> None:
    """Its expiry was looked at while it was attempted, and would be again ten seconds later only."""
    bag = bench.bag
    bench.settings = Settings(policies={"default": Policy(name="default", window=timedelta(milliseconds=1))})
    (record,) = bag.claimed()
    bag.store.run(reading.rescore(0, [(record.id, now_ms(bag) + 10_000)]))
    dead(bag)

    async def sweep(parts: Parts) -> None:
        await parts.releaser.step()
        await parts.sweeper.sweep()
        await parts.expiry.step()

    bench.run(sweep)
    assert bag.record(record.id).state is State.BOUNCED


def test_F04_a_marked_claim_waits_for_its_journal_and_then_is_uncertain(bench: Bench) -> None:
    """Until the journal was replayed or a minute is over nothing is known; then it is a charged, uncertain attempt."""
    bag = bench.bag
    record = marked(bag)
    dead(bag)
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.record(record.id).state is State.ATTEMPTING
    bag.store.run(membership.tell_replayed(PROCESS))
    bench.run(lambda parts: parts.sweeper.sweep())
    after = bag.record(record.id)
    assert (after.state, after.charged) == (State.SCHEDULED, 1)
    assert after.flags & Flag.UNCERTAIN
    assert [one.uncertain for one in after.envelope.attempts] == [True]


def test_F04_a_marked_claim_without_a_journal_is_uncertain_after_a_minute(bench: Bench) -> None:
    """Its disk may be gone with it."""
    bag = bench.bag
    record = marked(bag)
    dead(bag, 61_000)
    bench.run(lambda parts: parts.sweeper.sweep())
    assert [one.uncertain for one in bag.record(record.id).envelope.attempts] == [True]


def test_issue10_a_lost_attempt_promotes_only_by_a_sure_clock(bench: Bench) -> None:
    """Its window has closed by a clock that nobody believes yet: it is uncertain, and tried again."""
    bag = bench.bag
    bench.settings = Settings(policies={"default": Policy(name="default", window=timedelta(milliseconds=1))})
    for is_sure in (True, False):
        bag.enlist()
        record = marked(bag)
        dead(bag, 61_000)

        async def sweep(parts: Parts, *, is_sure: bool = is_sure) -> None:
            seen_ms = now_ms(bag) - (0 if is_sure else DAY)
            bag.raw.hset(bag.key("clock"), mapping={"seen": seen_ms, "by": "another machine"})
            await parts.releaser.step()
            await parts.sweeper.sweep()

        bench.run(sweep)
        assert bag.record(record.id).state is (State.BOUNCED if is_sure else State.SCHEDULED)


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000, 5 * DAY, -5 * DAY], ids=["+1 h", "-1 h", "+5 d", "-5 d"])
def test_issue10_18_a_step_neither_ends_a_lease_nor_keeps_it_for_days(bench: Bench, step_ms: int) -> None:
    """It ends by a clock that nobody can set: not before its time, and a lease after it was last renewed."""
    bag = bench.bag
    bench.lease_ms = 300
    (record,) = bag.claimed()

    def lease(left_ms: int) -> None:
        bag.raw.zadd(bag.key("leases"), {PROCESS: now_ms(bag) + left_ms})

    async def sweeps(parts: Parts) -> None:
        lease(300)
        await parts.sweeper.sweep()
        lease(300 - step_ms)  # renewed by a clock that was set since
        for _ in range(2):
            await parts.sweeper.sweep()
            assert bag.record(record.id).state is State.ATTEMPTING
            await asyncio.sleep(0.1)
        await asyncio.sleep(min(1, parts.sweeper.seconds_to_lease_end) + 0.1)
        await parts.sweeper.sweep()

    bench.run(sweeps)
    assert bag.record(record.id).state is State.SCHEDULED


@pytest.mark.parametrize("closed_ms", [60_000, 5 * DAY])
def test_issue10_18_a_lane_that_is_closed_for_longer_than_any_is_gets_a_job(bench: Bench, closed_ms: int) -> None:
    """It closed by a clock that was set back since; who takes it tries its canary when its backoff is over."""
    bag = bench.bag
    bag.ready()
    closed = LaneState(closed_until_ms=now_ms(bag) + closed_ms, failures=1)
    bag.store.run(save_lanes(PROCESS, {LANE: closed}, keep_events=1000))
    bench.run(lambda parts: parts.sweeper.sweep())
    assert hinted(bag) == (1 if closed_ms == 5 * DAY else 0)


def test_a_living_process_keeps_its_claims(bench: Bench) -> None:
    """Whose lease stands loses nothing."""
    bag = bench.bag
    (record,) = bag.claimed()
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.record(record.id).state is State.ATTEMPTING


def test_F13_no_lease_lapses_for_one_lease_after_the_store_was_away(bench: Bench) -> None:
    """Nobody could renew while it was: a scheduler that has just met it takes nothing from anyone."""
    bag = bench.bag
    (record,) = bag.claimed()
    dead(bag)
    bench.lease_ms = 60_000
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.record(record.id).state is State.ATTEMPTING


def test_F10_a_lane_with_work_and_no_living_owner_is_hinted_at_again(bench: Bench) -> None:
    """One job when it was never sent, none while one may be on its way, another when that is half a minute old."""
    bag = bench.bag
    bag.ready()
    bench.run(lambda parts: parts.sweeper.sweep())
    assert hinted(bag) == 1
    bench.run(lambda parts: parts.sweeper.sweep())
    assert hinted(bag) == 1
    bag.raw.hset(bag.key("hint"), LANE, now_ms(bag) - 31_000)
    bench.run(lambda parts: parts.sweeper.sweep())
    assert hinted(bag) == 2
