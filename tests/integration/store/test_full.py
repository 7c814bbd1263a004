"""F16: a store without memory refuses new mail, and everything else goes on until it is empty."""

from __future__ import annotations

import pytest
from conftest import StartStore
from mailbag import LANE, PROCESS, Mailbag, new_message, open_bag, token

from softbounce.envelope import NO_TOKEN, Flag, Record, State
from softbounce.errors import StoreFull
from softbounce.events import StoredEvent, encode_event
from softbounce.store import claiming, membership, moving, retention
from softbounce.store.lanes import LaneState, TakenLane, save_lanes, take_lanes, wake_lanes
from softbounce.store.moving import Move


def fill(bag: Mailbag) -> int:
    """Accept mail until the store is full; how many messages it took."""
    for taken in range(100_000):
        try:
            bag.accept(new_message(chunks=[b"x" * 50_000]))
        except StoreFull:
            return taken
    raise AssertionError("the store never was full")


def delivered(record: Record) -> Move:
    """The move that a 250 makes."""
    record.state = State.DELIVERED
    record.token, by = NO_TOKEN, record.token
    return Move(record=record, token=by, event=encode_event(StoredEvent(kind="delivered", id=record.id)))


@pytest.mark.parametrize("cluster", [False, True], ids=["standalone", "cluster"])
def test_F16_a_full_store_refuses_new_mail_and_drains(start_store: StartStore, cluster: bool) -> None:
    """Nothing of a refused message is there; what was taken is released, claimed, marked and ended to the last one."""
    server = start_store(cluster=cluster, options=("--maxmemory", "12mb"))
    with open_bag(server.url) as bag:
        taken = fill(bag)
        assert taken > 20
        bag.raw.config_set("maxmemory", "1mb")  # far beyond full: whatever is freed, it stays full
        with pytest.raises(StoreFull):
            bag.accept(new_message())
        bag.audit()
        assert len(bag.zset("due")) == taken
        assert bag.store.run(membership.renew(PROCESS, 60_000)) is not None
        bag.enlist("worker-2")
        assert bag.store.run(take_lanes(PROCESS, [LANE])) == [TakenLane(LaneState(), [])]
        bag.store.run(save_lanes(PROCESS, {LANE: LaneState(failures=1)}, keep_events=1000))
        assert bag.store.run(wake_lanes(1, {"x": "y"}, (), repeat_after_ms=1)) == ["x"]
        assert bag.release() == taken
        ended = 0
        while records := bag.claim(20, token=token()):
            first, *rest = records
            assert bag.store.run(moving.ask(Flag.CANCEL_ASKED, first)) == 1
            claims = [(record.id, record.token) for record in records]
            assert bag.store.run(claiming.mark(PROCESS, claims)) == [2] + [1] * len(rest)
            moves = [delivered(record) for record in records]
            assert bag.move(*moves) == [1] * len(records)
            ended += len(records)
        assert ended == taken
        bag.audit()
        assert bag.zset("exp") == {}
        assert bag.store.run(retention.trim(0, bag.settings))[:2] == (0, 0)
        bag.raw.config_set("maxmemory", "12mb")
        assert bag.accept(new_message()).outcome == "stored"


def test_F16_a_message_that_has_no_room_is_refused_whole(start_store: StartStore) -> None:
    """Accept asks before it writes anything: of its envelopes, its body and its key there is nothing."""
    server = start_store(options=("--maxmemory", "1mb"))
    with open_bag(server.url) as bag:
        with pytest.raises(StoreFull):
            bag.accept(new_message(recipients=3))
        assert not bag.raw.exists(bag.key("e"), bag.key("m"), bag.key("k"), bag.key("due"))
        bag.audit()
