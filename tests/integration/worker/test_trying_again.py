"""What is kept, tried again, given up, and told: the rows of RFC 5321 §4.5.4.1 and §6.1 by their own examples."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
from delivery import BODY, POLICY, Begin, Delivery, in_loop
from mx import Mx

from softbounce import Event, Shown
from softbounce.plan import plan
from softbounce.settings import LaneRule, Policy, Settings

SOON = msgspec.structs.replace(POLICY, delays=(timedelta(milliseconds=50),), max_attempts=5)
QUICK = Settings(
    policies={"default": SOON},
    lane=(LaneRule(site="*", close_first=timedelta(milliseconds=50), close_cap=timedelta(milliseconds=200)),),
)
MINUTE = timedelta(minutes=1)
ENDS = frozenset({"delivered", "bounced", "cancelled", "delivered_late"})


async def ended(mail: Delivery, identity: str) -> Shown:
    """An envelope, once it has."""

    async def has() -> bool:
        (shown,) = await mail.show(identity)
        return shown.state in ENDS

    await mail.until(has)
    return (await mail.show(identity))[0]


@in_loop
async def test_R01_what_cannot_be_sent_now_is_kept_and_sent_when_it_can(begin: Begin) -> None:
    """A host that nobody answers at, and that is there later, gets the message as it was, once."""
    host = Mx()
    async with begin(settings=QUICK) as mail:
        await mail.host("a.test", host)
        await host.close()
        (identity,) = await mail.send("r@a.test")
        (shown,) = await mail.tried(identity)
        assert (shown.state != "bounced", shown.attempts[-1].charged) == (True, False)
        later = Mx()
        await later.listen("127.88.0.1", mail.playground.smtp_port)
        mail._stack.push_async_callback(later.close)
        shown = await ended(mail, identity)
    assert (shown.state, len(later.bodies)) == ("delivered", 1)
    assert later.bodies[0].endswith(BODY.partition(b"\r\n\r\n")[2])


@in_loop
async def test_R06_what_was_refused_for_good_is_not_tried_again(begin: Begin) -> None:
    """One attempt, one RCPT, whatever time passes."""
    host = Mx({"RCPT": "550 5.1.1 nobody here"})
    async with begin(settings=QUICK) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        await mail.wait(0.3)
        (shown,) = await mail.show(shown.id)
    assert (shown.state, len(shown.attempts), host.count("RCPT")) == ("bounced", 1, 1)


@in_loop
async def test_R10_every_end_is_told_once(begin: Begin) -> None:
    """Delivered, bounced at once, bounced in the end, cancelled: one event says so of each, and no silence is left."""
    async with begin(settings=QUICK) as mail:
        await mail.host("good.test", Mx())
        await mail.host("bad.test", Mx({"RCPT": "550 5.1.1 nobody here"}))
        await mail.host("slow.test", Mx({"RCPT": "450 4.2.1 later"}))
        ids = [(await mail.send(f"r@{domain}"))[0] for domain in ("good.test", "bad.test", "slow.test")]
        ids += await _cancelled(mail)
        for identity in ids:
            await ended(mail, identity)
        events = await _events(mail)
    told = Counter((event.id, event.kind) for event in events if event.kind in ENDS)
    kinds = ["delivered", "bounced", "bounced", "cancelled"]
    assert told == Counter(dict.fromkeys(zip(ids, kinds, strict=True), 1))


async def _cancelled(mail: Delivery) -> list[str]:
    """An envelope that is called back before it is due."""
    due = datetime.now(UTC) + timedelta(days=1)
    receipt = await mail.client.send(sender="app@sender.test", recipients=["r@later.test"], message=BODY, at=due)
    (identity,) = receipt.envelopes.values()
    await mail.client.cancel(identity)
    return [identity]


async def _events(mail: Delivery) -> list[Event]:
    return [event async for event in mail.client.events()]


def test_R11_the_default_policy_comes_again_while_greylisting_lets_it_in() -> None:
    """An attempt is from 5 to 30 minutes after the first: greylisting opens after minutes, and forgets after hours."""
    later = [attempt.offset for attempt in plan(Policy(name="default")).attempts]
    assert any(5 * MINUTE < offset < 30 * MINUTE for offset in later)


@in_loop
async def test_R11_a_greylisted_letter_comes_again_alike(begin: Begin) -> None:
    """The same sender and recipient, from the same address: that is what the host remembers (RFC 6647 §2.1)."""
    host = Mx({"RCPT": ["450 4.7.1 greylisted", "250 2.1.5 ok"]})
    async with begin(settings=QUICK) as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("r@a.test")
        shown = await ended(mail, identity)
    assert (shown.state, len(shown.attempts)) == ("delivered", 2)
    assert len({attempt.address for attempt in shown.attempts}) == 1
    lines = [line for line in host.commands if line.startswith((b"MAIL", b"RCPT"))]
    assert lines[:2] == lines[2:]
