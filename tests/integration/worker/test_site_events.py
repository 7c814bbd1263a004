"""That a site closed, and that it takes mail again, stands in the event log: once each."""

from __future__ import annotations

from datetime import timedelta

from delivery import BODY, Begin, Delivery, in_loop
from mx import Mx

from softbounce.events import Event
from softbounce.settings import LaneRule, Policy, Settings

MOMENT = timedelta(milliseconds=50)
CHOSEN = Settings(
    policies={"default": Policy(name="default", delays=(timedelta(milliseconds=200),), jitter=0.0)},
    lane=(LaneRule(close_first=MOMENT, close_cap=MOMENT),),
    version=1,
)


async def told(mail: Delivery) -> list[Event]:
    """What the log says of sites."""
    return [event async for event in mail.client.events() if event.kind.startswith("site_")]


@in_loop
async def test_issue13_a_site_that_closes_and_opens_is_told_once_each(begin: Begin) -> None:
    """However often it is asked in between; with its reply, and when it is asked next."""
    async with begin(settings=CHOSEN) as mail:
        host = Mx({"greeting": "421 4.3.2 too busy"})
        await mail.host("a.test", host)
        await mail.client.send(sender="app@tenant.test", recipients=["r@a.test"], message=BODY)
        await mail.until_true(lambda: host.connections > 3)
        (closed,) = await told(mail)
        assert (closed.kind, closed.host, closed.id, closed.recipient) == ("site_closed", "a.test", "", "")
        assert (closed.code, closed.enhanced, closed.stage, closed.reason) == (421, "4.3.2", "greeting", "system")
        assert ("too busy" in closed.text, "too busy" in closed.why) == (True, True)
        assert closed.next_attempt_at is not None
        assert closed.next_attempt_at > closed.at
        host.say("greeting", None)

        async def is_open() -> bool:
            return len(await told(mail)) > 1

        await mail.until(is_open)
        assert [one.kind for one in await told(mail)] == ["site_closed", "site_opened"]
        assert {one.host for one in await told(mail)} == {"a.test"}
