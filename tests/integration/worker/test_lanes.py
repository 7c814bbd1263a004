"""The lanes of a process: what is known of all of them without looking at each, and how they change their owner."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import replace
from weakref import ref

import pytest
from delivery import PATIENT, Begin, Delivery, in_loop, lane_settings
from mx import HANG, Mx, Sleep
from softbounce_worker.lane import ownership
from softbounce_worker.lane.lane import Lane

from softbounce.envelope import Record
from softbounce.settings import LaneRule
from softbounce.share import tenant_number
from softbounce.store import keys, releasing
from softbounce.store.call import Operation
from softbounce.store.lanes import TakenLane, lane_states, take_lanes
from softbounce.store.membership import ProcessInfo, enlist
from softbounce.store.wake_ups import listen

MANY, FEW, SENT = 120, 4, 40


async def release_untold(mail: Delivery) -> set[str]:
    """Release what is due, and tell nobody; the lanes that have work now."""
    due = await mail.store.run(releasing.due(0))
    lists: dict[tuple[str, str], list[tuple[bytes, int]]] = {}
    for identity, header in due.headers:
        record = Record.unpack(identity, header)
        lists.setdefault((record.lane, record.stream), []).append((identity, record.version))
    await mail.store.run(releasing.release(0, lists))
    return {lane for lane, _ in lists}


def is_as_it_seems(mail: Delivery) -> bool:
    """Whether the registry knows what a walk over all lanes would find."""
    lanes = mail.engine.lanes
    busy = {name for name, lane in lanes.items() if lane.has_work}
    wanting = any(lane.wanted() > 0 for lane in lanes.values())
    return {name for name in lanes if lanes.is_busy(name)} == busy and lanes.want_more == wanting


@in_loop
async def test_issue11_what_is_known_of_all_lanes_is_what_a_walk_would_find(begin: Begin) -> None:
    """Delivered, greylisted, refused, without a host, closed: at rest nothing was missed that nobody told again."""
    async with begin() as mail:
        await mail.host("closed.test", Mx({"greeting": "421 not now"}))
        ids = [one for number in range(FEW) for one in await mail.send(f"x@d{number}.test", f"grey@g{number}.test")]
        ids += await mail.send("c450@other.test", "c550@other.test", "x@nxdomain.invalid")
        (waits,) = await mail.send("x@closed.test")
        await mail.settled(*ids)
        await mail.tried(waits)
        mail.release_no_more()
        await mail.until_true(lambda: is_as_it_seems(mail))
        assert mail.lane_of("closed.test").is_closed


@in_loop
async def test_issue11_what_a_message_costs_does_not_grow_with_the_lanes(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lanes this process has: it looks at those to which something happened."""
    monkeypatch.setattr(ownership, "WALKED", 0)
    monkeypatch.setattr(ownership, "LANE_GRACE", 60.0)
    monkeypatch.setattr(ownership, "PASSED_GRACE", 60.0)
    looked: list[str] = []
    wanted = Lane.wanted

    def counted(lane: Lane) -> int:
        looked.append(lane.name)
        return wanted(lane)

    monkeypatch.setattr(Lane, "wanted", counted)
    async with begin(timeouts=replace(PATIENT, idle=0.3)) as mail:
        numbers: list[int] = []
        for lanes in (FEW, MANY):
            ids = await mail.send(*(f"x@d{number}.test" for number in range(lanes)))
            await mail.settled(*ids, seconds=30)
            await mail.until_true(lambda: not any(lane.sessions for lane in mail.engine.lanes.values()))
            await mail.wait(1.1)  # each lane looks once more for hosts that are silent
            looked.clear()
            await mail.settled(*[one for n in range(SENT) for one in await mail.send(f"y{n}@d0.test")])
            numbers.append(len(looked))
            assert {name.partition("~")[0] for name in looked} <= {"d0.test", "?d0.test"}
        assert len(mail.engine.lanes) >= MANY
        assert numbers[1] < 2 * numbers[0]


