"""The store's time: what its server's clock says, and what was noted of it."""

from __future__ import annotations

import pytest
from mailbag import DAY, PROCESS, Mailbag, new_message

from softbounce.envelope import State
from softbounce.settings import Settings
from softbounce.store import membership, reading, releasing, retention
from softbounce.store.clock import StoreTime, note_time, read_time
from softbounce.store.moving import MoveResult

HOUR = 3_600_000


def server_ms(bag: Mailbag) -> int:
    """What the server's clock says."""
    seconds, microseconds = bag.raw.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def seen(bag: Mailbag, ms: int) -> None:
    """A time was believed last: the server's clock was set since."""
    bag.raw.hset(bag.key("clock"), mapping={"seen": ms, "by": "somebody"})


def test_all_tell_the_servers_time(bag: Mailbag, shard: int) -> None:
    """New mail is created and due by it, leases run by it, answers have it, whatever an older version added to it."""
    bag.raw.hset(bag.key("clock", shard), "correction", 5 * DAY)
    bag.enlist()
    wanted_ms = server_ms(bag)
    (record,) = bag.scheduled(shard)
    due = bag.store.run(releasing.due(shard))
    assert bag.store.run(membership.renew(PROCESS, 60_000))
    leases = bag.store.run(membership.leases())
    looked, _ = bag.store.run(reading.look(shard, 10))
    lapsed_ms, _, _ = bag.store.run(membership.lapse(PROCESS, shard, only_list=True))
    assert [identity for identity, _ in due.headers] == [record.id]
    told = [due.now_ms, leases.now_ms, leases.ends[PROCESS] - 60_000, looked.now_ms, lapsed_ms]
    for now_ms in (record.created_ms, record.next_ms, *told):
        assert 0 <= now_ms - wanted_ms < 5000


def test_F20_a_time_that_is_believed_is_noted(one: Mailbag) -> None:
    """With who says so; what an older version corrected goes."""
    assert one.store.run(read_time(0))[1:] == (0, b"")
    one.raw.hset(one.key("clock"), "correction", HOUR)
    one.store.run(note_time(0, server_ms(one), "somebody"))
    told = one.store.run(read_time(0))
    assert told == StoreTime(told.now_ms, told.seen_ms, b"somebody")
    assert 0 <= told.now_ms - told.seen_ms < 5000
    assert not one.raw.hexists(one.key("clock"), "correction")


@pytest.mark.parametrize("step_ms", [HOUR, -HOUR])
def test_issue10_18_a_clock_that_was_set_while_it_was_being_noted_is_not_believed(one: Mailbag, step_ms: int) -> None:
    """The note was on its way: it would tell all others that the step is right."""
    assert not one.store.run(note_time(0, server_ms(one) - step_ms, "somebody"))
    assert one.store.run(read_time(0))[1:] == (0, b"")


def test_F20_mail_taken_by_a_clock_that_was_set_back_is_young_and_due(one: Mailbag) -> None:
    """It is as young as the time that was believed last, or it would be old when that is set right; it goes out."""
    believed_ms = server_ms(one) + HOUR
    seen(one, believed_ms)
    (record,) = one.scheduled(window_ms=600_000)
    assert record.created_ms == believed_ms
    assert record.expires_ms == believed_ms + 600_000
    assert record.next_ms < believed_ms - HOUR + 5000
    assert [identity for identity, _ in one.store.run(releasing.due(0)).headers] == [record.id]
    one.store.run(note_time(0, server_ms(one)))
    (record,) = one.scheduled()
    assert record.created_ms < believed_ms - HOUR + 5000


def test_F20_nothing_is_forgotten_by_a_clock_that_was_set_ahead(one: Mailbag) -> None:
    """What ended, the keys and the events are as old as the time that was believed last says."""
    settings = Settings()
    (record,) = one.claimed(key="known")
    assert one.put(record, State.DELIVERED, token=record.token) == MoveResult.MOVED
    events = one.raw.xlen(one.key("events"))
    believed_ms = server_ms(one) - 30 * DAY
    one.raw.zadd(one.key("done"), {record.id: believed_ms})
    one.raw.zadd(one.key("kage"), {"known": believed_ms + 1})
    seen(one, believed_ms)
    assert one.store.run(retention.trim(0, settings))[:2] == (0, 0)
    assert one.raw.xlen(one.key("events")) == events
    assert one.accept(new_message(key="known")).outcome in {"known", "reused"}
    one.store.run(note_time(0, server_ms(one)))
    assert one.store.run(retention.trim(0, settings))[:2] == (1, 1)


def test_F20_what_ends_by_a_clock_that_was_set_back_is_kept_as_long_as_ever(one: Mailbag) -> None:
    """It ended at the time that was believed last; by the clock it would be forgotten when that is set right."""
    (record,) = one.claimed()
    believed_ms = server_ms(one) + 5 * DAY
    seen(one, believed_ms)
    assert one.put(record, State.DELIVERED, token=record.token) == MoveResult.MOVED
    assert one.zset("done")[record.id] == believed_ms
    assert one.store.run(retention.trim(0, Settings()))[:2] == (0, 0)


def test_issue10_18_what_ended_in_the_future_is_not_kept_until_then(one: Mailbag) -> None:
    """A clock that was ten years ahead for a while: what ended then, and the keys, are of now when it is back."""
    settings = Settings()
    (record,) = one.claimed(key="known")
    assert one.put(record, State.DELIVERED, token=record.token) == MoveResult.MOVED
    far_ms = server_ms(one) + 3650 * DAY
    one.raw.zadd(one.key("done"), {record.id: far_ms})
    one.raw.zadd(one.key("kage"), {"known": far_ms})
    one.store.run(note_time(0, server_ms(one)))
    assert one.store.run(retention.trim(0, settings))[:2] == (0, 0)
    now_ms, keep_ms = server_ms(one), settings.keep_keys.total_seconds() * 1000
    assert now_ms - 5000 < one.zset("done")[record.id] <= now_ms
    assert now_ms - 5000 < one.raw.zscore(one.key("kage"), "known") - keep_ms <= now_ms


def test_F20_what_is_held_back_is_not_due(one: Mailbag) -> None:
    """What is planned between two times of the past; before and behind them all is, in a bounded answer."""
    now_ms = server_ms(one)
    ids = []
    for age_ms in (9 * HOUR, 5 * HOUR, HOUR):
        (record,) = one.scheduled()
        record.next_ms = now_ms - age_ms
        one.raw.hset(one.key("e"), record.id, record.pack())
        one.raw.zadd(one.key("due"), {record.id: record.next_ms})
        ids.append(record.id)
    held_ms = (now_ms - 6 * HOUR, now_ms - 2 * HOUR)

    def due(limit: int = 10, *, held: bool = True) -> list[bytes]:
        asked = releasing.due(0, limit, held_ms=held_ms if held else None)
        return [identity for identity, _ in one.store.run(asked).headers]

    assert due(held=False) == ids
    assert due() == [ids[0], ids[2]]
    assert due(1) == [ids[0]]
    assert one.store.run(releasing.due(0, held_ms=held_ms)).next_due_ms is None


@pytest.mark.parametrize("said", ["nonsense", "", "-5"])
def test_issue10_18_a_time_that_is_none_is_none(one: Mailbag, said: str) -> None:
    """What stands in the store may be damaged: it stops no script."""
    one.raw.hset(one.key("clock"), "seen", said)
    (record,) = one.scheduled()
    assert abs(record.created_ms - server_ms(one)) < 5000
