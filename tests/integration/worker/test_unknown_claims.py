"""Claims that the store lists for a process and the process does not know: what goes back, and what never does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import redis
from conftest import StartStore
from delivery import POLICY, Begin, Delivery, in_loop
from mx import Mx, Sleep
from proxy import Fault, Proxy
from servers import Valkey
from softbounce_worker.claim import claimer
from softbounce_worker.results.replay import replay

from softbounce import transitions
from softbounce.envelope import Flag, Record, State
from softbounce.errors import StoreError
from softbounce.ids import format_id, parse_id
from softbounce.settings import Settings
from softbounce.store import claiming, keys, membership, reading, releasing
from softbounce.store.call import Call
from softbounce.store.claiming import Batch
from softbounce.store.scripts import script
from softbounce.store.shards import AsyncShards

TOKEN = b"token--1"
READ_RECORD = b"$4\r\nHGET\r\n"


async def release_all(store: AsyncShards) -> list[tuple[str, str]]:
    """Move what is due to its ready lists, and wake nobody; those lists."""
    lists: dict[tuple[str, str], list[tuple[bytes, int]]] = {}
    for identity, header in (await store.run(releasing.due(0))).headers:
        record = Record.unpack(identity, header)
        lists.setdefault((record.lane, record.stream), []).append((identity, record.version))
    await store.run(releasing.release(0, lists))
    return list(lists)


async def claimed_unknown(mail: Delivery, *recipients: str) -> list[Record]:
    """Send, and claim for the engine's process without its knowledge, as where an answer never comes."""
    mail.release_no_more()
    ids = [parse_id(one) for one in await mail.send(*recipients)]
    batch = Batch(0, [(lane, stream, 10) for lane, stream in await release_all(mail.store)])
    (claimed,) = await mail.store.run(claiming.claim(mail.process.name, TOKEN, [batch]))
    return sorted(claimed.records, key=lambda record: ids.index(record.id))


async def look(mail: Delivery, times: int = 1) -> None:
    """What the claimer does every five seconds."""
    for _ in range(times):
        await mail.engine._claimer.give_back_unknown()


async def stored(mail: Delivery, record: Record) -> Record:
    """The record as the store has it."""
    (found,) = await mail.store.run(reading.fetch([record.id]))
    assert found is not None
    return found


async def states(mail: Delivery, *records: Record) -> list[State]:
    """The states that the store has."""
    return [(await stored(mail, record)).state for record in records]


@in_loop
async def test_issue10_what_is_unknown_at_two_looks_in_a_row_goes_back(begin: Begin) -> None:
    """At one look it may have been claimed or committed just then: it stays. At the second it goes back uncharged."""
    async with begin() as mail:
        (record,) = await claimed_unknown(mail, "x@a.test")
        await look(mail)
        await mail.flusher.drained()
        assert await states(mail, record) == [State.ATTEMPTING]
        await look(mail)
        await mail.flusher.drained()
        after = await stored(mail, record)
        assert (after.state, after.claims, after.charged) == (State.READY, 0, 0)


