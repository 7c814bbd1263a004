"""One tenant's trouble closes the site for its sender domain alone, and its mail waits in a line. Issue 13, build 5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from delivery import BODY, Begin, Delivery, in_loop
from mx import Mx, Sleep
from softbounce_worker.lane.sender_trouble import NEAR

from softbounce import Shown
from softbounce.ids import parse_id
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store import reading

HOUR = timedelta(hours=1)
MOST_CHANGES = 5
"""Of a record: released, claimed, put in line; claimed before it closed, it was released and claimed once more."""
RULE = LaneRule(close_first=timedelta(milliseconds=600), close_cap=timedelta(seconds=1), greylist=timedelta(minutes=30))
TENANT, OTHER = "app@tenant.test", "app@other.test"
DMARC = "451 4.7.26 Unauthenticated email is not accepted due to the DMARC policy of tenant.test"
PARKED = "550 5.7.26 Unauthenticated email is not accepted due to the DMARC policy of tenant.test"


def settings(rule: LaneRule = RULE, *delays: timedelta) -> Settings:
    """An envelope that was refused comes again by its own clock in an hour."""
    return Settings(policies={"default": Policy(name="default", delays=delays or (HOUR,), jitter=0.0)}, lane=(rule,))


async def send_each(mail: Delivery, count: int, *, word: str = "r", sender: str = TENANT) -> list[str]:
    """One message each to so many recipients."""
    receipts = await mail.client.send_many(
        {"sender": sender, "recipients": [f"{word}{number}@a.test"], "message": BODY} for number in range(count)
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def delivered(mail: Delivery, ids: Sequence[str], seconds: float = 8) -> list[Shown]:
    """The envelopes, once all of them are."""

    async def are() -> bool:
        return {one.state for one in await mail.show(*ids)} == {"delivered"}

    await mail.until(are, seconds)
    return await mail.show(*ids)


def uncharged(shown: Sequence[Shown]) -> list[Shown]:
    """Those that were charged with nothing."""
    return [one for one in shown if not any(attempt.charged for attempt in one.attempts)]


@pytest.mark.parametrize("at", ["MAIL", "RCPT"])
@in_loop
async def test_issue13_a_refused_tenant_waits_and_others_go_at_once(begin: Begin, at: str) -> None:
    """After a handful of refusals its mail waits uncharged; cured, all of that follows one canary within seconds."""
    by = {f"r{number}@a.test": DMARC for number in range(60)}
    host = Mx(by_sender={"@tenant.test": DMARC}) if at == "MAIL" else Mx(by_recipient=by)
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, 60)
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})
        for number in range(5):
            (code,) = await mail.send(f"code{number}@a.test", sender=OTHER)
            (shown,) = await delivered(mail, [code], 1)
            assert len(shown.attempts) == 1
        waiting = uncharged(await mail.show(*ids))
        assert len(waiting) >= 40
        text = await mail.client.explain(waiting[-1].id)
        assert "tenant.test" in text
        assert "closed" in text
        host.cure()
        shown_all = await delivered(mail, [one.id for one in waiting])
        assert {sum(attempt.charged for attempt in one.attempts) for one in shown_all} == {1}
        assert not mail.closed_senders()


@in_loop
async def test_issue13_a_closed_sender_s_mail_is_claimed_once_and_not_each_time(begin: Begin) -> None:
    """However often its canary fails: those in line are claimed once, and one or a few go each time."""
    host = Mx(by_sender={"@tenant.test": DMARC})
    async with begin(
        settings=settings(LaneRule(close_first=timedelta(milliseconds=200), close_cap=RULE.close_first))
    ) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, 400)
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})

        def failures() -> int:
            return mail.lane_of("a.test").trouble.machine.senders.known["tenant.test"].gate.failures

        async def in_line() -> list[str]:
            """Those that come by themselves in hours only: new ones are planned for now, and near ones for soon."""
            soon = datetime.now(UTC) + HOUR / 2
            return [one.id for one in await mail.show(*ids) if one.next_attempt_at and one.next_attempt_at > soon]

        async def all_wait() -> bool:
            return len(await in_line()) >= len(ids) - 2 * NEAR  # those, and the one that is brought

        await mail.until(all_wait, 10)
        waiting, asked, failed = await in_line(), host.count("MAIL"), failures()
        before = await versions(mail, waiting)
        await mail.until_true(lambda: failures() >= failed + 4, 12)
        after, failed = await versions(mail, waiting), failures() - failed
        assert host.count("MAIL") - asked <= failed + 1
        changed = [one for one in waiting if after[one] != before[one]]
        assert len(changed) <= failed + 1  # the next canary each time, and none of the hundreds beside it
        assert sum(before.values()) <= MOST_CHANGES * len(waiting)
        host.cure()
        waiting = uncharged(await mail.show(*ids))
        await delivered(mail, [one.id for one in waiting])


async def versions(mail: Delivery, ids: Sequence[str]) -> dict[str, int]:
    """How often each record was changed."""
    found = await mail.store.run(reading.fetch([parse_id(one) for one in ids]))
    return {one: record.version for one, record in zip(ids, found, strict=True) if record is not None}


@in_loop
async def test_issue13_a_final_refusal_that_is_waited_out_closes_for_its_delays(begin: Begin) -> None:
    """A 5xx that blames the sender's signature parks its mail for more than an hour, and bounces none of it."""
    host = Mx(by_sender={"@tenant.test": PARKED})
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, 30)
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})
        gate = mail.lane_of("a.test").trouble.machine.senders.known["tenant.test"].gate
        assert 70 * 60 <= gate.length <= 84 * 60
        assert await mail.tried(any_of=ids)
        (code,) = await mail.send("code@a.test", sender=OTHER)
        await delivered(mail, [code], 1)
        assert "bounced" not in {one.state for one in await mail.show(*ids)}


