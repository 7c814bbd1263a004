"""Faults that others reported of their mail servers, tried here: right host, right scope, any number of sites.

A test is named by the project and the number of the report. What is reported and tried elsewhere already has none here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery import BODY, PATIENT, SENDER, Begin, Delivery, in_loop, lane_settings
from mx import HANG, RESET, Mx, Sleep, _Peer
from softbounce_playground import Zone

from softbounce import Shown
from softbounce.settings import LaneRule, Policy, Settings

SHORT = 0.3
"""Seconds for which DNS answers hold where :func:`short_answers` is used."""
ADDRESS, OTHER = "127.88.6.1", "127.88.6.2"
SOON = timedelta(milliseconds=300)


@pytest.fixture
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DNS said holds for a moment only."""
    for module in ("router", "resolver"):
        monkeypatch.setattr(f"softbounce_worker.route.{module}.FLOOR", SHORT)


def again(after: timedelta, rule: LaneRule | None = None) -> Settings:
    """Each further try comes so long after the one before."""
    policy = Policy(name="default", delays=(after,), jitter=0.0)
    return Settings(policies={"default": policy}, lane=() if rule is None else (rule,))


async def send_each(mail: Delivery, recipients: Sequence[str]) -> list[str]:
    """One message to each of these."""
    receipts = await mail.client.send_many(
        {"sender": SENDER, "recipients": [recipient], "message": BODY} for recipient in recipients
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def share(mail: Delivery, domains: Sequence[str], *hosts: Mx, preferences: Sequence[int] = (10, 20, 30)) -> None:
    """These domains have the same MX."""
    await mail.host(domains[0], *hosts, preferences=preferences)
    for domain in domains[1:]:
        mail.playground.zone[domain] = mail.playground.zone[domains[0]]


def went_well(shown: Sequence[Shown]) -> bool:
    """Whether all were delivered, at the only attempt that is charged."""
    return all(one.state == "delivered" and sum(a.charged for a in one.attempts) == 1 for one in shown)


def closed_lanes(mail: Delivery) -> list[str]:
    """The lanes that are closed."""
    return [name for name, lane in mail.engine.lanes.items() if lane.is_closed]


# -- right host -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_answers")
@in_loop
async def test_report_opensmtpd_275_mail_behind_a_dead_site_follows_its_domain(begin: Begin) -> None:
    """A domain leaves hosts that died: its mail in their lane, and all new one, goes (OpenSMTPD/OpenSMTPD#275)."""
    old, new = Mx(), Mx()
    rule = LaneRule(close_first=timedelta(milliseconds=500), close_cap=timedelta(milliseconds=500))
    async with begin(settings=lane_settings(rule), timeouts=replace(PATIENT, idle=0.2)) as mail:
        await old.listen(ADDRESS, mail.playground.smtp_port)
        dead = Zone(mx=[(10, "mx.dead.test")], a={"mx.dead.test": ADDRESS}, ttl_seconds=0)
        mail.playground.zone |= {"stays.test": dead, "moves.test": dead, "dead.test": dead}
        assert went_well(await mail.deliver("x@stays.test", "x@moves.test"))
        await mail.until_true(lambda: not old.open)
        await old.close()
        await mail.wait(SHORT)
        stays = await send_each(mail, [f"r{number}@stays.test" for number in range(70)])
        moves = await send_each(mail, [f"r{number}@moves.test" for number in range(70)])
        await mail.until_true(lambda: bool(closed_lanes(mail)))
        await mail.host("moves.test", new)
        await mail.wait(SHORT)
        moves += await mail.send("fresh@moves.test")
        assert {one.state for one in await mail.settled(*moves, seconds=6)} == {"delivered"}
        assert {one.state for one in await mail.show(*stays)} <= {"ready", "attempting"}
        assert len(new.bodies) == 71


@pytest.mark.usefixtures("short_answers")
@in_loop
async def test_report_chatmail_7901_a_busy_session_ends_so_that_a_host_that_moved_is_found(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host has a new address while its old one takes mail: no session is for ever (chatmail/core#7901)."""
    monkeypatch.setattr("softbounce_worker.session.session.LONGEST", 0.5)
    old, new = Mx(), Mx()
    async with begin(settings=lane_settings(LaneRule(messages_per_connection=0))) as mail:
        zone = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": ADDRESS}, ttl_seconds=0)
        mail.playground.zone["a.test"] = zone
        await old.listen(ADDRESS, mail.playground.smtp_port)
        await new.listen(OTHER, mail.playground.smtp_port)
        await mail.deliver("first@a.test")
        mail.playground.zone["a.test"] = replace(zone, a={"mx.a.test": OTHER})
        for number in range(40):
            assert went_well(await mail.deliver(f"r{number}@a.test"))
            await mail.wait(0.02)
        assert len(new.bodies) >= 10
        await old.close()
        await new.close()


@pytest.mark.parametrize("dead", [7, 8, 12])
@in_loop
async def test_report_opensmtpd_624_dead_addresses_of_one_host_hide_no_other(begin: Begin, dead: int) -> None:
    """The best host refuses at every address, the next takes the mail at once (OpenSMTPD/OpenSMTPD#624)."""
    well = Mx()
    async with begin() as mail:
        await well.listen(ADDRESS, mail.playground.smtp_port)
        addresses = {"mx1.a.test": [f"127.88.9.{number}" for number in range(1, dead + 1)], "mx2.a.test": ADDRESS}
        mail.playground.zone["a.test"] = Zone(mx=[(10, "mx1.a.test"), (20, "mx2.a.test")], a=addresses)
        (shown,) = await mail.deliver("r@a.test")
        assert (went_well([shown]), len(shown.attempts)) == (True, 1)
        await well.close()


@in_loop
async def test_report_haraka_3314_an_address_that_no_host_can_have_hides_no_other(begin: Begin) -> None:
    """AAAA is link-local, unspecified or documentation's, A is right (haraka/Haraka#3314)."""
    host = Mx()
    async with begin() as mail:
        await host.listen(ADDRESS, mail.playground.smtp_port)
        bogus = ["fe80::d250:99ff:feda:9100", "::", "2001:db8::1"]
        mail.playground.zone["a.test"] = Zone(
            mx=[(10, "mx.a.test")], a={"mx.a.test": ADDRESS}, aaaa={"mx.a.test": bogus}
        )
        (shown,) = await mail.deliver("r@a.test")
        assert (went_well([shown]), len(shown.attempts)) == (True, 1)
        await host.close()


@in_loop
async def test_report_opensmtpd_775_the_third_host_is_tried_where_two_are_silent(begin: Begin) -> None:
    """Two that take the connection and never greet cost seconds, not the mail (OpenSMTPD/OpenSMTPD#775)."""
    third = Mx()
    async with begin(timeouts=replace(PATIENT, greeting=60)) as mail:
        await mail.host("a.test", Mx({"greeting": HANG}), Mx({"greeting": HANG}), third)
        assert went_well(await mail.settled(*await mail.send("r@a.test"), seconds=6))
        assert len(third.bodies) == 1


@in_loop
async def test_report_opensmtpd_565_the_best_host_is_used_again_soon_after_it_was_away(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was away for a moment: the next one has the mail meanwhile, and then no more (OpenSMTPD/OpenSMTPD#565)."""
    monkeypatch.setattr("softbounce_worker.session.host_health.HOST_DOWN", 0.3)
    best, next_best = Mx({"greeting": ["421 4.3.2 going down", "220 mx.test"]}), Mx()
    async with begin(timeouts=replace(PATIENT, idle=0.1)) as mail:
        await mail.host("a.test", best, next_best)
        assert went_well(await mail.deliver("first@a.test"))
        await mail.wait(0.4)
        assert went_well(await mail.deliver("second@a.test"))
        assert (len(best.bodies), len(next_best.bodies)) == (1, 1)


@in_loop
async def test_report_node_sendmail_57_preferences_are_numbers_and_the_lowest_is_best(begin: Begin) -> None:
    """Neither the last in the list, nor the first by its digits (guileen/node-sendmail#57, richfelker/mxclient#1)."""
    hosts = [Mx() for _ in range(3)]
    async with begin() as mail:
        await mail.host("a.test", *hosts, preferences=(100, 20, 3))
        assert went_well(await mail.settled(*await send_each(mail, [f"r{number}@a.test" for number in range(12)])))
        assert [len(host.bodies) for host in hosts] == [0, 0, 12]


@in_loop
async def test_report_postal_1405_hosts_of_one_preference_share_the_mail(begin: Begin) -> None:
    """Each connection begins with another of them, as it comes (postalserver/postal#1405)."""
    hosts = [Mx() for _ in range(3)]
    async with begin(settings=lane_settings(LaneRule(messages_per_connection=1))) as mail:
        await mail.host("a.test", *hosts, preferences=(10, 10, 10))
        for number in range(5):
            assert went_well(await mail.settled(*await send_each(mail, [f"r{number}x{n}@a.test" for n in range(12)])))
        assert min(len(host.bodies) for host in hosts) >= 5


@in_loop
async def test_report_opensmtpd_774_one_message_is_one_connection(begin: Begin) -> None:
    """However many hosts and addresses there are (OpenSMTPD/OpenSMTPD#774)."""
    hosts = [Mx() for _ in range(3)]
    async with begin() as mail:
        await mail.host("a.test", *hosts, preferences=(10, 10, 10))
        assert went_well(await mail.deliver("r@a.test"))
        await mail.wait(0.2)
        assert sum(host.connections for host in hosts) == 1


# -- right scope ------------------------------------------------------------------------------------------------------


@in_loop
async def test_report_opensmtpd_374_unknown_users_close_nothing(begin: Begin) -> None:
    """A hundred refusals of one domain hold back neither its mail nor a neighbour's (OpenSMTPD/OpenSMTPD#374)."""
    unknown = {f"no{number}@a.test": "550 5.1.1 no such user" for number in range(100)}
    host = Mx(by_recipient=unknown)
    async with begin() as mail:
        await share(mail, ["a.test", "well.test"], host)
        refused = await send_each(mail, list(unknown))
        assert went_well(await mail.settled(*await mail.send("r@a.test", "r@well.test"), seconds=4))
        assert {one.state for one in await mail.settled(*refused)} == {"bounced"}
        assert [*closed_lanes(mail), *mail.closed_domains()] == []


@in_loop
async def test_report_zonemta_110_one_mailbox_that_gets_too_much_slows_nobody_else(begin: Begin) -> None:
    """Thirty messages to it are refused again and again: others go at once (zone-eu/zone-mta#110)."""
    words = "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n450 4.2.1 prevents it"
    host = Mx(by_recipient={"hot@a.test": words})
    async with begin(settings=again(SOON, LaneRule(greylist=SOON / 2))) as mail:
        await mail.host("a.test", host)
        await send_each(mail, ["hot@a.test"] * 30)
        for number in range(15):
            assert went_well(await mail.settled(*await mail.send(f"r{number}@a.test"), seconds=1))
            await mail.wait(0.05)
        assert [*closed_lanes(mail), *mail.closed_domains()] == []


class Regions(Mx):
    """A host with domains in several places, which takes those of one place only in a transaction."""

    async def _react(self, peer: _Peer, point: str) -> str:
        if point == "RCPT":
            begun = max(number for number, line in enumerate(peer.lines) if line.startswith(b"MAIL"))
            first, *_, last = [line.rpartition(b"@")[2][:2] for line in peer.lines[begun + 1 :]] * 2
            if first != last:
                peer.out += b"452 4.5.3 Recipients belong to multiple regions ATTR38\r\n"
                return ""
        return await super()._react(peer, point)


@in_loop
async def test_report_mailu_3013_recipients_of_several_regions_go_one_after_the_other(begin: Begin) -> None:
    """A 452 4.5.3 behind an accepted recipient is about the company that one is in (Mailu/Mailu#3013)."""
    host = Regions()
    domains = [f"{region}{number}.test" for number in range(5) for region in ("eu", "us", "as")]
    async with begin() as mail:
        await share(mail, domains, host)
        assert went_well(await mail.deliver(*(f"r@{domain}" for domain in domains)))
        assert went_well(await mail.deliver(*(f"r@{domain}" for domain in domains)))
        assert not closed_lanes(mail)


@in_loop
async def test_report_opensmtpd_742_name_servers_that_refuse_end_no_mail(begin: Begin) -> None:
    """REFUSED for one domain: its mail waits uncharged, and a neighbour's goes (OpenSMTPD/OpenSMTPD#742)."""
    host = Mx()
    async with begin(settings=lane_settings(LaneRule(close_first=SOON / 3, close_cap=SOON / 3))) as mail:
        await share(mail, ["well.test", "lost.test"], host)
        mail.playground.zone["lost.test"] = replace(mail.playground.zone["lost.test"], error="refused")
        ids = await send_each(mail, [f"r{number}@lost.test" for number in range(5)])
        assert went_well(await mail.settled(*await mail.send("r@well.test"), seconds=2))
        await mail.until_true(lambda: "?lost.test" in closed_lanes(mail))
        await mail.wait(0.5)  # several canaries
        shown = await mail.show(*ids)
        assert {one.state for one in shown} <= {"ready", "attempting"}
        assert not any(attempt.charged for one in shown for attempt in one.attempts)


# -- any number of sites, and of connections --------------------------------------------------------------------------


@in_loop
async def test_report_zonemta_226_connections_bind_the_domains_that_share_hosts(begin: Begin) -> None:
    """Three domains of one provider have its connections together (zone-eu/zone-mta#226, mohamedboukari/bunmail#91)."""
    host = Mx({"dot": (Sleep(0.05), "250 2.0.0 taken")})
    domains = ["outlook.test", "hotmail.test", "live.test"]
    async with begin(settings=lane_settings(LaneRule(connections=2))) as mail:
        await share(mail, domains, host)
        ids = await send_each(mail, [f"r{number}@{domain}" for number in range(8) for domain in domains])
        assert went_well(await mail.settled(*ids))
        assert host.peak <= 2


@in_loop
async def test_report_yunohost_988_one_connection_is_one_for_all_recipients(begin: Begin) -> None:
    """A limit of one holds for the site, not for each recipient (YunoHost/yunohost#988)."""
    host = Mx({"dot": (Sleep(0.05), "250 2.0.0 taken")})
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        assert went_well(await mail.settled(*await send_each(mail, [f"r{number}@a.test" for number in range(10)])))
        assert host.peak == 1


@in_loop
async def test_report_haraka_2597_many_to_one_mailbox_wait_for_a_place(begin: Begin) -> None:
    """Two places at its address: nobody is deferred because they are taken (haraka/Haraka#2597)."""
    host = Mx({"dot": (Sleep(0.01), "250 2.0.0 taken")})
    async with begin(settings=lane_settings(LaneRule(connections_per_address=2))) as mail:
        await mail.host("a.test", host)
        shown = await mail.settled(*await send_each(mail, ["one@a.test"] * 60))
        assert (went_well(shown), {len(one.attempts) for one in shown}) == (True, {1})
        assert host.peak <= 2


class Queueing(Mx):
    """A host that greets the next one only when one of those before has gone, as ``tcpserver -c`` does."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self._free = asyncio.Semaphore(places)

    async def _talk(self, peer: _Peer) -> None:
        async with self._free:
            await super()._talk(peer)


@in_loop
async def test_report_mail_toaster_527_a_host_that_lets_connections_queue_serves_all(begin: Begin) -> None:
    """No idle session of ours keeps the place that another waits for (msimerson/Mail-Toaster-6#527)."""
    host = Queueing(2)
    async with begin(timeouts=replace(PATIENT, idle=0.5)) as mail:
        domains = await mail.share(host, 12)
        assert went_well(await mail.settled(*await send_each(mail, [f"r@{domain}" for domain in domains]), seconds=8))
        assert not closed_lanes(mail)


@in_loop
async def test_report_stalwart_1067_sessions_that_break_give_their_places_back(begin: Begin) -> None:
    """Some that were reset do not count for ever: two connections deliver all (stalwartlabs/stalwart#1067)."""
    host = Mx({"RCPT": [*[RESET] * 8, "250 2.1.5 ok"]})
    settings = again(SOON, LaneRule(connections=2, connections_per_address=2))
    async with begin(settings=settings, timeouts=replace(PATIENT, idle=0.2)) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, [f"r{number}@a.test" for number in range(12)])

        async def are_delivered() -> bool:
            return {one.state for one in await mail.show(*ids)} == {"delivered"}

        await mail.until(are_delivered)
        await mail.until_true(lambda: not host.open)
        await mail.until_true(lambda: not mail.engine.slots.is_full("127.88.0.1", 1))


@in_loop
async def test_report_postal_3569_those_that_wait_at_one_address_take_no_place_of_others(begin: Begin) -> None:
    """Sixty domains at an address whose sessions all hang, in a process for thirty (postalserver/postal#3569)."""
    stuck, well = Mx({"dot": HANG}), Mx()
    async with begin(timeouts=replace(PATIENT, end_of_data=60)) as mail:
        mail.engine.slots.capacity = 30
        await mail.host("well.test", well)
        domains = await mail.share(stuck, 60)
        await send_each(mail, [f"r@{domain}" for domain in domains])
        await mail.until_true(lambda: stuck.count("DATA") == 20)  # as many as an address may have
        await mail.wait(0.3)
        assert went_well(await mail.settled(*await mail.send("code@well.test"), seconds=2))


@in_loop
async def test_report_postal_3570_silent_hosts_make_way_for_others_of_their_organisation(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight customers' host never greets, their provider has four connections (postalserver/postal#3570)."""
    for name, seconds in (("openings.PATIENCE", 0.5), ("openings.LOOK", 0.2), ("sessions.LOOK", 0.2)):
        monkeypatch.setattr(f"softbounce_worker.lane.{name}", seconds)
    silent, well = Mx({"greeting": HANG}), Mx()
    settings = lane_settings(LaneRule(site="provider.test", connections=4))
    async with begin(settings=settings, timeouts=replace(PATIENT, greeting=60)) as mail:
        await well.listen(OTHER, mail.playground.smtp_port)
        domains = await mail.share(silent, 8, organisation="provider.test")
        provider = mail.playground.zone["provider.test"]
        mail.playground.zone["provider.test"] = replace(provider, a={**provider.a, "well.provider.test": OTHER})
        mail.playground.zone["well.test"] = Zone(mx=[(10, "well.provider.test")])
        await send_each(mail, [f"r@{domain}" for domain in domains])
        await mail.until_true(lambda: silent.connections == 4)
        assert went_well(await mail.settled(*await mail.send("code@well.test"), seconds=5))
        await well.close()
