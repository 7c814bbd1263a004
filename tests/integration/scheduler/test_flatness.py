"""What the scheduler asks of the store does not grow with the number of lanes, streams and domains (issue 11, 1).

Counted is what the server carried out, in scripts too, by its own count of commands.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from mailbag import PROCESS, Mailbag
from softbounce_scheduler import retention
from softbounce_scheduler.jobs import JOBS_A_TAKER, lanes_a_job
from softbounce_scheduler.orphaned_lanes import MOST_LISTS, STEP, OrphanedLanes

from softbounce.envelope import State
from softbounce.jobs import MOST_LANES, QUEUE
from softbounce.settings import Settings
from softbounce.store import keys, releasing
from softbounce.store.call import Operation
from softbounce.store.lanes import take_lanes
from softbounce.store.moving import Move

if TYPE_CHECKING:
    from conftest import Bench, Parts

FEW, MANY = 10, 1000
NOT_OURS = frozenset(
    {"info", "config|resetstat", "ping", "hello", "auth", "client|setinfo", "select"}
    | {"zrangebyscore"}  # dramatiq's: one job in a thousand that is sent tidies up
)


def forget_counts(bag: Mailbag) -> None:
    """Begin to count."""
    bag.raw.config_resetstat()


def counts(bag: Mailbag) -> dict[str, int]:
    """How often each command was carried out since."""
    told = bag.raw.info("commandstats")
    found = {name.removeprefix("cmdstat_"): one["calls"] for name, one in told.items()}
    return {name: calls for name, calls in found.items() if name not in NOT_OURS}


def lists(bag: Mailbag, number: int, *, owned: bool = False, stream: str = "") -> None:
    """So many lanes whose lists are said to have work."""
    lanes = [f"lane{one}.test" for one in range(number)]
    bag.raw.sadd(bag.key("lanes"), *(keys.ready_name(lane, stream) for lane in lanes))
    if owned:
        bag.store.run(take_lanes(PROCESS, lanes))


def forget_lists(bag: Mailbag) -> None:
    """There are none."""
    bag.raw.delete(bag.key("lanes"), bag.key("hint"), bag.key("owner"))


def sent(bag: Mailbag) -> list[str]:
    """The lanes that jobs name, in all of them."""
    with redis.Redis.from_url(bag.store.url, db=1) as jobs:
        args = [json.loads(one)["args"] for one in jobs.hvals(f"dramatiq:{QUEUE}.msgs")]
    return [lane for first, _, *others in args for lane in (first, *(others[0] if others else ()))]


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "nobody's"])
def test_issue11_1_one_envelope_s_release_costs_the_same_among_many_lanes(bench: Bench, *, owned: bool) -> None:
    """Accepted, released, its lane's owner woken or a job sent: command for command as among few."""
    bag = bench.bag
    seen = []
    for number in (FEW, FEW, MANY):  # the first time the server has to be told the scripts
        lists(bag, number, owned=owned)
        forget_counts(bag)
        bag.scheduled(lane="lane3.test")
        bench.run(lambda parts: parts.releaser.step())
        seen.append(counts(bag))
        bag.raw.delete(bag.key("hint"))
        forget_lists(bag)
        bag.raw.sadd(bag.key("lanes"), keys.ready_name("lane3.test", ""))
    assert seen[1] == seen[2]
    assert seen[1]["spublish" if owned else "evalsha"] > 0


def test_issue11_1_a_claim_costs_the_same_among_many_lanes(bench: Bench) -> None:
    """Claimed from one list, and put back."""
    bag = bench.bag
    seen = []
    for number in (FEW, FEW, MANY):  # the first time the server has to be told the scripts
        lists(bag, number, owned=True)
        bag.ready(lane="lane3.test")
        forget_counts(bag)
        assert len(bag.claim(lane="lane3.test")) == 1
        seen.append(counts(bag))
        forget_lists(bag)
        bag.raw.delete(bag.key(f"claims:{PROCESS}"))
        bag.raw.flushdb()
        bag.begin()
        bag.enlist()
    assert seen[1] == seen[2]


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "nobody's"])
def test_issue11_1_a_sweep_looks_at_a_bounded_part_of_all_lists(bench: Bench, *, owned: bool) -> None:
    """One goes on where the last one stopped: each costs the same, and after a few of them all lists were seen once."""
    bag = bench.bag
    steps = MOST_LISTS // STEP
    number = 3 * MOST_LISTS
    lists(bag, number, owned=owned)
    bag.scheduled(lane="waits.test")  # a job that is there: none was lost

    async def sweeps(parts: Parts) -> list[dict[str, int]]:
        await parts.releaser.step()
        await parts.view.read_leases()
        walk = OrphanedLanes(parts.view, parts.releaser)
        seen = []
        for _ in range(2):
            forget_counts(bag)
            await walk.find(0, are_others=False)
            seen.append(counts(bag))
        while walk._cursors != [0]:
            await walk.find(0, are_others=False)
        return seen

    for seen in bench.run(sweeps):
        assert seen["sscan"] == steps
        assert seen.get("spublish", 0) == (steps if owned else 0)
        assert MOST_LISTS <= seen["hget"] / (1 if owned else 3) < 1.3 * MOST_LISTS
    assert len(set(sent(bag))) == len(sent(bag)) == (1 if owned else number + 1)