@in_loop
async def test_issue11_lanes_of_many_new_domains_are_taken_many_a_call(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane for what is unresolved and one for its site, each: most are asked for while another call is under way."""
    calls: list[int] = []

    def counted(process: str, lanes: Sequence[str]) -> Operation[list[TakenLane | None]]:
        calls.append(len(lanes))
        return take_lanes(process, lanes)

    monkeypatch.setattr(ownership, "take_lanes", counted)
    async with begin() as mail:
        shown = await mail.settled(*await mail.send(*(f"x@d{number}.test" for number in range(MANY))), seconds=30)
        assert {one.state for one in shown} == {"delivered"}
        assert sum(calls) >= 2 * MANY
        assert len(calls) < MANY / 2


@in_loop
async def test_issue11_a_lost_wake_up_is_found_by_a_walk_of_bounded_steps(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lists a look: all are found, one step after the other."""
    monkeypatch.setattr(ownership, "AT_ONCE", 2)
    monkeypatch.setattr(ownership, "LOOK_AROUND", 0.05)
    async with begin() as mail:
        await mail.deliver(*(f"x@d{number}.test" for number in range(FEW)))
        mail.release_no_more()
        ids = [one for number in range(FEW) for one in await mail.send(f"y@d{number}.test")]
        await mail.wait(0.1)
        await release_untold(mail)
        shown = await mail.settled(*ids)
        assert {one.state for one in shown} == {"delivered"}


@in_loop
async def test_issue11_a_lane_that_is_ours_already_is_served_when_a_job_comes_for_it(begin: Begin) -> None:
    """A job does not say which of its lists has work: the store does, in the answer to taking the lane once more."""
    async with begin() as mail:
        await mail.deliver("x@a.test")
        mail.release_no_more()
        (identity,) = await mail.send("y@a.test")
        await mail.wait(0.1)
        for lane in await release_untold(mail):
            mail.engine.offer(lane)
        (shown,) = await mail.settled(identity, seconds=2)
        assert shown.state == "delivered"


@in_loop
async def test_issue11_50_a_lane_is_given_back_while_its_sessions_go_on(begin: Begin) -> None:
    """What no session has is in its list by then, and somebody is told; another process can take it at once."""
    host = Mx({"RCPT": HANG})
    rule, hanging = LaneRule(connections=4), 2  # half of them: what hangs leaves as many free
    async with begin(settings=lane_settings(rule), timeouts=replace(PATIENT, rcpt=60)) as mail:
        await mail.host("a.test", host)
        ids = [(await mail.send(f"x{number}@a.test"))[0] for number in range(6)]
        await mail.until_true(lambda: host.count("RCPT") == hanging)
        mail.release_no_more()
        lane = mail.lane_of("a.test")
        heard: list[bytes] = []
        await mail.store.run(enlist("other", ProcessInfo(pid=2, host="here", started_ms=0), shards=1, lease_ms=60_000))
        loop = asyncio.get_running_loop()
        listening = loop.create_task(listen(mail.store, [keys.to_process("other")], lambda _, text: heard.append(text)))
        await mail.wait(0.2)
        draining = loop.create_task(mail.engine.drain(2.0))
        await mail.until_true(lambda: f"+{lane.name}".encode() in b"\n".join(heard).split(b"\n"), seconds=1.5)
        listening.cancel()
        assert not draining.done()
        assert len(lane.sessions) == hanging
        assert sorted(one.state for one in await mail.show(*ids)) == ["attempting"] * 2 + ["ready"] * 4
        (taken,) = await mail.store.run(take_lanes("other", [lane.name]))
        assert taken is not None
        assert taken.lists == [(keys.HOME, "", tenant_number("sender.test"))]
        await draining
        assert not lane.sessions


@in_loop
async def test_issue11_50_what_an_old_session_learns_is_not_said_for_the_new_owner(begin: Begin) -> None:
    """A lane that is another's by now is neither closed nor opened by whom it was taken from."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"greeting": "421 not now"}))
        await mail.tried(*await mail.send("x@a.test"))
        lane = mail.lane_of("a.test")

        async def failures() -> int:
            return (await mail.store.run(lane_states([lane.name])))[0].failures

        async def is_saved() -> bool:
            return await failures() > 0

        await mail.until(is_saved)
        mail.release_no_more()
        mail.engine.lanes.remove(lane)
        lane.reopen()
        await mail.wait(0.2)
        assert await failures() > 0
        assert lane.is_closed


@in_loop
async def test_issue11_50_what_comes_to_a_lane_that_ended_goes_back(begin: Begin) -> None:
    """Its domain was looked up while the lane was handed back: the mail is its next owner's, and nobody's for ever."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"greeting": HANG}))
        (identity,) = await mail.send("x@a.test")
        await mail.until_true(lambda: any(lane.backlog for lane in mail.engine.lanes.values()))
        mail.release_no_more()
        lane = mail.lane_of("a.test")
        works = lane.backlog.take_all()
        lane.end()
        lane.add(works)

        async def is_back() -> bool:
            return (await mail.show(identity))[0].state == "ready"

        await mail.until(is_back)
        assert not mail.engine.ledger.in_hand


@in_loop
async def test_issue11_who_has_its_share_takes_the_next_job_as_soon_as_a_lane_has_no_work(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a look around: a new domain's first letter would wait a tenth of a second for it."""
    monkeypatch.setattr(ownership, "LOOK_AROUND", 60.0)
    host = Mx({"RCPT": Sleep(0.3)})
    async with begin() as mail:
        await mail.host("slow.test", host)
        ids = await mail.send("x@slow.test")
        await mail.until_true(lambda: host.count("RCPT") == 1)
        mail.engine.place.clear()  # it has its share
        await mail.settled(*ids)
        await mail.until_true(mail.engine.place.is_set, seconds=2.0)


@in_loop
async def test_issue11_a_lane_that_went_is_gone_at_once(begin: Begin) -> None:
    """What only found out where mail belongs goes within moments, and leaves nothing for a collection to find."""
    async with begin() as mail:
        await mail.deliver("x@a.test")
        gone = ref(mail.engine.lanes["?a.test"])
        gc.disable()
        try:
            await mail.until_true(lambda: gone() is None, seconds=ownership.LANE_GRACE - 1)
        finally:
            gc.enable()
        assert len(mail.engine.lanes) == 1
