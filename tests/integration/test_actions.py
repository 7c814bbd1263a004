"""Actions: acts by filter that live in the store; previewed, carried out by one owner, undone, and written down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from mailbag import TOKEN, Mailbag, open_bag

from softbounce import CannotUndo, Client, InvalidArgument, NotFound, ShownAction, StoreUnavailable, transitions
from softbounce.client.action_book import new_action
from softbounce.client.action_run import run_some
from softbounce.client.flow import run_flow
from softbounce.client.knowledge import Knowledge
from softbounce.envelope import Attempt, Flag, State
from softbounce.ids import format_id, parse_id
from softbounce.store.actions import MOST_ACTIONS, MOST_LOGGED, change_action, log_action, log_single, read_actions
from softbounce.store.kept_bodies import free_bodies

MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"
LONG = timedelta(hours=1)
NOW = timedelta(0)
WITHIN = 30.0


@pytest.fixture(params=[1, 3], ids=["1-shard", "3-shards"])
def bag(store_url: str, request: pytest.FixtureRequest) -> Iterator[Mailbag]:
    """A store whose books are audited afterwards."""
    with open_bag(store_url, request.param) as bag:
        for shard in range(bag.shards):
            bag.store.run(free_bodies(shard, bag.settings))
        yield bag
        bag.audit()


def send(mail: Client, number: int, domain: str = "example.net", **more: object) -> list[str]:
    """So many envelopes."""
    sends = [
        {"sender": "app@example.com", "recipients": [f"r{one}@{domain}"], "message": MESSAGE, **more}
        for one in range(number)
    ]
    return [one for receipt in mail.send_many(sends) for one in receipt.envelopes.values()]  # type: ignore[arg-type]


class Owner:
    """Who carries actions out."""

    def __init__(self, bag: Mailbag, name: str) -> None:
        self._bag = bag
        self._name = name
        self._knowledge = Knowledge()

    def step(self) -> float:
        """One step of each."""
        return run_flow(run_some(self._knowledge, self._name), self._bag.store)

    def until(self, mail: Client, action: ShownAction, *states: str) -> ShownAction:
        """Go on until it is in one of these states."""
        end = time.monotonic() + WITHIN
        while (shown := mail.action(action.id)).state not in states:
            assert time.monotonic() < end, shown
            time.sleep(min(self.step(), 0.05))
        return shown


def lapse(bag: Mailbag) -> None:
    """The owners of all actions were last heard of long ago."""
    for action in bag.store.run(read_actions()).values():
        changed = msgspec.structs.replace(action, owned_until_ms=1)
        assert bag.store.run(change_action(action, changed)) == 1


def test_issue15_a_cancel_holds_at_once_and_ends_after_its_grace(mail: Client, bag: Mailbag) -> None:
    """What fits is held, so that nothing leaves meanwhile; mail that comes later is not touched."""
    ids = send(mail, 30)
    send(mail, 2, "other.test")
    action = mail.begin_action("cancel", domain="example.net", by="ann", grace=timedelta(milliseconds=200))
    assert (action.state, action.can_undo) == ("waiting", True)
    owner = Owner(bag, "a")
    while mail.queue().states["held"] < 30:
        owner.step()
    late = send(mail, 3)
    done = owner.until(mail, action, "done")
    assert (done.answers, done.held, done.by, done.can_undo) == ({"cancelled": 30}, 30, "ann", False)
    assert {mail.show(one).state for one in ids} == {"cancelled"}
    assert {mail.show(one).state for one in late} == {"scheduled"}
    assert mail.queue(domain="other.test").states["scheduled"] == 2


def test_issue15_undone_in_its_grace_all_goes_on_as_it_was(mail: Client, bag: Mailbag) -> None:
    """To the times that were planned; what somebody else holds stays held."""
    later = send(mail, 5, at=datetime.now(UTC) + LONG)
    (other,) = send(mail, 1)
    mail.hold(other)
    before = {one: mail.show(one).next_attempt_at for one in later}
    action = mail.begin_action("bounce", domain="example.net", grace=LONG, reason="stolen")
    owner = Owner(bag, "a")
    while mail.queue().states["held"] < 6:
        owner.step()
    undone = mail.undo_action(action.id)
    assert undone.state == "undoing"
    assert mail.undo_action(action.id).state == "undoing"
    undone = owner.until(mail, action, "undone")
    assert (undone.answers, undone.held, undone.released) == ({}, 5, 5)
    assert {one: mail.show(one).next_attempt_at for one in later} == before
    assert (mail.show(other).state, mail.queue().states["scheduled"]) == ("held", 5)


def test_issue15_a_hold_is_undone_long_after(mail: Client, bag: Mailbag) -> None:
    """Of what it holds, that which nobody released and held anew since."""
    ids = send(mail, 4)
    action = mail.begin_action("hold", domain="example.net")
    owner = Owner(bag, "a")
    done = owner.until(mail, action, "done")
    assert (done.answers, done.can_undo) == ({"held": 4}, True)
    mail.release(ids[0])
    mail.hold(ids[0])
    mail.undo_action(action.id)
    undone = owner.until(mail, action, "undone")
    assert undone.released == 3
    assert mail.show(ids[0]).state == "held"
    assert [one.state for one in mail.actions()] == ["undone"]


def test_issue15_what_cannot_be_undone_says_so(mail: Client, bag: Mailbag) -> None:
    """What ended, and what was tried; and an action that there never was."""
    send(mail, 2)
    owner = Owner(bag, "a")
    for act, words in (("retry", "were tried"), ("cancel", "resend sends them again"), ("resend", "under way")):
        action = mail.begin_action(act, domain="example.net", **({"grace": NOW} if act == "cancel" else {}))
        owner.until(mail, action, "done")
        with pytest.raises(CannotUndo, match=words):
            mail.undo_action(action.id)
    for wrong in ("00" * 8, "nonsense", ""):
        with pytest.raises(NotFound):
            mail.undo_action(wrong)


def test_issue15_undone_while_it_runs_it_ends_nothing_more(mail: Client, bag: Mailbag) -> None:
    """What is held still goes on; what ended is counted."""
    send(mail, 1500)
    action = mail.begin_action("cancel", domain="example.net", grace=timedelta(milliseconds=1))
    owner = Owner(bag, "a")
    while mail.queue().states["cancelled"] == 0:
        owner.step()
    mail.undo_action(action.id)
    undone = owner.until(mail, action, "undone")
    states = mail.queue().states
    assert 0 < undone.answers["cancelled"] == states["cancelled"] < 1500
    assert (states["scheduled"], undone.released) == (1500 - states["cancelled"],) * 2


def test_issue15_one_owner_at_a_time_and_the_next_goes_on(mail: Client, bag: Mailbag) -> None:
    """Whoever has the lease; when it is over another finishes what was begun, and nothing is done twice."""
    send(mail, 1200)
    action = mail.begin_action("cancel", domain="example.net", grace=NOW)
    first, second = Owner(bag, "a"), Owner(bag, "b")
    while mail.queue().states["cancelled"] == 0:
        first.step()
    ended = mail.queue().states["cancelled"]
    assert ended < 1200
    assert second.step() > 1
    assert mail.queue().states["cancelled"] == ended
    lapse(bag)
    done = second.until(mail, action, "done")
    assert (done.answers, mail.queue().states["cancelled"]) == ({"cancelled": 1200}, 1200)
    assert [event.kind for event in mail.events()].count("cancelled") == 1200
    assert first.step() == 5


def test_issue15_an_owner_that_lost_its_lease_changes_nothing_of_the_record(mail: Client, bag: Mailbag) -> None:
    """It finds another revision than it saw."""
    send(mail, 600)
    mail.begin_action("hold", domain="example.net")
    first = Owner(bag, "a")
    first.step()
    (seen,) = bag.store.run(read_actions()).values()
    lapse(bag)
    Owner(bag, "b").step()
    assert bag.store.run(change_action(seen, msgspec.structs.replace(seen, state="failed"))) == 0


def test_issue15_the_same_action_begun_twice_is_one(mail: Client, bag: Mailbag) -> None:
    """Also when it is over."""
    send(mail, 3)
    action = new_action("retry", {"domain": "example.net"})
    assert mail.begin(action).id == mail.begin(action).id == action.id.hex()
    Owner(bag, "a").until(mail, mail.begin(action), "done")
    assert mail.begin(action).state == "done"
    assert len(mail.actions()) == 1


def test_issue15_a_retry_tries_each_once(mail: Client, bag: Mailbag) -> None:
    """Also when its walk comes by again: what is due, or was tried since, is left alone."""
    at = datetime.now(UTC) + LONG
    ids = send(mail, 5, at=at)
    action = mail.begin_action("retry", domain="example.net")
    assert Owner(bag, "a").until(mail, action, "done").answers == {"scheduled": 5}
    assert [event.kind for event in mail.events()].count("released") == 5
    assert all(mail.show(one).next_attempt_at < at for one in ids)  # type: ignore[operator]


def test_issue15_what_is_being_tried_is_asked(mail: Client, bag: Mailbag) -> None:
    """A hold by an action holds it when it comes back, and lets it go when it is undone; a cancel is asked once."""
    (identity,) = send(mail, 1)
    for shard in range(bag.shards):
        bag.release(shard)
        bag.claim(shard=shard)
    owner = Owner(bag, "a")
    held = mail.begin_action("hold", domain="example.net")
    assert owner.until(mail, held, "done").answers == {"holding": 1}
    record = bag.record(parse_id(identity))
    assert (record.flags & Flag.HOLD_ASKED, record.envelope.held_by.hex()) == (Flag.HOLD_ASKED, held.id)
    cancel = mail.begin_action("cancel", domain="example.net", grace=NOW)
    assert owner.until(mail, cancel, "done").answers == {"cancelling": 1}
    assert bag.put(bag.record(record.id), State.CANCELLED, token=TOKEN) == 1


@pytest.mark.parametrize("is_undone", [True, False])
@pytest.mark.parametrize("act", ["cancel", "bounce", "hold"])
def test_issue15_what_is_being_tried_when_an_action_begins_is_held_when_it_comes_back(
    mail: Client, bag: Mailbag, act: str, *, is_undone: bool
) -> None:
    """And so ended with the others; where the action was undone by then it goes on, as if nobody had asked."""
    (tried,) = send(mail, 1)
    for shard in range(bag.shards):
        bag.release(shard)
        bag.claim(shard=shard)
    (waits,) = send(mail, 1, at=datetime.now(UTC) + LONG)
    owner = Owner(bag, "a")
    action = mail.begin_action(act, domain="example.net", **({} if act == "hold" else {"grace": LONG}))
    while mail.show(waits).state != "held" or not bag.record(parse_id(tried)).flags & Flag.HOLD_ASKED:
        owner.step()
    record = bag.record(parse_id(tried))
    assert (record.flags & Flag.HOLD_ASKED, record.envelope.held_by.hex()) == (Flag.HOLD_ASKED, action.id)
    if is_undone:
        mail.undo_action(action.id)
        assert owner.until(mail, action, "undone").released == 2
        record = bag.record(record.id)
        assert (record.flags & Flag.HOLD_ASKED, record.envelope.held_by) == (0, b"")
    ready = transitions.postpone(record, record.next_ms, 1)
    assert bag.put(ready.record, ready.record.state, token=TOKEN) == 1
    assert {mail.show(one).state for one in (tried, waits)} == ({"scheduled"} if is_undone else {"held"})


def test_issue15_arguments_that_mean_nothing_are_refused(mail: Client) -> None:
    """Each by its name, before anything is stored."""
    for act, wrong, field in (
        ("delete", {}, "act"),
        ("hold", {"grace": LONG}, "grace"),
        ("cancel", {"grace": timedelta(days=2)}, "grace"),
        ("cancel", {"grace": -LONG}, "grace"),
        ("cancel", {"reason": "x"}, "reason"),
        ("retry", {"force": True}, "force"),
        ("hold", {"by": "x" * 65}, "by"),
        ("hold", {"domain": "x" * 601}, "domain"),
        ("hold", {"state": "lost"}, "state"),
    ):
        with pytest.raises(InvalidArgument) as error:
            mail.begin_action(act, **wrong)  # type: ignore[arg-type]
        assert error.value.field == field
    assert mail.actions() == []


def test_issue15_only_so_many_are_under_way_and_so_many_remembered(mail: Client, bag: Mailbag) -> None:
    """The oldest of those that are over go; one more under way is refused."""
    for _ in range(MOST_ACTIONS):
        mail.begin_action("hold", domain="nobody.test")
    with pytest.raises(StoreUnavailable, match="50 actions are under way"):
        mail.begin_action("hold", domain="nobody.test")
    owner = Owner(bag, "a")
    while mail.actions()[0].state != "done":
        owner.step()
    one = new_action("hold", {"domain": "nobody.test"})
    for number in range(MOST_LOGGED):
        bag.store.run(log_action(msgspec.structs.replace(one, id=number.to_bytes(8), state="done")))
    assert bag.raw.llen(bag.key("acted")) == MOST_LOGGED
    assert mail.action((0).to_bytes(8).hex()).state == "done"


def test_issue15_nonsense_stored_among_the_actions_stops_nothing(mail: Client, bag: Mailbag) -> None:
    """An entry that is none, keys of another type, a filter that this version does not know, an owner of the future."""
    send(mail, 3)
    action = mail.begin_action("hold", domain="example.net")
    (stored,) = bag.store.run(read_actions()).values()
    bag.raw.hset(bag.key("actions"), b"odd", b"\xff\xff")
    unknown = new_action("hold", {"domain": "example.net"})
    odd = msgspec.structs.replace(unknown, filters={"moon": "full"})
    assert bag.store.run(change_action(odd, odd)) == 1
    far = msgspec.structs.replace(stored, owner="x", owned_until_ms=stored.asked_ms + 10**9)
    assert bag.store.run(change_action(stored, far)) == 1
    owner = Owner(bag, "a")
    assert owner.until(mail, action, "done").answers == {"held": 3}
    failed = owner.until(mail, mail.action(odd.id.hex()), "failed")
    assert "moon" in failed.detail
    for name in ("actions", "acted"):
        bag.raw.delete(bag.key(name))
        bag.raw.set(bag.key(name), "nonsense")
    assert mail.actions() == []
    assert mail.begin_action("hold", domain="example.net").state == "running"


def test_issue15_an_act_at_once_is_written_down_where_it_says_who(mail: Client, bag: Mailbag) -> None:
    """And its hold can be undone; an app's own is not."""
    send(mail, 3)
    assert mail.act_on_matching("hold", domain="example.net", by="ann@host") == {"held": 3}
    (shown,) = mail.actions()
    assert (shown.by, shown.action, shown.answers, shown.state) == ("ann@host", "hold", {"held": 3}, "done")
    mail.undo_action(shown.id)
    assert Owner(bag, "a").until(mail, shown, "undone").released == 3
    mail.act_on_matching("cancel", domain="example.net")
    assert len(mail.actions()) == 1


