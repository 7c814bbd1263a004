"""mark, ask and lapse: what is stored about envelopes while they are being attempted."""

from __future__ import annotations

import pytest
from mailbag import LANE, PROCESS, TOKEN, Mailbag, token

from softbounce.envelope import Flag, Record, State
from softbounce.ids import envelope_id, new_message_id
from softbounce.store import claiming, membership, moving
from softbounce.store.claiming import Batch

GO_ON, CANCELLED, STALE, NOT_LIVE = 1, 2, 3, 0


def mark(bag: Mailbag, *records: Record, process: str = PROCESS, by: bytes = TOKEN) -> list[int]:
    """Mark envelopes under one token."""
    return bag.store.run(claiming.mark(process, [(record.id, by) for record in records]))


def test_a_mark_is_stored_and_may_be_repeated(bag: Mailbag, shard: int) -> None:
    """The marker stands in the record; the repeat of a cut call changes nothing more."""
    first, second = bag.claimed(shard, recipients=2)
    assert mark(bag, first, second) == [GO_ON, GO_ON]
    marked = bag.record(first.id)
    assert (marked.flags, marked.version) == (Flag.MARKED, first.version + 1)
    assert mark(bag, first, second) == [GO_ON, GO_ON]
    assert bag.record(first.id) == marked


def test_one_mark_spans_shards_and_keeps_the_order(bag: Mailbag) -> None:
    """Answers come in the order of the claims, whatever their shards."""
    records = [bag.claimed(shard)[0] for shard in range(bag.shards)]
    bag.store.run(moving.ask(Flag.CANCEL_ASKED, records[0]))
    expected = [CANCELLED] + [GO_ON] * (bag.shards - 1)
    assert mark(bag, *records) == expected
    assert mark(bag, *reversed(records)) == expected[::-1]
    assert bag.store.run(claiming.mark(PROCESS, [])) == []


def test_marks_are_cut_into_parts(one: Mailbag) -> None:
    """However many marks come together, each gets its answer."""
    for _ in range(5):
        one.ready(recipients=1000)
    records = one.claim(5000)
    assert mark(one, *records) == [GO_ON] * 5000


def test_flags_are_set_and_cleared_in_one_step(one: Mailbag) -> None:
    """A suspect is alone no more, and tried still; all other flags stay, and a repeat changes nothing."""
    (record,) = one.claimed()
    claims = [(record.id, TOKEN)]
    assert one.store.run(claiming.mark(PROCESS, claims, Flag.TRIED | Flag.ALONE)) == [GO_ON]
    assert one.record(record.id).flags == Flag.TRIED | Flag.ALONE
    assert mark(one, record) == [GO_ON]
    for _ in range(2):
        assert one.store.run(claiming.mark(PROCESS, claims, Flag.TRIED, clear=Flag.ALONE)) == [GO_ON]
        assert one.record(record.id).flags == Flag.TRIED | Flag.MARKED


def test_alone_and_marked_are_flags_of_their_own(one: Mailbag) -> None:
    """One does not hide the other, and neither is stored twice."""
    (record,) = one.claimed()
    claims = [(record.id, TOKEN)]
    for _ in range(2):
        assert one.store.run(claiming.mark(PROCESS, claims, Flag.ALONE)) == [GO_ON]
        assert one.record(record.id).flags == Flag.ALONE
    for _ in range(2):
        assert mark(one, record) == [GO_ON]
        assert one.record(record.id).flags == Flag.ALONE | Flag.MARKED
    assert one.store.run(claiming.mark(PROCESS, claims, Flag.ALONE)) == [GO_ON]
    assert one.record(record.id).version == record.version + 2


def test_a_cancel_asked_stops_the_dot(one: Mailbag) -> None:
    """The answer to the mark says so, and no marker is stored."""
    (record,) = one.claimed()
    assert one.store.run(moving.ask(Flag.CANCEL_ASKED, record)) == 1
    assert mark(one, record) == [CANCELLED]
    assert one.record(record.id).flags == Flag.CANCEL_ASKED


