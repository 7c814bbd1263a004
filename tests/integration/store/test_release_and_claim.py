"""due, release and claim: from scheduled to attempting."""

from __future__ import annotations

import pytest
from mailbag import LANE, PROCESS, TOKEN, Mailbag, token

from softbounce.envelope import NO_TOKEN, Record, State
from softbounce.ids import envelope_id, new_message_id
from softbounce.store import claiming, keys, releasing
from softbounce.store.claiming import Batch
from softbounce.store.moving import Move
from softbounce.store.rerouting import reroute

FAR_MS = 3_000_000_000_000


def test_due_names_what_is_due_and_when_to_look_again(bag: Mailbag, shard: int) -> None:
    """Headers carry all that a release needs; what is due later only shows as the next time."""
    assert bag.store.run(releasing.due(shard))[1:] == (None, None, [])
    (now,) = bag.scheduled(shard, stream="otp")
    later = bag.scheduled(shard, not_before_ms=FAR_MS)[0]
    due = bag.store.run(releasing.due(shard))
    assert due.now_ms >= now.created_ms
    assert (due.next_due_ms, due.next_expiry_ms) == (FAR_MS, now.expires_ms)
    ((identity, header),) = due.headers
    seen = Record.unpack(identity, header)
    assert (seen.id, seen.lane, seen.stream, seen.version, seen.payload) == (now.id, LANE, "otp", now.version, b"")
    assert later.id not in dict(due.headers)


def test_due_is_bounded_and_says_that_more_is_due(one: Mailbag) -> None:
    """With more due than asked for, the next due time is already past."""
    one.scheduled(recipients=5)
    due = one.store.run(releasing.due(0, limit=2))
    assert len(due.headers) == 2
    assert due.next_due_ms is not None
    assert due.next_due_ms <= due.now_ms


def test_issue13_6_of_more_than_it_may_name_due_names_the_oldest_and_the_newest(one: Mailbag) -> None:
    """A code that is due now is released beside a million that were before it; in their order, and each once."""
    records = one.scheduled(recipients=8)
    ids = [record.id for record in records]
    one.raw.zadd(one.key("due"), {identity: 1000 + at for at, identity in enumerate(ids)})

    def due(limit: int, *, held_ms: tuple[int, int] | None = None) -> list[int]:
        return [ids.index(identity) for identity, _ in one.store.run(releasing.due(0, limit, held_ms=held_ms)).headers]

    assert due(4) == [0, 1, 6, 7]
    assert due(5) == [0, 1, 2, 6, 7]
    assert due(1) == [0]
    assert due(8) == due(9) == list(range(8))
    assert due(7) == [0, 1, 2, 3, 5, 6, 7]
    assert due(4, held_ms=(1002, 1005)) == [0, 1, 6, 7]
    assert due(6, held_ms=(1002, 1005)) == [0, 1, 2, 5, 6, 7]
    assert due(9, held_ms=(1002, 1005)) == [0, 1, 2, 5, 6, 7]
    one.raw.zadd(one.key("due"), {record.id: record.next_ms for record in records})


def test_due_shows_entries_without_a_record(one: Mailbag) -> None:
    """They come with an empty header, so that a release can drop them."""
    ghost = envelope_id(new_message_id(0), 0)
    one.raw.zadd(one.key("due"), {ghost: 1})
    assert one.store.run(releasing.due(0)).headers == [(ghost, b"")]
    assert one.store.run(releasing.release(0, {("?", ""): [(ghost, 0)]})) == 0


def test_release_moves_to_lists_by_lane_and_stream(bag: Mailbag, shard: int) -> None:
    """The record gets the lane of its list, which may be another one than it was stored with."""
    first = bag.scheduled(shard, recipients=2)
    second = bag.scheduled(shard, stream="otp")
    lists = {
        ("mx.example", ""): [(record.id, record.version) for record in first],
        (LANE, "otp"): [(record.id, record.version) for record in second],
    }
    assert bag.store.run(releasing.release(shard, lists)) == 3
    assert bag.list_of("mx.example", shard=shard) == [record.id for record in first]
    assert bag.list_of(LANE, "otp", shard) == [second[0].id]
    after = bag.record(first[0].id)
    assert (after.state, after.lane, after.version) == (State.READY, "mx.example", 1)
    assert after.envelope == first[0].envelope
    assert (after.created_ms, after.next_ms, after.expires_ms) == (
        first[0].created_ms,
        first[0].next_ms,
        first[0].expires_ms,
    )
    assert bag.lists() == {
        (shard, "mx.example|0|"),
        (shard, f"{LANE}|0|otp"),
    }