@in_loop
async def test_issue13_a_tenant_s_signature_keeps_no_sessions_from_another(begin: Begin) -> None:
    """Its mail is refused for good and waits; meanwhile as many sessions are opened for another's as are of use."""
    host = Mx({"RCPT": (Sleep(0.25), "250 ok")}, by_sender={"@tenant.test": PARKED})
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        await mail.tried(*await send_each(mail, 1))
        ids = await send_each(mail, 24, word="o", sender=OTHER)
        await delivered(mail, ids, 4)
        assert host.connections > 2


@in_loop
async def test_issue13_what_a_sender_waits_for_survives_its_owner(begin: Begin) -> None:
    """The lane is handed back while a sender is closed; its next owner knows, and brings the line when it opens."""
    host = Mx(by_sender={"@tenant.test": DMARC})
    rule = LaneRule(close_first=timedelta(seconds=12), close_cap=timedelta(seconds=12))
    async with begin(settings=settings(rule)) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, 40)
        await mail.until_true(lambda: mail.closed_senders() == {"tenant.test"})
        await mail.until_true(lambda: not mail.engine.lanes, seconds=15)
        asked = host.count("MAIL")
        host.cure()
        waiting = uncharged(await mail.show(*ids))
        assert len(waiting) >= 25
        shown = await delivered(mail, [one.id for one in waiting], 25)
        assert host.count("MAIL") == asked + len(shown)


@in_loop
async def test_issue13_our_own_address_is_no_sender_s_trouble(begin: Begin) -> None:
    """Two tenants refused for the reputation of our address: neither is closed, and each of their mail is charged."""
    listed = "450 4.7.1 Client host blocked, listed at zen.example"
    host = Mx(by_sender={"@tenant.test": listed, "@other.test": listed})
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        first = await send_each(mail, 2)
        await mail.tried(*first)
        second = await send_each(mail, 2, sender=OTHER)
        await mail.tried(*second)
        more = [*await send_each(mail, 20, word="m"), *await send_each(mail, 20, word="n", sender=OTHER)]
        shown = await mail.tried(*more)
        assert not mail.closed_senders()
        assert {tuple(attempt.charged for attempt in one.attempts) for one in shown} == {(True,)}


@in_loop
async def test_issue13_half_of_a_tenant_s_mail_refused_keeps_nothing_closed(begin: Begin) -> None:
    """As long as mail of it is taken, what is refused is each message's own; and all that is welcome goes."""
    by = {f"r{number}@a.test": DMARC for number in range(0, 120, 2)}
    async with begin(settings=settings()) as mail:
        host = Mx(by_recipient=by)
        await mail.host("a.test", host)
        await delivered(mail, await send_each(mail, 1, word="welcome"))
        ids = await send_each(mail, 120)
        await delivered(mail, ids[1::2])
        await mail.tried(*ids[::2])

        async def all_charged() -> bool:
            return all(any(attempt.charged for attempt in one.attempts) for one in await mail.show(*ids[::2]))

        await mail.until(all_charged)
        assert not mail.closed_senders()


@in_loop
async def test_issue13_a_tenant_that_is_refused_for_ever_keeps_no_site_closed(begin: Begin) -> None:
    """The site closed for two tenants, and takes one of them again: of the canaries, every other one is of that."""
    plain = "421 4.3.2 not now"
    sick = [f"sick{number}.test" for number in range(3)]
    host = Mx(by_recipient={f"@{domain}": plain for domain in sick})
    rule = LaneRule(close_first=timedelta(milliseconds=300), close_cap=timedelta(milliseconds=600))
    async with begin(settings=settings(rule)) as mail:
        await mail.host(sick[0], host)
        for domain in sick[1:]:
            mail.playground.zone[domain] = mail.playground.zone[sick[0]]
        for domain in sick:
            for sender in (TENANT, OTHER):
                await mail.client.send_many(
                    {"sender": sender, "recipients": [f"r{number}@{domain}"], "message": BODY} for number in range(15)
                )
        await mail.until_true(lambda: any(lane.trouble.is_probing for lane in mail.engine.lanes.values()), 15)
        host.cure()
        host.refuse_sender("tenant.test", plain)
        (code,) = await mail.send("code@sick0.test", sender=OTHER)
        await delivered(mail, [code], 6)
