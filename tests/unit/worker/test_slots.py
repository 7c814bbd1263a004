"""Places for sessions: in the process, with an organisation, at an address. Who waits comes, in order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest
from softbounce_worker.session import learned_limit, slots
from softbounce_worker.session.slots import TURN, Organisation, Slots

ADDRESS = "192.0.2.1"


class LaneDouble:
    """A lane that wants sessions, and takes one when it is called."""

    def __init__(self, all_of: Slots, organisation: str = "", wants: int = 1) -> None:
        self.lane = self
        self.slots = all_of
        self.organisation: Organisation = all_of.join(organisation or str(id(self)))
        self.wants = wants
        self.has = 0
        self.called = 0

    def come(self) -> None:
        """Take what there is."""
        self.called += 1
        while self.has < self.wants and self.slots.take(self, self.organisation, 1000):
            self.has += 1

    def end_one(self) -> None:
        """A session of this lane ended."""
        self.has -= 1
        self.slots.give_back(self.organisation)


class SessionDouble:
    """A session that ends as soon as it is asked to."""

    def __init__(self, lane: LaneDouble, address: str = ADDRESS) -> None:
        self.lane = lane
        self.address = address
        self.turn_began = 0.0
        self.is_leaving = False

    def leave(self) -> None:
        """Idle no more, and end."""
        self.is_leaving = True
        self.lane.slots.works(self, self.lane.organisation)

    def idle(self) -> None:
        """Nothing to do."""
        self.lane.slots.idles(self, self.lane, self.lane.organisation)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test that needs a loop."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(bounded())


def test_lanes_that_wait_come_in_their_order() -> None:
    """A place that is free goes to the lane that has waited longest, and one that needs none is passed over."""
    all_of = Slots(2, 20)
    first, second, third, fourth = (LaneDouble(all_of) for _ in range(4))
    first.wants = 2
    for lane in (first, second, third, fourth):
        lane.come()
    assert (first.has, second.has, third.has) == (2, 0, 0)
    second.wants = 0
    first.end_one()
    assert (second.called, third.has, fourth.has) == (2, 1, 0)
    first.end_one()
    assert fourth.has == 1
    assert not all_of.has_room


def test_a_session_ends_at_the_same_cost_whatever_the_number_of_lanes() -> None:
    """Of ten thousand lanes that wait, one is called for each place that is free."""
    all_of = Slots(1, 20)
    lanes = [LaneDouble(all_of) for _ in range(10_000)]
    for lane in lanes:
        lane.come()
    for number in range(3):
        lanes[number].end_one()
        assert [lane.has for lane in lanes[: number + 3]] == [0] * (number + 1) + [1, 0]
    assert sum(lane.called for lane in lanes) == 10_003


def test_a_process_that_ends_opens_no_session() -> None:
    """Sessions that end on its way out call nobody."""
    all_of = Slots(1, 20)
    has, waits = LaneDouble(all_of), LaneDouble(all_of)
    has.come()
    waits.come()
    all_of.close()
    has.end_one()
    assert waits.has == 0
    assert not all_of.has_room


def test_the_session_that_idled_longest_makes_way() -> None:
    """Each lane that finds no place has one that idles leave, and no more than that."""
    all_of = Slots(3, 20)
    has, wants = LaneDouble(all_of, wants=3), LaneDouble(all_of)
    has.organisation.is_adaptive = False
    has.come()
    sessions = [SessionDouble(has) for _ in range(3)]
    for session in sessions:
        session.idle()
    wants.come()
    wants.come()
    assert [session.is_leaving for session in sessions] == [True, False, False]
    sessions[1].idle()
    assert sessions[1].is_leaving, "the place is still missing"


def test_issue11_47_an_organisation_s_limit_binds_all_its_sites() -> None:
    """Two sessions are two, whatever the number of lanes that lead to the organisation."""

    async def test() -> None:
        all_of = Slots(100, 20)
        lanes = [LaneDouble(all_of, "provider.test") for _ in range(5)]
        for lane in lanes:
            taken = all_of.take(lane, lane.organisation, 2)
            lane.has += taken
        assert [lane.has for lane in lanes] == [1, 1, 0, 0, 0]
        lanes[0].end_one()
        assert [lane.has for lane in lanes] == [0, 1, 1, 0, 0]

    run(test)


def test_issue11_47_processes_share_what_an_organisation_allows() -> None:
    """Where its sites may be in several processes, each has its part; one site is in one process, and has all."""
    all_of = Slots(100, 20)
    all_of.processes = 2
    one = all_of.join("one.test")
    assert all_of.share(one, 4) == 4
    first, second = LaneDouble(all_of, "many.test"), LaneDouble(all_of, "many.test")
    assert first.organisation is second.organisation
    assert all_of.share(first.organisation, 4) == 2
    all_of.elsewhere = {"one.test"}
    assert all_of.share(one, 4) == 2
    assert all_of.share(all_of.join("two.test"), 4) == 4


def test_issue11_47_an_organisation_s_rate_binds_all_its_sites() -> None:
    """They send in turn, one after another, and none of them twice while others wait."""

    async def test() -> None:
        all_of = Slots(100, 20)
        sent: list[int] = []
        done = asyncio.Event()

        class Sender(LaneDouble):
            def come(self) -> None:
                if self.organisation.may_send(self):
                    self.organisation.sent(1, 100.0)
                    sent.append(numbers[self])
                    if self.wants:
                        self.wants -= 1
                        self.come()
                    if len(sent) == 15:
                        done.set()

        senders = [Sender(all_of, "rated.test", wants=2) for _ in range(5)]
        numbers = {sender: number for number, sender in enumerate(senders)}
        began = asyncio.get_running_loop().time()
        for sender in senders:
            sender.come()
        await done.wait()
        assert asyncio.get_running_loop().time() - began >= 0.14 - 0.01
        assert sent == [0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 1, 2, 3, 4]

    run(test)


def test_issue11_48_an_address_s_places_are_given_in_order() -> None:
    """Who waits at an address has the place before anybody who comes later; who gives up leaves none behind."""

    async def test() -> None:
        all_of = Slots(100, 20)
        await all_of.enter(ADDRESS, 1, "first")
        waiting = [asyncio.create_task(all_of.enter(ADDRESS, 1, lane)) for lane in ("second", "third", "fourth")]
        await asyncio.sleep(0)
        assert all_of.is_full(ADDRESS, 1)
        all_of.leave(ADDRESS, stood=False)
        waiting[0].cancel()  # it has the place already
        await asyncio.wait([waiting[0]])
        await waiting[1]
        waiting[2].cancel()
        await asyncio.wait([waiting[2]])
        assert all_of.is_full(ADDRESS, 1)
        all_of.leave(ADDRESS, stood=False)
        assert not all_of.is_full(ADDRESS, 1)

    run(test)


def test_who_waits_at_an_address_has_no_place_in_the_process() -> None:
    """Another lane may have it meanwhile; whoever comes, or gives up, has taken what its end gives back."""

    async def test() -> None:
        all_of = Slots(3, 20)
        first, second, third = (LaneDouble(all_of) for _ in range(3))
        second.wants = 2
        for lane in (first, second):
            lane.come()
        await all_of.enter(ADDRESS, 1, first)
        waiting = [asyncio.create_task(all_of.enter(ADDRESS, 1, second)) for _ in range(2)]
        await asyncio.sleep(0)
        third.wants = 2
        third.come()
        assert (third.has, all_of.has_room) == (2, False)
        all_of.leave(ADDRESS, stood=False)
        first.end_one()
        await waiting[0]
        assert not all_of.has_room
        waiting[1].cancel()
        await asyncio.wait([waiting[1]])
        second.end_one()
        assert not all_of.has_room
        third.end_one()
        assert all_of.has_room
        assert all_of.take(first, first.organisation, 1)

    run(test)


def test_issue11_48_sessions_that_idle_make_way_at_their_address() -> None:
    """Another lane's need there ends one that idles, at once; one that works ends when it had its turn."""

    async def test() -> None:
        all_of = Slots(100, 20)
        lane = LaneDouble(all_of)
        idle, elsewhere, busy = SessionDouble(lane), SessionDouble(lane, "192.0.2.2"), SessionDouble(lane)
        for session in (idle, elsewhere, busy):
            await all_of.enter(session.address, 2, lane)
            all_of.stands(session.address)
        elsewhere.idle()
        idle.idle()
        entering = asyncio.create_task(all_of.enter(ADDRESS, 2, "another"))
        await asyncio.sleep(0)
        assert (idle.is_leaving, elsewhere.is_leaving) == (True, False)
        assert all_of.is_wanted(busy, lane, lane.organisation)
        busy.turn_began = asyncio.get_running_loop().time() - 1.5 * TURN
        assert all_of.is_wanted(busy, lane, lane.organisation)
        assert not all_of.is_wanted(busy, lane, lane.organisation, turns=2)
        busy.turn_began = asyncio.get_running_loop().time()
        assert not all_of.is_wanted(busy, lane, lane.organisation)
        all_of.leave(ADDRESS, stood=True)
        await entering
        busy.turn_began = 0.0
        assert not all_of.is_wanted(busy, lane, lane.organisation)

    run(test)