def test_reroute_moves_a_domains_list_to_its_sites(bag: Mailbag, shard: int) -> None:
    """As many as asked, in their order, and unchanged but for their lane; what is stale goes nowhere."""
    mail = bag.ready(shard, recipients=3, stream="otp")
    bag.raw.lpush(keys.ready(shard, keys.ready_name(LANE, "otp")), envelope_id(new_message_id(shard), 0))
    assert bag.list_of(LANE, "otp", shard)[1:] == [record.id for record in mail]
    assert bag.store.run(reroute(shard, (LANE, "otp"), ["mx.example"], 2)) == 2
    assert bag.list_of("mx.example", "otp", shard) == [mail[0].id]
    assert bag.store.run(reroute(shard, (LANE, "otp"), ["mx.example"])) == 0
    assert bag.list_of("mx.example", "otp", shard) == [record.id for record in mail]
    assert bag.lists() == {(shard, "mx.example|0|otp")}
    before, after = mail[0], bag.record(mail[0].id)
    assert (after.state, after.lane, after.version) == (State.READY, "mx.example", before.version + 1)
    assert (after.claims, after.expires_ms, after.envelope) == (0, before.expires_ms, before.envelope)
    (answer,) = bag.store.run(claiming.claim(PROCESS, TOKEN, [Batch(shard, [("mx.example", "otp", 9)])]))
    assert {record.id for record in answer.records} == {record.id for record in mail}


def test_release_leaves_what_changed_meanwhile(one: Mailbag) -> None:
    """A stale version stays scheduled and due; the next look sees it anew."""
    (record,) = one.scheduled()
    stale = (record.id, record.version)
    assert one.put(record, State.SCHEDULED) == 1
    assert one.store.run(releasing.release(0, {(LANE, ""): [stale]})) == 0
    assert one.record(record.id).state is State.SCHEDULED


def test_a_repeated_release_moves_nothing_twice(one: Mailbag) -> None:
    """Two schedulers are harmless."""
    (record,) = one.scheduled()
    lists = {(LANE, ""): [(record.id, record.version)]}
    assert [one.store.run(releasing.release(0, lists)) for _ in range(3)] == [1, 0, 0]
    assert one.list_of() == [record.id]
    assert one.store.run(releasing.release(0, {})) == 0


def test_release_drops_due_entries_of_other_states(one: Mailbag) -> None:
    """An entry without a scheduled envelope behind it would come up for ever."""
    (record,) = one.ready()
    one.raw.zadd(one.key("due"), {record.id: 1})
    assert one.store.run(releasing.release(0, {(LANE, ""): [(record.id, record.version)]})) == 0


def test_a_thousand_are_released_in_one_call(one: Mailbag) -> None:
    """The bound of a release is one script run."""
    one.scheduled(recipients=1000)
    assert one.release() == 1000
    assert one.claim(1000)[-1].state is State.ATTEMPTING


def test_claim_takes_the_heads_in_order(bag: Mailbag, shard: int) -> None:
    """First released, first claimed; the rest stays and is counted."""
    ids = [record.id for record in bag.ready(shard, recipients=5)]
    (claimed,) = bag.store.run(claiming.claim(PROCESS, TOKEN, [Batch(shard, [(LANE, "", 3)])]))
    assert claimed.is_live
    assert claimed.left == [2]
    assert [record.id for record in claimed.records] == ids[:3]
    record = claimed.records[0]
    assert (record.state, record.token, record.claims, record.version) == (State.ATTEMPTING, TOKEN, 1, 2)
    assert record == bag.record(record.id)
    assert bag.list_of(shard=shard) == ids[3:]


def test_one_claim_serves_several_lists_and_shards(bag: Mailbag) -> None:
    """One answer a batch; each list gives at most what was asked of it."""
    for shard in range(bag.shards):
        bag.ready(shard, recipients=2)
        bag.ready(shard, recipients=2, stream="otp")
    batches = [Batch(shard, [(LANE, "", 1), (LANE, "otp", 5), ("empty.example", "", 5)]) for shard in range(bag.shards)]
    answers = bag.store.run(claiming.claim(PROCESS, TOKEN, batches))
    assert [answer.left for answer in answers] == [[1, 0, 0]] * bag.shards
    assert [[record.stream for record in answer.records] for answer in answers] == [["", "otp", "otp"]] * bag.shards
    assert (0, f"{LANE}|0|otp") not in bag.lists()


def test_a_repeated_claim_answers_what_its_token_took(one: Mailbag) -> None:
    """The answer was cut: the repeat brings the same envelopes and takes no more."""
    one.ready(recipients=5)
    batches = [Batch(0, [(LANE, "", 2)])]
    first = one.store.run(claiming.claim(PROCESS, TOKEN, batches))[0].records
    again = one.store.run(claiming.claim(PROCESS, TOKEN, batches, repeats=True))[0].records
    assert sorted(record.id for record in again) == sorted(record.id for record in first)
    assert len(one.list_of()) == 3