def test_issue14_what_a_person_did_to_one_thing_stands_beside_the_acts_by_filter(mail: Client, bag: Mailbag) -> None:
    """By the time it was done; a thousand are kept, and push no act by filter out; none is undone from there."""
    send(mail, 1)
    mail.act_on_matching("hold", domain="example.net", by="ann@host")
    time.sleep(0.005)
    mail.note_act("cancel", {"id": "x"}, by="bob", answers={"cancelled": 1}, detail="why not")
    mail.note_act("hold", {"id": "y"}, by="bob", answers={"held": 1})
    mail.note_act("suppress", {"address": "a@b.test", "stream": "otp"}, by="bob", answers={"added": 1, "replaced": 0})
    found = mail.actions()
    assert sorted((one.action, one.by, one.can_undo) for one in found[:3]) == [
        ("cancel", "bob", False),
        ("hold", "bob", False),
        ("suppress", "bob", False),
    ]
    assert (found[3].action, found[3].by, found[3].can_undo) == ("hold", "ann@host", True)
    (held,) = (one for one in found if one.filter == {"id": "y"})
    assert mail.action(held.id) == held
    assert (held.count, held.state, held.answers, held.ended_at) == (None, "done", {"held": 1}, held.asked_at)
    with pytest.raises(CannotUndo, match="to one thing alone"):
        mail.undo_action(held.id)
    for wrong in (
        {"act": "x" * 65},
        {"by": "a\nb"},
        {"of": {"id": "x" * 601}},
        {"answers": {str(one): 1 for one in range(9)}},
    ):
        with pytest.raises(InvalidArgument):
            mail.note_act(**{"act": "hold", "of": {}, "by": "bob", "answers": {}, **wrong})  # type: ignore[arg-type]
    one = new_action("hold", {})
    for number in range(MOST_LOGGED + 1):
        bag.store.run(log_single(msgspec.structs.replace(one, id=number.to_bytes(8), state="done")))
    assert bag.raw.llen(bag.key("acted_one")) == MOST_LOGGED
    assert mail.actions(limit=1)[0].by == "ann@host", "those have no time"
    bag.raw.delete(bag.key("acted_one"))
    bag.raw.set(bag.key("acted_one"), "nonsense")
    assert len(mail.actions()) == 1
    mail.note_act("hold", {"id": "y"}, by="bob", answers={"held": 1})
    assert len(mail.actions()) == 2


