"""Standing holds in the store: begun, seen, ended by hand or by themselves; what they held goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mailbag import Mailbag, open_bag
from softbounce_scheduler.expiry import Expiry
from softbounce_scheduler.standing_holds import StandingHoldsKeeper
from softbounce_scheduler.store_view import LATE_WORKERS_MS, StoreView

from softbounce import Client, InvalidArgument, NotFound, StoreUnavailable, transitions
from softbounce.envelope import State
from softbounce.ids import parse_id
from softbounce.standing import StandingHold
from softbounce.store import keys, standing_holds
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards
from softbounce.store.standing_holds import begin_hold, end_hold, forget_hold, read_standing

MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"
KEEP = 1000
NAME = "domain:example.net"


@pytest.fixture(params=[1, 3], ids=["1-shard", "3-shards"])
def bag(store_url: str, request: pytest.FixtureRequest) -> Iterator[Mailbag]:
    """A store whose books are audited afterwards."""
    with open_bag(store_url, request.param) as bag:
        yield bag
        bag.audit()


def send(mail: Client, number: int, domain: str = "example.net") -> list[str]:
    """So many envelopes."""
    sends = [
        {"sender": "app@example.com", "recipients": [f"r{one}@{domain}"], "message": MESSAGE} for one in range(number)
    ]
    return [one for receipt in mail.send_many(sends) for one in receipt.envelopes.values()]


def meet(bag: Mailbag, name: str, *ids: str) -> None:
    """These meet a hold, as a worker makes of it."""
    hold = bag.store.run(read_standing())[name]
    for identity in ids:
        record = bag.record(parse_id(identity))
        version, change = record.version, transitions.hold_standing(record, name, hold, record.created_ms)
        bag.move(Move(record=change.record, version=version, event=change.event))


def keep(bag: Mailbag, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """One step of a scheduler that has just started."""

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        view = StoreView(store, bag.shards)
        try:
            await view.read_standing()
            keeper = StandingHoldsKeeper(view, [Expiry(view, shard) for shard in range(bag.shards)])
            meanwhile()
            await keeper.step()
        finally:
            await store.close()

    asyncio.run(run())


def age(bag: Mailbag, name: str, milliseconds: int) -> None:
    """Its end was so much earlier."""
    hold = bag.store.run(read_standing())[name]
    assert bag.store.run(end_hold(name, hold, hold.ended_ms - milliseconds, why="", keep_events=KEEP)) == 1


def test_issue15_2_a_hold_is_begun_seen_and_ended_by_hand(mail: Client, bag: Mailbag) -> None:
    """Listed and explained, not lifted one by one; ended, what it held goes on, and what others hold stays."""
    waiting, met, by_hand = send(mail, 3)
    mail.hold(by_hand)
    hold = mail.add_hold("domain", "Example.net", reason="their DMARC is broken", by="ann")
    assert (hold.hold, hold.of, hold.value, hold.until, hold.by) == (NAME, "domain", "example.net", None, "ann")
    assert mail.holds() == [hold]
    words = " ".join(mail.explain(waiting).split())
    assert "All mail of the domain example.net has been held since" in words
    assert "by ann, until somebody ends it: their DMARC is broken. It is held when its turn comes." in words
    meet(bag, NAME, met)
    words = " ".join(mail.explain(met).split())
    assert "It met a hold that stands." in words
    assert f"softbounce holds release {NAME}" in words
    assert str(mail.release(met)) == "hold_stands"
    assert mail.act_on_matching("release", held_for="standing") == {"hold_stands": 1}
    keep(bag)
    assert mail.show(met).held_for == "standing"
    assert mail.queue(held_for="standing").total == 1
    mail.end_hold(NAME)
    assert mail.holds() == []
    assert "Its hold has ended: the scheduler releases it" in " ".join(mail.explain(met).split())
    keep(bag)
    assert {one: mail.show(one).state for one in (waiting, met, by_hand)} == {
        waiting: "scheduled",
        met: "scheduled",
        by_hand: "held",
    }
    with pytest.raises(NotFound, match=r"no hold named 'domain:example\.net' stands"):
        mail.end_hold(NAME)
    told = [(event.kind, event.text) for event in mail.events() if event.kind.startswith("hold_")]
    assert told == [("hold_began", NAME), ("hold_ended", NAME)]


def test_issue15_2_it_ends_by_itself_and_is_forgotten_when_all_went_on(mail: Client, bag: Mailbag) -> None:
    """A worker that did not know yet holds one more: the second walk releases it, and only then it is forgotten."""
    one, late = send(mail, 2)
    mail.add_hold("domain", "example.net", until=timedelta(milliseconds=30))
    meet(bag, NAME, one)
    keep(bag, meanwhile=lambda: _until_over(mail))
    assert mail.show(one).state == "scheduled"
    assert bag.store.run(read_standing())[NAME].ended_ms
    meet(bag, NAME, late)
    age(bag, NAME, LATE_WORKERS_MS)
    keep(bag)
    assert mail.show(late).state == "scheduled"
    assert bag.store.run(read_standing()) == {}


def _until_over(mail: Client) -> None:
    while mail.holds():
        pass


def test_issue15_2_who_dies_before_the_walk_leaves_it_to_the_next(mail: Client, bag: Mailbag) -> None:
    """The end is in the store; whatever scheduler comes, walks. What came even later goes at its next look."""
    one, lost = send(mail, 2)
    mail.add_hold("domain", "example.net")
    meet(bag, NAME, one, lost)
    mail.end_hold(NAME)
    keep(bag)
    assert {mail.show(identity).state for identity in (one, lost)} == {"scheduled"}
    meet(bag, NAME, lost)
    age(bag, NAME, LATE_WORKERS_MS)
    hold = bag.store.run(read_standing())[NAME]
    assert bag.store.run(forget_hold(NAME, hold)) == 1
    record = bag.record(parse_id(lost))
    shard = keys.HOME if bag.shards == 1 else int.from_bytes(record.id[:2])
    bag.raw.zadd(bag.key("exp", shard), {record.id: 1})

    async def look() -> None:
        store = AsyncShards(bag.store.url)
        view = StoreView(store, bag.shards)
        try:
            await view.read_standing()
            while not view.clocks[shard].is_sure:
                await Expiry(view, shard).step()
            await Expiry(view, shard).step()
        finally:
            await store.close()

    asyncio.run(look())
    assert mail.show(lost).state == "scheduled"


def test_issue15_2_what_expires_before_its_turn_is_held_too(mail: Client, bag: Mailbag) -> None:
    """Nobody is told that it bounced while its hold stands."""
    receipt = mail.send(
        sender="app@example.com",
        recipients=["r@example.net"],
        message=MESSAGE,
        window=timedelta(milliseconds=1),
    )
    (one,) = receipt.envelopes.values()
    mail.add_hold("domain", "example.net")
    record = bag.record(parse_id(one))
    shard = int.from_bytes(record.id[:2])

    async def look() -> None:
        store = AsyncShards(bag.store.url)
        view = StoreView(store, bag.shards)
        try:
            await view.read_standing()
            while not view.clocks[shard].is_sure:
                await Expiry(view, shard).step()
            bag.raw.zadd(bag.key("exp", shard), {record.id: 1})
            await Expiry(view, shard).step()
        finally:
            await store.close()

    asyncio.run(look())
    assert (mail.show(one).state, mail.show(one).held_for) == ("held", "standing")


def test_issue15_2_added_again_it_is_replaced_and_counted_once(mail: Client, bag: Mailbag) -> None:
    """The same again changes nothing; another reason or end does, and it stands since it began."""
    until = datetime.now(UTC) + timedelta(hours=1)
    first = mail.add_hold("tag", "Spring", until=until)
    assert mail.add_hold("tag", "spring", until=until) == first
    assert bag.store.run(read_standing())["tag:spring"].revision == 1
    second = mail.add_hold("tag", "spring", reason="wrong link")
    assert (second.since, second.until, second.reason) == (first.since, None, "wrong link")
    mail.end_hold("tag:spring")
    assert mail.add_hold("tag", "spring").reason == ""
    assert [one.hold for one in mail.holds()] == ["tag:spring"]


def test_issue15_2_so_many_and_no_nonsense(mail: Client, bag: Mailbag, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds hold, and what is nothing of ours among them holds nothing."""
    monkeypatch.setattr(standing_holds, "MOST_HOLDS", 2)
    mail.add_hold("tag", "a")
    mail.add_hold("tag", "b")
    with pytest.raises(StoreUnavailable, match="end some of them first"):
        mail.add_hold("tag", "c")
    for field, more in (("reason", {"reason": "x" * 201}), ("until", {"until": timedelta(0)}), ("by", {"by": "a\nb"})):
        with pytest.raises(InvalidArgument, match=field):
            mail.add_hold("tag", "a", **more)  # type: ignore[arg-type]
    seen = bag.store.run(read_standing())["tag:a"]
    assert bag.store.run(begin_hold("tag:a", seen, over=StandingHold(), keep_events=KEEP)) == 0
    for octets in (b"", b"\x00\x00\x00\x07junk", b"\xff" * 40):
        bag.raw.hset(bag.key("standing"), "tag:a", octets)
        bag.raw.hset(bag.key("standing"), b"odd \xff", octets)
        assert [one.hold for one in mail.holds()] == ["tag:b"]
    bag.raw.delete(bag.key("standing"))
    assert mail.holds() == []
    assert bag.record(parse_id(send(mail, 1)[0])).state is State.SCHEDULED
