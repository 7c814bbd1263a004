"""Each domain's mail goes to its own hosts, and its trouble is its own, though others have the same mail hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec
import pytest
from delivery import BODY, SENDER, SETTINGS, Begin, Delivery, in_loop, lane_settings
from mx import Mx
from softbounce_playground import Zone
from softbounce_playground.dns_labels import DnsError
from softbounce_worker.route import known_domains

from softbounce.envelope import Record
from softbounce.ids import parse_id
from softbounce.settings import AssignRule, LaneRule, Policy
from softbounce.store import moving, reading
from softbounce.store.call import Operation, StoreAnswer
from softbounce.store.moving import Move, MoveResult
from softbounce.store.sites import Site, learn_sites, read_sites

SHORT = 0.3
"""Seconds for which DNS answers hold here."""


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DNS said holds for a moment only, so that a test need not wait for long."""
    for module in ("router", "resolver"):
        monkeypatch.setattr(f"softbounce_worker.route.{module}.FLOOR", SHORT)


async def shared_host(mail: Delivery, host: Mx, *domains: str) -> None:
    """Domains with the same MX name."""
    await host.listen("127.88.6.1", mail.playground.smtp_port)
    for domain in domains:
        mail.playground.zone[domain] = Zone(
            mx=[(10, "mx.shared.test")], a={"mx.shared.test": "127.88.6.1"}, ttl_seconds=0
        )
    mail.playground.zone["shared.test"] = Zone(a={"mx.shared.test": "127.88.6.1"}, ttl_seconds=0)


def recipients_of(host: Mx) -> set[str]:
    """The domains for which a host got RCPT."""
    commands = [line.decode() for line in host.commands if line.startswith(b"RCPT")]
    return {line.partition("@")[2].partition(">")[0] for line in commands}


async def rounds(mail: Delivery, domains: Sequence[str], number: int) -> list[str]:
    """A mail to each domain, again and again, for longer than DNS answers hold."""
    ids: list[str] = []
    for one in range(number):
        for domain in domains:
            ids += await mail.send(f"r{one}@{domain}")
        await mail.wait(SHORT / 3)
    return ids


@in_loop
async def test_issue11_41_a_domain_that_moves_away_takes_no_other_s_mail_along(begin: Begin) -> None:
    """Two share their mail hosts, one of them gets others: each one's mail goes to its own."""
    old, new = Mx(), Mx()
    async with begin() as mail:
        await shared_host(mail, old, "moves.test", "stays.test")
        before = await rounds(mail, ["moves.test", "stays.test"], 3)
        assert {one.state for one in await mail.settled(*before)} == {"delivered"}
        await mail.host("moves.test", new)
        await mail.wait(2 * SHORT)
        after = await rounds(mail, ["moves.test", "stays.test"], 15)
        assert {one.state for one in await mail.settled(*after)} == {"delivered"}
        assert recipients_of(new) == {"moves.test"}
        assert sum(line.endswith(b"@moves.test>") for line in old.commands) == 3
        await old.close()


@pytest.mark.parametrize("error", ["servfail", "nxdomain"])
@in_loop
async def test_issue11_42_a_domain_without_dns_makes_no_other_wait(begin: Begin, error: DnsError) -> None:
    """It waits by itself, uncharged; the lane that it shared stays open, and the others' mail is not late."""
    host = Mx()
    async with begin() as mail:
        await shared_host(mail, host, "lost.test", "well.test")
        before = await rounds(mail, ["lost.test", "well.test"], 2)
        assert {one.state for one in await mail.settled(*before)} == {"delivered"}
        zone = mail.playground.zone["lost.test"]
        mail.playground.zone["lost.test"] = replace(zone, error=error)
        await mail.wait(2 * SHORT)
        lost = [one for number in range(10) for one in await mail.send(f"r{number}@lost.test")]
        for number in range(10):
            (shown,) = await mail.settled(*await mail.send(f"code{number}@well.test"), seconds=2)
            assert shown.state == "delivered"
            await mail.wait(SHORT / 3)
        assert not any(lane.is_closed for lane in mail.engine.lanes.values() if lane.name != "?lost.test")
        shown = await mail.show(*lost)
        assert {one.state for one in shown} <= {"ready", "attempting", "scheduled"}
        assert not any(attempt.charged for one in shown for attempt in one.attempts)
        mail.playground.zone["lost.test"] = zone
        await host.close()


