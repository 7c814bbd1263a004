"""move: the compare-and-move that every change of an envelope is, except release, claim and mark."""

from __future__ import annotations

import pytest
from mailbag import DAY, LANE, PROCESS, TOKEN, Mailbag, token

from softbounce.envelope import NO_TOKEN, Flag, Record, State
from softbounce.events import StoredEvent, encode_event
from softbounce.ids import envelope_id, new_message_id
from softbounce.store import membership, moving, reading
from softbounce.store.moving import Move, MoveResult

MOVED, STALE, GONE, ASKED = MoveResult.MOVED, MoveResult.STALE, MoveResult.GONE, MoveResult.ASKED
FAR_MS = 3_000_000_000_000


def in_state(bag: Mailbag, state: State, recipients: int = 1) -> list[Record]:
    """Envelopes of one message in that state."""
    match state:
        case State.SCHEDULED:
            return bag.scheduled(recipients=recipients)
        case State.READY:
            return bag.ready(recipients=recipients)
        case State.ATTEMPTING:
            return bag.claimed(recipients=recipients)
    records = bag.scheduled(recipients=recipients)
    assert [bag.put(record, state) for record in records] == [MOVED] * recipients
    return bag.records([record.id for record in records])


LEGAL = {
    (was, to)
    for was in State
    for to in State
    if to is not State.ATTEMPTING and (not was.is_final or (to is State.DELIVERED and was is not State.DELIVERED))
}


@pytest.mark.parametrize("to", State, ids=lambda state: f"to-{state.word}")
@pytest.mark.parametrize("was", State, ids=lambda state: f"from-{state.word}")
def test_which_moves_a_version_guard_allows(one: Mailbag, was: State, to: State) -> None:
    """All between live states and to an end; out of an end only a late 250; to attempting leads a claim only."""
    (record,) = in_state(one, was)
    before = one.record(record.id)
    record.next_ms = FAR_MS
    record.token = NO_TOKEN
    result = one.move(Move(record=_to(record, to), version=before.version))[0]
    if (was, to) in LEGAL:
        assert result == MOVED
        after = one.record(record.id)
        assert (after.state, after.version) == (to, before.version + 1)
    else:
        assert result == STALE
        assert one.record(record.id) == before
    if was is State.ATTEMPTING:  # its process drops the claim when its own result comes back stale
        one.store.run(membership.lapse(PROCESS, 0, only_list=True))


@pytest.mark.parametrize("to", State, ids=lambda state: f"to-{state.word}")
@pytest.mark.parametrize("was", State, ids=lambda state: f"from-{state.word}")
def test_which_moves_a_token_guard_allows(one: Mailbag, was: State, to: State) -> None:
    """Only out of attempting, to anything but attempting."""
    (record,) = in_state(one, was)
    result = one.move(Move(record=_to(record, to), token=TOKEN))[0]
    is_legal = was is State.ATTEMPTING and to is not State.ATTEMPTING
    assert result == (MOVED if is_legal else STALE)


def _to(record: Record, state: State) -> Record:
    record.state = state
    return record


def test_a_stale_version_moves_nothing(one: Mailbag) -> None:
    """Of two that saw the same version, the second one is told so."""
    (first,) = one.scheduled()
    (second,) = one.records([first.id])
    assert one.put(first, State.HELD) == MOVED
    assert one.put(second, State.CANCELLED) == STALE
    assert one.record(first.id).state is State.HELD


def test_another_token_moves_nothing(one: Mailbag) -> None:
    """An envelope that was claimed anew is not its first claimer's any more."""
    (record,) = one.claimed()
    one.put(record, State.READY, token=TOKEN)
    (again,) = one.claim(token=b"token--2")
    assert one.put(record, State.DELIVERED, token=TOKEN) == STALE
    assert one.record(again.id) == again


