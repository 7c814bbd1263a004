"""Jobs: a hint finds a process, also where each of them thinks that it has its share."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace

import dramatiq
from delivery import PATIENT, Begin, Delivery, in_loop
from mx import HANG, Mx
from servers import Valkey
from service import until
from softbounce_worker.job_broker import JobBroker
from softbounce_worker.jobs import JobTaker

from softbounce.envelope import Record
from softbounce.jobs import ACTOR, QUEUE, jobs_place, open_jobs
from softbounce.store import membership, releasing
from softbounce.store.membership import ProcessInfo
from softbounce.store.shards import Shards


async def release(mail: Delivery) -> list[str]:
    """Release what is due, and wake nobody: the lanes that have work now."""
    due = await mail.store.run(releasing.due(0))
    lists: dict[tuple[str, str], list[tuple[bytes, int]]] = {}
    for identity, header in due.headers:
        record = Record.unpack(identity, header)
        lists.setdefault((record.lane, record.stream), []).append((identity, record.version))
    await mail.store.run(releasing.release(0, lists))
    return [lane for lane, _ in lists]


@in_loop
async def test_F22_lanes_find_a_process_although_all_have_their_share(begin: Begin, store_server: Valkey) -> None:
    """Each knows of its own lanes and of those that wait. With slow hosts all may count as full: a hint goes round."""
    async with begin(timeouts=replace(PATIENT, greeting=60)) as mail:
        for number in range(3):
            await mail.host(f"slow{number}.test", Mx({"greeting": HANG}))
        info = ProcessInfo(pid=2, host="elsewhere", started_ms=0)  # it has lanes of its own, and takes none
        await mail.store.run(membership.enlist("another-process", info, shards=1, lease_ms=60_000))
        await mail.send(*(f"x@slow{number}.test" for number in range(3)))
        await mail.until_true(lambda: sum(len(lane.sessions) for lane in mail.engine.lanes.values()) == 3)
        mail.release_no_more()
        ids = [(await mail.send(f"x@d{number}.test"))[0] for number in range(3)]
        lanes = await release(mail)
        await mail.until_true(lambda: not mail.engine.place.is_set())
        store = Shards(store_server.url)
        jobs = JobTaker(await asyncio.to_thread(jobs_place, store), mail.engine)
        jobs.start()
        try:
            for lane in lanes:
                await asyncio.to_thread(jobs.send, lane)
            shown = await mail.settled(*ids, seconds=15)
        finally:
            await asyncio.to_thread(jobs.stop)
            store.close()
        assert [one.state for one in shown] == ["delivered"] * 3


def test_issue10_looking_for_jobs_writes_nothing_while_there_are_none(store_server: Valkey) -> None:
    """Each write is a sync of the disk: an idle service had a hundred a second. That we live is told all the same."""
    with closing(Shards(store_server.url)) as store:
        place = jobs_place(store)
    with closing(open_jobs(place)) as client:
        broker = JobBroker(client=client, namespace=place.namespace)
        delayed = dramatiq.common.dq_name(QUEUE)

        def told_at(broker: JobBroker) -> float:
            return float(client.zscore(f"{place.namespace}:__heartbeats__", broker.broker_id))

        assert (broker.do_fetch(QUEUE, 1), broker.do_fetch(delayed, 1)) == ([], [])
        before = told_at(broker)
        assert [broker.do_fetch(one, 1) for one in (QUEUE, delayed) for _ in range(100)] == [[]] * 200
        assert told_at(broker) == before
        broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=("a",), kwargs={}, options={}))
        (job,) = broker.do_fetch(QUEUE, 1)
        assert dramatiq.Message.decode(job).args == ("a",)
        often = JobBroker(client=client, namespace=place.namespace, alive_every=0.05)
        often.do_fetch(QUEUE, 1)
        before = told_at(often)
        until(lambda: often.do_fetch(QUEUE, 1) == [] and told_at(often) > before, 10, "it tells that it lives")