@in_loop
async def test_issue11_41_what_waits_in_hand_while_its_domain_moves_goes_to_the_new_hosts(begin: Begin) -> None:
    """Claimed and held up by a rate for longer than DNS answers hold: it is looked up anew before it is sent."""
    old, new = Mx(), Mx()
    async with begin(settings=lane_settings(LaneRule(rate=5.0))) as mail:
        await shared_host(mail, old, "moves.test", "stays.test")
        ids = [one for number in range(20) for one in await mail.send(f"r{number}@moves.test", f"r{number}@stays.test")]
        await mail.until_true(lambda: len(old.bodies) > 3)
        await mail.host("moves.test", new)
        await mail.wait(2 * SHORT)
        before = [line for line in old.commands if line.endswith(b"@moves.test>")]
        assert {one.state for one in await mail.settled(*ids, seconds=20)} == {"delivered"}
        after = [line for line in old.commands if line.endswith(b"@moves.test>")]
        assert len(after) <= len(before) + 1  # one may have been under way
        assert recipients_of(new) == {"moves.test"}
        assert sum(line.endswith(b"@stays.test>") for line in old.commands) == 20
        await old.close()


@in_loop
async def test_issue11_42_name_servers_that_are_silent_make_no_other_domain_wait(begin: Begin) -> None:
    """Sixty letters whose domain's DNS does not answer take no place of the others in the lane that they share."""
    host = Mx()
    async with begin() as mail:
        await shared_host(mail, host, "lost.test", "well.test")
        before = await rounds(mail, ["lost.test", "well.test"], 2)
        assert {one.state for one in await mail.settled(*before)} == {"delivered"}
        mail.playground.zone["lost.test"] = replace(mail.playground.zone["lost.test"], error="timeout")
        await mail.wait(2 * SHORT)
        for number in range(60):
            await mail.send(f"r{number}@lost.test")
        for number in range(5):
            (shown,) = await mail.settled(*await mail.send(f"code{number}@well.test"), seconds=2.5)
            assert shown.state == "delivered"
        await host.close()


@in_loop
async def test_issue11_42_who_waits_for_dns_is_explained_by_its_own_domain_and_goes_when_it_is_back(
    begin: Begin,
) -> None:
    """Not by the lane of the site, which is open; and all of it is delivered then."""
    host = Mx()
    rule = LaneRule(close_first=timedelta(seconds=1), close_cap=timedelta(seconds=1))
    async with begin(settings=lane_settings(rule)) as mail:
        await shared_host(mail, host, "lost.test", "well.test")
        await mail.settled(*await rounds(mail, ["lost.test", "well.test"], 2))
        zone = mail.playground.zone["lost.test"]
        mail.playground.zone["lost.test"] = replace(zone, error="servfail")
        await mail.wait(2 * SHORT)
        lost = [one for number in range(5) for one in await mail.send(f"r{number}@lost.test")]
        await mail.until_true(lambda: (lane := mail.engine.lanes.get("?lost.test")) is not None and lane.is_closed)
        await mail.wait(SHORT)
        for one in lost:
            text = " ".join((await mail.client.explain(one)).split())
            assert "he lane to the domain lost.test is closed" in text
            assert "shared.test" not in text
        mail.playground.zone["lost.test"] = zone
        assert {one.state for one in await mail.settled(*lost, seconds=10)} == {"delivered"}
        await host.close()


@in_loop
async def test_issue11_mail_that_goes_straight_to_its_site_has_the_site_s_policy(begin: Begin) -> None:
    """A rule by site holds for a domain that was known before, not only for its first mail."""
    patient = Policy(name="patient", delays=(timedelta(hours=7),), jitter=0.0)
    settings = msgspec.structs.replace(
        SETTINGS,
        policies={**SETTINGS.policies, "patient": patient},
        assign=(AssignRule(policy="patient", site="a.test"),),
    )
    host = Mx({"RCPT": [b"250 ok\r\n", b"452 4.2.2 mailbox full\r\n"]})
    async with begin(settings=settings) as mail:
        await mail.host("a.test", host)
        await mail.deliver("first@a.test")
        (shown,) = await mail.deliver("second@a.test")
        assert shown.site == "a.test"
        assert shown.next_attempt_at is not None
        assert shown.next_attempt_at - shown.created_at > timedelta(hours=6)


