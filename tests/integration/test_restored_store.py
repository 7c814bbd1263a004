"""A restored store, step by step: noticed by what was seen of it before, and held while nobody may claim from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from backups import HOUR_MS
from mailbag import PROCESS, TOKEN, Mailbag, open_bag
from servers import Valkey
from softbounce_config import Config, load
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.restored_store.guard import Guard
from softbounce_gateway.restored_store.hold_all import hold_all
from softbounce_worker.store_watch import StoreWatch

from softbounce import Client
from softbounce.envelope import NO_TOKEN, Flag, Record, State
from softbounce.errors import InvalidArgument, StoreUnavailable
from softbounce.store import claiming, membership, store_history
from softbounce.store.shards import AsyncShards
from softbounce.store.store_history import HistoryMark, HistoryMatch

SHARDS = 2


@pytest.fixture(params=["store_server", "cluster_server"], ids=["standalone", "cluster"])
def bag(request: pytest.FixtureRequest) -> Iterator[Mailbag]:
    """A store of two shards, whose books are audited afterwards."""
    server: Valkey = request.getfixturevalue(request.param)
    with server.client() as raw, open_bag(server.url, SHARDS, raw) as bag:
        yield bag
        bag.audit()


@pytest.fixture
def config(bag: Mailbag, tmp_path: Path) -> Config:
    """The configuration of an `up` on that store."""
    environ = {"URL": bag.store.url, "SHARDS": str(SHARDS), "DATA_DIR": str(tmp_path / "var")}
    (tmp_path / "var").mkdir()
    return load(None, environ={f"SOFTBOUNCE__STORE__{name}": value for name, value in environ.items()})


def on(bag: Mailbag, act: Callable[[AsyncShards], Awaitable[object]]) -> None:
    """Do something with the store."""

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        try:
            await act(store)
        finally:
            await store.close()

    asyncio.run(run())


def age_by_an_hour(config: Config) -> None:
    """As if the store had been seen an hour later."""
    path = config.data_dir / "witness"
    written = json.loads(path.read_text())
    written["seen_ms"] = [one + HOUR_MS for one in written["seen_ms"]]
    path.write_text(json.dumps(written))


def test_F30_an_older_copy_is_not_admitted(bag: Mailbag, config: Config) -> None:
    """Not by this start, not by the next, and not for the new mail in it; once it is accepted it is admitted."""
    bag.scheduled(0)
    bag.scheduled(1)
    on(bag, Guard(config).admit)
    on(bag, Guard(config).admit)
    age_by_an_hour(config)
    for _ in range(2):
        bag.scheduled(1)
        with pytest.raises(StartFailed, match=r"is an older copy: it knows of nothing after .*, and was seen") as error:
            on(bag, Guard(config).admit)
        assert error.value.exit_code == 3
    guard = Guard(config)
    guard.read()
    on(bag, guard.accept)
    on(bag, Guard(config).admit)


def test_F30_a_clock_that_was_set_back_does_not_hide_an_older_copy(bag: Mailbag) -> None:
    """What is noted grows on while the clock is behind it: a copy of some minutes ago is known as one."""
    bag.scheduled(0)
    (first, _) = bag.store.run(store_history.note("one", [0, 0]))
    ahead_ms = first.at_ms + 5 * 24 * HOUR_MS
    bag.raw.hset(bag.key("witness"), "at", ahead_ms)
    copy = [store_history.ShardHistory(*one) for one in bag.store.run(store_history.look(SHARDS))]
    seen = HistoryMark(SHARDS, copy[0].store, [one.at_ms for one in copy])
    for _ in range(store_history.SLACK_MS // 250 + 1):
        bag.scheduled(0)
        seen.take(bag.store.run(store_history.note("one", seen.seen_ms)))
    assert seen.judge(copy) is HistoryMatch.COPY


def test_F30_a_copy_that_takes_the_store_s_place_is_recognised(bag: Mailbag) -> None:
    """Whoever saw the store go further takes nothing from it, however often it looks."""
    bag.scheduled()
    seen = HistoryMark(SHARDS)

    async def meet(store: AsyncShards) -> None:
        assert seen.take(await store.run(store_history.note("one", seen.seen_ms))) is HistoryMatch.SAME
        memory = await StoreWatch.of(store, SHARDS)
        await memory.recognise()
        bag.raw.hincrby(bag.key("witness"), "at", HOUR_MS)
        assert await memory.look()
        bag.raw.hincrby(bag.key("witness"), "at", -HOUR_MS)
        for _ in range(2):
            assert not await memory.look()
            with pytest.raises(StoreUnavailable, match="older copy"):
                await memory.recognise()

    on(bag, meet)


def test_F30_all_is_held_and_nobody_is_let_in(bag: Mailbag, config: Config) -> None:
    """What was scheduled, ready or claimed is held; the process that had it may claim, mark and renew no more."""
    (ready,) = bag.ready(1)
    (claimed, marked) = bag.claimed(0, recipients=2)
    assert bag.store.run(claiming.mark(PROCESS, [(marked.id, TOKEN)])) == [1]
    (scheduled,) = bag.scheduled(0)
    bag.raw.zrem(bag.key("exp"), scheduled.id)  # not seen by the first run, as if that was killed before
    on(bag, lambda store: hold(store, config))
    bag.raw.zadd(bag.key("exp"), {scheduled.id: scheduled.expires_ms})
    versions = [one.version for one in bag.records([ready.id, claimed.id, marked.id])]
    first = bag.records([ready.id, claimed.id, marked.id])
    for record in first:
        assert (record.state, record.token, record.envelope.held_why) == (State.HELD, NO_TOKEN, "may_duplicate")
    assert [bool(record.flags & Flag.UNCERTAIN) for record in first] == [False, False, True]
    assert [record.charged for record in first] == [0, 0, 1]
    assert bag.store.run(membership.leases()).ends == {}
    assert not bag.store.run(membership.renew(PROCESS, 60_000))
    assert bag.store.run(claiming.mark(PROCESS, [(claimed.id, TOKEN)])) == [0]
    on(bag, lambda store: hold(store, config))
    assert [one.version for one in bag.records([ready.id, claimed.id, marked.id])] == versions, "no second change"
    assert bag.record(scheduled.id).state is State.HELD
    assert bag.enlist("another") > 0, "it is over"


async def hold(store: AsyncShards, config: Config) -> None:
    """Hold all; meanwhile no process is let in."""
    guard = Guard(config)
    guard.read()
    await hold_all(store, config, guard, as_json=True)


def test_F30_the_report_can_be_had_again(bag: Mailbag, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Held already, all is reported as it was, with the age that the backup had; not that of the holding."""
    bag.scheduled(0)
    bag.scheduled(1)
    for _ in range(2):
        on(bag, lambda store: hold(store, config))
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    for changing in ("at", "age_seconds"):
        assert first.pop(changing) < second.pop(changing)
    assert first == second


