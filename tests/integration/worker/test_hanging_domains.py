"""A domain whose transactions get no answer leaves sessions to others: of its site, its organisation, its address."""

from __future__ import annotations

from dataclasses import replace

import pytest
from delivery import BODY, PATIENT, SENDER, Begin, Delivery, in_loop, lane_settings
from mx import HANG, Mx

from softbounce.settings import LaneRule

LONG = replace(PATIENT, rcpt=300, end_of_data=600)
"""As by default."""
MOST = 20


def silent_about(*domains: str) -> Mx:
    """A host that looks the recipients of these up elsewhere, and waits for that."""
    return Mx(by_recipient={f"@{domain}": HANG for domain in domains})


async def send_sixty(mail: Delivery, domain: str) -> None:
    """Sixty letters to it."""
    await mail.client.send_many(
        {"sender": SENDER, "recipients": [f"r{number}@{domain}"], "message": BODY} for number in range(60)
    )


async def goes_soon(mail: Delivery, recipient: str) -> None:
    """A login code to this one is delivered within seconds."""
    (shown,) = await mail.settled(*await mail.send(recipient), seconds=5)
    assert shown.state == "delivered"


@in_loop
@pytest.mark.parametrize("connections", [3, MOST])
async def test_issue11_45_a_domain_without_answers_delays_no_neighbour(begin: Begin, connections: int) -> None:
    """Its site carried others before: it closes at half of the sessions, for seconds, then longer."""
    host = silent_about("sick.test")
    async with begin(timeouts=LONG, settings=lane_settings(LaneRule(connections=connections))) as mail:
        await mail.host("sick.test", host)
        mail.playground.zone["well.test"] = mail.playground.zone["sick.test"]
        await mail.deliver("known@well.test")
        await send_sixty(mail, "sick.test")
        await mail.until_true(lambda: "sick.test" in mail.closed_domains())
        for number in range(4):
            await goes_soon(mail, f"code{number}@well.test")
        assert host.count("RCPT TO:<r") <= connections // 2 + 2


@in_loop
async def test_issue11_45_who_comes_later_to_a_site_without_answers_finds_a_session(begin: Begin) -> None:
    """Nobody else was known there: it has half of the sessions all the same."""
    host = silent_about("sick.test")
    async with begin(timeouts=LONG) as mail:
        await mail.host("sick.test", host)
        mail.playground.zone["well.test"] = mail.playground.zone["sick.test"]
        await send_sixty(mail, "sick.test")
        await mail.until_true(lambda: host.count("RCPT") >= MOST // 2)
        await mail.wait(1.5)
        await goes_soon(mail, "code@well.test")
        assert host.count("RCPT TO:<r") <= MOST // 2 + 2


@in_loop
@pytest.mark.parametrize("organisation", ["", "provider.test"])
async def test_issue11_45_a_site_without_answers_leaves_places_at_its_address(begin: Begin, organisation: str) -> None:
    """Each customer has an MX name of its own, and so a lane; one of them has half of the places at most."""
    host = silent_about("customer0.test", "customer1.test")
    async with begin(timeouts=LONG) as mail:
        await mail.share(host, 4, organisation=organisation)
        await send_sixty(mail, "customer0.test")
        await mail.until_true(lambda: host.count("RCPT") >= MOST // 2)
        await send_sixty(mail, "customer1.test")
        await mail.until_true(lambda: host.count("RCPT") >= MOST // 2 + 3)
        await mail.wait(1.5)
        await goes_soon(mail, "code@customer2.test")
        await goes_soon(mail, "code@customer3.test")
        assert host.peak < MOST


@in_loop
async def test_issue11_45_a_domain_that_answers_again_goes_on_at_once(begin: Begin) -> None:
    """It hung for a few seconds: what was out is answered, which opens it, and all of it is delivered in seconds."""
    host = silent_about("sick.test")
    async with begin(timeouts=LONG) as mail:
        await mail.host("sick.test", host)
        mail.playground.zone["well.test"] = mail.playground.zone["sick.test"]
        await mail.deliver("known@well.test")
        await send_sixty(mail, "sick.test")
        await mail.until_true(lambda: "sick.test" in mail.closed_domains())
        host.cure()
        await mail.until_true(lambda: len(host.bodies) >= 1 + 40, seconds=15)
        assert not mail.closed_domains()


@in_loop
async def test_issue11_45_one_recipient_who_hangs_closes_nothing(begin: Begin) -> None:
    """Others of his domain are answered: that speaks for it, whoever else goes there."""
    host = Mx(by_recipient={"hangs@a.test": HANG})
    async with begin(timeouts=LONG) as mail:
        await mail.host("a.test", host)
        mail.playground.zone["well.test"] = mail.playground.zone["a.test"]
        await mail.deliver("known@well.test")
        (hanging,) = await mail.send("hangs@a.test")
        await mail.until_true(lambda: host.count("RCPT TO:<hangs") == 1)
        for number in range(30):
            (shown,) = await mail.settled(*await mail.send(f"r{number}@a.test"), seconds=4)
            assert shown.state == "delivered"
        assert not mail.closed_domains()
        assert (await mail.show(hanging))[0].state == "attempting"
