"""Bodies of what ended undelivered are kept for a while: as long as somebody frees them, bounded by age and octets."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from mailbag import TOKEN, Mailbag

from softbounce.envelope import State
from softbounce.settings import Settings
from softbounce.store.kept_bodies import free_bodies, oldest_kept

DAY_MS = 86_400_000
KEEPING = Settings()
CHUNK = 256 * 1024


def with_bodies(**changes: object) -> Settings:
    """Settings that keep bodies for so long, and so many octets."""
    return msgspec.structs.replace(KEEPING, **changes)


def keeps(bag: Mailbag, shard: int = 0) -> None:
    """A scheduler says that it frees what is kept."""
    assert bag.store.run(free_bodies(shard, KEEPING)) == (0, 0, 0)


def test_the_body_of_what_ended_undelivered_is_kept(bag: Mailbag, shard: int) -> None:
    """Bounced or cancelled; and that of a delivered one goes at once."""
    keeps(bag, shard)
    for state in (State.BOUNCED, State.CANCELLED, State.DELIVERED):
        (record,) = bag.scheduled(shard)
        bag.put(record, state)
        assert bag.has_body(record.message) == (state is not State.DELIVERED)
        assert (record.message in bag.zset("kept", shard)) == (state is not State.DELIVERED)


def test_a_body_is_kept_for_one_that_ended_badly_among_delivered_ones(bag: Mailbag, shard: int) -> None:
    """Whichever ends first, and while others are still tried."""
    keeps(bag, shard)
    for bad in (0, 2):
        records = bag.scheduled(shard, recipients=3)
        for number, record in enumerate(records):
            bag.put(record, State.BOUNCED if number == bad else State.DELIVERED)
            assert bag.has_body(record.message)
        assert records[0].message in bag.zset("kept", shard)


def test_without_a_scheduler_nothing_is_kept(one: Mailbag) -> None:
    """None ever was there; or it was last heard of too long ago; or its settings keep nothing."""
    for _ in range(3):
        (record,) = one.scheduled()
        one.put(record, State.CANCELLED)
        assert not one.has_body(record.message)
        if _ == 0:
            one.raw.hset(one.key("totals"), "keep_until", one.enlist("clock") - 1)
        else:
            keeps(one)
            one.store.run(free_bodies(0, with_bodies(keep_bodies=timedelta(0))))


def test_the_oldest_go_by_age_and_no_other(bag: Mailbag, shard: int) -> None:
    """At most so many a step."""
    keeps(bag, shard)
    records = [bag.scheduled(shard)[0] for _ in range(4)]
    for record in records:
        bag.put(record, State.CANCELLED)
    now_ms = bag.zset("kept", shard)[records[0].message]
    ages = {record.message: now_ms - age * DAY_MS for record, age in zip(records, (5, 1, 4, 2), strict=True)}
    bag.raw.zadd(bag.key("kept", shard), ages)
    assert bag.store.run(free_bodies(shard, KEEPING)).goes == 2
    oldest = bag.store.run(oldest_kept(shard, 4))
    assert oldest == [records[at].message for at in (0, 2, 3, 1)]
    assert bag.store.run(free_bodies(shard, KEEPING, oldest)) == (2, 12, 0)
    assert [bag.has_body(record.message) for record in records] == [False, True, False, True]


def test_they_go_by_octets_the_oldest_first(one: Mailbag) -> None:
    """Until what is left fits; a body in chunks counts by these."""
    keeps(one)
    for number in range(3):
        (record,) = one.scheduled(chunks=[b"x" * CHUNK, b"y"])
        one.put(record, State.CANCELLED)
        one.raw.zadd(one.key("kept"), {record.message: one.zset("kept")[record.message] - 1000 + number})
    fits = with_bodies(keep_bodies_max_octets=5 * CHUNK)
    assert one.store.run(free_bodies(0, fits)) == (0, 6 * CHUNK, 3)
    assert one.store.run(free_bodies(0, fits, one.store.run(oldest_kept(0, 3)))) == (1, 4 * CHUNK, 0)


def test_what_a_live_envelope_needs_stays(one: Mailbag) -> None:
    """It is kept no longer for the one that ended, and goes with the last that lives."""
    keeps(one)
    ended, live = one.scheduled(recipients=2)
    one.put(ended, State.BOUNCED)
    gone = one.store.run(free_bodies(0, KEEPING, [ended.message], gives_way=True))
    assert (gone.bodies, one.has_body(ended.message), one.zset("kept")) == (1, True, {})
    one.put(live, State.DELIVERED)
    assert not one.has_body(ended.message)


def test_a_late_250_leaves_the_body_to_its_time(one: Mailbag) -> None:
    """The books agree afterwards."""
    keeps(one)
    (record,) = one.claimed()
    one.put(record, State.CANCELLED, token=TOKEN)
    one.put(one.record(record.id), State.DELIVERED)
    assert one.has_body(record.message)


def test_a_clock_that_was_set_ahead_ages_nothing_and_what_lies_ahead_comes_back(one: Mailbag) -> None:
    """By the time that was believed last; a body that was kept from the future on is kept from now on."""
    keeps(one)
    (record,) = one.scheduled()
    one.put(record, State.CANCELLED)
    now_ms = one.enlist("clock")
    one.raw.hset(one.key("clock"), "seen", now_ms - 10 * DAY_MS)
    one.raw.zadd(one.key("kept"), {record.message: now_ms - 5 * DAY_MS})
    assert one.store.run(free_bodies(0, KEEPING, [record.message])).bodies == 0
    one.raw.hset(one.key("clock"), "seen", 0)
    one.raw.zadd(one.key("kept"), {record.message: now_ms + 50 * DAY_MS})
    one.store.run(free_bodies(0, KEEPING))
    assert one.zset("kept")[record.message] < now_ms + DAY_MS


def test_nonsense_in_their_place_is_cleared_away(one: Mailbag) -> None:
    """Keys of another type, messages that are none: mail ends, and bodies are freed."""
    for name in ("kept", "kept_octets"):
        one.raw.set(one.key(name), "nonsense")
    keeps(one)
    one.raw.zadd(one.key("kept"), {b"none": 1, b"\xff" * 14: 2, b"": 3})
    (record,) = one.scheduled()
    one.put(record, State.CANCELLED)
    freed = one.store.run(free_bodies(0, KEEPING, one.store.run(oldest_kept(0, 10))))
    assert (freed.bodies, one.has_body(record.message)) == (3, True)
    for name in ("kept", "kept_octets"):
        one.raw.set(one.key(name), "nonsense")
    (record,) = one.scheduled()
    assert one.put(record, State.DELIVERED) == 1
    one.store.run(free_bodies(0, KEEPING))
    one.raw.delete(*one.raw.keys(one.key("b:*")))
