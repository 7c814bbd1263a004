"""Which of a site's hosts a message goes to: what one lacks or defers goes to another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from delivery import BODY, Begin, Delivery, in_loop, lane_settings
from mx import CLOSE, Mx, Reaction, Script, Sleep
from softbounce_playground import Zone

from softbounce import Shown
from softbounce.settings import LaneRule, Policy, Settings

AT_ONCE = Policy(name="default", delays=(timedelta(milliseconds=150),), jitter=0.0)
EIGHT_BIT = b"DKIM-Signature: v=1; d=x.test\r\n" + BODY.replace(b"Hello.", "Grüße.".encode())
"""Signed, so that it cannot be made 7-bit."""
CONVERTIBLE = BODY.replace(b"Hello.", "Grüße.".encode())
UTF8_HEADER = BODY.replace(b"Subject: x", "Subject: Grüße".encode())
LARGE = BODY + b"x" * 70 + b"\r\n"
ALL = ("SIZE 1000000", "8BITMIME", "SMTPUTF8")
LACKING = [
    pytest.param(EIGHT_BIT, ("SIZE 1000000", "SMTPUTF8"), "5.6.3", id="8BITMIME"),
    pytest.param(UTF8_HEADER, ("SIZE 1000000", "8BITMIME"), "5.6.7", id="SMTPUTF8"),
    pytest.param(LARGE, ("SIZE 100", "8BITMIME", "SMTPUTF8"), "5.3.4", id="SIZE"),
]


def offering(*keywords: str) -> Script:
    """A host that offers these."""
    return {"EHLO": "\r\n".join([*(f"250-{word}" for word in ("mx.test", *keywords)), "250 PIPELINING"])}


def dual_stack(ipv4: str) -> Zone:
    """One host with an address of each kind."""
    return Zone(mx=[(10, "mx1.a.test")], a={"mx1.a.test": ipv4}, aaaa={"mx1.a.test": "::1"})


def outcomes(shown: list[Shown]) -> list[tuple[str, list[bool]]]:
    """State and charged attempts of each."""
    return [(one.state, [attempt.charged for attempt in one.attempts]) for one in shown]


async def send_many(mail: Delivery, count: int, message: bytes) -> list[Shown]:
    """So many messages of one recipient each, settled."""
    receipts = await mail.client.send_many(
        {"sender": "app@sender.test", "recipients": [f"r{number}@a.test"], "message": message}
        for number in range(count)
    )
    return await mail.settled(*(one for receipt in receipts for one in receipt.envelopes.values()))


@pytest.mark.parametrize("preferences", [(10, 10), (10, 20)], ids=["equal", "the poor one first"])
@pytest.mark.parametrize(
    ("message", "offer", "enhanced"),
    [*LACKING, pytest.param(CONVERTIBLE, ("SIZE 1000000", "SMTPUTF8"), "", id="convertible")],
)
@in_loop
async def test_issue10_06_what_one_of_two_hosts_lacks_the_other_takes(
    begin: Begin, message: bytes, offer: tuple[str, ...], enhanced: str, preferences: tuple[int, int]
) -> None:
    """In the same attempt, for every message, whichever host is dialled first."""
    del enhanced
    poor, rich = Mx(offering(*offer)), Mx(offering(*ALL))
    async with begin() as mail:
        await mail.host("a.test", poor, rich, preferences=preferences)
        assert outcomes(await send_many(mail, 12, message)) == [("delivered", [True])] * 12
        assert (len(poor.bodies), len(rich.bodies)) == (0, 12)


@pytest.mark.parametrize(("message", "offer", "enhanced"), LACKING)
@in_loop
async def test_issue10_06_what_every_host_lacks_ends_at_once(
    begin: Begin, message: bytes, offer: tuple[str, ...], enhanced: str
) -> None:
    """All said so in a full EHLO: the code is that of the lack, and each was asked."""
    hosts = [Mx(offering(*offer)) for _ in range(3)]
    async with begin() as mail:
        await mail.host("a.test", *hosts)
        (shown,) = await mail.deliver("r@a.test", message=message)
        assert (shown.state, [one.enhanced for one in shown.attempts]) == ("bounced", [enhanced])
        assert [host.count("EHLO") for host in hosts] == [1, 1, 1]


@pytest.mark.parametrize("other", [{"greeting": "421 4.3.2 busy"}, {"EHLO": "450 not now"}, {"greeting": CLOSE}])
@in_loop
async def test_issue10_06_a_host_that_was_not_asked_keeps_it_soft(begin: Begin, other: Script) -> None:
    """The one that can be had lacks 8BITMIME, the other gives no session: the message waits, and its lane is open."""
    async with begin() as mail:
        await mail.host("a.test", Mx(offering("SIZE")), Mx(other))
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert outcomes([shown]) == [("scheduled", [True])]
        assert not mail.lane_of("a.test").is_closed
        assert [one.state for one in await mail.deliver("r2@a.test")] == ["delivered"]


@in_loop
async def test_issue10_06_a_host_that_cannot_be_found_now_keeps_it_soft(begin: Begin) -> None:
    """The name servers do not answer for the second host's address: nobody knows what it would offer."""
    async with begin() as mail:
        await mail.host("a.test", Mx(offering("SIZE")))
        zone = mail.playground.zone["a.test"]
        mail.playground.zone["a.test"] = Zone(mx=[*zone.mx, (20, "mx.servfail.test")], a=zone.a)
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert outcomes([shown]) == [("scheduled", [True])]