@in_loop
async def test_issue11_43_firms_that_are_each_other_s_backup_get_their_own_first(begin: Begin) -> None:
    """The same two names in opposite order: the lowest preference has all of it."""
    hosts = [Mx(), Mx()]
    async with begin() as mail:
        names = ["mx.one.test", "mx.other.test"]
        addresses = {name: f"127.88.6.{number}" for number, name in enumerate(names, 2)}
        for host, address in zip(hosts, addresses.values(), strict=True):
            await host.listen(address, mail.playground.smtp_port)
        for domain, order in (("one.test", names), ("other.test", names[::-1])):
            mail.playground.zone[domain] = Zone(mx=[(10, order[0]), (20, order[1])], a=addresses, ttl_seconds=0)
        ids = await rounds(mail, ["one.test", "other.test"], 10)
        assert {one.state for one in await mail.settled(*ids)} == {"delivered"}
        assert [recipients_of(host) for host in hosts] == [{"one.test"}, {"other.test"}]
        for host in hosts:
            await host.close()


@in_loop
async def test_issue11_51_a_deep_list_of_a_domain_just_met_moves_to_its_site(begin: Begin) -> None:
    """What does not fit at once waits in the site's own list: nothing is claimed and given back again and again."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = [one for number in range(300) for one in await mail.send(f"r{number}@a.test")]
        shown = await mail.settled(*ids, seconds=20)
        assert {one.state for one in shown} == {"delivered"}
        assert {one.site for one in shown} == {"a.test"}
        assert len(host.bodies) == 300


@in_loop
async def test_issue11_what_is_learnt_of_many_new_domains_is_told_many_a_call(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All shards learn where each one's mail goes, most of them together with others."""
    calls: list[int] = []

    def counted(sites: Mapping[str, Site | None], *, shards: int) -> Operation[list[StoreAnswer]]:
        calls.append(len(sites))
        return learn_sites(sites, shards=shards)

    monkeypatch.setattr(known_domains, "learn_sites", counted)
    async with begin() as mail:
        domains = [f"d{number}.test" for number in range(60)]
        mail.release_no_more()
        ids = await mail.send(*(f"x@{domain}" for domain in domains))
        mail.release_again()
        shown = await mail.settled(*ids, seconds=30)
        assert {one.state for one in shown} == {"delivered"}
        assert sum(calls) == len(domains)
        assert len(calls) < len(domains) / 2
        assert None not in await mail.store.run(read_sites(0, domains))


@in_loop
async def test_issue11_41_mail_in_a_lane_of_the_version_before_finds_its_site(begin: Begin) -> None:
    """A lane was named by its MX names in any order: such mail moves, and is delivered at its first try."""
    old = f"a.test~{blake2b(b'mx1.a.test' + bytes([10]) + b'mx2.a.test', digest_size=8).hexdigest()}"
    async with begin() as mail:
        host = Mx()
        await mail.host("a.test", host, Mx())
        mail.playground.zone["b.test"] = mail.playground.zone["a.test"]
        later = datetime.now(UTC) + timedelta(hours=1)
        ids = []
        for number in range(20):
            to = f"r{number}@{'ab'[number % 2]}.test"
            receipt = await mail.client.send(sender=SENDER, recipients=[to], message=BODY, at=later)
            ids.append(receipt.envelopes[to])
        moves = []
        for record in await stored_records(mail, ids):
            record.lane, record.envelope.site = old, "a.test"
            record.next_ms = mail.process.clock.now_ms(0)
            moves.append(Move(record=record, version=record.version))
        moved = await mail.store.run(moving.move(moves, keep_events=0))
        assert moved == [MoveResult.MOVED] * len(ids)
        shown = await mail.settled(*ids)
        assert {one.state for one in shown} == {"delivered"}
        assert {len(one.attempts) for one in shown} == {1}
        (lane,) = {record.lane for record in await stored_records(mail, ids)}
        assert (lane.partition("~")[0], lane == old) == ("a.test", False)
        assert len(host.bodies) == len(ids)


async def stored_records(mail: Delivery, ids: Sequence[str]) -> list[Record]:
    """The envelopes as the store has them."""
    found = await mail.store.run(reading.fetch([parse_id(one) for one in ids]))
    return [record for record in found if record is not None]