def test_issue15_a_resend_may_be_spread(mail: Client, bag: Mailbag) -> None:
    """Over a time, none at once and none after it; they are not older for it, and asked for twice begin at the same."""
    ids = send(mail, 60, window=timedelta(minutes=15))
    mail.act_on_matching("cancel", domain="example.net")
    action = mail.begin_action("resend", state="cancelled", spread=LONG)
    assert Owner(bag, "a").until(mail, action, "done").answers == {"resent": 60}
    again = [mail.show(str(mail.show(one).resent_as)) for one in ids]
    waits = sorted((one.next_attempt_at or one.created_at) - action.asked_at for one in again)
    assert timedelta(0) <= waits[0] < LONG / 4
    assert LONG * 3 / 4 < waits[-1] <= LONG + timedelta(seconds=1)
    assert {one.put_off for one in again} == {"spread"}
    assert {one.expires_at - (one.next_attempt_at or one.created_at) for one in again} == {timedelta(minutes=15)}
    for wrong in ({"act": "retry", "spread": LONG}, {"act": "resend", "spread": timedelta(days=8)}):
        with pytest.raises(InvalidArgument, match="spread"):
            mail.begin_action(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "by the service"])
def test_issue15_what_a_resend_made_is_not_sent_again_by_it(mail: Client, bag: Mailbag, is_at_once: bool) -> None:
    """Though it bounces before the walk, or its next round, comes by: each of them is sent again once."""
    send(mail, 1200)
    mail.act_on_matching("bounce", domain="example.net")
    made: set[str] = set()

    def bounce_what_was_made(_: object = None) -> None:
        for one in mail.page(state="scheduled", limit=2000).envelopes:
            made.add(one.id)
            mail.bounce(one.id)

    if is_at_once:
        answers = mail.act_on_matching("resend", state="bounced", told=bounce_what_was_made)
    else:
        action = mail.begin_action("resend", state="bounced")
        owner = Owner(bag, "a")
        while mail.action(action.id).state != "done":
            owner.step()
            bounce_what_was_made()
        answers = dict(mail.action(action.id).answers)
    assert (answers, len(made)) == ({"resent": 1200}, 1200)
    assert mail.queue().states["bounced"] == 2400


