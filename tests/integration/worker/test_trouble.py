"""Trouble to its own scope: greylisting without words, sick neighbours, unwelcome tenants. Issue 11, 44 to 46."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from delivery import BODY, Begin, Delivery, in_loop
from mx import Mx, Sleep

from softbounce import Shown
from softbounce.settings import LaneRule, Policy, Settings

SOON = timedelta(milliseconds=400)
RULE = LaneRule(close_first=timedelta(milliseconds=300), close_cap=timedelta(seconds=1), greylist=SOON)
TENANT, OTHER = "app@tenant.test", "app@other.test"


def settings(rule: LaneRule = RULE, *delays: timedelta) -> Settings:
    """Second tries after half a second, further ones later; seconds stand for what takes minutes."""
    waits = delays or (timedelta(milliseconds=500), timedelta(seconds=1))
    return Settings(policies={"default": Policy(name="default", delays=waits, jitter=0.0)}, lane=(rule,))


async def send_each(mail: Delivery, domain: str, count: int, *, word: str = "r", sender: str = TENANT) -> list[str]:
    """One message each to so many recipients of a domain."""
    receipts = await mail.client.send_many(
        {"sender": sender, "recipients": [f"{word}{number}@{domain}"], "message": BODY} for number in range(count)
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def delivered(mail: Delivery, ids: Sequence[str], seconds: float) -> list[Shown]:
    """The envelopes, once all of them are."""

    async def are() -> bool:
        return {one.state for one in await mail.show(*ids)} == {"delivered"}

    await mail.until(are, seconds)
    return await mail.show(*ids)


async def share_hosts(mail: Delivery, host: Mx, *domains: str) -> None:
    """These domains have the same MX."""
    await mail.host(domains[0], host)
    for domain in domains[1:]:
        mail.playground.zone[domain] = mail.playground.zone[domains[0]]


async def codes_go_at_once(mail: Delivery, domain: str, count: int, *, sender: str = OTHER, pause: float = 0.1) -> None:
    """One login code after another, each delivered soon, at its first attempt."""
    for number in range(count):
        (identity,) = await mail.send(f"code{number}@{domain}", sender=sender)
        (shown,) = await delivered(mail, [identity], 2.0)
        assert len(shown.attempts) == 1
        await mail.wait(pause)


PLAIN = ["451 4.7.1 Try again later", "451 Temporary failure, please try again later", "450 4.2.0 not now", "450 later"]


BLAMING = ["451 4.3.0 try later", "450 4.3.2 try later", "421 4.7.0 try later"]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(one, marks=pytest.mark.thorough if one in {*PLAIN[2:], *BLAMING[1:]} else ())
        for one in PLAIN + BLAMING
    ],
)
@in_loop
async def test_issue11_44_greylisting_of_any_words_delays_each_envelope_by_itself(begin: Begin, reply: str) -> None:
    """Each of 100 fresh triples is tried soon, its second try succeeds, and by words that blame nobody none waits."""
    host = Mx(greylists=(0.3, reply))
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, "a.test", 100)
        shown = await delivered(mail, ids, 30)
        if reply in PLAIN:
            assert {len(one.attempts) for one in shown} == {2}
            assert all(attempt.charged for one in shown for attempt in one.attempts)


@in_loop
async def test_issue11_44_further_tries_that_fail_too_close_their_domain(begin: Begin) -> None:
    """Five recipients that failed again, longer after the first try than greylisting waits; cured, all go soon."""
    host = Mx(by_recipient={"@a.test": PLAIN[0]})
    hour = timedelta(hours=1)
    async with begin(settings=settings(RULE, timedelta(milliseconds=500), hour)) as mail:
        await share_hosts(mail, host, "a.test", "well.test")
        ids = await send_each(mail, "a.test", 20)
        await mail.until_true(lambda: mail.closed_domains() == {"a.test"})
        fresh = await send_each(mail, "a.test", 20, word="fresh")
        await mail.wait(0.2)
        asked = host.count("RCPT")
        host.cure()
        shown = await delivered(mail, fresh, 5)
        assert {sum(attempt.charged for attempt in one.attempts) for one in shown} == {1}
        assert asked <= 60  # two tries each, and canaries
        late = [one for one in await mail.show(*ids) if one.state == "delivered"]
        assert late  # what waited for the domain goes with it; what was charged has its own clock


@in_loop
async def test_issue11_45_who_comes_while_the_canary_is_out_waits_for_it_only(begin: Begin) -> None:
    """However often it failed before: when it is taken, what came meanwhile goes within seconds."""
    host = Mx({"dot": (Sleep(0.6), "250 taken")}, by_recipient={"@a.test": "451 4.3.0 sick"})
    hour = timedelta(hours=1)
    rule = LaneRule(close_first=timedelta(milliseconds=100), close_cap=timedelta(milliseconds=200), greylist=SOON)
    async with begin(settings=settings(rule, timedelta(milliseconds=500), hour)) as mail:
        await share_hosts(mail, host, "a.test", "well.test")
        await send_each(mail, "a.test", 20)
        await mail.until_true(lambda: mail.closed_domains() == {"a.test"})
        waiting = await send_each(mail, "a.test", 40, word="waits")
        gate = mail.lane_of("a.test").trouble.machine.domains["a.test"].gate
        await mail.until_true(lambda: gate.failures > 8, 12)
        host.cure()
        await mail.until_true(lambda: gate.canary is not None)
        came = await send_each(mail, "a.test", 40, word="came")
        shown = await delivered(mail, [*came, *waiting[-5:]], 8)
        assert {sum(attempt.charged for attempt in one.attempts) for one in shown[:40]} == {1}


SICK = ["451 4.7.1 Try again later", "451 4.3.0 sick", "452 4.3.1 no space", "421 4.3.2 not now", "452 4.2.2 full"]


@pytest.mark.parametrize(
    "reply", [pytest.param(one, marks=pytest.mark.thorough if one in SICK[3:] else ()) for one in SICK]
)
@in_loop
async def test_issue11_45_a_sick_domain_delays_no_neighbour(begin: Begin, reply: str) -> None:
    """At a shared host all mail of one domain is deferred, before and behind; codes to another go at once."""
    host = Mx(by_recipient={"@sick.test": reply})
    async with begin(settings=settings()) as mail:
        await share_hosts(mail, host, "sick.test", "well.test")
        sick = await send_each(mail, "sick.test", 60)
        await codes_go_at_once(mail, "well.test", 20, sender=TENANT)
        assert not any(lane.is_closed for lane in mail.engine.lanes.values())
        assert "delivered" not in {one.state for one in await mail.show(*sick)}


@pytest.mark.parametrize("reply", ["451 4.7.1 Try again later", "421 4.3.2 not now"])
@in_loop
async def test_issue11_45_four_sick_domains_delay_no_neighbour(begin: Begin, reply: str) -> None:
    """As long as the site takes something, some sick domains do not close it."""
    sick = [f"sick{number}.test" for number in range(4)]
    host = Mx(by_recipient={f"@{domain}": reply for domain in sick})
    async with begin(settings=settings()) as mail:
        await share_hosts(mail, host, "well.test", *sick)
        for domain in sick:
            await send_each(mail, domain, 20)
        await codes_go_at_once(mail, "well.test", 25, sender=TENANT)


@in_loop
async def test_issue11_45_three_sick_domains_of_which_nothing_is_taken_close_the_site(begin: Begin) -> None:
    """And it opens by a canary, whichever domain that is of; what waits flows at once, uncharged meanwhile."""
    sick = [f"sick{number}.test" for number in range(3)]
    host = Mx(by_recipient={f"@{domain}": "421 4.3.2 not now" for domain in sick})
    async with begin(settings=settings(RULE, timedelta(hours=1))) as mail:
        await share_hosts(mail, host, *sick)
        ids = [identity for domain in sick for identity in await send_each(mail, domain, 30)]
        await mail.until_true(lambda: any(lane.trouble.is_probing for lane in mail.engine.lanes.values()), 15)
        charged = [one for one in await mail.show(*ids) if any(attempt.charged for attempt in one.attempts)]
        host.cure()
        (fresh,) = await mail.send("fresh@sick0.test")
        await delivered(mail, [fresh, *(one.id for one in await mail.show(*ids) if one not in charged)], 8)


REFUSALS = [
    "451 4.7.1 Try again later",
    "450 4.1.8 Sender domain not found",
    "451 4.3.0 lookup failure",
    "421 4.7.0 no",
]


@pytest.mark.parametrize("at", ["MAIL", "RCPT"])
@pytest.mark.parametrize("reply", REFUSALS)
@in_loop
async def test_issue11_46_an_unwelcome_tenant_delays_nobody_else(begin: Begin, reply: str, at: str) -> None:
    """One tenant's mail is always deferred, first of all and all the time; another's to that domain goes at once."""
    recipients = {f"r{number}@a.test": reply for number in range(40)}
    host = Mx(by_sender={"@tenant.test": reply}) if at == "MAIL" else Mx(by_recipient=recipients)
    async with begin(settings=settings()) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, "a.test", 40)
        await mail.tried(any_of=ids)
        await codes_go_at_once(mail, "a.test", 20)
        assert not any(lane.is_closed for lane in mail.engine.lanes.values())


@in_loop
async def test_issue11_46_a_tenant_refused_at_mail_is_charged(begin: Begin) -> None:
    """It waits on its own clock, and nothing closes as long as few of its messages were: its policy counts."""
    host = Mx(by_sender={"@tenant.test": "451 4.7.1 Try again later"})
    async with begin(settings=settings(RULE, timedelta(hours=1))) as mail:
        await mail.host("a.test", host)
        shown = await mail.settled(*await send_each(mail, "a.test", 4))
        assert {one.state for one in shown} == {"scheduled"}
        assert {tuple(attempt.charged for attempt in one.attempts) for one in shown} == {(True,)}
        assert not mail.closed_domains()
        assert not mail.closed_senders()


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize("reply", ["451 4.7.1 Try again later", "550 5.7.1 no"])
@in_loop
async def test_issue11_44_a_site_that_had_no_session_opens_by_any_reply(begin: Begin, reply: str, point: str) -> None:
    """Its canary is deferred or refused, be it fresh: the site talks, and others are delivered."""
    host = Mx(
        {"greeting": ["421 4.3.2 not now", "220 mx.test"], point: [reply, "354 go on" if point == "DATA" else "250 ok"]}
    )
    async with begin(settings=settings(LaneRule(connections=1, close_first=timedelta(milliseconds=200)))) as mail:
        await mail.host("a.test", host)
        await mail.send("first@a.test")
        await mail.until_true(lambda: host.connections == 2)
        await delivered(mail, await send_each(mail, "a.test", 5), 3)


@in_loop
async def test_issue11_45_what_a_domain_waits_for_survives_its_owner(begin: Begin) -> None:
    """The lane is handed back; whoever takes it next knows which domain is closed, and holds its mail back."""
    rule = LaneRule(close_first=timedelta(seconds=30), greylist=SOON)
    host = Mx(by_recipient={"@sick.test": "452 4.3.1 no space"})
    async with begin(settings=settings(rule)) as mail:
        await share_hosts(mail, host, "sick.test", "well.test")
        await send_each(mail, "sick.test", 6)
        await mail.until_true(lambda: mail.closed_domains() == {"sick.test"})
        await mail.until_true(lambda: not mail.engine.lanes, seconds=15)
        asked = host.count("RCPT")
        (identity,) = await mail.send("new@sick.test", sender=TENANT)
        await codes_go_at_once(mail, "well.test", 1)
        assert mail.closed_domains() == {"sick.test"}
        assert host.count("RCPT") == asked + 1
        (shown,) = await mail.show(identity)
        assert (shown.state, shown.attempts) == ("scheduled", ())