def test_a_hold_asked_stops_no_dot(one: Mailbag) -> None:
    """A hold waits until the attempt is over."""
    (record,) = one.claimed()
    one.store.run(moving.ask(Flag.HOLD_ASKED, record))
    assert mark(one, record) == [GO_ON]
    assert one.record(record.id).flags == Flag.HOLD_ASKED | Flag.MARKED


def test_a_hold_asked_is_taken_back(one: Mailbag) -> None:
    """All other flags stay; a repeat changes nothing, nor does it where none was asked."""
    (record,) = one.claimed()
    assert one.store.run(moving.ask(-Flag.HOLD_ASKED.value, record)) == 1
    assert one.record(record.id) == record
    assert one.store.run(moving.ask(Flag.HOLD_ASKED, record)) == 1
    assert mark(one, record) == [GO_ON]
    asked = one.record(record.id)
    assert one.store.run(moving.ask(-Flag.HOLD_ASKED.value, asked)) == 1
    assert (one.record(record.id).flags, one.record(record.id).version) == (Flag.MARKED, asked.version + 1)
    assert one.store.run(moving.ask(-Flag.HOLD_ASKED.value, asked)) == 2  # it changed since


def test_another_token_marks_nothing(one: Mailbag) -> None:
    """Claimed anew, given back, ended or gone: the dot must not leave."""
    anew, returned, ended = one.claimed(recipients=3)
    one.put(anew, State.READY, token=TOKEN)
    one.put(returned, State.READY, token=TOKEN)
    one.put(ended, State.CANCELLED, token=TOKEN)
    one.claim(1, token=token())
    gone = Record(id=envelope_id(new_message_id(0), 0), lane=LANE)
    assert mark(one, anew, returned, ended, gone) == [STALE] * 4


def test_who_is_not_live_marks_nothing(one: Mailbag) -> None:
    """A process that lost its lease sends no new final dot."""
    (record,) = one.claimed()
    one.store.run(membership.lapse(PROCESS, 0))
    assert mark(one, record) == [NOT_LIVE]
    assert one.record(record.id).flags == Flag(0)


def test_ask_needs_an_attempt_and_the_version_seen(one: Mailbag) -> None:
    """A flag is for a worker to obey: an envelope that nobody has is changed directly instead."""
    (record,) = one.ready()
    assert one.store.run(moving.ask(Flag.CANCEL_ASKED, record)) == 2
    (record,) = one.claim()
    mark(one, record)
    assert one.store.run(moving.ask(Flag.CANCEL_ASKED, record)) == 2
    record = one.record(record.id)
    assert one.store.run(moving.ask(Flag.CANCEL_ASKED, record)) == 1
    gone = Record(id=envelope_id(new_message_id(0), 0), lane=LANE)
    assert one.store.run(moving.ask(Flag.CANCEL_ASKED, gone)) == 3


def test_asking_twice_is_asking_once(one: Mailbag) -> None:
    """Flags add up and are never unset by asking."""
    (record,) = one.claimed()
    for flag in (Flag.CANCEL_ASKED, Flag.CANCEL_ASKED, Flag.HOLD_ASKED, Flag.HOLD_ASKED):
        assert one.store.run(moving.ask(flag, one.record(record.id))) == 1
    assert one.record(record.id).flags == Flag.CANCEL_ASKED | Flag.HOLD_ASKED
    assert one.record(record.id).version == record.version + 2


# -- leases ---------------------------------------------------------------------------------------------------------