def test_F30_no_process_is_let_in_while_mail_is_being_held(bag: Mailbag, config: Config) -> None:
    """From the beginning to the end of it, in every shard; and no other up begins beside it."""
    bag.store.run(store_history.begin_holding("one", SHARDS, 1))
    with pytest.raises(StoreUnavailable, match="no worker is let in"):
        bag.enlist("another")
    assert not any(bag.raw.sismember(bag.key("live", shard), "another") for shard in range(SHARDS))
    with pytest.raises(StartFailed, match="begun and not ended"):
        on(bag, Guard(config).admit)
    bag.store.run(store_history.accept("one", [0] * SHARDS))
    assert bag.enlist("another") > 0


def test_F30_mail_accepted_meanwhile_is_left_alone(bag: Mailbag, config: Config) -> None:
    """It is not of the backup: the apps that send it know nothing of the restore."""
    (old,) = bag.scheduled()
    bag.store.run(store_history.begin_holding("one", SHARDS, 1))
    new = later_than(bag, old)
    on(bag, lambda store: hold(store, config))
    assert bag.record(old.id).state is State.HELD
    assert bag.record(new.id).state is State.SCHEDULED


def later_than(bag: Mailbag, old: Record) -> Record:
    """One that was accepted in a later millisecond than the holding began."""
    while True:
        (new,) = bag.scheduled()
        if new.created_ms > max(old.created_ms, int(bag.raw.hget(bag.key("witness"), "holding"))):
            return new
        bag.put(new, State.HELD)


def test_held_envelopes_are_chosen_by_why(bag: Mailbag, config: Config) -> None:
    """queue, page and the acts take held_for, and count by it; what is held for something else stays."""
    bag.scheduled(0)
    bag.scheduled(1)
    on(bag, lambda store: hold(store, config))
    with Client(bag.store.url) as mail:
        other = mail.send(sender="a@b.test", recipients=["c@d.test"], message=b"Subject: x\r\n\r\nx\r\n")
        assert mail.hold(*other.envelopes.values()) == "held"
        assert mail.queue(state="held").held_for == {"may_duplicate": 2, "operator": 1}
        assert mail.queue().held_for == {}
        assert mail.queue(held_for="may_duplicate").total == 2
        assert [one.held_for for one in mail.page(held_for="operator").envelopes] == ["operator"]
        assert mail.act_on_matching("release", held_for="restored") == {}
        assert mail.act_on_matching("cancel", held_for="may_duplicate") == {"cancelled": 2}
        assert mail.queue(state="held").held_for == {"operator": 1}
        with pytest.raises(InvalidArgument, match="operator, quarantined, uncertain, may_duplicate, restored"):
            mail.queue(held_for="fun")
