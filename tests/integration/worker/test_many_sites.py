"""Many sites, many recipients, one host: sessions as they are needed, and trouble with their number is nobody's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from delivery import Begin, in_loop, lane_settings
from mx import HANG, RESET, Mx, Reaction, Sleep

from softbounce.settings import LaneRule


@in_loop
async def test_issue11_49_one_message_to_many_recipients_of_a_domain_is_one_connection(begin: Begin) -> None:
    """Twenty recipients go in one transaction, and nobody else is dialled for them."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver(*(f"r{number}@a.test" for number in range(20)))
        assert {one.state for one in shown} == {"delivered"}
        assert (host.connections, len(host.bodies)) == (1, 1)


@in_loop
async def test_issue11_49_a_few_messages_go_by_one_connection(begin: Begin) -> None:
    """Eight messages to a host that answers at once are carried by the session that stands."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = [one for number in range(8) for one in await mail.send(f"r{number}@a.test")]
        assert {one.state for one in await mail.settled(*ids)} == {"delivered"}
        assert host.connections <= 2


@in_loop
async def test_issue11_a_slow_host_with_many_waiting_gets_all_that_it_may_have(begin: Begin) -> None:
    """A transaction takes half a second: forty messages are carried by all connections that the rule allows."""
    host = Mx({"dot": (Sleep(0.5), "250 2.0.0 taken")})
    async with begin(settings=lane_settings(LaneRule(connections=10))) as mail:
        await mail.host("a.test", host)
        ids = [one for number in range(40) for one in await mail.send(f"r{number}@a.test")]
        assert {one.state for one in await mail.settled(*ids, seconds=10)} == {"delivered"}
        assert host.peak == 10


@in_loop
async def test_issue11_a_recipient_whose_session_hangs_keeps_no_other_waiting(begin: Begin) -> None:
    """Others of its domain get a session of their own within a second or two, and then no longer."""
    host = Mx({"dot": [HANG, "250 2.0.0 taken"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        (hanging,) = await mail.send("hangs@a.test")
        await mail.until_true(lambda: host.count("DATA") == 1)
        for number in range(5):
            (shown,) = await mail.settled(*await mail.send(f"r{number}@a.test"), seconds=3 if number == 0 else 1.5)
            assert shown.state == "delivered"
        assert (await mail.show(hanging))[0].state == "attempting"


@in_loop
async def test_issue11_who_waits_behind_a_session_that_begins_to_hang_gets_another(begin: Begin) -> None:
    """It answered fast, so a few that wait need no other one; then it hangs, and nothing tells of that."""
    host = Mx({"dot": ["250 2.0.0 taken", HANG, "250 2.0.0 taken"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        await mail.wait(1.2)  # what looked after the opening has looked
        ids = [*await mail.send("hangs@a.test"), *await mail.send("r1@a.test"), *await mail.send("r2@a.test")]
        assert [one.state for one in await mail.settled(*ids[1:], seconds=4)] == ["delivered", "delivered"]


@in_loop
async def test_issue11_47_connections_bind_the_organisation(begin: Begin) -> None:
    """Twelve customers, each with an MX name of its own: two connections are two."""
    host = Mx({"dot": (Sleep(0.05), "250 2.0.0 taken")})
    rule = LaneRule(site="provider.test", connections=2)
    async with begin(settings=lane_settings(rule)) as mail:
        domains = await mail.share(host, 12, organisation="provider.test")
        ids = [one for domain in domains for n in range(4) for one in await mail.send(f"r{n}@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=30)} == {"delivered"}
        assert (host.peak, len(host.bodies)) == (2, 48)


@in_loop
async def test_issue11_47_a_rate_binds_the_organisation(begin: Begin) -> None:
    """Six customers of one provider, twenty messages a second in all."""
    host = Mx()
    rule = LaneRule(site="provider.test", rate=20.0)
    async with begin(settings=lane_settings(rule)) as mail:
        domains = await mail.share(host, 6, organisation="provider.test")
        began = mail.engine.loop.time()
        ids = [one for n in range(5) for domain in domains for one in await mail.send(f"r{n}@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=20)} == {"delivered"}
        assert mail.engine.loop.time() - began >= 29 / 20 - 0.1
        assert len(host.bodies) == 30


@pytest.mark.parametrize("more", ["421 4.7.0 too many connections from your address", RESET], ids=["421", "reset"])
@in_loop
async def test_issue11_48_many_names_at_an_address_that_takes_few_connections(begin: Begin, more: Reaction) -> None:
    """Sixty MX names at one address that takes ten: seconds, its limit is learned, and no lane closes for it."""
    host = Mx(most_connections=(10, more))
    rule = LaneRule(close_first=timedelta(seconds=30))
    async with begin(settings=lane_settings(rule)) as mail:
        domains = await mail.share(host, 60)
        ids = [one for domain in domains for one in await mail.send(f"r@{domain}")]
        shown = await mail.settled(*ids, seconds=12)
        assert {one.state for one in shown} == {"delivered"}
        assert not any(lane.is_closed for lane in mail.engine.lanes.values())
        assert host.turned_away <= 20


@in_loop
async def test_issue11_48_a_deep_backlog_leaves_places_at_an_address_to_others(begin: Begin) -> None:
    """One customer has hundreds waiting behind a slow host of two places: the others' mail goes in between."""
    host = Mx({"dot": (Sleep(0.05), "250 2.0.0 taken")})
    rule = LaneRule(connections=2, connections_per_address=2)
    async with begin(settings=lane_settings(rule)) as mail:
        first, *others = await mail.share(host, 4)
        many = [one for number in range(150) for one in await mail.send(f"r{number}@{first}")]
        await mail.until_true(lambda: len(host.bodies) >= 5)
        ids = [one for domain in others for one in await mail.send(f"code@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=6)} == {"delivered"}
        assert host.peak <= 2
        assert {one.state for one in await mail.settled(*many, seconds=20)} == {"delivered"}


@in_loop
async def test_issue11_48_a_limit_is_one_though_no_session_stands_yet(begin: Begin) -> None:
    """Sixty MX names at an address that takes ten, and greets after 0.3 s: seconds, and no lane closes."""
    refusal = "421 4.7.0 too many connections from your address"
    host = Mx({"greeting": (Sleep(0.3), "220 mx.test")}, most_connections=(10, refusal))
    async with begin(settings=lane_settings(LaneRule(close_first=timedelta(seconds=30)))) as mail:
        domains = await mail.share(host, 60)
        ids = [one for domain in domains for one in await mail.send(f"r@{domain}")]
        assert {one.state for one in await mail.settled(*ids, seconds=12)} == {"delivered"}
        assert not any(lane.is_closed for lane in mail.engine.lanes.values())