@in_loop
async def test_issue10_06_two_addresses_of_one_host_may_differ(begin: Begin) -> None:
    """One machine behind a name lacks what the other has: the other takes it."""
    poor, rich = Mx(offering("SIZE")), Mx(offering(*ALL))
    async with begin() as mail:
        await mail.host("a.test", poor)
        ipv4 = mail.playground.zone["a.test"].a["mx1.a.test"]
        await rich.listen("::1", mail.playground.smtp_port)
        mail.playground.zone["a.test"] = Zone(
            mx=[(10, "mx1.a.test")], a={"mx1.a.test": ipv4}, aaaa={"mx1.a.test": "::1"}
        )
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert (shown.state, shown.attempts[0].address) == ("delivered", "::1")
        await rich.close()


@in_loop
async def test_issue10_06_an_address_that_cannot_be_reached_does_not_count(begin: Begin) -> None:
    """A host with a second address where nothing listens said at its first what it lacks: that ends it."""
    async with begin() as mail:
        await mail.host("a.test", Mx(offering("SIZE")))
        ipv4 = mail.playground.zone["a.test"].a["mx1.a.test"]
        mail.playground.zone["a.test"] = Zone(
            mx=[(10, "mx1.a.test")], a={"mx1.a.test": ipv4}, aaaa={"mx1.a.test": "::1"}
        )
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert (shown.state, shown.attempts[0].enhanced) == ("bounced", "5.6.3")


@in_loop
async def test_issue10_06_a_session_by_helo_is_no_judge(begin: Begin) -> None:
    """EHLO is cut off once: the message goes by a session with a full EHLO, within the same attempt."""
    host = Mx({"EHLO": [CLOSE, "250-mx.test\r\n250 8BITMIME"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert outcomes([shown]) == [("delivered", [True])]
        assert (host.count("HELO"), host.count("EHLO")) == (1, 2)


@pytest.mark.parametrize("end", [CLOSE, "550 5.7.1 not for you"], ids=["cut", "refused"])
@in_loop
async def test_issue10_06_without_any_full_ehlo_it_stays_soft(begin: Begin, end: Reaction) -> None:
    """A host that gives nothing but HELO: the message waits, after one more session and no more."""
    host = Mx({"EHLO": end})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=EIGHT_BIT)
        assert outcomes([shown]) == [("scheduled", [True])]
        assert host.count("HELO") == 2
        assert host.count("MAIL") == 0


def tried_again(*, connections: int = 5) -> Settings:
    """The next attempt comes at once, and the lane has so many connections."""
    return Settings(policies={"default": AT_ONCE}, lane=(LaneRule(connections=connections),))


async def hosts_of(mail: Delivery, identity: str, attempts: int) -> list[str | None]:
    """Which host each attempt was at, once there were so many of them or one delivered."""

    async def are() -> bool:
        (shown,) = await mail.show(identity)
        return len(shown.attempts) >= attempts or shown.state == "delivered"

    await mail.until(are)
    (shown,) = await mail.show(identity)
    return [one.host for one in shown.attempts]


@pytest.mark.parametrize("connections", [1, 5])
@pytest.mark.parametrize(
    "script",
    [
        {"MAIL": "450 4.2.1 not now"},
        {"RCPT": "451 try again later"},
        {"RCPT": "451 4.7.1 greylisted"},
        {"DATA": "451 4.7.1 not now"},
        {"dot": "451 4.7.1 not now"},
        {"RCPT": CLOSE},
    ],
    ids=["mail", "rcpt", "greylist", "data", "dot", "cut"],
)
@in_loop
async def test_issue10_15_after_a_4xx_the_next_try_goes_to_another_host(
    begin: Begin, script: Script, connections: int
) -> None:
    """The best host defers: the second takes it at the next attempt, whatever sessions stand with the first."""
    async with begin(settings=tried_again(connections=connections)) as mail:
        await mail.host("a.test", Mx(script), Mx())
        (identity,) = await mail.send("r@a.test")
        assert await hosts_of(mail, identity, 2) == ["mx1.a.test", "mx2.a.test"]
        (shown,) = await mail.show(identity)
        assert outcomes([shown]) == [("delivered", [True, True])]


@pytest.mark.parametrize(
    "script",
    [
        {"MAIL": "452 4.3.1 Insufficient system storage"},
        {"MAIL": "452 no"},
        {"MAIL": "421 4.3.2 not now"},
        {"RCPT": "421 going down"},
        {"RCPT": "451 4.3.0 Local trouble"},
        {"RCPT": "451 Requested action aborted: local error in processing"},
        {"DATA": "451 4.3.5 misconfigured"},
        {"dot": "451 4.3.0 queue file write error"},
    ],
    ids=lambda script: str(*script.items()),
)
@in_loop
async def test_issue10_15_words_that_blame_the_host_ask_the_next_in_the_same_attempt(
    begin: Begin, script: Script
) -> None:
    """Nobody is charged for it, and the lane stays open."""
    first, second = Mx(script), Mx()
    async with begin() as mail:
        await mail.host("a.test", first, second)
        shown = await send_many(mail, 9, BODY)
        assert outcomes(shown) == [("delivered", [True])] * 9
        assert {one.attempts[0].host for one in shown} == {"mx2.a.test"}
        assert not mail.lane_of("a.test").is_closed
        assert first.count("MAIL") <= 20


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "dot"])
@in_loop
async def test_issue10_15_the_last_host_to_blame_itself_is_charged(begin: Begin, point: str) -> None:
    """Each of three hosts is asked once for an envelope, then the attempt is a charged one."""
    hosts = [Mx({point: "451 4.3.0 trouble"}) for _ in range(3)]
    async with begin() as mail:
        await mail.host("a.test", *hosts)
        (identity,) = await mail.send("r@a.test")

        async def is_charged() -> bool:
            (shown,) = await mail.show(identity)
            return shown.state == "scheduled" and [one.charged for one in shown.attempts] == [True]

        await mail.until(is_charged)
        assert [host.count("MAIL") for host in hosts] == [1, 1, 1]