def refused(all_of: Slots, since: float = math.inf) -> asyncio.Task[bool]:
    """One that was dialled then has left; whether that was the host's limit."""
    beside = all_of.stood_since(ADDRESS, since)
    all_of.leave(ADDRESS, stood=False)
    return asyncio.create_task(all_of.was_limit(ADDRESS, beside))


def test_issue11_48_what_a_host_refuses_beside_ours_is_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many as stand are its limit, for a while; where none stand, nothing was learned."""

    async def test() -> None:
        all_of = Slots(100, 20)
        await all_of.enter(ADDRESS, 20, "lane")
        assert not await refused(all_of)
        assert not all_of.is_full(ADDRESS, 20)
        await all_of.enter(ADDRESS, 20, "lane")
        all_of.stands(ADDRESS)
        await all_of.enter(ADDRESS, 20, "lane")
        assert await refused(all_of)
        assert all_of.is_full(ADDRESS, 20)
        all_of.leave(ADDRESS, stood=True)
        assert not all_of.is_full(ADDRESS, 20)
        await all_of.enter(ADDRESS, 20, "lane")
        assert all_of.is_full(ADDRESS, 20), "it is remembered when nobody is there"
        monkeypatch.setattr(learned_limit, "CLIMB", 0.001)
        await asyncio.sleep(0.01)
        assert not all_of.is_full(ADDRESS, 20), "it is tried with more by and by"

    run(test)


def test_issue11_48_a_refusal_is_judged_when_the_others_there_were_heard() -> None:
    """Three of five are refused at once: nobody else dials until the others stand, and so many are the limit."""

    async def test() -> None:
        all_of = Slots(100, 20)
        for _ in range(5):
            await all_of.enter(ADDRESS, 20, "lane")
        judging = [refused(all_of)]
        await asyncio.sleep(0)
        assert all_of.is_full(ADDRESS, 20)
        all_of.stands(ADDRESS)
        await asyncio.sleep(0)
        assert (judging[0].done(), all_of.is_full(ADDRESS, 20)) == (False, True)
        judging += [refused(all_of) for _ in range(2)]
        all_of.stands(ADDRESS)
        async with asyncio.timeout(0.5):
            assert await asyncio.gather(*judging) == [True] * 3
        assert all_of.is_full(ADDRESS, 20)
        all_of.leave(ADDRESS, stood=True)
        assert not all_of.is_full(ADDRESS, 20)

    run(test)


def test_issue11_48_who_stood_and_left_meanwhile_was_taken_too() -> None:
    """Two of four stand and are done before the last was heard: two are the limit, and not what is left of them."""

    async def test() -> None:
        all_of = Slots(100, 20)
        for _ in range(4):
            await all_of.enter(ADDRESS, 20, "lane")
        judging = [refused(all_of)]
        await asyncio.sleep(0)
        for _ in range(2):
            all_of.stands(ADDRESS)
        for _ in range(2):
            all_of.leave(ADDRESS, stood=True)
        judging.append(refused(all_of))
        async with asyncio.timeout(0.5):
            assert await asyncio.gather(*judging) == [True, True]
        for _ in range(2):
            assert not all_of.is_full(ADDRESS, 20)
            await all_of.enter(ADDRESS, 20, "lane")
        assert all_of.is_full(ADDRESS, 20)

    run(test)


def test_issue11_48_who_stood_while_it_was_dialled_stood_beside_it() -> None:
    """The only other session ended just before the refusal: it is the host's limit, and no trouble of the lane."""

    async def test() -> None:
        loop = asyncio.get_running_loop()
        all_of = Slots(100, 20)
        for _ in range(2):
            await all_of.enter(ADDRESS, 20, "lane")
        all_of.stands(ADDRESS)
        dialled = loop.time()
        all_of.leave(ADDRESS, stood=True)
        assert await refused(all_of, dialled)
        await all_of.enter(ADDRESS, 20, "lane")
        assert not await refused(all_of, loop.time() + 1)

    run(test)


def test_issue11_48_where_nobody_comes_to_stand_no_limit_is_learnt() -> None:
    """All are refused: that is the host's trouble, and is judged as soon as the last one was."""

    async def test() -> None:
        all_of = Slots(100, 20)
        for _ in range(3):
            await all_of.enter(ADDRESS, 20, "lane")
        judging = [refused(all_of) for _ in range(3)]
        async with asyncio.timeout(1):
            assert await asyncio.gather(*judging) == [False] * 3
        assert not all_of.is_full(ADDRESS, 20)
        assert not all_of._addresses

    run(test)


def test_addresses_that_nobody_is_at_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of them is bounded, and those in use stay."""

    async def test() -> None:
        monkeypatch.setattr(slots, "MOST_ADDRESSES", 10)
        all_of = Slots(100, 20)
        await all_of.enter(ADDRESS, 1, "lane")
        for number in range(50):
            await all_of.enter(f"198.51.100.{number}", 1, "lane")
            all_of.stands(f"198.51.100.{number}")
            await all_of.was_limit(f"198.51.100.{number}", 1)
            all_of.leave(f"198.51.100.{number}", stood=True)
        assert len(all_of._addresses) <= 10
        assert all_of.is_full(ADDRESS, 1)

    run(test)
