"""Standing holds where mail leaves: what comes later meets them when it is claimed, before a name is looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from delivery import in_loop
from mx import Mx, Sleep

from softbounce.standing import NO_HOLDS, StandingHold, StandingHolds

if TYPE_CHECKING:
    from delivery import Begin, Delivery

HOLD = StandingHold(since_ms=1)


async def held(delivery: Delivery, *ids: str) -> None:
    """Wait until all of these are held by a standing hold."""

    async def are() -> bool:
        return all(one.held_for == "standing" for one in await delivery.show(*ids))

    await delivery.until(are)


@in_loop
async def test_issue15_2_a_domain_is_held_and_the_others_flow(begin: Begin) -> None:
    """No name of it is looked up; released it is held again while the hold stands, and goes when it ended."""
    async with begin() as delivery:
        await delivery.host("held.test", Mx())
        await delivery.host("other.test", Mx())
        delivery.engine.hold({}, StandingHolds({"domain:held.test": HOLD}))
        one, other = await delivery.send("ann@held.test", "ann@other.test")
        await held(delivery, one)
        (shown,) = await delivery.settled(other)
        assert shown.state == "delivered"
        assert not any("held" in name for name, _ in delivery.playground.queries)
        assert await delivery.client.release(one) == "released"  # the store knows of no hold here, the worker does
        await held(delivery, one)
        delivery.engine.hold({}, NO_HOLDS)
        assert await delivery.client.release(one) == "released"
        (shown,) = await delivery.settled(one)
        assert shown.state == "delivered"


@in_loop
async def test_issue15_2_a_site_is_held_when_it_is_known(begin: Begin) -> None:
    """The domain is resolved, the hosts get no call; what waits for a session when the hold begins is held with it."""
    slow = Mx({"dot": (Sleep(0.3), "250 2.0.0 taken")})
    async with begin() as delivery:
        await delivery.host("slow.test", slow)
        (first,) = await delivery.send("first@slow.test")
        (shown,) = await delivery.settled(first)
        site = shown.site
        assert site is not None
        delivery.engine.hold({}, StandingHolds({f"site:{site}": HOLD}))
        ids = await delivery.send(*(f"one{number}@slow.test" for number in range(5)))
        await held(delivery, *ids)
        assert len(slow.bodies) == 1
