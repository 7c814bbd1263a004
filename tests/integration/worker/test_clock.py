"""By which time a worker ends mail, and when it does not: issue 10, E and 18."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import redis
from delivery import BODY, SENDER, Begin, Delivery, in_loop, lane_settings
from mx import Mx, Sleep
from servers import Valkey
from softbounce_worker.clock import StoreClock
from softbounce_worker.lane.trouble_memory import recall

from softbounce.settings import LaneRule
from softbounce.store.clock_watch import steady_seconds
from softbounce.store.keys import HOME, key
from softbounce.store.lanes import LaneState
from softbounce.store.shards import AsyncShards

DAY_MS = 86_400_000


@pytest.fixture(params=[True, False], ids=["believed", "doubted"])
def is_sure(request: pytest.FixtureRequest, store_server: Valkey) -> bool:
    """Whether the store's clock is about where another machine believed it last."""
    believed: bool = request.param
    with redis.Redis.from_url(store_server.url) as raw:
        seen_ms = int(time.time() * 1000) - (0 if believed else 5 * DAY_MS)
        raw.hset(key(HOME, "clock"), mapping={"seen": seen_ms, "by": "another"})
    return believed


async def send_brief(mail: Delivery, recipient: str) -> str:
    """A message whose window closes soon."""
    receipt = await mail.client.send(sender=SENDER, recipients=[recipient], message=BODY, window=timedelta(seconds=1))
    return receipt.envelopes[recipient]


@in_loop
async def test_issue10_an_attempt_that_fails_promotes_only_by_a_sure_clock(begin: Begin, is_sure: bool) -> None:
    """Its window closed meanwhile: the soft bounce is hard; while the clock is doubted it is tried again."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"RCPT": (Sleep(1.5), "450 4.2.1 later")}))
        (shown,) = await mail.settled(await send_brief(mail, "r1@a.test"))
        assert (shown.state, len(shown.attempts)) == ("bounced" if is_sure else "scheduled", 1)


@in_loop
async def test_issue10_a_worker_promotes_only_by_a_sure_clock(begin: Begin, is_sure: bool) -> None:
    """Its window closed while it waited for its turn: it ends untried; while the clock is doubted it goes out."""
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", Mx({"dot": (Sleep(1.5), "250 taken")}))
        first = await mail.send("r1@a.test")
        await mail.until_true(lambda: any(lane.outcomes.under_way for lane in mail.engine.lanes.values()))
        brief = await send_brief(mail, "r2@a.test")
        _, shown = await mail.settled(*first, brief)
        assert (shown.state, len(shown.attempts)) == (("bounced", 0) if is_sure else ("delivered", 1))


@in_loop
async def test_issue10_18_a_lane_is_closed_no_longer_than_its_rule_says(store_server: Valkey) -> None:
    """Its state may be of a clock that was set back since."""
    store = AsyncShards(store_server.url)
    clock = StoreClock(store, 1)
    await clock.begin()
    rule = LaneRule(close_cap=timedelta(minutes=5))
    for ahead_ms, seconds in ((5 * DAY_MS, 300), (60_000, 60), (-1000, 0)):
        now, now_ms = steady_seconds(), clock.now_ms(HOME)
        trouble = recall(LaneState(closed_until_ms=now_ms + ahead_ms), "a.test", rule, now, now_ms)
        assert trouble.site.wait(now) == pytest.approx(seconds, abs=5)
        assert trouble.is_closed(now) == (seconds > 0)
        assert trouble.is_probing
    await store.close()
