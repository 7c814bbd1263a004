"""The flusher: when the journal may forget a result, and what becomes of one that the store does not take as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mailbag import PROCESS, TOKEN, Mailbag, open_bag
from proxy import Proxy
from servers import Valkey
from softbounce_worker.clock import StoreClock
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.flusher import Flusher
from softbounce_worker.results.journal import Journal, read_entries

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag, Record, State
from softbounce.reply import Reply
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.store import moving
from softbounce.store.scripts import script
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen

SETTINGS = Settings()
OTHER = "worker-2"
READ_RECORD = b"$4\r\nHGET\r\n"
MANY = 1_000_000
WITHIN = 5.0


def concluded(record: Record, code: int) -> Change:
    """What a host's answer to the dot makes of a claim."""
    reply = Reply(code=code, enhanced=f"{code // 100}.0.0", lines=("so",))
    at_ms = record.created_ms
    seen = Seen(what=reply, stage=Stage.END_OF_DATA, started_ms=at_ms, ended_ms=at_ms, host="mx.test")
    verdict = classify(reply, stage=Stage.END_OF_DATA, site=None, settings=SETTINGS)
    return transitions.conclude(record, seen, verdict, SETTINGS, at_ms)


@dataclass
class Desk:
    """A flusher with its journal, whose flights a test makes one by one."""

    bag: Mailbag
    proxy: Proxy
    folder: Path
    flusher: Flusher

    def commit(self, record: Record, code: int = 250) -> None:
        """Hand a result over."""
        self.flusher.commit(concluded(record, code), TOKEN)

    async def fly(self) -> None:
        """One flight."""
        await self.flusher._fly()

    async def settled(self) -> None:
        """Wait until what the store did not take is seen to its end."""
        async with asyncio.timeout(WITHIN):
            while self.flusher._settling:
                await asyncio.gather(*self.flusher._settling)

    def written(self) -> set[bytes]:
        """What a successor would find written down if the process were killed now."""
        found = set()
        for path in self.folder.glob("*.journal"):
            with path.open("rb") as file:
                found |= {entry.id for entry in read_entries(file.fileno())}
        return found


Run = Callable[[Callable[[Desk], Coroutine[object, object, None]]], None]