def test_issue11_1_where_processes_came_or_went_one_sweep_sees_to_all_lists(bench: Bench) -> None:
    """In steps: no call is about more than some hundred of them."""
    bag = bench.bag
    number = 2 * MOST_LISTS
    lists(bag, number)

    async def sweep(parts: Parts) -> dict[str, int]:
        await parts.view.read_leases()
        forget_counts(bag)
        await OrphanedLanes(parts.view, parts.releaser).find(0, are_others=True)
        return counts(bag)

    seen = bench.run(sweep)
    assert sorted(sent(bag)) == sorted(f"lane{one}.test" for one in range(number))
    assert seen["sscan"] >= number / STEP / 1.5


def test_issue11_1_lost_jobs_are_sent_again_by_one_sweep_whatever_their_number(bench: Bench) -> None:
    """Jobs were sent, nobody took their lanes, and there is none any more: all are sent at once, in few jobs."""
    bag = bench.bag
    number = MOST_LISTS + STEP
    lists(bag, number)

    async def lose(parts: Parts) -> None:
        await parts.view.read_leases()
        walk = OrphanedLanes(parts.view, parts.releaser)
        await walk.find(0, are_others=True)
        with redis.Redis.from_url(bag.store.url, db=1) as jobs:
            jobs.flushdb()
        await parts.view.read_leases()
        await walk.find(0, are_others=False)

    bench.run(lose)
    assert sorted(sent(bag)) == sorted(f"lane{one}.test" for one in range(number))


def test_issue11_1_jobs_that_are_all_done_begin_no_walk_over_all_lists(bench: Bench) -> None:
    """Every lane has an owner, so there is no job: that is no sign that any was lost."""
    bag = bench.bag
    lists(bag, 2 * MOST_LISTS, owned=True)

    async def sweep(parts: Parts) -> dict[str, int]:
        await parts.view.read_leases()
        forget_counts(bag)
        await OrphanedLanes(parts.view, parts.releaser).find(0, are_others=False)
        return counts(bag)

    assert bench.run(sweep)["sscan"] == MOST_LISTS // STEP


def test_issue11_1_the_slow_walk_reads_many_short_lists_in_one_call(bench: Bench) -> None:
    """A thousand lists with an envelope each are asked for in a few calls; the one that a list lacks is put back."""
    bag = bench.bag
    ids = [record.id for record in bag.scheduled(recipients=MANY)]
    headers = bag.store.run(releasing.due(0)).headers
    where = {(f"lane{number}.test", ""): [(identity, 0)] for number, (identity, _) in enumerate(headers)}
    bag.store.run(releasing.release(0, where))
    (gone,) = bag.list_of("lane7.test")
    bag.raw.delete(keys.ready(0, keys.ready_name("lane7.test", "")))
    asked: list[int] = []

    async def walk(parts: Parts) -> None:
        parts.scrub._pause = 0
        run = parts.view.store.run

        async def noted(operation: Operation[object]) -> object:
            asked.append(len(operation.calls))
            return await run(operation)

        parts.view.store.run = noted  # type: ignore[method-assign, assignment]
        await parts.scrub.step()
        while parts.scrub._cursor != "0":
            parts.scrub._pause = 0
            await parts.scrub.step()

    bench.run(walk)
    assert bag.list_of("lane7.test") == [gone]
    assert {bag.record(one).state.word for one in ids} == {"ready"}
    assert len(asked) < 20


def test_issue11_1_a_sweep_forgets_for_a_bounded_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too old by the million goes in many sweeps: a dead process's mail does not wait for it."""
    bag = bench.bag
    bench.settings = Settings(keep_finished=timedelta(milliseconds=1))
    for record in (records := bag.scheduled(recipients=MANY)):
        record.state = State.DELIVERED
    assert bag.move(*(Move(record=record, version=record.version) for record in records)) == [1] * MANY
    monkeypatch.setattr(retention, "LONGEST", 0.0)
    left = []

    async def forget(parts: Parts) -> None:
        await parts.releaser.step()
        while not left or left[-1]:
            await parts.sweeper.forgetter.forget()
            left.append(bag.raw.zcard(bag.key("done")))

    bench.run(forget)
    assert left == [500, 0]


@pytest.mark.parametrize(
    ("lanes", "takers", "together"),
    [(1, 1, 1), (JOBS_A_TAKER, 1, 1), (JOBS_A_TAKER + 1, 1, 2), (500, 2, 16), (500, 100, 1), (10_000, 2, MOST_LANES)],
)
def test_issue11_1_a_job_names_several_lanes_where_many_need_one(lanes: int, takers: int, together: int) -> None:
    """One each while every process has but a few in hand; never more than a job may name."""
    assert lanes_a_job(lanes, takers) == together
