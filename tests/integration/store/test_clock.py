"""The store's time: the server's clock, and the correction that all scripts add to it."""

from __future__ import annotations

import time

import pytest
from mailbag import DAY, PROCESS, Mailbag, new_message

from softbounce.envelope import State
from softbounce.settings import Settings
from softbounce.store import membership, reading, releasing, retention
from softbounce.store.clock import StoreTime, correct_clock, note_time, read_time
from softbounce.store.moving import MoveResult

HOUR = 3_600_000
LEASE = 10_000


def server_ms(bag: Mailbag) -> int:
    """What the server's clock says."""
    seconds, microseconds = bag.raw.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def correct(bag: Mailbag, shard: int, before_ms: int, after_ms: int) -> bool:
    """Change a shard's correction."""
    return bag.store.run(correct_clock(shard, before_ms, after_ms, LEASE))


@pytest.mark.parametrize("by_ms", [HOUR, -HOUR, -5 * DAY], ids=["+1 h", "-1 h", "-5 d"])
def test_F20_all_that_tells_the_time_is_corrected(bag: Mailbag, shard: int, by_ms: int) -> None:
    """New mail is created and due by the corrected time, leases run by it, and every answer has it."""
    bag.enlist()
    for corrected in {0, shard}:
        assert correct(bag, corrected, 0, by_ms)
    wanted_ms = server_ms(bag) + by_ms
    (record,) = bag.scheduled(shard)
    due = bag.store.run(releasing.due(shard))
    renewed = bag.store.run(membership.renew(PROCESS, 60_000))
    leases = bag.store.run(membership.leases())
    looked, _ = bag.store.run(reading.look(shard, 10))
    lapsed_ms, _, _ = bag.store.run(membership.lapse(PROCESS, shard, only_list=True))
    assert [identity for identity, _ in due.headers] == [record.id]
    assert renewed is not None
    assert leases.ends[PROCESS] == renewed.now_ms + 60_000
    told = [due.time, renewed, leases.time, looked, bag.store.run(read_time(shard))]
    assert {one.correction_ms for one in told} == {by_ms}
    for now_ms in (record.created_ms, record.next_ms, lapsed_ms, *(one.now_ms for one in told)):
        assert 0 <= now_ms - wanted_ms < 5000


def test_F20_only_who_knows_the_correction_changes_it(one: Mailbag) -> None:
    """Of two that saw the same step one corrects it; the other learns that it came too late."""
    assert correct(one, 0, 0, HOUR)
    assert not correct(one, 0, 0, HOUR)
    assert not correct(one, 0, -HOUR, 0)
    assert one.store.run(read_time(0)).correction_ms == HOUR
    assert correct(one, 0, HOUR, 0)


def test_F20_a_time_told_by_another_correction_is_not_noted(one: Mailbag) -> None:
    """It was on its way when an operator said that the clock is right: what was believed before must not come back."""
    assert one.store.run(note_time(0, 5, 0, "somebody"))
    told = one.store.run(read_time(0))
    assert (told.noted_ms, told.noted_by) == (5, b"somebody")
    assert correct(one, 0, 0, HOUR)
    assert not one.store.run(note_time(0, 6, 0, "somebody"))
    told = one.store.run(read_time(0))
    assert (told.noted_ms - told.now_ms, told.noted_by) == (pytest.approx(0, abs=5000), b"")


def test_F20_a_correction_gives_every_process_a_lease_anew(one: Mailbag) -> None:
    """Whoever renewed by the wrong clock would lapse at once, or not for days; who lapsed before stays so."""
    for name in ("ahead", "behind"):
        one.enlist(name)
    one.enlist("gone")
    one.store.run(membership.forget_process("gone", shards=1))
    one.raw.zadd(one.key("leases"), {"ahead": server_ms(one) + 5 * DAY, "behind": server_ms(one) - HOUR})
    correct(one, 0, 0, -HOUR)
    leases = one.store.run(membership.leases())
    assert set(leases.ends) == {"ahead", "behind", PROCESS}
    for end in leases.ends.values():
        assert LEASE - 5000 < end - leases.now_ms <= LEASE


def test_F20_mail_taken_just_after_a_step_back_is_young_and_due(one: Mailbag) -> None:
    """Until the correction comes it is as young as the last time that was noted, and goes out at once."""
    noted_ms = server_ms(one) + HOUR  # as if the clock had been set back by an hour since
    one.store.run(note_time(0, noted_ms, 0))
    (record,) = one.scheduled(window_ms=600_000)
    assert record.created_ms == noted_ms
    assert record.expires_ms == noted_ms + 600_000
    assert record.next_ms < noted_ms - HOUR + 5000
    assert [identity for identity, _ in one.store.run(releasing.due(0)).headers] == [record.id]
    one.store.run(note_time(0, server_ms(one) - HOUR, 0))
    (record,) = one.scheduled()
    assert record.created_ms > noted_ms - HOUR - 5000


def test_F20_nothing_is_forgotten_by_a_clock_that_was_just_set_ahead(one: Mailbag) -> None:
    """What ended and the keys are as old as the time that is known to have passed."""
    (record,) = one.claimed(key="known")
    assert one.put(record, State.DELIVERED, token=record.token) == MoveResult.MOVED
    settings = Settings()
    believed_ms = server_ms(one)
    one.raw.hset(one.key("clock"), "correction", 30 * DAY)
    assert one.store.run(retention.trim(0, settings, latest_ms=believed_ms))[:2] == (0, 0)
    assert one.accept(new_message(key="known")).outcome in {"known", "reused"}
    one.raw.hdel(one.key("clock"), "correction")


def test_F20_what_ends_just_after_a_step_back_is_kept_as_long_as_ever(one: Mailbag) -> None:
    """Until the correction comes it ended at the last time noted; by a clock set back it would be forgotten at once."""
    (record,) = one.claimed()
    one.store.run(note_time(0, server_ms(one), 0))
    one.raw.hset(one.key("clock"), "correction", -5 * DAY)  # as of a clock that was set right, when nobody knows yet
    assert one.put(record, State.DELIVERED, token=record.token) == MoveResult.MOVED
    one.raw.hdel(one.key("clock"), "correction")
    assert one.store.run(retention.trim(0, Settings(), latest_ms=server_ms(one)))[:2] == (0, 0)
    assert one.record(record.id).state is State.DELIVERED


def test_what_is_planned_between_two_times(one: Mailbag) -> None:
    """Both ends belong to it; the time is told as ever."""
    later_ms = server_ms(one) + HOUR
    (record,) = one.scheduled(not_before_ms=later_ms)
    one.scheduled(not_before_ms=later_ms + 1)
    due = one.store.run(releasing.due(0, between_ms=(later_ms, later_ms)))
    assert [identity for identity, _ in due.headers] == [record.id]
    assert abs(due.now_ms - time.time() * 1000) < 5000
    assert record.state is State.SCHEDULED
    assert due.time == StoreTime(due.now_ms, 0)
