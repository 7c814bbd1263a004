"""Nothing in the store grows for ever: made-up months with new domains, lanes, streams and processes each day."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
import redis
from conftest import SteppedStore
from mailbag import Mailbag, new_message, open_bag
from softbounce_scheduler import jobs as jobs_module
from softbounce_scheduler import pruning, sweep
from softbounce_scheduler.jobs import JobSender
from softbounce_scheduler.pruning import is_old_hint, is_old_lane, is_old_policy, is_old_site
from softbounce_scheduler.release import Releaser
from softbounce_scheduler.store_view import StoreView
from softbounce_scheduler.sweep import Sweeper

from softbounce.envelope import Flag, Record, State
from softbounce.events import StoredEvent, decode_events, encode_event
from softbounce.ids import shard_of
from softbounce.jobs import QUEUE, jobs_place
from softbounce.settings import Settings
from softbounce.store import keys, membership
from softbounce.store.claiming import Batch, claim
from softbounce.store.clock import read_time
from softbounce.store.key_table import kind_of
from softbounce.store.lanes import LaneState, save_lanes, take_lanes
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import MOVE_LIMIT, Move
from softbounce.store.pruning import forget_facts, walk_facts
from softbounce.store.shards import AsyncShards
from softbounce.store.sites import Site, learn_sites
from softbounce.store.sts_policies import StsPolicy

if TYPE_CHECKING:
    from conftest import Bench, Parts

SHARDS = 2
ROUNDS = 13
ROUND = timedelta(days=4)
FLAT_FROM = 10
"""The longest that anything is kept for is a month, by when it was last used."""
NEW = 40
STEPS = 3
EVENTS = 1000
JOBS = 120
TOKEN = b"a token."
SETTINGS = Settings(keep_events_max=EVENTS)


@dataclass
class Months:
    """A store, and what happens in it in each round of made-up days: all under names that were never there before."""

    store: SteppedStore
    bag: Mailbag
    round: int = 0
    live: set[bytes] = field(default_factory=set)

    def now_ms(self) -> int:
        """The store's clock."""
        seconds, micros = self.bag.raw.time()
        return int(seconds * 1000 + micros // 1000)

    def pass_round(self) -> None:
        """Days go by; then new mail from new apps to new domains, by a new process that dies over it."""
        self.round += 1
        self.store.pass_time(ROUND.total_seconds())
        for shard in range(SHARDS):
            self.bag.raw.delete(self.bag.key("clock", shard))  # no scheduler of before remembers another time
        self.end_what_is_left()
        process, stranger = f"worker-{self.round}", f"stranger-{self.round}"
        self.bag.enlist(process)
        half = membership.enlist(stranger, ProcessInfo(pid=1, host="h", started_ms=1), shards=SHARDS, lease_ms=1)
        self.bag.store.call(half.calls[1:])  # it died before the home shard let it in
        self.send()
        asyncio.run(self.release())
        self.try_some(process)
        self.bag.raw.zadd(self.bag.key("leases"), {process: 1})
        self.bag.store.run(membership.tell_replayed(process))
        asyncio.run(self.sweep())
        self.bag.store.run(membership.tell_replayed(process))  # who replayed it was slower than the sweep
        asyncio.run(self.sweep())

    def end_what_is_left(self) -> None:
        """Somebody cancels what is left of the round before."""
        left = [record for record in self.bag.records(sorted(self.live)) if not record.state.is_final]
        for start in range(0, len(left), MOVE_LIMIT):
            self.end(left[start : start + MOVE_LIMIT], State.CANCELLED, "cancelled")
        self.live.clear()

    def end(self, records: list[Record], state: State, kind: str, token: bytes | None = None) -> None:
        """Conclude."""
        moves = []
        for record in records:
            record.state = state
            event = encode_event(StoredEvent(kind=kind, id=record.id, text="x" * 200))
            moves.append(Move(record=record, token=token, version=None if token else record.version, event=event))
        assert self.bag.move(*moves) == [1] * len(moves)

    def send(self) -> None:
        """New domains, streams and keys, half of which we made; and one message to many."""
        for number in range(NEW):
            domain = f"d{number}.r{self.round}.test"
            new = new_message(number % SHARDS, lane=f"?{domain}", stream=f"s{self.round}-{number}")
            new = replace(new, is_key_made=number % 2 == 0)
            assert self.bag.accept(new).outcome == "stored"
            self.live.update(record.id for record in new.records)
        many = new_message(recipients=300, lane=f"?many.r{self.round}.test")
        assert self.bag.accept(many).outcome == "stored"
        self.live.update(record.id for record in many.records)

    async def release(self) -> None:
        """A scheduler releases all, in as many steps as that takes, and sends jobs that nobody takes."""
        store = AsyncShards(self.store.server.url)
        job_sender = JobSender(jobs_place(self.bag.store))
        view = StoreView(store, SHARDS)
        view.settings = SETTINGS
        for shard in range(SHARDS):
            for _ in range(STEPS):
                await Releaser(view, job_sender, shard).step()
        job_sender.close()
        await store.close()

    def try_some(self, process: str) -> None:
        """A worker learns where mail goes, is refused by some hosts, and dies with some in hand."""
        now_ms = self.now_ms()
        domains = [f"d{number}.r{self.round}.test" for number in range(NEW)]
        run = self.bag.store.run
        run(learn_sites({domain: Site(lane=domain, learnt_ms=now_ms) for domain in domains}, shards=SHARDS))
        run(take_lanes(process, [f"?{domain}" for domain in domains[: NEW // 2]]))
        closed = LaneState(closed_until_ms=now_ms + 60_000, failures=1)
        run(save_lanes(process, dict.fromkeys(domains, closed), keep_events=1000))
        for number, domain in enumerate(domains[: NEW // 2]):
            lists = [(f"?{domain}", f"s{self.round}-{number}", 10)]
            (claimed,) = run(claim(process, TOKEN, [Batch(number % SHARDS, lists)]))
            if number % 3 == 0:
                self.end(claimed.records, State.DELIVERED, "delivered", TOKEN)
            elif number % 3 == 1:
                for record in claimed.records:
                    record.flags |= Flag.UNCERTAIN
                self.end(claimed.records, State.BOUNCED, "bounced", TOKEN)

    async def sweep(self) -> None:
        """A scheduler starts, and sweeps some times."""
        store = AsyncShards(self.store.server.url)
        job_sender = JobSender(jobs_place(self.bag.store))
        view = StoreView(store, SHARDS)
        view.settings = SETTINGS
        releasers = [Releaser(view, job_sender, shard) for shard in range(SHARDS)]
        sweeper = Sweeper(view, releasers[0], 0)
        for _ in range(3):
            for releaser in releasers:
                await releaser.step()
            await sweeper.sweep()
        job_sender.close()
        await store.close()

    def sizes(self) -> dict[str, int]:
        """How many entries there are of each kind of key, and of jobs."""
        raw = self.bag.raw
        count = {"hash": raw.hlen, "zset": raw.zcard, "set": raw.scard, "list": raw.llen, "stream": raw.xlen}
        found: dict[str, int] = {}
        for key in raw.scan_iter("*"):
            kind = kind_of(key)
            assert kind is not None, f"{key!r} is not in the table of keys"
            type_ = raw.type(key).decode()
            found[kind.name] = found.get(kind.name, 0) + (count[type_](key) if type_ in count else 1)
        with redis.Redis.from_url(self.store.server.url, db=1) as jobs:
            found["jobs"] = jobs.llen(f"dramatiq:{QUEUE}")
        return found

    def events(self) -> int:
        """How many events can be read."""
        streams = [self.bag.raw.xrange(self.bag.key("events", shard)) for shard in range(SHARDS)]
        return max(sum(len(decode_events(fields[b"b"])) for _, fields in stream) for stream in streams)


@pytest.fixture
def months(stepped_store: SteppedStore) -> Iterator[Months]:
    """An empty store whose clock a test can set on."""
    with open_bag(stepped_store.server.url, SHARDS) as bag:
        bag.settings = SETTINGS
        yield Months(stepped_store, bag)
        bag.audit()


@pytest.mark.long
def test_issue10_21_the_store_is_flat_over_months(months: Months, monkeypatch: pytest.MonkeyPatch) -> None:
    """New domains, lanes, streams, keys and dead processes each day: what they leave is bounded."""
    monkeypatch.setattr(sweep, "LET_IN_WITHIN", -1.0)
    monkeypatch.setattr(sweep, "REPLAY_PATIENCE", 0.0)
    monkeypatch.setattr(jobs_module, "MOST_JOBS", JOBS)
    sizes: list[dict[str, int]] = []
    octets: list[int] = []
    for _ in range(ROUNDS):
        months.pass_round()
        sizes.append(months.sizes())
        octets.append(months.bag.raw.info("memory")["used_memory_dataset"])
        assert months.events() <= EVENTS + 300
    early, last = sizes[FLAT_FROM - 1], sizes[-1]
    assert set(last) <= set(early)
    grown = {name: (early[name], number) for name, number in last.items() if number > early[name] * 1.1 + 5}
    assert grown == {}
    assert octets[-1] < octets[FLAT_FROM - 1] * 1.1
    for gone in ("owner", "replayed"):
        assert last.get(gone, 0) <= 1, gone
    assert last["jobs"] <= JOBS + 2 * NEW


def test_issue10_21_a_fact_that_changed_meanwhile_stays(bench: Bench) -> None:
    """What a walk saw is forgotten only if it is as it was seen."""
    bag = bench.bag
    bag.raw.hset(bag.key("owner"), mapping={"a": "dead", "b": "dead"})
    facts = bag.store.run(walk_facts(0, "owner", 0, 100))
    assert (facts.total, facts.cursor) == (2, 0)
    bag.raw.hset(bag.key("owner"), "b", "living")
    assert bag.store.run(forget_facts(0, "owner", facts.found)) == 1
    assert bag.raw.hgetall(bag.key("owner")) == {b"b": b"living"}


def test_issue10_21_lanes_of_the_living_stay_theirs(bench: Bench) -> None:
    """Of all owners only those that are no process any more are forgotten, however many there are."""
    bag = bench.bag
    bag.enlist("living", lease_ms=60_000)
    dead = {f"lane {number}": f"dead-{number % 7}" for number in range(3000)}
    bag.raw.hset(bag.key("owner"), mapping=dead | {"mine": "living"})
    for _ in range(10):
        bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.raw.hgetall(bag.key("owner")) == {b"mine": b"living"}


def test_issue10_21_too_many_domains_are_forgotten_sooner() -> None:
    """A domain in use stays for a month, and while there are very many for an hour; nonsense goes at once."""
    day, hour = 86_400_000, 3_600_000
    site = msgspec.msgpack.encode(Site(lane="a.test~1", learnt_ms=100 * day))
    few, many = pruning.KEPT_SITES, pruning.KEPT_SITES + 1
    assert [is_old_site(site, few, 100 * day + age) for age in (0, 30 * day, 30 * day + 1)] == [False, False, True]
    assert [is_old_site(site, many, 100 * day + age) for age in (0, hour, hour + 1)] == [False, False, True]
    assert is_old_site(b"\xff\xff", few, 0)


def test_issue15_5_who_heard_that_a_site_closed_hears_when_that_is_forgotten(bench: Bench) -> None:
    """Where no mail comes nobody finds it well again: an alert would stand for ever. Told once, of no other lane."""
    bag = bench.bag
    old = LaneState(closed_until_ms=bag.store.run(read_time(keys.HOME)).now_ms - 86_500_000, failures=1)
    never = LaneState(disbelieved_until_ms=old.closed_until_ms)
    new = LaneState(closed_until_ms=old.closed_until_ms + 86_400_000, failures=1)
    bag.store.run(save_lanes("gone", {"old.test~1": old, "never.test~1": never, "new.test~1": new}, keep_events=1000))

    async def sweep(parts: Parts) -> None:
        await parts.releaser.step()
        await parts.sweeper.sweep()

    for _ in range(2):
        bench.run(sweep)
    told = [(one.kind, one.host) for one in bag.events()]
    closed = [("site_closed", "old.test"), ("site_closed", "new.test")]
    assert told == [*closed, ("site_opened", "old.test")]
    assert "forgotten" in bag.events()[-1].why
    assert bag.raw.hkeys(bag.key("lane")) == [b"new.test~1"]
    assert bag.raw.zrange(bag.key("closed"), 0, -1) == [b"new.test~1"]


def test_issue10_21_what_is_remembered_of_quiet_lanes_goes() -> None:
    """A lane's trouble a day after it was over, a job's time after ten minutes, nonsense at once."""
    state = msgspec.msgpack.encode(LaneState(closed_until_ms=1000, failures=3))
    assert not is_old_lane(state, 1, 86_401_000)
    assert is_old_lane(state, 1, 86_401_001)
    assert is_old_lane(b"\xc1", 1, 0)
    assert not is_old_hint(b"1000", 1, 601_000)
    assert is_old_hint(b"1000", 1, 601_001)
    assert is_old_hint(b"x", 1, 0)


def test_issue10_21_who_may_claim_without_a_lease_is_taken_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failover forgot a process's lease, or it died while it was let in: what it holds goes back like any other's."""
    monkeypatch.setattr(sweep, "LET_IN_WITHIN", -1.0)
    bag = bench.bag
    (record,) = bag.claimed()
    bag.raw.zrem(bag.key("leases"), "worker-1")
    bag.raw.hdel(bag.key("process"), "worker-1")
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.record(record.id).state is State.SCHEDULED
    assert not bag.raw.exists(bag.key("live"), keys.claims(shard_of(record.id), "worker-1"))


def test_issue10_21_while_one_is_let_in_it_has_time(bench: Bench) -> None:
    """A process that is known in one shard already and not at home yet stays."""
    bag = bench.bag
    bag.raw.sadd(bag.key("live"), "comes")
    bench.run(lambda parts: parts.sweeper.sweep())
    bench.run(lambda parts: parts.sweeper.sweep())
    assert b"comes" in bag.raw.smembers(bag.key("live"))


def test_issue10_21_stale_entries_of_lists_that_nobody_claims_from_go(bench: Bench) -> None:
    """No worker lives, and mail ends in its lane: the list is emptied, and is no work any more; a live one stays."""
    bag = bench.bag
    ended = bag.ready(recipients=700, lane="?gone.test")
    for start in range(0, 700, MOVE_LIMIT):
        part = ended[start : start + MOVE_LIMIT]
        for record in part:
            record.state = State.CANCELLED
        bag.move(*(Move(record=record, version=record.version) for record in part))
    (live,) = bag.ready(lane="?lives.test")
    bench.run(lambda parts: parts.sweeper.sweep())
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.list_of("?gone.test") == []
    assert bag.list_of("?lives.test") == [live.id]
    assert bag.raw.smembers(bag.key("lanes")) == {b"?lives.test|0|"}


def test_issue12_a_policy_that_expired_is_forgotten() -> None:
    """While there are very many also one that nobody renewed for two days; nonsense at once."""
    day = 86_400_000
    policy = StsPolicy(id="1", mode="enforce", mx=("mx.a.test",), max_age=864_000, fetched_ms=100 * day)
    octets = msgspec.msgpack.encode(policy)
    few, many = pruning.KEPT_POLICIES, pruning.KEPT_POLICIES + 1
    assert [is_old_policy(octets, few, 100 * day + age) for age in (0, 10 * day, 10 * day + 1)] == [False, False, True]
    assert [is_old_policy(octets, many, 100 * day + age) for age in (0, 2 * day, 2 * day + 1)] == [False, False, True]
    for nonsense in (b"", b"\xc1", octets[:-1], msgspec.msgpack.encode(msgspec.structs.replace(policy, mx=("a b",)))):
        assert is_old_policy(nonsense, few, 0)
