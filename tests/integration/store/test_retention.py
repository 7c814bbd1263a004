"""Retention: what ended goes, oldest first; what is live stays."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from mailbag import Mailbag

from softbounce.envelope import State
from softbounce.settings import Settings
from softbounce.store import retention
from softbounce.store.reading import count_step

FOREVER = Settings()
AT_ONCE = timedelta(milliseconds=-1)


def changed(**changes: object) -> Settings:
    """Settings that keep for a long time what a test does not name."""
    return msgspec.structs.replace(FOREVER, **changes)


def test_what_is_live_is_never_trimmed(one: Mailbag) -> None:
    """However old it is, neither its record nor its body nor its key."""
    record = one.scheduled(key="k")[0]
    trim = retention.trim(0, changed(keep_finished=AT_ONCE, keep_keys=AT_ONCE, keep_finished_max_octets=0))
    one.raw.zadd(one.key("kage"), {"k": 1})
    assert one.store.run(trim)[:2] == (0, 0)
    assert one.record(record.id) == record
    assert one.raw.hexists(one.key("k"), "k")


def test_a_live_message_s_key_is_looked_at_again_later(one: Mailbag) -> None:
    """Its age moves on, so that the trim does not meet it at every step."""
    one.scheduled(key="k")
    one.raw.zadd(one.key("kage"), {"k": 1})
    one.store.run(retention.trim(0, FOREVER))
    week_ms = 7 * 86_400_000
    assert one.zset("kage")[b"k"] > week_ms


def test_what_ended_goes_oldest_first_by_age(bag: Mailbag, shard: int) -> None:
    """At most so many a step, the record and its place in the queue."""
    records = bag.scheduled(shard, recipients=5)
    for record in records:
        bag.put(record, State.CANCELLED)
    done = bag.key("done", shard)
    bag.raw.zadd(done, {records[1].id: 1, records[3].id: 2})
    assert bag.store.run(retention.trim(shard, FOREVER, limit=1))[:2] == (1, 0)
    assert len(bag.records([record.id for record in records])) == 4
    assert bag.store.run(retention.trim(shard, FOREVER))[:2] == (1, 0)
    kept = bag.records([record.id for record in records])
    assert [record.id for record in kept] == [records[0].id, records[2].id, records[4].id]
    assert bag.store.run(retention.trim(shard, changed(keep_finished=AT_ONCE)))[:2] == (3, 0)


def test_what_ended_goes_by_size(one: Mailbag) -> None:
    """Until what is kept fits; the total stays right."""
    records = one.scheduled(recipients=6)
    for record in records:
        one.put(record, State.CANCELLED)
    size = int(one.raw.hget(one.key("totals"), "done_octets")) // 6
    assert one.store.run(retention.trim(0, changed(keep_finished_max_octets=size * 2 + 10)))[:2] == (4, 0)
    assert int(one.raw.hget(one.key("totals"), "done_octets")) <= size * 2 + 10
    assert one.store.run(retention.trim(0, FOREVER))[:2] == (0, 0)


def test_keys_of_ended_messages_are_forgotten(one: Mailbag) -> None:
    """Once they are old: before that a repeat must find them."""
    record = one.scheduled(key="k")[0]
    one.put(record, State.CANCELLED)
    assert one.store.run(retention.trim(0, FOREVER))[:2] == (0, 0)
    one.raw.zadd(one.key("kage"), {"k": 1, "a ghost": 1})
    assert one.store.run(retention.trim(0, FOREVER))[:2] == (0, 2)
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
    one.store.run(retention.trim(0, settings))
    assert 0 <= one.raw.xlen(one.key("events")) <= 110


def test_an_empty_store_has_nothing_to_trim(bag: Mailbag, shard: int) -> None:
    """Nor to count."""
    assert bag.store.run(retention.trim(shard, FOREVER))[:2] == (0, 0)
    assert bag.store.run(count_step(shard, "0")) == ("0", [])
