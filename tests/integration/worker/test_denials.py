"""A site that suddenly says of everybody that there is no such user is not believed for an hour."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivery import Begin, Delivery, in_loop
from mx import Mx
from softbounce_worker.lane.address_memory import AddressMemory
from softbounce_worker.lane.denial_guard import DenialGuard
from softbounce_worker.lane.lane_trouble import LaneTrouble
from structlog.testing import capture_logs

from softbounce import Shown
from softbounce.settings import Policy, ReplyRule, Settings
from softbounce.store.lanes import LaneState, lane_states

DEAD = "550 5.1.1 The email account that you tried to reach does not exist"


async def send_to(mail: Delivery, recipients: list[str]) -> list[Shown]:
    """A message to each, settled."""
    receipts = await mail.client.send_many(
        {"sender": "app@sender.test", "recipients": [one], "message": b"From: app@sender.test\r\n\r\nHello.\r\n"}
        for one in recipients
    )
    return await mail.settled(*(one for receipt in receipts for one in receipt.envelopes.values()), seconds=20)


def doubts_of_the_next_owner(mail: Delivery, domain: str, state: LaneState) -> set[str]:
    """Of which domains' unknown addresses whoever takes the lane over does not believe that they are gone."""
    lane, denials = mail.lane_of(domain), DenialGuard(mail.process.loop.time)
    LaneTrouble(lane, state, lane.rule, mail.process, lane._ledger, denials, AddressMemory())
    asked = {domain, "neighbour.test"}
    return {one for one in asked if denials.denied(lane.name, one, f"next@{one}")[0]}


def addresses(word: str, count: int) -> list[str]:
    """So many."""
    return [f"{word}{number}@a.test" for number in range(count)]


@pytest.mark.parametrize("point", ["RCPT", "dot"])
@in_loop
async def test_issue10_12_A25_addresses_that_took_mail_a_minute_ago_are_not_given_up(begin: Begin, point: str) -> None:
    """They wait an hour, nobody is suppressed, nobody else's address either; it is said loudly, and in words."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        assert {one.state for one in await send_to(mail, addresses("r", 60))} == {"delivered"}
        host.say(point, DEAD)
        with capture_logs() as logs:
            shown = await send_to(mail, addresses("r", 60))
        assert {one.state for one in shown} == {"scheduled"}
        assert {one["event"] for one in logs if one["log_level"] == "error"} == {"denials_not_believed"}
        attempt = shown[-1].attempts[0]
        assert (attempt.verdict, attempt.rule) == ("soft", "builtin:denial-not-believed")
        assert attempt.next_attempt_at - attempt.ended_at == timedelta(hours=1)
        assert "not believed for 1 h" in await mail.client.explain(shown[-1].id)
        strangers = await send_to(mail, addresses("new", 5))
        assert {one.state for one in strangers} == {"scheduled"}
        assert not mail.lane_of("a.test").is_closed
        (state,) = await mail.store.run(lane_states([mail.lane_of("a.test").name]))
        assert set(state.disbelieved) == {"a.test"}
        assert doubts_of_the_next_owner(mail, "a.test", state) == {"a.test"}
        host.say(point, None)
        assert {one.state for one in await send_to(mail, addresses("s", 60))} == {"delivered"}
        assert not mail.lane_of("a.test").state.disbelieved


@in_loop
async def test_issue10_12_a_fresh_list_with_many_typing_errors_bounces_at_once(begin: Begin) -> None:
    """No past, nobody known: forty of forty are hard bounces, with suppress."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"RCPT": DEAD}))
        shown = await send_to(mail, addresses("typo", 40))
        assert {(one.state, one.bounce is not None and one.bounce.suppress) for one in shown} == {("bounced", True)}


@in_loop
async def test_issue10_12_one_who_left_waits_an_hour_and_others_bounce_at_once(begin: Begin) -> None:
    """One address that took mail lately is no storm."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        await send_to(mail, addresses("r", 3))
        host.say("RCPT", DEAD)
        shown = await send_to(mail, ["r1@a.test", "stranger@a.test"])
        assert [one.state for one in shown] == ["scheduled", "bounced"]
        assert "took mail lately" in await mail.client.explain(shown[0].id)


@pytest.mark.parametrize("window", [timedelta(minutes=15), timedelta(days=5)])
@in_loop
async def test_issue10_12_a_rule_of_the_users_is_believed(begin: Begin, window: timedelta) -> None:
    """So is everything, where the rule is switched off."""
    rule = ReplyRule(name="gone", code="550", retry=False)
    policy = Policy(name="default", window=window)
    for settings in (
        Settings(policies={"default": policy}, reply=(rule,)),
        Settings(policies={"default": policy}, disabled_rules=("denial-*",)),
    ):
        host = Mx()
        async with begin(settings=settings) as mail:
            await mail.host(f"a{len(settings.reply)}.test", host)
            recipient = f"r@a{len(settings.reply)}.test"
            await mail.deliver(recipient)
            host.say("RCPT", DEAD)
            (shown,) = await mail.deliver(recipient)
            assert shown.state == "bounced"


@in_loop
async def test_issue10_12_denials_of_one_domain_are_no_reason_to_doubt_its_neighbours(begin: Begin) -> None:
    """It is gone at a shared provider: an unknown address of its neighbour, whose others are taken, is bounced."""
    host = Mx(by_recipient={"typo@well.test": DEAD})
    async with begin() as mail:
        await mail.host("gone.test", host)
        mail.playground.zone["well.test"] = mail.playground.zone["gone.test"]
        took = [f"r{number}@{domain}" for domain in ("well.test", "gone.test") for number in range(60)]
        await send_to(mail, took)
        host.refuse("@gone.test", DEAD)
        shown = await send_to(mail, took)
        assert {(one.recipient[-9:], one.state) for one in shown} == {
            ("well.test", "delivered"),
            ("gone.test", "scheduled"),
        }
        assert "of the last" in await mail.client.explain(shown[-1].id)
        (typo,) = await mail.deliver("typo@well.test")
        assert typo.state == "bounced"


@in_loop
async def test_issue10_12_A25_a_provider_of_many_small_domains_that_denies_all_is_not_believed(begin: Begin) -> None:
    """Two recipients each, and nobody is given up, nor is a stranger; who has the lane next knows it too."""
    host = Mx()
    async with begin() as mail:
        domains = [f"d{number}.test" for number in range(12)]
        await mail.host(domains[0], host)
        for domain in domains:
            mail.playground.zone[domain] = mail.playground.zone[domains[0]]
        took = [f"r{number}@{domain}" for domain in domains for number in range(2)]
        await send_to(mail, took)
        host.say("RCPT", DEAD)
        await send_to(mail, took)
        strangers = await send_to(mail, [f"new@{domain}" for domain in domains])
        assert {one.state for one in strangers} == {"scheduled"}
        assert "domains, far more than ever before" in await mail.client.explain(strangers[0].id)
        (state,) = await mail.store.run(lane_states([mail.lane_of(domains[0]).name]))
        assert state.disbelieved_until_ms > 0
        assert doubts_of_the_next_owner(mail, domains[0], state) == {domains[0], "neighbour.test"}
