"""Nonsense in the store costs a line and that one item: no loop of the scheduler stops for it (issue 10, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from mailbag import LANE, PROCESS, TOKEN, Mailbag

from softbounce import Client
from softbounce.envelope import Record, State
from softbounce.errors import SchemaMismatch
from softbounce.ids import envelope_id, format_id, new_message_id
from softbounce.store import keys, membership, reading
from softbounce.store.lanes import LaneState, lane_states
from softbounce.store.moving import Move
from softbounce.store.scrubbing import list_part
from softbounce.store.sites import Site, read_sites
from softbounce.store.unreadable import count_aside

if TYPE_CHECKING:
    from conftest import Bench, Parts

BAD_LANES = ["a.a|b+1~0123456789abcdef", "a|0|x~0123456789abcdef", "", "?", "a b", "x" * 400, "?a?b", "\n", "é.example"]
BAD_RECORDS = {
    "empty": b"",
    "one octet": b"\x01",
    "noise": bytes(range(200, 250)),
    "another layout": b"\x02" + bytes(80),
    "cut short": b"\x01\x01" + bytes(42) + b"\xff\xff",
    "no such state": b"\x01\x63" + bytes(45) + b"\x00",
    "no payload": b"\x01\x01" + bytes(42) + b"\x00\x04?a.x\x00",
}

IDS = {"an id": bytes(14) + b"\0\7", "short": b"short", "empty": b"", "elsewhere": b"\xff" * 16, "long": b"long" * 20}


def forget(bag: Mailbag, *ids: bytes) -> None:
    """Take nonsense out again, so that the books can be audited."""
    bag.raw.hdel(bag.key("e"), *ids)
    for queue in ("due", "exp", "held", "aside"):
        bag.raw.zrem(bag.key(queue), *ids)


async def sweep_and_release(parts: Parts) -> None:
    """What the scheduler does in a second or two."""
    await parts.sweeper.sweep()
    await parts.releaser.step()


@pytest.mark.parametrize("lane", BAD_LANES)
def test_issue10_01_mail_in_a_lane_whose_name_is_none_is_routed_anew(bench: Bench, lane: str) -> None:
    """Whatever an older version made of a stranger's MX: its mail goes back to its domain's lane, and the list goes."""
    bag = bench.bag
    bad, good = bag.ready(lane=lane, recipients=3), bag.ready()
    name = keys.ready_name(lane, "").encode()
    assert bag.raw.sismember(bag.key("lanes"), name)
    bench.run(sweep_and_release)
    assert [one.lane for one in bag.records([one.id for one in bad])] == [LANE] * 3
    assert {one.state for one in bag.records([one.id for one in (*bad, *good)])} == {State.READY}
    assert set(bag.list_of()) == {one.id for one in (*bad, *good)}
    assert bag.raw.smembers(bag.key("lanes")) == {keys.ready_name(LANE, "").encode()}


@pytest.mark.parametrize("lane", BAD_LANES)
def test_issue10_01_what_is_due_for_a_lane_whose_name_is_none_goes_to_its_domain_s(bench: Bench, lane: str) -> None:
    """No list of such a name is made any more."""
    bag = bench.bag
    bag.scheduled(lane=lane)
    bench.run(lambda parts: parts.releaser.step())
    assert bag.lists() == {(0, keys.ready_name(LANE, ""))}


@pytest.mark.parametrize("name", [b"\xff\xfe|0|", b"", b"x", b"|||", b"a|b", b"a|-1|", b"a|x|", b"a" * 5000 + b"|0|"])
def test_issue10_01_names_of_lists_that_are_none_are_cleared_away(bench: Bench, name: bytes) -> None:
    """Also where nothing is behind them, or something that is no list."""
    bag = bench.bag
    bag.ready()
    bag.raw.sadd(bag.key("lanes"), name)
    bag.raw.set(keys.ready_of(0, name), "no list")
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.raw.smembers(bag.key("lanes")) == {keys.ready_name(LANE, "").encode()}
    assert not bag.raw.exists(keys.ready_of(0, name))


@pytest.mark.parametrize("what", BAD_RECORDS)
@pytest.mark.parametrize("identity", IDS.values(), ids=IDS)
def test_issue10_01_a_record_that_cannot_be_read_is_set_aside_and_stops_nothing(
    bench: Bench, what: str, identity: bytes
) -> None:
    """In due and in exp: the others of its batch are released, and it is kept, counted, and in no queue."""
    bag = bench.bag
    (good,) = bag.scheduled()
    bag.raw.hset(bag.key("e"), identity, BAD_RECORDS[what])
    bag.raw.zadd(bag.key("due"), {identity: 1})
    bag.raw.zadd(bag.key("exp"), {identity: 1})

    async def go(parts: Parts) -> None:
        await parts.releaser.step()
        await parts.expiry.step()
        await parts.expiry.replan()
        await parts.scrub.step()
        await parts.releaser.step()

    bench.run(go)
    assert bag.record(good.id).state is State.READY
    assert set(bag.zset("due")) == set()
    assert set(bag.zset("exp")) == {good.id}
    assert bag.raw.hstrlen(bag.key("e"), identity) == len(BAD_RECORDS[what])
    assert bag.store.run(count_aside(1)) == 1
    forget(bag, identity)


def test_issue10_01_what_was_set_aside_comes_back_when_it_can_be_read(bench: Bench) -> None:
    """A newer version, or a person, mended it: it is where its state says, and what is gone is forgotten."""
    bag = bench.bag
    held, planned, gone = bag.scheduled(), bag.scheduled(not_before_ms=2**41), envelope_id(new_message_id(0), 0)
    bag.put(held[0], State.HELD)
    kept = {one[0].id: bag.raw.hget(bag.key("e"), one[0].id) for one in (held, planned)}
    for identity in (*kept, gone):
        bag.raw.hset(bag.key("e"), identity, b"?")
        bag.raw.zrem(bag.key("exp"), identity)
        bag.raw.zrem(bag.key("held"), identity)
        bag.raw.zadd(bag.key("due"), {identity: 1})
    bench.run(lambda parts: parts.releaser.step())
    assert bag.store.run(count_aside(1)) == 3
    bag.raw.hset(bag.key("e"), mapping=kept)
    bag.raw.hdel(bag.key("e"), gone)
    bench.run(lambda parts: parts.scrub.step())
    assert bag.store.run(count_aside(1)) == 0
    assert bag.zset("due") == {planned[0].id: 2**41}
    assert set(bag.zset("held")) == {held[0].id}


def test_issue10_01_an_envelope_of_which_nothing_can_be_made_is_set_aside_alone(bench: Bench) -> None:
    """Its record can be read, and its times are beyond any calendar: the others whose window closed are promoted."""
    bag = bench.bag
    odd, good = bag.scheduled(window_ms=1)[0], bag.scheduled(window_ms=1)[0]
    odd.envelope.window_ms = 2**62
    odd.envelope.at_ms = 2**62
    good.envelope.window_ms = 1
    bag.move(*(Move(record=one, version=one.version) for one in (odd, good)))
    bag.raw.zadd(bag.key("exp"), {odd.id: 1, good.id: 2})
    bench.run(lambda parts: parts.expiry.step())
    assert bag.record(good.id).state is State.BOUNCED
    assert bag.store.run(count_aside(1)) == 1
    forget(bag, odd.id)
    bag.raw.hdel(bag.key("m"), odd.message)
    bag.raw.delete(keys.body(odd.message))


def test_issue10_01_small_facts_that_are_nonsense_are_as_good_as_none(bench: Bench) -> None:
    """In leases, processes, owners, lanes, sites, hints and the clock: the sweep goes through, and mail goes on."""
    bag = bench.bag
    noise = b"\xc1\xff\x00"
    (record,) = bag.ready()
    bag.raw.zadd(bag.key("leases"), {noise: 1, "endless": float("inf"), "": 5, "never": float("-inf")})
    for name in ("process", "owner", "lane", "hint", "replayed", "totals", "clock"):
        for field in (noise, b"", LANE.encode(), PROCESS.encode(), b"done_octets", b"events", b"correction", b"seen"):
            bag.raw.hset(bag.key(name), field, noise)
    bag.raw.hset(bag.key("site"), "example.net", noise)
    bag.raw.hset(bag.key("site"), "b.test", msgspec.msgpack.encode(Site(lane="a|b", shown="a|b", learnt_ms=1)))
    bag.raw.sadd(bag.key("live"), noise)
    bench.run(sweep_and_release)
    assert bag.store.run(read_sites(0, ["example.net", "b.test"])) == [None, None]
    assert bag.store.run(lane_states([LANE])) == [LaneState()]
    assert "endless" not in bag.store.run(membership.leases()).ends
    assert bag.record(record.id).state is State.READY
    assert [one.id for one in bag.claim()] == [record.id]
    bag.put(bag.record(record.id), State.CANCELLED, token=TOKEN)
    assert bag.record(record.id).state is State.CANCELLED
    bag.raw.delete(bag.key("clock"))


def test_issue10_01_a_dead_process_s_claims_that_are_nonsense_hold_up_no_other(bench: Bench) -> None:
    """Fields that are no ids, tokens that are none, and a hash that is no hash."""
    bag = bench.bag
    (record,) = bag.claimed()
    bag.raw.hset(keys.claims(0, PROCESS), mapping={b"x": b"y", b"": b"", b"\xff" * 16: TOKEN})
    bag.raw.set(keys.claims(0, "odd"), "no hash")
    bag.raw.sadd(bag.key("live"), "odd")
    bag.raw.zadd(bag.key("leases"), {"odd": 1, PROCESS: 1})
    bench.run(lambda parts: parts.sweeper.sweep())
    assert bag.record(record.id).state is State.SCHEDULED
    assert bag.store.run(membership.leases()).ends == {}


def test_issue10_01_a_list_that_is_none_takes_mail_all_the_same(bench: Bench) -> None:
    """Whatever stands in the place of a ready list is removed: by who fills it and by who takes from it."""
    bag = bench.bag
    list_key = keys.ready(0, keys.ready_name(LANE, ""))
    bag.raw.set(list_key, "no list")
    (record,) = bag.ready()
    assert bag.list_of() == [record.id]
    bag.raw.delete(list_key)
    bag.raw.set(list_key, "no list")
    assert bag.claim() == []
    bench.run(lambda parts: parts.scrub.step())
    assert [one.id for one in bag.claim()] == [record.id]
    bag.raw.delete(list_key)


def test_issue10_01_the_slow_walk_puts_back_what_no_queue_has(bench: Bench) -> None:
    """Ready without an entry, planned without a time, held and live without a place: all of them, none twice."""
    bag = bench.bag
    listed, lost = bag.ready(recipients=2), bag.ready(recipients=2, stream="otp")
    bag.raw.lrem(keys.ready(0, keys.ready_name(LANE, "")), 0, listed[1].id)
    bag.raw.delete(keys.ready(0, keys.ready_name(LANE, "otp")))
    bag.raw.delete(bag.key("lanes"))
    planned, held = bag.scheduled(not_before_ms=2**41)[0], bag.scheduled(not_before_ms=2**41)[0]
    bag.put(held, State.HELD)
    for queue in ("due", "exp", "held"):
        bag.raw.delete(bag.key(queue))
    bench.run(lambda parts: parts.scrub.step())
    assert bag.list_of() == [listed[0].id, listed[1].id]
    assert set(bag.list_of(stream="otp")) == {one.id for one in lost}
    assert set(bag.zset("due")) == {planned.id}
    assert set(bag.zset("held")) == {held.id}
    before = {stream: bag.list_of(stream=stream) for stream in ("", "otp")}
    bench.run(lambda parts: parts.scrub.step())
    assert {stream: bag.list_of(stream=stream) for stream in ("", "otp")} == before


def test_issue10_01_the_slow_walk_returns_what_nobody_is_attempting(bench: Bench) -> None:
    """Its claim is in no process's list: unmarked it goes back uncharged, and what a process has stays with it."""
    bag = bench.bag
    orphan, owned = bag.claimed()[0], bag.claimed()[0]
    bag.raw.hdel(keys.claims(0, PROCESS), orphan.id)

    async def look_and_walk(parts: Parts) -> None:
        await parts.releaser.step()
        await parts.scrub.step()

    bench.run(look_and_walk)
    assert (bag.record(orphan.id).state, bag.record(orphan.id).charged) == (State.SCHEDULED, 0)
    assert bag.record(owned.id).state is State.ATTEMPTING


