"""The sweep: what lapsed processes held goes back or closes as uncertain, and lanes with work are hinted at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from mailbag import LANE, PROCESS, TOKEN, Mailbag

from softbounce.envelope import Flag, Record, State
from softbounce.jobs import QUEUE
from softbounce.store import claiming, membership

if TYPE_CHECKING:
    from conftest import Bench

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


def test_F02_an_unmarked_claim_goes_back_uncharged_and_later(bench: Bench) -> None:
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
