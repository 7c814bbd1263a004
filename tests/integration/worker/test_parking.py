"""What refuses us for our IP, DNS or signature waits to be mended; what states a wait is asked again then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivery import Begin, in_loop
from mx import Mx
from structlog.testing import capture_logs

from softbounce.settings import Policy, Settings

BLOCKED = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.test"
NO_PTR = "550 5.7.25 The IP address sending this message does not have a PTR record"
UNSIGNED = "550 5.7.26 This mail is unauthenticated: DKIM did not pass"
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("stage", "reply"), [("RCPT", BLOCKED), ("MAIL", NO_PTR), ("dot", UNSIGNED)])
@in_loop
async def test_issue13_a_final_refusal_for_a_fault_of_ours_parks_and_is_said_once(
    begin: Begin, stage: str, reply: str
) -> None:
    """It waits for hours, nobody is suppressed, and the log says once what is to be mended."""
    with capture_logs() as logs:
        async with begin(settings=Settings()) as mail:
            await mail.host("a.test", Mx({stage: reply}))
            ids = [*await mail.send("r@a.test"), *await mail.send("s@a.test")]
            for shown in await mail.settled(*ids):
                (attempt,) = shown.attempts
                assert (shown.state, attempt.verdict, attempt.charged, shown.bounce) == (
                    "scheduled",
                    "soft",
                    True,
                    None,
                )
                assert attempt.next_attempt_at is not None
                assert HOUR <= attempt.next_attempt_at - attempt.ended_at <= 1.3 * HOUR
    (said,) = [one for one in logs if one["event"] == "sender_refused"]
    assert said["mend"]


@in_loop
async def test_issue13_a_policy_may_bounce_what_refuses_us(begin: Begin) -> None:
    """A login code has no hours to wait."""
    policy = Policy(name="default", sender_fault="bounce")
    async with begin(settings=Settings(policies={"default": policy})) as mail:
        await mail.host("a.test", Mx({"RCPT": BLOCKED}))
        (shown,) = await mail.settled(*await mail.send("r@a.test"))
        assert shown.state == "bounced"
        assert shown.bounce is not None
        assert (shown.bounce.cause, shown.bounce.suppress, shown.bounce.reason) == ("rejected", False, "ip_reputation")


@in_loop
async def test_issue13_a_stated_wait_is_kept(begin: Begin) -> None:
    """The next attempt is when the host asks for it, and a twentieth later."""
    async with begin(settings=Settings()) as mail:
        await mail.host("a.test", Mx({"RCPT": "450 4.7.1 Greylisted, please come back in 00:02:00"}))
        (shown,) = await mail.settled(*await mail.send("r@a.test"))
        (attempt,) = shown.attempts
        assert attempt.next_attempt_at is not None
        assert attempt.next_attempt_at - attempt.ended_at == timedelta(seconds=126)
