"""Mail that an operator sent by a route: it goes that way, also out of a lane that is closed, and back."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from delivery import Begin, Delivery, in_loop
from mx import Mx
from ports import free_ports
from softbounce_playground import Zone

from softbounce.road import BY_HAND_ONLY, Road, RouteRule
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store.published import publish_settings

HERE = "127.88.5.1"
DOWN = "127.88.5.9"
SOON = Policy(name="default", delays=(timedelta(milliseconds=150),), jitter=0.0)


def settings(*routes: RouteRule) -> Settings:
    """With these routes; what is closed is asked again soon."""
    quick = LaneRule(close_first=timedelta(milliseconds=300), close_factor=1.0)
    return Settings(version=1, policies={"default": SOON}, route=routes, lane=(quick,))


async def publish(mail: Delivery, rules: Settings) -> None:
    """The client decides by what is published."""
    assert await mail.store.run(publish_settings(rules, over=0))


@in_loop
async def test_issue15_2_a_closed_lane_keeps_nothing_that_was_redirected(begin: Begin) -> None:
    """Its site is down: what waits for it goes by the smarthost at once; what comes later waits as ever."""
    relay, port = Mx(), free_ports(1)[0]
    slow = LaneRule(close_first=timedelta(hours=1))
    rules = settings(
        RouteRule(name="backup", road=Road(host=HERE, port=port), by_hand=True, after_attempts=BY_HAND_ONLY)
    )
    rules = msgspec.structs.replace(rules, lane=(slow,))
    async with begin(settings=rules) as mail:
        await publish(mail, rules)
        await mail.listen(relay, HERE, port)
        mail.playground.zone["a.test"] = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": DOWN})
        ids = await mail.send(*(f"r{number}@a.test" for number in range(5)))
        await mail.tried(*ids, any_of=ids)
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))
        assert await mail.client.act_on_matching("redirect", route="backup", domain="a.test") == {"changed": 5}
        assert {one.state for one in await mail.settled(*ids)} == {"delivered"}
        (later,) = await mail.send("late@a.test")
        await mail.wait(0.3)
        assert ((await mail.client.show(later)).state, len(relay.bodies) >= 1) == ("ready", True)


@in_loop
async def test_issue15_2_a_closed_smarthost_gives_up_what_was_sent_to_the_mx_hosts(begin: Begin) -> None:
    """Of a domain that nobody looked up, as all mail goes by the smarthost: with its next canary, all of it."""
    port, mx, shut = free_ports(1)[0], Mx(), Mx({"greeting": "421 4.3.2 not now"})
    rules = settings(
        RouteRule(name="direct", by_hand=True, after_attempts=BY_HAND_ONLY),
        RouteRule(road=Road(host=HERE, port=port)),
    )
    rules = msgspec.structs.replace(rules, lane=(LaneRule(close_first=timedelta(seconds=2), close_factor=1.0),))
    relay = Road(host=HERE, port=port).lane_of("")

    async def by_header(lane: str) -> str:
        """As the scheduler does: a route that needs no more than the domain tells where its mail waits."""
        return relay if lane.startswith("?") else lane

    async with begin(settings=rules) as mail:
        mail._lane_by_site = by_header  # type: ignore[method-assign]
        await publish(mail, rules)
        await mail.host("a.test", mx)
        await mail.listen(shut, HERE, port)
        ids = await mail.send(*(f"r{number}@a.test" for number in range(300)))
        await mail.tried(*ids, any_of=ids)
        await mail.until_true(lambda: any(lane.is_closed for lane in mail.engine.lanes.values()))
        before = shut.connections
        answers = await mail.client.act_on_matching("redirect", route="direct", recipient="r*7@a.test")
        assert sum(answers.values()) == 30
        assert {one.state for one in await mail.settled(*ids[7::10])} == {"delivered"}
        assert shut.connections - before <= 2, "the first that is found has all the others looked for"
        assert "delivered" not in {one.state for one in await mail.show(*ids[::10])}
        assert len(mx.bodies) >= 1


@in_loop
async def test_issue15_2_one_that_is_tried_goes_the_other_way_the_next_time(begin: Begin) -> None:
    """Asked for while its host thinks: the answer is recorded, and the next attempt is at the smarthost."""
    relay, port = Mx(), free_ports(1)[0]
    rules = settings(
        RouteRule(name="backup", road=Road(host=HERE, port=port), by_hand=True, after_attempts=BY_HAND_ONLY)
    )
    async with begin(settings=rules) as mail:
        await publish(mail, rules)
        await mail.listen(relay, HERE, port)
        host = Mx({"dot": ["451 4.3.0 not now"]})
        await mail.host("a.test", host)
        (one,) = await mail.send("r@a.test")

        async def is_tried() -> bool:
            return (await mail.client.show(one)).state == "attempting"

        await mail.pause_flusher()
        await mail.until(is_tried)
        assert await mail.client.redirect(one, route="backup") == "changing"
        mail.resume_flusher()
        (shown,) = await mail.settled(one)
        await mail.until_true(lambda: len(relay.bodies) == 1)
        (shown,) = await mail.settled(one)
        assert [attempt.address for attempt in shown.attempts][-1] == HERE
        assert shown.set_route == "backup"
        told = [event.kind async for event in mail.client.events()]
        assert told == ["accepted", "changed", "deferred", "delivered"]
