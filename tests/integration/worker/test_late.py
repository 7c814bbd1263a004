"""A 250 that comes when its envelope was forgotten already: the event is told, once."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from mailbag import PROCESS, TOKEN, Mailbag, open_bag
from servers import Valkey
from softbounce_worker.clock import StoreClock
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.results.journal import Journal
from softbounce_worker.results.replay import replay_dead

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag, Record, State
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import Policy, Settings
from softbounce.stage import Stage
from softbounce.store import claiming, retention
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen

BOUNCES = Settings(policies={"default": Policy(name="default", on_uncertain="bounce")})
FORGETS = msgspec.structs.replace(BOUNCES, keep_finished=timedelta(milliseconds=-1))
REPLY_250 = Reply(code=250, enhanced="2.0.0", lines=("taken",))
LOST = Trouble(kind=TroubleKind.WORKER_LOST, text="the worker was lost", enhanced="4.4.2")
DOT = Stage.END_OF_DATA


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store, whose books are audited afterwards."""
    with open_bag(store_server.url) as bag:
        yield bag
        bag.audit()


def delivered(record: Record) -> Move:
    """The result that a 250 makes of a claim."""
    at_ms = record.created_ms
    attempt = Seen(what=REPLY_250, stage=DOT, started_ms=at_ms, ended_ms=at_ms, host="mx.test")
    change = transitions.conclude(
        record, attempt, classify(REPLY_250, stage=DOT, site=None, settings=BOUNCES), BOUNCES, at_ms
    )
    return Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event)


def marked(bag: Mailbag) -> Record:
    """A claimed envelope whose dot may have left."""
    (record,) = bag.claimed()
    assert bag.store.run(claiming.mark(PROCESS, [(record.id, TOKEN)])) == [1]
    return bag.record(record.id)


def bounce_uncertain(bag: Mailbag, record: Record) -> None:
    """What the sweep makes of it under a policy that sends nothing twice; then it is forgotten."""
    at_ms = record.created_ms + 1000
    attempt = Seen(what=LOST, stage=DOT, started_ms=at_ms, ended_ms=at_ms, uncertain=True)
    verdict = classify(LOST, stage=DOT, site=None, settings=BOUNCES)
    change: Change = transitions.close_uncertain(record, attempt, verdict, BOUNCES, at_ms)
    assert bag.move(Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event)) == [1]


def forget(bag: Mailbag) -> None:
    """The trim forgets all that ended."""
    assert bag.store.run(retention.trim(0, FORGETS)).finished == 1


def replay(bag: Mailbag, folder: Path, move: Move) -> int:
    """A dead process's journal is replayed."""
    journal = Journal(folder, PROCESS)
    journal.append([move])
    journal.close(forget=False)

    async def run() -> int:
        store = AsyncShards(bag.store.url)
        try:
            return await replay_dead(store, folder, BOUNCES, 0)
        finally:
            await store.close()

    return asyncio.run(run())


def kinds(bag: Mailbag) -> list[str]:
    """What the log tells, in order."""
    return [event.kind for event in bag.events()]


def test_issue10_F_a_250_whose_envelope_was_forgotten_is_told_once(bag: Mailbag, tmp_path: Path) -> None:
    """It had bounced as uncertain: whoever reads the log learns that it was delivered, however often it is replayed."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    bounce_uncertain(bag, record)
    forget(bag)
    before = kinds(bag)
    assert [replay(bag, tmp_path, result) for _ in range(3)] == [1, 0, 0]
    assert kinds(bag) == [*before, "delivered_late"]
    told = bag.events()[-1]
    assert (told.id, told.code, told.host, told.recipient) == (record.id, 250, "mx.test", "r0@example.net")
    assert not bag.raw.exists(bag.key("late"))


def test_issue10_F_also_when_the_log_was_trimmed(bag: Mailbag, tmp_path: Path) -> None:
    """The trim noted that a 250 may still come."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    bounce_uncertain(bag, record)
    forget(bag)
    bag.raw.xtrim(bag.key("events"), maxlen=0, approximate=False)
    assert [replay(bag, tmp_path, result) for _ in range(2)] == [1, 0]
    assert kinds(bag) == ["delivered_late"]


def test_issue10_F_what_was_committed_and_forgotten_is_no_news(bag: Mailbag, tmp_path: Path) -> None:
    """A journal tells mostly what the store had long ago: no second event, and none where nobody can know any more."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    assert bag.move(result) == [1]
    forget(bag)
    assert replay(bag, tmp_path, result) == 0
    assert "delivered_late" not in kinds(bag)
    bag.raw.xtrim(bag.key("events"), maxlen=0, approximate=False)
    assert replay(bag, tmp_path, result) == 0
    assert kinds(bag) == []


def test_issue10_F_a_copy_of_the_store_that_knows_nothing_is_told(bag: Mailbag, tmp_path: Path) -> None:
    """It was restored from before the envelope: its log is whole, and tells of no delivery; once more it is told."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    saved = bag.raw.dump(bag.key("events"))
    assert bag.move(result) == [1]
    forget(bag)
    bag.raw.restore(bag.key("events"), 0, saved, replace=True)
    assert [replay(bag, tmp_path, result) for _ in range(2)] == [1, 0]
    assert kinds(bag)[-1] == "delivered_late"


def test_issue10_F_a_paused_worker_s_250_is_told_too(bag: Mailbag, tmp_path: Path) -> None:
    """Not only by a replay: it comes to itself, and its result finds no record."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    bounce_uncertain(bag, record)
    forget(bag)

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        journal = Journal(tmp_path, PROCESS)
        clock = StoreClock(store, 1)
        await clock.begin()
        process = WorkerProcess(PROCESS, store, 1, clock)
        process.settings = BOUNCES
        flusher = Flusher(process, journal)
        flying = asyncio.create_task(flusher.run())
        flusher.commit(Change(record=result.record, event=result.event), TOKEN)
        async with asyncio.timeout(10):
            await flusher.drained()
        flying.cancel()
        journal.close(forget=True)
        await store.close()

    asyncio.run(run())
    assert kinds(bag)[-1] == "delivered_late"


def test_issue10_F_only_what_ended_otherwise_is_noted(bag: Mailbag) -> None:
    """An uncertain attempt before a delivery, and an end without any, leave nothing behind; the oldest notes go."""
    for state, is_uncertain in ((State.DELIVERED, True), (State.CANCELLED, False), (State.CANCELLED, True)):
        (record,) = bag.scheduled()
        record.flags |= Flag.UNCERTAIN if is_uncertain else Flag(0)
        bag.put(record, state)
    assert bag.store.run(retention.trim(0, FORGETS)).finished == 3
    (noted,) = bag.zset("late")
    assert noted == record.id
    bag.raw.zadd(bag.key("late"), {struct.pack(">QQ", 0, number): 1 for number in range(5)})
    bag.store.run(retention.trim(0, FORGETS))
    assert set(bag.zset("late")) == {record.id}