def test_a_stale_result_drops_the_dead_claim(one: Mailbag) -> None:
    """An envelope was taken from a worker by version: the worker's own result takes the claim off its list."""
    (record,) = one.claimed()
    cancelled = Move(record=_to(one.record(record.id), State.CANCELLED), version=record.version)
    assert one.move(cancelled, process="-") == [MOVED]
    assert one.store.run(membership.list_claims(PROCESS, 0)) == {record.id: TOKEN}
    assert one.put(record, State.SCHEDULED, token=TOKEN) == STALE
    assert one.store.run(membership.list_claims(PROCESS, 0)) == {}


def test_a_stale_result_leaves_the_claim_of_another_token(one: Mailbag) -> None:
    """The same process may have claimed the envelope anew meanwhile."""
    (record,) = one.claimed()
    one.put(record, State.READY, token=TOKEN)
    other = token()
    one.claim(token=other)
    assert one.put(record, State.SCHEDULED, token=TOKEN) == STALE
    assert one.store.run(membership.list_claims(PROCESS, 0)) == {record.id: other}


def test_a_missing_record_is_told(one: Mailbag) -> None:
    """Trimmed or never there: nothing is made of it, and a claim of it is dropped."""
    record = Record(id=envelope_id(new_message_id(0), 0), lane=LANE, state=State.DELIVERED)
    record.payload = one.scheduled()[0].payload
    one.raw.hset(one.key(f"claims:{PROCESS}"), record.id, TOKEN)
    assert one.move(Move(record=record, token=TOKEN), Move(record=record, version=0)) == [GONE, GONE]


def test_one_envelope_moves_once_a_call(one: Mailbag) -> None:
    """The second move of the same envelope is stale, whatever its guard says."""
    (record,) = one.scheduled(recipients=1)
    held, cancelled = one.record(record.id), one.record(record.id)
    moves = [
        Move(record=_to(held, State.HELD), version=0),
        Move(record=_to(cancelled, State.CANCELLED), version=0),
        Move(record=_to(record, State.CANCELLED), version=1),
    ]
    assert one.move(*moves) == [MOVED, STALE, STALE]
    assert one.record(record.id).state is State.HELD


def test_a_stale_move_does_not_stand_in_the_way(one: Mailbag) -> None:
    """After a stale one in the same call, a good one for the same envelope is carried out."""
    (record,) = one.scheduled()
    stale, good = one.record(record.id), one.record(record.id)
    moves = [Move(record=_to(stale, State.HELD), version=7), Move(record=_to(good, State.CANCELLED), version=0)]
    assert one.move(*moves) == [STALE, MOVED]