@in_loop
async def test_issue10_what_is_in_hand_is_no_unknown_claim(begin: Begin) -> None:
    """It waits for a slow host, for longer than two looks: nobody takes it from there."""
    host = Mx({"greeting": (Sleep(0.4), "220 mx.test")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("x@a.test")
        await mail.until_true(lambda: host.connections > 0)
        await look(mail, 3)
        assert mail.flusher.backlog == 0
        (shown,) = await mail.settled(identity)
        assert (shown.state, len(host.bodies)) == ("delivered", 1)


@in_loop
async def test_issue10_what_is_only_listed_is_listed_no_more(begin: Begin) -> None:
    """The envelope is somebody else's by now, or has ended: it stays as it is, and the entry goes."""
    async with begin() as mail:
        (record,) = await claimed_unknown(mail, "x@a.test")
        name = keys.claims(0, mail.process.name)
        await mail.store.call([Call.read(0, b"HSET", name, record.id, b"token--0")])
        mail.engine.ledger.enter(record)
        await look(mail, 2)
        await mail.flusher.drained()
        assert await mail.store.run(membership.list_claims(mail.process.name, 0)) == {}
        after = await stored(mail, record)
        assert (after.state, after.token) == (State.ATTEMPTING, TOKEN)


@in_loop
async def test_issue10_an_unknown_claim_that_bears_a_mark_stays(begin: Begin) -> None:
    """Its dot may have left: given back it would be sent again, and that copy would be nobody's."""
    async with begin() as mail:
        record, marked = await claimed_unknown(mail, "x@a.test", "y@b.test")
        assert await mail.store.run(claiming.mark(mail.process.name, [(marked.id, TOKEN)])) == [1]
        await look(mail, 3)
        await mail.flusher.drained()
        assert await states(mail, record, marked) == [State.READY, State.ATTEMPTING]
        assert (await stored(mail, marked)).flags & Flag.MARKED


@in_loop
async def test_issue10_unknown_claims_go_back_although_results_are_always_under_way(begin: Begin) -> None:
    """Under load there is always one: what it is for is known, and no other claim waits for it."""
    async with begin() as mail:
        busy, lost = await claimed_unknown(mail, "x@a.test", "y@b.test")
        await mail.pause_flusher()
        mail.flusher.commit(transitions.give_back(busy), TOKEN)
        await look(mail, 4)
        assert [move.record.id for move in mail.flusher.under_way] == [busy.id, lost.id]
        mail.resume_flusher()
        await mail.flusher.drained()
        assert await states(mail, busy, lost) == [State.READY, State.READY]


@in_loop
async def test_issue10_a_result_that_is_being_settled_is_under_way(store_server: Valkey, tmp_path: Path) -> None:
    """A hold was asked for meanwhile, and the store is hard to reach: the attempt's result is no unknown claim."""
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            (record,) = await claimed_unknown(mail, "x@a.test")
            assert await mail.client.hold(format_id(record.id)) == "holding"
            proxy.word, proxy.aimed = READ_RECORD, 1_000_000
            mail.flusher.commit(transitions.give_back(record), TOKEN)
            await mail.until_true(lambda: proxy.aimed < 1_000_000)
            await look(mail, 3)
            assert [move.record.id for move in mail.flusher.under_way] == [record.id]
            proxy.aimed = 0
            await mail.flusher.drained()
            assert await states(mail, record) == [State.HELD]


@in_loop
async def test_issue10_a_claim_whose_answer_is_on_its_way_is_no_unknown_one(
    store_server: Valkey, tmp_path: Path
) -> None:
    """However long it takes: it is asked for again under the same token, and carried then."""
    host = Mx()
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            await mail.host("a.test", host)
            await mail.deliver("first@a.test")  # the store has the script: else its first answer is that it has not
            proxy.word, proxy.aimed, proxy.aim = script("claim").sha, 1, Fault.SWALLOW_REPLY
            (identity,) = await mail.send("x@a.test")

            async def is_claimed() -> bool:
                (record,) = await mail.store.run(reading.fetch([parse_id(identity)]))
                return record is not None and record.state is State.ATTEMPTING

            await mail.until(is_claimed)
            await look(mail, 3)
            assert mail.flusher.backlog == 0
            proxy.cut_all()
            (shown,) = await mail.settled(identity)
            assert (shown.state, len(shown.attempts), len(host.bodies)) == ("delivered", 1, 2)


@in_loop
async def test_issue10_a_claim_that_failed_half_way_is_an_unknown_one(store_server: Valkey, tmp_path: Path) -> None:
    """The answer is lost, and then the store goes away: nobody asks for that claim again, and its mail goes back."""
    with Proxy(store_server.socket_path) as proxy:
        async with Delivery(proxy.url, tmp_path) as mail:
            mail.store.patience = 0.0
            proxy.word, proxy.aimed, proxy.elsewhere = script("claim").sha, 1, tmp_path / "nowhere"
            (identity,) = await mail.send("x@a.test")
            await mail.until_true(lambda: not proxy.aimed)
            mail.release_no_more()
            for lane in mail.engine.lanes.values():
                lane.end()
            await mail.wait(0.3)
            proxy.upstream = store_server.socket_path

            async def is_back() -> bool:
                with suppress(StoreError):
                    await look(mail)
                    (record,) = await mail.store.run(reading.fetch([parse_id(identity)]))
                    return record is not None and record.state is State.READY
                return False

            await mail.until(is_back, 4)


@in_loop
async def test_issue10_what_goes_back_with_its_window_closed_is_looked_at_at_once(begin: Begin) -> None:
    """The scheduler met it while it was attempted, and would look again ten seconds later only."""
    async with begin(
        settings=Settings(policies={"default": msgspec.structs.replace(POLICY, window=timedelta(seconds=0.2))})
    ) as mail:
        records = await claimed_unknown(mail, "x@a.test", "y@a.test")
        later_ms = mail.process.clock.now_ms(0) + 10_000
        await mail.store.run(reading.rescore(0, [(record.id, later_ms) for record in records]))
        await mail.wait(0.3)
        for record in records:
            mail.engine.ledger.enter(record)
        mail.engine.ledger.give_back_unread(records[:1])
        await mail.flusher.drained()
        _, entries = await mail.store.run(reading.look(0, 10))
        assert [identity for identity, _ in entries] == [records[0].id]


def copy_store(source: redis.Redis, target: redis.Redis) -> None:
    """Make one hold what the other does."""
    target.flushall()
    for key in source.scan_iter():
        target.restore(key, 0, source.dump(key))


def reminded(mail: Delivery) -> list[int]:
    """Have it tell another store its journal, as the service does; how many results were missing there, each time."""
    told: list[int] = []

    async def remind() -> None:
        await asyncio.sleep(0.3)  # a journal may be long
        moves = (entry.move() for entry in mail.journal.recent())
        told.append(await replay(mail.store, moves, mail.process.settings, 0, process=mail.process.name))

    mail.watch.remind = remind
    return told


def in_copy(copy: redis.Redis, identity: str) -> Record:
    """What an older copy has of it."""
    return Record.unpack(b"", copy.hget("sb:{0}:e", parse_id(identity)) or b"")


@in_loop
async def test_issue10_no_claim_is_carried_from_a_store_that_changed_meanwhile(
    store_server: Valkey, start_store: StartStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older copy answers the claim, which believes undelivered what a host took: it hears the journal first."""
    monkeypatch.setattr(claimer, "UNKNOWN_EVERY", 1000.0)
    host = Mx()
    older = start_store()
    with Proxy(store_server.socket_path) as proxy, store_server.client() as raw, older.client() as copy:
        async with Delivery(proxy.url, tmp_path) as mail:
            await mail.host("a.test", host)
            told = reminded(mail)
            mail.release_no_more()
            (first,) = await mail.send("x@a.test")
            await release_all(mail.store)
            copy_store(raw, copy)
            mail.engine.offer("?a.test")
            (shown,) = await mail.settled(first)
            assert shown.state == "delivered"
            await mail.flusher.drained()
            await mail.send("y@a.test")
            await release_all(mail.store)
            proxy.word, proxy.aimed, proxy.elsewhere = script("claim").sha, 1, older.socket_path
            mail.engine.hear(b"0|?a.test|0|")
            await mail.until_true(lambda: bool(told))
            assert in_copy(copy, first).state is State.DELIVERED
            assert len(host.bodies) == 1


@in_loop
async def test_issue10_nothing_goes_back_in_a_store_that_was_not_told_yet(
    store_server: Valkey, start_store: StartStore, tmp_path: Path
) -> None:
    """An older copy lists as claimed what was delivered since: another process would take it from its list."""
    host = Mx({"greeting": (Sleep(0.3), "220 mx.test")})
    older = start_store()
    with Proxy(store_server.socket_path) as proxy, store_server.client() as raw, older.client() as copy:
        async with Delivery(proxy.url, tmp_path) as mail:
            await mail.host("a.test", host)
            told = reminded(mail)
            (identity,) = await mail.send("x@a.test")
            await mail.until_true(lambda: host.connections > 0)
            copy_store(raw, copy)
            (shown,) = await mail.settled(identity)
            assert shown.state == "delivered"
            await mail.flusher.drained()
            mail.release_no_more()
            mail.process.is_ending = True  # it claims no more, which would tell the store as well
            proxy.upstream = older.socket_path
            proxy.cut_all()
            assert in_copy(copy, identity).state is State.ATTEMPTING

            async def is_told() -> bool:
                with suppress(StoreError):  # the connections that were cut
                    await look(mail)
                return bool(told)

            await mail.until(is_told, 2)
            assert in_copy(copy, identity).state is State.DELIVERED
            assert not in_copy(copy, identity).flags & Flag.OVERLAPPED