def test_a_lease_is_renewed_until_it_lapses(bag: Mailbag) -> None:
    """Renewing moves the lease's end; once the sweep took the process off, it never comes back."""
    first_ms = bag.enlist("w", lease_ms=1000)
    assert bag.store.run(membership.leases()).ends["w"] == first_ms + 1000
    assert bag.store.run(membership.renew("w", 5000))
    leases = bag.store.run(membership.leases())
    assert first_ms + 5000 <= leases.ends["w"] <= leases.now_ms + 5000
    assert leases.infos["w"].host == "here"
    for shard in range(bag.shards):
        bag.store.run(membership.lapse("w", shard))
    assert not bag.store.run(membership.renew("w", 5000))
    assert not bag.store.run(membership.renew("stranger", 5000))


def test_a_lapse_forbids_claims_in_its_shard(bag: Mailbag, shard: int) -> None:
    """And lists what the process holds, so that it can be returned."""
    (record,) = bag.claimed(shard)
    now_ms, total, held = bag.store.run(membership.lapse(PROCESS, shard))
    assert now_ms >= record.created_ms
    assert (total, held) == (1, [(record.id, record)])
    (answer,) = bag.store.run(claiming.claim(PROCESS, TOKEN, [Batch(shard, [(LANE, "", 1)])]))
    assert not answer.is_live


def test_listing_forbids_nothing(one: Mailbag) -> None:
    """A process looks at what the store lists for it and goes on."""
    (record,) = one.claimed()
    assert one.store.run(membership.lapse(PROCESS, 0, only_list=True))[2] == [(record.id, record)]
    assert one.store.run(membership.list_claims(PROCESS, 0)) == {record.id: TOKEN}
    assert mark(one, record) == [GO_ON]


def test_a_lapse_drops_claims_that_are_none(one: Mailbag) -> None:
    """Ended, claimed by another or without a record: such entries are only leftovers."""
    good, taken = one.claimed(recipients=2)
    ghost = envelope_id(new_message_id(0), 0)
    one.raw.hset(one.key(f"claims:{PROCESS}"), mapping={taken.id: b"oldtoken", ghost: TOKEN})
    one.raw.hset(one.key("claims:other"), taken.id, TOKEN)
    assert one.store.run(membership.lapse(PROCESS, 0))[1:] == (1, [(good.id, good)])
    assert one.store.run(membership.list_claims(PROCESS, 0)) == {good.id: TOKEN}


@pytest.mark.parametrize("number", [40, 700])
def test_a_lapse_lists_unmarked_claims_first(one: Mailbag, number: int) -> None:
    """Marked ones, which may have to wait for a journal, never stand before those that can be returned at once."""
    records = one.claimed(recipients=number)
    mark(one, *records[: number - 5])
    _, total, held = one.store.run(membership.lapse(PROCESS, 0, limit=10))
    assert (total, len(held)) == (number, 10)
    assert {record.id for _, record in held[:5]} == {record.id for record in records[-5:]}
    assert all(record.flags & Flag.MARKED for _, record in held[5:])


def test_issue11_1_a_lapse_reads_the_records_that_it_lists_and_no_others(one: Mailbag) -> None:
    """Thousands of claims are returned in steps, and no step looks at all of them again."""
    one.claimed(recipients=700)
    one.store.run(membership.lapse(PROCESS, 0, limit=10))
    one.raw.config_resetstat()
    _, total, held = one.store.run(membership.lapse(PROCESS, 0, limit=10))
    assert (total, len(held)) == (700, 10)
    assert one.raw.info("commandstats")["cmdstat_hget"]["calls"] == 10


def test_a_process_that_returned_all_is_forgotten(bag: Mailbag) -> None:
    """Nothing of it stays in any shard."""
    bag.store.run(membership.tell_replayed(PROCESS))
    assert bag.store.run(membership.replayed([PROCESS, "other"])) == [True, False]
    bag.store.run(membership.forget_process(PROCESS, shards=bag.shards))
    assert bag.store.run(membership.leases())[1:] == ({}, {})
    assert bag.store.run(membership.replayed([PROCESS])) == [False]
    for shard in range(bag.shards):
        assert not bag.raw.exists(bag.key("live", shard))