@pytest.fixture
def run(store_server: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a test at a desk whose journal may turn at any time, and whose flights are of two."""
    monkeypatch.setattr("softbounce_worker.results.journal.KEPT", -1.0)
    monkeypatch.setattr("softbounce_worker.results.journal.AFTER_FAILURE", 0.0)
    monkeypatch.setattr("softbounce_worker.results.flusher.FLIGHT", 2)
    with open_bag(store_server.url) as bag, Proxy(store_server.socket_path) as proxy:

        @asynccontextmanager
        async def desk() -> AsyncIterator[Desk]:
            store = AsyncShards(proxy.url)
            journal = Journal(tmp_path, PROCESS)
            clock = StoreClock(store, 1)
            await clock.begin()
            process = WorkerProcess(PROCESS, store, 1, clock)
            process.settings = SETTINGS
            flusher = Flusher(process, journal)
            try:
                yield Desk(bag, proxy, tmp_path, flusher)
            finally:
                journal.close(forget=False)
                await store.close()

        def run(test: Callable[[Desk], Coroutine[object, object, None]]) -> None:
            async def sit() -> None:
                async with desk() as one:
                    await test(one)

            asyncio.run(sit())

        yield run
        bag.audit()


def return_claim(bag: Mailbag, record: Record) -> None:
    """What the sweep does."""
    assert bag.put(bag.record(record.id), State.READY, token=TOKEN) == 1


def octets_of(bag: Mailbag, record: Record) -> bytes:
    """The record, octet by octet."""
    return bytes(bag.raw.hget(bag.key("e"), record.id))


def test_issue10_the_journal_turns_only_when_all_before_it_is_committed(run: Run) -> None:
    """The generation before the last is forgotten: whatever the store lacks must stand in one of the other two."""

    async def test(desk: Desk) -> None:
        records = desk.bag.claimed(recipients=20)
        for record in records[:10]:
            desk.commit(record)
        for number, record in enumerate(records[10:], 11):
            desk.commit(record)
            await desk.fly()
            stored = {one.id for one in desk.bag.records([one.id for one in records]) if one.state is State.DELIVERED}
            assert desk.written() | stored >= {one.id for one in records[:number]}
        while desk.flusher.backlog:
            await desk.fly()

    run(test)


def test_issue10_the_journal_keeps_what_is_being_settled(run: Run) -> None:
    """A 250 came late, and the store is hard to reach: it is written down until the store has it, if others pass it."""

    async def test(desk: Desk) -> None:
        late, *others = desk.bag.claimed(recipients=9)
        return_claim(desk.bag, late)
        desk.proxy.word, desk.proxy.aimed = READ_RECORD, MANY
        desk.commit(late)
        for other in others:
            desk.commit(other)
            await desk.fly()
        async with asyncio.timeout(10):
            while desk.proxy.aimed == MANY:  # noqa: ASYNC110 - a thread loses the answer, and tells nobody
                await asyncio.sleep(0.01)
        assert late.id in desk.written()
        desk.proxy.aimed = 0
        await desk.settled()
        assert desk.bag.record(late.id).state is State.DELIVERED

    run(test)


def test_issue10_the_journal_turns_although_something_is_always_being_settled(run: Run) -> None:
    """Under load there always is: what came before it is forgotten all the same, or the file grows for ever."""

    async def test(desk: Desk) -> None:
        records = desk.bag.claimed(recipients=6)
        for record in records:
            return_claim(desk.bag, record)
        for record in records:
            desk.commit(record)
            await desk.fly()
            await desk.settled()
        assert len(desk.written()) <= 3

    run(test)


def test_issue10_a_late_250_is_told_once(run: Run) -> None:
    """By the flusher, and again by whoever replays the journal: one event, one attempt, and it ends."""

    async def test(desk: Desk) -> None:
        (record,) = desk.bag.claimed()
        return_claim(desk.bag, record)
        result = concluded(record, 250)
        desk.flusher.commit(result, TOKEN)
        await desk.fly()
        await desk.settled()
        told = octets_of(desk.bag, record)
        first = desk.bag.record(record.id)
        assert (first.state, len(first.envelope.attempts)) == (State.DELIVERED, 1)
        desk.flusher.commit(result, TOKEN)
        await desk.fly()
        await desk.settled()
        assert octets_of(desk.bag, record) == told
        assert [event.kind for event in desk.bag.events()].count("delivered_late") == 1

    run(test)


@pytest.mark.parametrize(
    ("asked", "state"), [(Flag.CANCEL_ASKED, State.CANCELLED), (Flag.HOLD_ASKED, State.HELD)], ids=["cancel", "hold"]
)
def test_what_was_asked_while_the_dot_was_out_is_done_then(run: Run, asked: Flag, state: State) -> None:
    """Instead of another try: the result did not know, and the store says so."""

    async def test(desk: Desk) -> None:
        (record,) = desk.bag.claimed()
        assert desk.bag.store.run(moving.ask(asked, desk.bag.record(record.id))) == 1
        desk.commit(record, 451)
        await desk.fly()
        await desk.settled()
        await desk.fly()
        after = desk.bag.record(record.id)
        assert (after.state, after.charged) == (state, 1)

    run(test)


def test_issue14_a_bounce_asked_while_the_dot_was_out_is_one_with_its_words(run: Run) -> None:
    """Instead of another try; a real answer, had it come, would have won."""

    async def test(desk: Desk) -> None:
        (record,) = desk.bag.claimed()
        asked = desk.bag.record(record.id)
        asked.envelope.bounce_asked = "ann ended it: stolen"
        assert desk.bag.store.run(moving.ask(Flag.CANCEL_ASKED, asked, tells_more=True)) == 1
        desk.commit(record, 451)
        await desk.fly()
        await desk.settled()
        await desk.fly()
        after = desk.bag.record(record.id)
        final = after.envelope.final
        assert (after.state, after.charged, final and (final.cause, final.why, final.code)) == (
            State.BOUNCED,
            1,
            ("operator", "ann ended it: stolen", 451),
        )

    run(test)


def test_a_mark_whose_answer_was_lost_is_asked_for_again(run: Run) -> None:
    """A session waits for it, with a host that waits for the dot."""

    async def test(desk: Desk) -> None:
        (record,) = desk.bag.claimed()
        desk.proxy.word, desk.proxy.aimed = script("mark").sha, 2
        flying = asyncio.create_task(desk.flusher.run())
        async with asyncio.timeout(WITHIN):
            assert await desk.flusher.mark([(record.id, TOKEN)]) == [1]
        flying.cancel()
        await asyncio.wait([flying])

    run(test)


def test_issue10_what_was_asked_is_done_for_our_own_claim_only(run: Run) -> None:
    """Asked while we tried it; before we look, our claim is returned and another has it: that one is left alone."""

    async def test(desk: Desk) -> None:
        (record,) = desk.bag.claimed()
        assert desk.bag.store.run(moving.ask(Flag.HOLD_ASKED, desk.bag.record(record.id))) == 1
        desk.proxy.word, desk.proxy.aimed = READ_RECORD, MANY
        desk.commit(record, 451)
        await desk.fly()
        held = desk.bag.record(record.id)
        token = held.token
        change = transitions.reschedule(held, claim_wait=False, now_ms=held.created_ms)
        assert change.record.state is State.HELD
        assert desk.bag.move(moving.Move(record=change.record, token=token)) == [1]
        assert desk.bag.put(desk.bag.record(record.id), State.READY) == 1
        desk.bag.enlist(OTHER)
        (_,) = desk.bag.claim(token=b"token--2", process=OTHER)
        anew = octets_of(desk.bag, record)
        desk.proxy.aimed = 0
        await desk.settled()
        while desk.flusher.backlog:
            await desk.fly()
            await desk.settled()
        assert octets_of(desk.bag, record) == anew

    run(test)