def test_moves_span_shards_and_parts_in_order(bag: Mailbag) -> None:
    """Any number of moves in any order of shards is answered in the order asked."""
    records = [record for shard in range(bag.shards) for record in bag.scheduled(shard, recipients=300)]
    moves = [Move(record=_to(record, State.HELD), version=number % 2) for number, record in enumerate(records)]
    assert bag.move(*moves) == [MOVED, STALE] * (len(records) // 2)
    assert bag.move() == []


@pytest.mark.parametrize(
    ("asked", "known", "to", "result"),
    [
        (Flag.CANCEL_ASKED, Flag(0), State.SCHEDULED, ASKED),
        (Flag.CANCEL_ASKED, Flag(0), State.READY, ASKED),
        (Flag.CANCEL_ASKED, Flag(0), State.HELD, ASKED),
        (Flag.CANCEL_ASKED, Flag(0), State.BOUNCED, MOVED),
        (Flag.CANCEL_ASKED, Flag(0), State.DELIVERED, MOVED),
        (Flag.CANCEL_ASKED, Flag(0), State.CANCELLED, MOVED),
        (Flag.CANCEL_ASKED, Flag.CANCEL_ASKED, State.SCHEDULED, MOVED),
        (Flag.HOLD_ASKED, Flag(0), State.SCHEDULED, ASKED),
        (Flag.HOLD_ASKED, Flag(0), State.READY, ASKED),
        (Flag.HOLD_ASKED, Flag(0), State.HELD, MOVED),
        (Flag.HOLD_ASKED, Flag(0), State.DELIVERED, MOVED),
        (Flag.HOLD_ASKED, Flag.HOLD_ASKED, State.READY, MOVED),
        (Flag.HOLD_ASKED, Flag.CANCEL_ASKED, State.READY, ASKED),
        (Flag.HOLD_ASKED | Flag.CANCEL_ASKED, Flag.HOLD_ASKED, State.HELD, ASKED),
        (Flag.HOLD_ASKED | Flag.CANCEL_ASKED, Flag.CANCEL_ASKED, State.HELD, MOVED),
    ],
    ids=str,
)
def test_what_was_asked_meanwhile_is_not_overlooked(
    one: Mailbag, asked: Flag, known: Flag, to: State, result: int
) -> None:
    """A live envelope does not come back without obeying, or at least knowing, what was asked; an end outranks it."""
    (record,) = one.claimed()
    for flag in (Flag.CANCEL_ASKED, Flag.HOLD_ASKED):
        if asked & flag:
            one.store.run(moving.ask(flag, one.record(record.id)))
    record.flags = known
    assert one.put(record, to, token=TOKEN) == result
    if result == ASKED:
        assert one.record(record.id).state is State.ATTEMPTING


# -- queues ---------------------------------------------------------------------------------------------------------


def test_deferred_stands_in_due_at_its_time(one: Mailbag) -> None:
    """A new time replaces the old one; no planned attempt means no entry."""
    (record,) = one.claimed()
    record.next_ms = FAR_MS
    assert one.put(record, State.SCHEDULED, token=TOKEN, look_ms=FAR_MS + 1) == MOVED
    assert one.zset("due") == {record.id: FAR_MS}
    assert one.zset("exp") == {record.id: FAR_MS + 1}
    (record,) = one.records([record.id])
    record.next_ms = FAR_MS - 5
    assert one.put(record, State.SCHEDULED) == MOVED
    assert one.zset("due") == {record.id: FAR_MS - 5}
    assert one.zset("exp") == {record.id: FAR_MS + 1}
    (record,) = one.records([record.id])
    record.next_ms = 0
    assert one.put(record, State.SCHEDULED) == MOVED
    assert one.zset("due") == {}


def test_a_sooner_time_wakes_the_scheduler(one: Mailbag) -> None:
    """Only what is due before all else is worth a wake-up."""
    records = one.scheduled(recipients=3, not_before_ms=FAR_MS)
    pubsub = one.raw.pubsub(ignore_subscribe_messages=True)
    pubsub.ssubscribe(one.key("wake"))
    pubsub.get_sharded_message(timeout=1)
    for record, next_ms in zip(records, (FAR_MS + 1, FAR_MS - 1, FAR_MS - 1), strict=True):
        record.next_ms = next_ms
        assert one.put(record, State.SCHEDULED) == MOVED
    heard = [pubsub.get_sharded_message(timeout=timeout) for timeout in (1, 0.02)]
    assert [message and message["data"] for message in heard] == [str(FAR_MS - 1).encode(), None]
    pubsub.close()


def test_back_to_ready_joins_the_tail_of_its_list(one: Mailbag) -> None:
    """Given back in order, claimed again in that order; the index of lists knows it."""
    first, second, third = one.claimed(recipients=3)
    assert one.lists() == set()
    moves = [Move(record=_to(record, State.READY), token=TOKEN) for record in (second, first)]
    assert one.move(*moves) == [MOVED, MOVED]
    third.lane = "mx.example"
    assert one.put(third, State.READY, token=TOKEN) == MOVED
    assert [record.id for record in one.claim()] == [second.id, first.id]
    assert [record.id for record in one.claim(lane="mx.example")] == [third.id]


def test_held_stands_in_held(one: Mailbag) -> None:
    """Since when is its score; released, it is gone from there."""
    (record,) = one.scheduled()
    assert one.put(record, State.HELD) == MOVED
    assert one.zset("held")[record.id] >= record.created_ms
    assert one.put(one.record(record.id), State.SCHEDULED) == MOVED
    assert one.zset("held") == {}


@pytest.mark.parametrize("was", [state for state in State if not state.is_final], ids=lambda state: state.word)
@pytest.mark.parametrize("end", [State.DELIVERED, State.BOUNCED, State.CANCELLED], ids=lambda state: state.word)
def test_the_body_goes_with_the_last_envelope(one: Mailbag, was: State, end: State) -> None:
    """And not before: each end counts down once, from whatever live state."""
    first, second = in_state(one, was, recipients=2)
    message = first.message
    by = TOKEN if was is State.ATTEMPTING else None
    assert one.put(first, end, token=by) == MOVED
    assert (one.live_of(message), one.has_body(message)) == (1, True)
    assert one.put(first, end, token=by) == STALE
    assert (one.live_of(message), one.has_body(message)) == (1, True)
    assert one.put(second, end, token=by) == MOVED
    assert (one.live_of(message), one.has_body(message)) == (0, False)
    assert set(one.zset("done")) == {first.id, second.id}


def test_bodies_go_when_all_envelopes_end_in_one_call(one: Mailbag) -> None:
    """Several messages at once, in pieces and in chunks, each freed by its own last envelope."""
    small, large = one.scheduled(recipients=3), one.scheduled(recipients=2, chunks=[b"a", b"b", b"c"])
    moves = [Move(record=_to(record, State.CANCELLED), version=0) for record in (*small, *large[:1])]
    assert one.move(*moves) == [MOVED] * 4
    assert (one.has_body(small[0].message), one.has_body(large[0].message)) == (False, True)
    assert one.put(large[1], State.BOUNCED) == MOVED
    assert not one.has_body(large[0].message)


@pytest.mark.parametrize("end", [State.BOUNCED, State.CANCELLED], ids=lambda state: state.word)
def test_a_late_250_replaces_an_end(one: Mailbag, end: State) -> None:
    """It counts nothing down again, and takes the place of the other end in what is kept."""
    first, second = one.scheduled(recipients=2)
    one.put(first, end)
    late = one.record(first.id)
    late.envelope.sender = "a-longer-sender-than-before@example.com"
    assert one.put(late, State.DELIVERED) == MOVED
    assert (one.live_of(first.message), one.has_body(first.message)) == (1, True)
    assert one.put(second, State.DELIVERED) == MOVED
    assert not one.has_body(first.message)


def test_a_late_250_ends_a_live_envelope(one: Mailbag) -> None:
    """Scheduled anew after its worker was lost, it is delivered all the same, and its body goes."""
    (record,) = one.claimed()
    assert one.put(record, State.SCHEDULED, token=TOKEN) == MOVED
    assert one.put(one.record(record.id), State.DELIVERED) == MOVED
    assert not one.has_body(record.message)


# -- events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 15, 16, 250])
def test_a_batch_of_moves_is_one_entry_of_events(one: Mailbag, number: int) -> None:
    """An array that any msgpack reader decodes, without the moves that did not happen."""
    records = one.scheduled(recipients=number + 1)
    moves = [
        Move(
            record=_to(record, State.HELD),
            version=0 if record is not records[0] else 9,
            event=encode_event(StoredEvent(kind="held", id=record.id, why="ü" * 200)),
        )
        for record in records
    ]
    entries = one.raw.xlen(one.key("events"))
    for start in range(0, len(moves), 250):
        one.move(*moves[start : start + 250])
    assert one.raw.xlen(one.key("events")) == entries + -(-len(moves) // 250)
    held = [event for event in one.events() if event.kind == "held"]
    assert [event.id for event in held] == [record.id for record in records[1:]]
    assert held[0].why == "ü" * 200


def test_issue10_23_a_move_may_tell_two_things_in_order(one: Mailbag) -> None:
    """Both stand in the log, the one ahead first, and the entry counts both."""
    records = [one.scheduled()[0] for _ in range(3)]
    moves = []
    for record in records:
        version = record.version
        _to(record, State.HELD)
        ahead = encode_event(StoredEvent(kind="uncertain", id=record.id))
        event = encode_event(StoredEvent(kind="held", id=record.id))
        moves.append(Move(record=record, version=version, event=event, ahead=ahead))
    moves[1].ahead = b""
    moves[2].event = b""
    before = int(one.raw.hget(one.key("totals"), "events") or 0)
    assert one.move(*moves) == [1, 1, 1]
    told = [(event.kind, event.id) for event in one.events() if event.kind != "accepted"]
    assert told == [
        ("uncertain", records[0].id),
        ("held", records[0].id),
        ("held", records[1].id),
        ("uncertain", records[2].id),
    ]
    assert int(one.raw.hget(one.key("totals"), "events") or 0) == before + 4


def test_moves_without_events_write_none(one: Mailbag) -> None:
    """A replan is nobody's event."""
    (record,) = one.scheduled()
    entries = one.raw.xlen(one.key("events"))
    one.put(record, State.SCHEDULED)
    assert one.raw.xlen(one.key("events")) == entries


# -- looking at expiries --------------------------------------------------------------------------------------------


def test_look_brings_what_is_due_to_be_looked_at(bag: Mailbag, shard: int) -> None:
    """Whole records, at most so many; entries without a record come without one."""
    past = bag.scheduled(shard, recipients=3, window_ms=-5)
    bag.scheduled(shard, window_ms=DAY)
    ghost = envelope_id(new_message_id(shard), 0)
    bag.raw.zadd(bag.key("exp", shard), {ghost: 1})
    told, entries = bag.store.run(reading.look(shard, 10))
    assert told.now_ms >= past[0].created_ms
    assert entries == [(ghost, None), *((record.id, record) for record in past)]
    assert len(bag.store.run(reading.look(shard, 2))[1]) == 2
    scores = [(ghost, None), (past[0].id, FAR_MS), (past[1].id, FAR_MS)]
    assert bag.store.run(reading.rescore(shard, scores)) == 3
    assert [identity for identity, _ in bag.store.run(reading.look(shard, 10))[1]] == [past[2].id]


def test_rescore_makes_no_new_entry(one: Mailbag) -> None:
    """An envelope that ended meanwhile is not looked at again."""
    (record,) = one.scheduled()
    one.put(record, State.CANCELLED)
    one.store.run(reading.rescore(0, [(record.id, FAR_MS)]))
    assert one.zset("exp") == {}


def test_walk_meets_every_live_envelope(one: Mailbag) -> None:
    """Step by step, until the cursor comes back as zero."""
    ids = {record.id for record in one.scheduled(recipients=700)}
    ended = one.scheduled()[0]
    one.put(ended, State.CANCELLED)
    met: dict[bytes, Record | None] = {}
    cursor, steps = "0", 0
    while steps == 0 or cursor != "0":
        _, entries, cursor = one.store.run(reading.walk(0, cursor, 100))
        met.update(entries)
        steps += 1
    assert set(met) == ids
    assert steps > 1


def test_fetch_keeps_the_order_and_the_gaps(bag: Mailbag) -> None:
    """One answer an id, whatever its shard; what is not there is none."""
    records = [bag.scheduled(shard)[0] for shard in range(bag.shards)]
    ghost = envelope_id(new_message_id(0), 0)
    ids = [*(record.id for record in reversed(records)), ghost]
    assert bag.store.run(reading.fetch(ids)) == [*reversed(records), None]


def test_a_late_250_may_come_twice(one: Mailbag) -> None:
    """Nothing leads out of delivered, so a journal that is replayed again changes nothing."""
    (record,) = one.claimed()
    assert one.put(record, State.DELIVERED, token=TOKEN) == MOVED
    delivered = one.record(record.id)
    assert one.put(one.record(record.id), State.DELIVERED) == STALE
    assert one.record(record.id) == delivered
