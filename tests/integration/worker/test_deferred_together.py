"""What was deferred together waits together: it goes in as few transactions again as before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivery import BODY, Begin, in_loop
from mx import Mx

from softbounce.settings import LaneRule, Policy, Settings

WITH_JITTER = Settings(
    policies={"default": Policy(name="default", delays=(timedelta(seconds=2),), jitter=0.5)}, lane=(LaneRule(),)
)
LARGE = BODY + (b"x" * 98 + b"\r\n") * 700


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("recipients", [20, 90])
@in_loop
async def test_issue10_17_what_one_reply_deferred_goes_together_again(
    begin: Begin, point: str, recipients: int
) -> None:
    """A large message to many at one site: as many bodies the second time as the first."""
    host = Mx()
    async with begin(settings=WITH_JITTER, body_octets=10_000_000) as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        host.say(point, "450 4.2.1 not now")
        ids = await mail.send(*(f"r{number}@a.test" for number in range(recipients)), message=LARGE)
        shown = await mail.settled(*ids)
        first = host.count("MAIL") - 1
        assert first <= max(6, recipients // 5)  # a busy loop hands them over in more pieces
        if point != "RCPT":  # there each has a reply of its own, at a moment of its own
            assert len({one.next_attempt_at for one in shown}) <= first
        host.say(point, None)

        async def are_delivered() -> bool:
            return {one.state for one in await mail.show(*ids)} == {"delivered"}

        await mail.until(are_delivered, seconds=10)
        # At RCPT each waits from its own reply on: milliseconds apart, so that a few are released by themselves.
        assert host.count("MAIL") - 1 - first <= (first + 2 if point != "RCPT" else 15)