def test_issue10_01_a_list_is_read_from_its_end_so_that_nothing_is_passed_over(bench: Bench) -> None:
    """Entries that are taken at its head or come at its end while it is read leave no gap between two parts."""
    bag = bench.bag
    ids = [record.id for record in bag.ready(recipients=10)]
    name = keys.ready_name(LANE, "")
    seen = set(bag.store.run(list_part(0, name, 0, 4)))
    bag.raw.lpop(keys.ready(0, name), 2)
    bag.raw.rpush(keys.ready(0, name), *ids[:2])
    seen |= set(bag.store.run(list_part(0, name, 4, 4)))
    seen |= set(bag.store.run(list_part(0, name, 8, 4)))
    assert seen >= set(ids[2:])


def test_issue10_01_counts_and_pages_pass_over_what_cannot_be_read(bench: Bench) -> None:
    """One such record is no reason to show nothing: it is named, and asking for it says why."""
    bag = bench.bag
    (good,) = bag.scheduled()
    bad = envelope_id(new_message_id(0), 0)
    bag.raw.hset(bag.key("e"), bad, b"\x01nonsense")
    found = bag.store.run(reading.read_all([good.id, bad]))
    assert isinstance(found[0], Record)
    assert isinstance(found[1], reading.Unreadable)
    assert bag.store.run(reading.fetch([good.id, bad])) == [found[0], None]
    with Client(bag.store.url) as mail:
        assert (mail.queue().total, mail.queue().unreadable, mail.queue(domain="*").unreadable) == (1, 1, 1)
        page = mail.page()
        assert ([one.id for one in page.envelopes], page.unreadable) == ([format_id(good.id)], (format_id(bad),))
        with pytest.raises(SchemaMismatch, match="cannot be read"):
            mail.show(format_id(bad))
    forget(bag, bad)


def test_issue10_01_what_is_live_is_never_forgotten_as_if_it_had_ended(bench: Bench) -> None:
    """An entry among those that ended is no end: it goes, and the envelope stays; so does what cannot be read."""
    bag = bench.bag
    (live,), odd = bag.scheduled(), envelope_id(new_message_id(0), 0)
    bag.raw.hset(bag.key("e"), odd, b"?")
    bag.raw.zadd(bag.key("done"), {live.id: 1, odd: 1})
    bench.run(sweep_and_release)
    assert bag.record(live.id).state is State.READY
    assert bag.raw.hexists(bag.key("e"), odd)
    assert bag.zset("done") == {}
    forget(bag, odd)