def test_a_repeated_claim_that_never_ran_claims_now(one: Mailbag) -> None:
    """The request was cut: the repeat takes its first envelopes, beside those of other tokens."""
    one.ready(recipients=3)
    other = one.claim(1, token=token())
    batches = [Batch(0, [(LANE, "", 5)])]
    records = one.store.run(claiming.claim(PROCESS, TOKEN, batches, repeats=True))[0].records
    assert len(records) == 2
    assert other[0].id not in {record.id for record in records}


def test_a_repeated_claim_leaves_what_was_returned_meanwhile(one: Mailbag) -> None:
    """What the token took and has given back since is claimed as anything else, once."""
    one.ready(recipients=2)
    first, second = one.claim(2)
    assert one.put(first, State.READY, token=TOKEN) == 1
    batches = [Batch(0, [(LANE, "", 5)])]
    records = one.store.run(claiming.claim(PROCESS, TOKEN, batches, repeats=True))[0].records
    assert [record.id for record in records] == [second.id]


def test_who_is_not_live_claims_nothing(one: Mailbag) -> None:
    """A process that the sweep took off gets no more mail in this shard."""
    one.ready()
    (answer,) = one.store.run(claiming.claim("stranger", TOKEN, [Batch(0, [(LANE, "", 1)])]))
    assert (answer.is_live, answer.left, answer.records) == (False, [], [])
    assert len(one.list_of()) == 1


def test_stale_entries_are_passed_over(one: Mailbag) -> None:
    """Cancelled, moved to another lane, listed twice, or without a record: whoever pops an entry checks the header."""
    cancelled, elsewhere, twice, good = one.ready(recipients=4)
    assert one.put(cancelled, State.CANCELLED) == 1
    elsewhere.lane = "mx.example"
    assert one.put(elsewhere, State.READY) == 1
    one.raw.rpush(keys.ready(0, keys.ready_name(LANE, "")), twice.id, envelope_id(new_message_id(0), 0))
    records = one.claim(2)
    assert [record.id for record in records] == [twice.id, good.id]
    assert one.claim(5) == []
    assert [record.id for record in one.claim(5, lane="mx.example")] == [elsewhere.id]


def test_issue10_what_is_listed_twice_is_taken_once_by_a_call(one: Mailbag) -> None:
    """Both entries come up in the same look, when the record says *ready* to each: a second one would be a copy."""
    records = one.ready(recipients=3)
    one.raw.lpush(keys.ready(0, keys.ready_name(LANE, "")), records[0].id, records[0].id)
    claimed = one.claim(10)
    assert [record.id for record in claimed] == [record.id for record in records]
    assert [record.claims for record in claimed] == [1, 1, 1]


def test_many_stale_entries_end_a_claim_early(one: Mailbag) -> None:
    """A claim is bounded: it looks at four times what was asked, and says that the list is not empty."""
    records = one.ready(recipients=10)
    for record in records[:-1]:
        one.put(record, State.CANCELLED)
    batch = [Batch(0, [(LANE, "", 1)])]
    (first,) = one.store.run(claiming.claim(PROCESS, TOKEN, batch))
    assert (first.records, first.left) == ([], [6])
    while not first.records:
        (first,) = one.store.run(claiming.claim(PROCESS, TOKEN, batch))
    assert first.records[0].id == records[-1].id


def test_claims_are_counted_up_to_the_brim(one: Mailbag) -> None:
    """The count of claims without an outcome stops at what its octet holds."""
    (record,) = one.ready()
    record.claims = 255
    one.put(record, State.READY)
    assert one.claim()[0].claims == 255


@pytest.mark.parametrize("number", [4000, 9000])
def test_a_claim_may_ask_for_any_number(one: Mailbag, number: int) -> None:
    """However many are asked for, and whatever a script's stack holds, nothing is lost."""
    for _ in range(9):
        one.ready(recipients=1000)
    records = []
    while found := one.claim(number, token=token()):
        records += found
    assert len({record.id for record in records}) == len(records) == 9000


def test_body_and_records_of_a_claim_are_whole(one: Mailbag) -> None:
    """What a claim answers is what is stored: a worker need not ask again."""
    one.ready(recipients=3)
    assert all(one.record(record.id) == record for record in one.claim())


def test_given_back_is_unclaimed(one: Mailbag) -> None:
    """Back in its list an envelope has no token and can be claimed again."""
    (record,) = one.claimed()
    record.token = NO_TOKEN
    record.state = State.READY
    assert one.move(Move(record=record, token=TOKEN)) == [1]
    (again,) = one.claim(token=b"token--2")
    assert (again.token, again.claims) == (b"token--2", 2)
