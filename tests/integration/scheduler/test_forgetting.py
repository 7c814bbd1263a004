"""A store without memory: what ended gives way, the most harmless first, and mail is taken again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from conftest import StartStore
from mailbag import Mailbag, new_message, open_bag
from servers import Valkey
from softbounce_scheduler.jobs import JobSender
from softbounce_scheduler.release import Releaser
from softbounce_scheduler.retention import SHORT
from softbounce_scheduler.store_view import StoreView
from softbounce_scheduler.sweep import Sweeper
from structlog.testing import capture_logs

from softbounce.envelope import Record, State
from softbounce.errors import StoreFull
from softbounce.events import StoredEvent, encode_event
from softbounce.jobs import JobsPlace
from softbounce.settings import Settings
from softbounce.store import keys, membership, retention
from softbounce.store.memory import read_memory
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards

MEMORY = 6 * 1024 * 1024
SMALL = 100
"""Octets of text in an event. With more, what ended would be no more than the fifth of the memory that is made free."""


def sweep(url: str, settings: Settings, *, times: int = 1) -> list[dict[str, object]]:
    """A scheduler looks at the store and sweeps; what it says."""

    async def run() -> None:
        store = AsyncShards(url)
        job_sender = JobSender(JobsPlace(url, "dramatiq"))
        view = StoreView(store, 1)
        view.settings = settings
        releaser = Releaser(view, job_sender, 0)
        sweeper = Sweeper(view, releaser, 60_000)
        for _ in range(times):
            await releaser.step()
            await sweeper.sweep()
        job_sender.close()
        await store.close()

    with capture_logs() as said:
        asyncio.run(run())
    return [dict(one) for one in said]


def end(bag: Mailbag, records: list[Record], state: State = State.DELIVERED) -> None:
    """All of them end, with something to remember."""
    for record in records:
        record.state = state
        event = encode_event(StoredEvent(kind="delivered", id=record.id, text="x" * SMALL))
        assert bag.move(Move(record=record, version=record.version, event=event)) == [1]


def fill_with_ended(bag: Mailbag) -> int:
    """Small messages that end at once, until the store takes no more; how many."""
    for number in range(100_000):
        new = new_message(key=f"k{number}")
        try:
            bag.accept(new)
        except StoreFull:
            return number
        end(bag, bag.records([one.id for one in new.records]))
    raise AssertionError("the store never was full")


def send(bag: Mailbag, number: int) -> int:
    """So many new messages; how many were refused."""
    refused = 0
    for _ in range(number):
        try:
            bag.accept(new_message())
        except StoreFull:
            refused += 1
    return refused


@pytest.fixture
def small(start_store: StartStore) -> Valkey:
    """A store with little memory."""
    return start_store(options=("--maxmemory", str(MEMORY), "--appendfsync", "no"))


def test_issue10_19_after_a_sweep_a_full_store_takes_mail_again(small: Valkey) -> None:
    """Filled by what ended, and with nothing live, it refuses nothing after one sweep; the scheduler says what went."""
    with open_bag(small.url) as bag:
        ended = fill_with_ended(bag)
        assert send(bag, 10) == 10
        said = sweep(small.url, bag.settings)
        (short,) = [one for one in said if one["event"] == "store_memory_short"]
        assert short["gave_way"]["finished"] > 0  # type: ignore[index]
        assert send(bag, 600) == 0
        assert bag.store.run(read_memory(0)).share < 0.95
        assert 0 < bag.raw.zcard(bag.key("done")) < ended, "no more than is needed"
        newest = f"k{ended - 1}"
        assert bag.raw.hexists(bag.key("k"), newest), "keys go last"
        bag.audit()


def test_issue10_19_what_is_live_never_gives_way(small: Valkey) -> None:
    """Where live mail fills the memory nothing of it is forgotten: new mail is refused, and keys are kept."""
    with open_bag(small.url) as bag:
        bag.accept(new_message(key="first"))
        live = 1
        while True:
            try:
                bag.accept(new_message(chunks=[b"x" * 20_000]))
            except StoreFull:
                break
            live += 1
        sweep(small.url, bag.settings, times=3)
        assert bag.raw.hlen(bag.key("e")) == bag.raw.hlen(bag.key("k")) == bag.raw.hlen(bag.key("m")) == live
        assert send(bag, 1) == 1
        bag.audit()


def test_issue10_19_it_is_said_once_and_when_it_is_over(small: Valkey) -> None:
    """Not at each sweep: once, and then that there is enough again."""
    with open_bag(small.url) as bag:
        fill_with_ended(bag)
        said = [one["event"] for one in sweep(small.url, bag.settings, times=4)]
        assert said.count("store_memory_short") == 1
        assert said.count("store_memory_enough") == 1
        assert said.index("store_memory_short") < said.index("store_memory_enough")


def test_issue10_19_a_server_that_tells_nothing_is_probed(small: Valkey) -> None:
    """A user without INFO and CONFIG, as on a server that is shared: whether it is full is found out all the same."""
    with open_bag(small.url) as bag:
        fill_with_ended(bag)
        rules = ["on", ">secret", "~*", "&*", "+@all", "-@admin", "-@dangerous", "-info", "-config"]
        bag.raw.execute_command("ACL", "SETUSER", "mail", *rules)
        url = small.url.replace("unix://", "unix://mail:secret@")
        said = sweep(url, bag.settings)
        (short,) = [one for one in said if one["event"] == "store_memory_short"]
        assert short["most_octets"] is None
        assert send(bag, 600) == 0


def test_issue10_19_events_give_way_after_ended_envelopes_and_keys_after_events(small: Valkey) -> None:
    """Of each the oldest; events of the last ten seconds stay, and keys of live messages and of the last minutes."""
    with open_bag(small.url) as bag:
        for number in range(20):
            new = new_message(key=f"k{number}")
            bag.accept(new)
            end(bag, bag.records([one.id for one in new.records]))
        bag.accept(new_message(key="live"))
        week_ms = 7 * 86_400_000
        now_ms = bag.enlist("clock")
        old = {f"k{number}": now_ms + week_ms - 3_600_000 for number in range(5)}
        bag.raw.zadd(bag.key("kage"), old | {"live": now_ms + week_ms - 3_600_000})
        run = bag.store.run
        assert run(retention.trim(0, bag.settings, gives="events"))[:3] == (0, 0, 0)
        assert run(retention.trim(0, bag.settings, 7, gives="finished"))[:3] == (7, 0, 0)
        assert run(retention.trim(0, bag.settings, gives="finished"))[:3] == (13, 0, 0)
        assert run(retention.trim(0, bag.settings, gives="keys"))[:3] == (0, 5, 0)
        assert bag.raw.hlen(bag.key("k")) == 16
        assert bag.raw.hexists(bag.key("k"), "live")
        assert bag.accept(new_message(key="k9")).outcome == "known"
        bag.audit()


def test_issue10_19_a_key_that_we_made_lives_for_minutes(small: Valkey) -> None:
    """A quarter of an hour, and as long as its envelopes; one that the app gave for a week."""
    with open_bag(small.url) as bag:
        for key, is_made in (("given", False), ("made", True), ("made and live", True)):
            new = replace(new_message(key=key), is_key_made=is_made)
            bag.accept(new)
            if key != "made and live":
                end(bag, bag.records([one.id for one in new.records]))
        now_ms = bag.enlist("clock")
        ages = {name.decode(): (at - now_ms) / 60_000 for name, at in bag.zset("kage").items()}
        assert {name: round(age) for name, age in ages.items()} == {"given": 10_080, "made": 15, "made and live": 15}
        bag.raw.zadd(bag.key("kage"), {"made": 1, "made and live": 1})
        assert bag.store.run(retention.trim(0, bag.settings))[:2] == (0, 1)
        assert set(bag.raw.hkeys(bag.key("k"))) == {b"given", b"made and live"}
        assert round((bag.zset("kage")[b"made and live"] - now_ms) / 60_000) == 15
        assert bag.accept(replace(new_message(key="made and live"), is_key_made=True)).outcome == "known"


def test_issue10_19_a_live_made_key_is_looked_at_ever_more_rarely(small: Valkey) -> None:
    """When it is half as old again: a store full of waiting mail is not walked through each quarter of an hour."""
    with open_bag(small.url) as bag:
        day_ms = 86_400_000
        message = bytes(2) + (time.time_ns() // 1_000_000 - day_ms).to_bytes(6) + b"random"
        bag.accept(replace(new_message(key="old", message=message), is_key_made=True))
        bag.raw.zadd(bag.key("kage"), {"old": 1})
        bag.store.run(retention.trim(0, bag.settings))
        assert round((bag.zset("kage")[b"old"] - bag.enlist("clock")) / 3_600_000) == 12


def test_issue10_21_events_are_counted_not_their_batches(small: Valkey) -> None:
    """Of batches of a thousand events no more are kept than of single ones."""
    settings = Settings(keep_events_max=1000)
    with open_bag(small.url) as bag:
        for _ in range(6):
            bag.accept(new_message(recipients=300))
        assert len(bag.events()) == 1800
        assert bag.store.run(retention.trim(0, settings)).events == 2
        assert len(bag.events()) == 1200
        facts = bag.raw.xinfo_stream(bag.key("events"))
        assert (facts["entries-added"], facts["length"]) == (6, 4)
        bag.raw.xadd(bag.key("events"), {"b": b"\x90"})  # as a version wrote it that did not count
        assert bag.store.run(retention.trim(0, settings)).events == 0
        assert bag.store.run(retention.trim(0, Settings(keep_events=timedelta(milliseconds=-1)))).events == 5


def test_issue10_19_keys_and_events_are_freed_where_they_are_all_there_is(small: Valkey) -> None:
    """A store full of old keys of ended messages takes mail after a sweep."""
    with open_bag(small.url) as bag:
        now_ms = bag.enlist("clock")
        hour_old = now_ms + 7 * 86_400_000 - 3_600_000
        for start in range(0, 200_000, 2000):
            names = [f"key number {number}" for number in range(start, start + 2000)]
            try:
                bag.raw.hset(bag.key("k"), mapping={name: bytes(32) for name in names})
                bag.raw.zadd(bag.key("kage"), dict.fromkeys(names, hour_old))
            except redis.exceptions.OutOfMemoryError:
                break
        assert bag.store.run(read_memory(0)).share > SHORT
        sweep(small.url, bag.settings)
        assert send(bag, 100) == 0
        assert bag.raw.exists(keys.key(0, "k"))
        bag.store.run(membership.forget_process("clock", shards=1))
