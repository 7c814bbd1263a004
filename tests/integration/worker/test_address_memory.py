"""One envelope probes an address that is full or greylists; what else waits for it follows. Issue 13, build 3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from delivery import BODY, Begin, Delivery, in_loop
from mx import Mx

from softbounce.settings import LaneRule, Policy, Settings

SENDER, OTHER = "app@tenant.test", "app@other.test"
FULL = "452 4.2.2 mailbox full"
GREY = "450 4.7.1 Greylisted, please try again later"
WAIT = timedelta(seconds=1)


def settings(*delays: timedelta, window: timedelta = timedelta(days=5)) -> Settings:
    """Tries again after a second, and again, unless told otherwise."""
    policy = Policy(name="default", delays=delays or (WAIT,), jitter=0.0, window=window)
    codes = Policy(name="otp", delays=(timedelta(milliseconds=300),), jitter=0.0, window=timedelta(seconds=30))
    return Settings(
        policies={"default": policy, "otp": codes},
        lane=(LaneRule(greylist=timedelta(minutes=30)),),
    )


async def send_many(mail: Delivery, count: int, *, sender: str = SENDER) -> list[str]:
    """So many messages to one mailbox."""
    receipts = await mail.client.send_many(
        {"sender": sender, "recipients": ["one@a.test"], "message": BODY} for _ in range(count)
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def are_delivered(mail: Delivery, ids: Sequence[str], seconds: float) -> None:
    """Wait until all of them are."""

    async def are() -> bool:
        return {one.state for one in await mail.show(*ids)} == {"delivered"}

    await mail.until(are, seconds)


@in_loop
async def test_issue13_fifty_messages_to_a_full_mailbox_cost_the_attempts_of_one(begin: Begin) -> None:
    """One probes; the others wait uncharged, and follow within seconds of the probe that finds room."""
    host = Mx(by_recipient={"one@a.test": FULL})
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        ids = await send_many(mail, 49)
        await mail.until_true(lambda: host.count("RCPT") == 4, 12)
        shown = await mail.show(*ids)
        assert {one.state for one in shown} <= {"scheduled", "ready", "attempting"}
        assert sum(len(one.attempts) for one in shown) == 0
        text = await mail.client.explain(ids[-1])
        assert "address memory" in text.lower()
        assert first in text
        host.cure()
        await are_delivered(mail, [first], 4)
        await are_delivered(mail, ids, 3)
        assert host.count("RCPT") <= 4 + 1 + 50


@in_loop
async def test_issue13_greylisting_is_waited_out_by_one(begin: Begin) -> None:
    """It goes by sender and recipient: others of that sender follow the probe, another sender's has its own."""
    host = Mx(by_recipient={"one@a.test": GREY})
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        ids = await send_many(mail, 49)
        (other,) = await send_many(mail, 1, sender=OTHER)
        await mail.tried(other)
        assert host.count("RCPT") == 2
        await mail.until_true(lambda: host.count("RCPT") >= 4, 5)
        host.cure()
        await are_delivered(mail, [first, other, *ids], 8)
        shown = await mail.show(*ids)
        assert {len(one.attempts) for one in shown} == {1}


@in_loop
async def test_issue13_a_login_code_is_not_lost_behind_a_probe(begin: Begin) -> None:
    """Where its window would be over before the probe goes, it goes by itself."""
    host = Mx({"RCPT": [FULL, "250 ok"]})
    async with begin(settings=settings(timedelta(hours=4))) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        receipt = await mail.client.send(
            sender=SENDER, recipients=["one@a.test"], message=BODY, window=timedelta(minutes=15)
        )
        await are_delivered(mail, list(receipt.envelopes.values()), 2)
        assert host.count("RCPT") == 2


@in_loop
async def test_issue13_what_waits_follows_a_delivery_at_once(begin: Begin) -> None:
    """Somebody else got through, long before the probe was to go: whoever waits behind it comes now."""
    host = Mx({"RCPT": [FULL, "250 ok"]})
    async with begin(settings=settings(timedelta(hours=4))) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        ids = await send_many(mail, 20)

        async def all_wait() -> bool:
            return {one.state for one in await mail.show(*ids)} == {"scheduled"}

        await mail.until(all_wait)
        await mail.client.retry(first)
        await are_delivered(mail, [first, *ids], 4)


@in_loop
async def test_issue13_an_operator_s_retry_goes_through(begin: Begin) -> None:
    """And costs an attempt of that one."""
    host = Mx(by_recipient={"one@a.test": FULL})
    async with begin(settings=settings(timedelta(hours=4))) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        (second,) = await send_many(mail, 1)

        async def waits() -> bool:
            return "Address memory" in await mail.client.explain(second)

        await mail.until(waits)
        assert host.count("RCPT") == 1
        await mail.client.retry(second)
        (shown,) = await mail.tried(second)
        assert len(shown.attempts) == 1


@in_loop
async def test_issue13_a_probe_that_is_cancelled_is_none_any_more(begin: Begin) -> None:
    """The next one that comes probes, though the other would have been tried in hours only."""
    host = Mx({"RCPT": [FULL, "250 ok"]})
    async with begin(settings=settings(timedelta(hours=4))) as mail:
        await mail.host("a.test", host)
        (first,) = await send_many(mail, 1)
        await mail.tried(first)
        ids = await send_many(mail, 3)
        await mail.wait(0.5)
        await mail.client.cancel(first)
        await mail.wait(5.5)  # it is looked so often whether a probe is there still
        late = await send_many(mail, 1)
        await are_delivered(mail, [*ids, *late], 8)