def test_issue15_a_walk_comes_by_again_until_nothing_is_left(mail: Client, bag: Mailbag) -> None:
    """What was put where the walk had been is found by its next round."""
    send(mail, 700)
    action = mail.begin_action("hold", domain="example.net")
    owner = Owner(bag, "a")
    while mail.queue().states["held"] == 0:
        owner.step()
    (held,) = bag.raw.zrange(bag.key("held", 0), 0, 0)
    mail.release(format_id(held))
    owner.until(mail, action, "done")
    assert mail.queue().states["held"] == 700


def test_issue15_2_by_age_and_by_words_of_the_last_reply(mail: Client, bag: Mailbag) -> None:
    """Counted, listed and acted on alike. Age counts when the act is asked for: what grows old meanwhile is not met."""
    old, refused, fresh = send(mail, 3)
    record = bag.record(parse_id(old))
    record.created_ms -= 2 * 3_600_000
    record.envelope.attempts.append(Attempt(number=1, started_ms=1, ended_ms=2, code=451, text="Greylisted, *later*"))
    bag.put(record, State.SCHEDULED)
    record = bag.record(parse_id(refused))
    record.envelope.attempts.append(Attempt(number=1, started_ms=1, ended_ms=2, code=452, text="Mailbox full"))
    bag.put(record, State.SCHEDULED)
    for filters, fitting in (
        ({"older": "1h"}, {old}),
        ({"younger": timedelta(hours=1)}, {refused, fresh}),
        ({"younger": "1h", "reply": "45"}, {refused}),
        ({"reply": "greylisted*later"}, {old}),
        ({"reply": "*"}, {old, refused}),
        ({"older": "1h", "domain": "example.net", "state": "scheduled"}, {old}),
        ({"older": "3h"}, set()),
    ):
        assert {one.id for one in mail.page(**filters).envelopes} == fitting  # type: ignore[arg-type]
        assert mail.queue(**filters).total == len(fitting)  # type: ignore[arg-type]
        for act in ("hold", "retry"):
            found = mail.act_on_matching(act, dry_run=True, **filters)  # type: ignore[arg-type]
            assert act == "retry" or found.get("matched", 0) == len(fitting)
    held = mail.begin_action("hold", younger=timedelta(hours=1), reply="mailbox FULL")
    assert held.filter == {"younger": "1h", "reply": "mailbox FULL"}
    assert Owner(bag, "a").until(mail, held, "done").answers == {"held": 1}
    assert mail.show(refused).state == "held"
    action = mail.begin_action("cancel", older="1m", grace=timedelta(milliseconds=100))
    later = bag.record(parse_id(fresh))
    later.created_ms -= 50_000  # a minute old before the grace period is over, and was not when it was asked for
    bag.put(later, State.SCHEDULED)
    assert Owner(bag, "a").until(mail, action, "done").answers == {"cancelled": 1}
    assert {one: mail.show(one).state for one in (old, fresh)} == {old: "cancelled", fresh: "scheduled"}