@in_loop
async def test_issue10_15_the_same_host_is_fine_where_no_other_can_be_had(begin: Begin) -> None:
    """The second host is down: the first is asked again."""
    async with begin(settings=tried_again()) as mail:
        await mail.host("a.test", Mx({"RCPT": ["450 not now", "250 ok"]}), Mx({"greeting": CLOSE}))
        (identity,) = await mail.send("r@a.test")
        assert await hosts_of(mail, identity, 2) == ["mx1.a.test", "mx1.a.test"]


@pytest.mark.parametrize(
    ("script", "order"), [({"MAIL": "450 not now"}, (1, 2, 3, 1)), ({"RCPT": "450 not now"}, (1, 2, 1, 3, 1, 2))]
)
@in_loop
async def test_issue10_15_three_hosts_have_their_turns(begin: Begin, script: Script, order: Sequence[int]) -> None:
    """The host whose reply is the oldest is the next; between two the first one is, once it may greylist."""
    hosts = [Mx(script) for _ in range(3)]
    async with begin(settings=tried_again()) as mail:
        await mail.host("a.test", *hosts)
        (identity,) = await mail.send("r@a.test")
        tried = await hosts_of(mail, identity, len(order))
        assert tried[: len(order)] == [f"mx{number}.a.test" for number in order]


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("point", ["RCPT", "dot"])
@in_loop
async def test_issue11_44_hosts_that_greylist_each_by_itself_see_a_letter_again(
    begin: Begin, number: int, point: str
) -> None:
    """The third try goes back to where the first one is known, whatever the number of hosts, and is taken."""
    hosts = [Mx({point: ["451 4.7.1 Try again later", "250 ok"]}) for _ in range(number)]
    async with begin(settings=tried_again()) as mail:
        await mail.host("a.test", *hosts, preferences=[10] * number)
        (identity,) = await mail.send("r@a.test")
        first, second, third = await hosts_of(mail, identity, 9)
        assert first == third != second


@in_loop
async def test_issue10_15_a_deferred_one_gets_its_turn_though_sessions_are_busy_elsewhere(begin: Begin) -> None:
    """One connection, busy with the first host all the time: it gives way to what shuns that host."""
    first = Mx({"RCPT": ["450 not now", (Sleep(0.05), "250 ok")]})
    async with begin(settings=tried_again(connections=1)) as mail:
        await mail.host("a.test", first, Mx())
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: first.count("RCPT") == 1)  # the refusal is this one's
        ids = []
        for number in range(60):
            ids += await mail.send(f"s{number}@a.test")
        assert await hosts_of(mail, identity, 2) == ["mx1.a.test", "mx2.a.test"]
        assert {one.state for one in await mail.settled(*ids, seconds=20)} == {"delivered"}


@in_loop
async def test_issue10_15_a_canary_that_meets_a_sick_host_asks_the_next(begin: Begin) -> None:
    """A closed lane opens by the second host, though the first one blames itself for as long as it likes."""
    rule = LaneRule(close_first=timedelta(milliseconds=200), close_factor=1.0)
    first = Mx({"greeting": ["421 4.3.2 not now", "220 mx.test"], "MAIL": "421 4.3.2 not now"})
    async with begin(settings=lane_settings(rule)) as mail:
        await mail.host("a.test", first, Mx({"greeting": ["421 4.3.2 not now", "220 mx.test"]}))
        (identity,) = await mail.send("r@a.test")

        async def is_delivered() -> bool:
            (shown,) = await mail.show(identity)
            return shown.state == "delivered"

        await mail.until(is_delivered)
        (shown,) = await mail.show(identity)
        assert [one.charged for one in shown.attempts].count(True) == 1
        assert mail.lane_of("a.test").state.failures == 0
