"""Another policy, window or route by hand: previewed, done to one and to many, undone in its grace, never half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from mailbag import LANE, TOKEN, Mailbag, open_bag

from softbounce import AlreadyEnded, CannotUndo, Client, InvalidArgument, ShownAction, transitions
from softbounce.client.action_book import new_action
from softbounce.client.action_run import run_some
from softbounce.client.flow import run_flow
from softbounce.client.knowledge import Knowledge
from softbounce.envelope import NEWS_MS, Flag, Record, State
from softbounce.ids import parse_id, shard_of
from softbounce.road import BY_HAND_ONLY, Road, RouteRule
from softbounce.settings import Policy, Settings
from softbounce.store.actions import read_actions
from softbounce.store.moving import Move, MoveResult
from softbounce.store.published import publish_settings

MESSAGE = b"From: app@example.com\r\nSubject: order\r\n\r\nIt is on its way.\r\n"
RELAY = Road(host="relay.test", port=587)
SETTINGS = Settings(
    policies={"default": Policy(name="default"), "slow": Policy(name="slow", window=timedelta(days=9))},
    route=(RouteRule(name="backup", road=RELAY, by_hand=True, after_attempts=BY_HAND_ONLY),),
)
LONG = timedelta(hours=1)
DAY_MS = 86_400_000
WITHIN = 30.0


@pytest.fixture(params=[1, 3], ids=["1-shard", "3-shards"])
def bag(store_url: str, request: pytest.FixtureRequest) -> Iterator[Mailbag]:
    """A store with these settings, whose books are audited afterwards."""
    with open_bag(store_url, request.param) as bag:
        assert bag.store.run(publish_settings(msgspec.structs.replace(SETTINGS, version=1), over=0))
        bag.settings = SETTINGS
        yield bag
        bag.audit()


def send(mail: Client, number: int, domain: str = "example.net") -> list[str]:
    """So many envelopes."""
    sends = [
        {"sender": "app@example.com", "recipients": [f"r{one}@{domain}"], "message": MESSAGE} for one in range(number)
    ]
    return [one for receipt in mail.send_many(sends) for one in receipt.envelopes.values()]


def age(bag: Mailbag, identity: str, milliseconds: int) -> None:
    """It was accepted so much earlier."""
    record = bag.record(parse_id(identity))
    version, record.created_ms = record.version, record.created_ms - milliseconds
    assert bag.move(Move(record=record, version=version)) == [MoveResult.MOVED]


def carry_out(bag: Mailbag, mail: Client, action: ShownAction, *states: str) -> ShownAction:
    """Go on with all actions until this one is in one of these states."""
    knowledge, end = Knowledge(), time.monotonic() + WITHIN

    def state_of(shown: ShownAction) -> str:
        under_way = bag.store.run(read_actions()).get(bytes.fromhex(shown.id))
        return shown.state if under_way is None else under_way.state  # `holding` is shown as `waiting`

    while state_of(shown := mail.action(action.id)) not in states:
        assert time.monotonic() < end, shown
        time.sleep(min(run_flow(run_some(knowledge, "owner"), bag.store), 0.05))
    return shown


def claim_one(bag: Mailbag, *ids: str, lane: str = LANE) -> Record:
    """A worker tries one of these, which are due."""
    octets = [parse_id(one) for one in ids]
    shard = shard_of(octets[0])
    bag.release(shard, lane)
    (claimed,) = bag.claim(1, shard=shard, lane=lane)
    assert claimed.id in octets
    return claimed


def test_issue15_2_a_window_by_hand_ends_what_is_older_after_its_grace(mail: Client, bag: Mailbag) -> None:
    """Those that end are held at once, the others are not; then all have it, and what is older ends."""
    old, young = send(mail, 4), send(mail, 3)
    for one in old:
        age(bag, one, DAY_MS)
    action = new_action("change", {"domain": "example.net"}, chosen={"window": "1h"}, by="ann", grace=LONG)
    preview = mail.preview(action)
    assert (preview.count, preview.ends, len(preview.sample)) == (7, 4, 7)
    assert "They get a window of 1 h from when each was accepted. 4 of them are older than that" in preview.effect
    assert "window closes" in preview.effect
    begun = mail.begin(action)
    carry_out(bag, mail, begun, "waiting")
    assert ({mail.show(one).state for one in old}, {mail.show(one).state for one in young}) == ({"held"}, {"scheduled"})
    assert {mail.show(one).set_window for one in (*old, *young)} == {None}
    now = mail.begin_action("change", window="1h", grace=timedelta(0), domain="example.net", by="ann")
    done = carry_out(bag, mail, now, "done")
    assert (done.answers, dict(done.chosen)) == ({"changed": 7}, {"window": "1h"})
    mail.undo_action(begun.id)
    carry_out(bag, mail, begun, "undone")
    shown = [mail.show(one) for one in (*old, *young)]
    assert {one.set_window for one in shown} == {"1h"}
    assert [one.expires_at - one.created_at >= LONG for one in shown] == [True] * 7
    with pytest.raises(CannotUndo, match="change --policy - --window -"):
        mail.undo_action(done.id)


def test_issue15_2_undone_in_its_grace_nothing_ended_and_nothing_changed(mail: Client, bag: Mailbag) -> None:
    """What it held goes on, and has the window that it had."""
    (old,), (young,) = send(mail, 1), send(mail, 1)
    age(bag, old, DAY_MS)
    begun = mail.begin_action("change", window="1h", grace=LONG, by="ann")
    held = carry_out(bag, mail, begun, "waiting")
    assert (held.held, held.can_undo) == (1, True)
    mail.undo_action(begun.id)
    undone = carry_out(bag, mail, begun, "undone")
    assert (undone.released, undone.answers) == (1, {})
    assert {(mail.show(one).state, mail.show(one).set_window) for one in (old, young)} == {("scheduled", None)}


def test_issue15_2_what_its_grace_is_over_for_is_let_go_and_ends(mail: Client, bag: Mailbag) -> None:
    """None of it stays held, in whichever state the end of the grace found it."""
    old = send(mail, 3)
    for one in old:
        age(bag, one, DAY_MS)
    tried = claim_one(bag, *old)
    begun = mail.begin_action("change", window="1h", grace=timedelta(milliseconds=300), by="ann")
    done = carry_out(bag, mail, begun, "done")
    assert (done.answers, done.held) == ({"changed": 2, "changing": 1}, 2)
    assert sorted(mail.show(one).state for one in old) == ["attempting", "scheduled", "scheduled"]
    stored = bag.record(tried.id)
    assert (stored.flags & Flag.HOLD_ASKED, stored.next_ms, stored.envelope.held_by) == (0, NEWS_MS, b"")
    assert all(mail.show(one).expires_at < mail.queue().at for one in old)


def test_issue15_2_what_is_being_tried_gets_its_terms_when_it_comes_back(mail: Client, bag: Mailbag) -> None:
    """A result that does not know is not taken; one that heard an older wish neither; and the sweep has it at once."""
    (one,) = send(mail, 1)
    tried = claim_one(bag, one)
    assert mail.redirect(one, route="backup") == "changing"
    assert mail.redirect(one, route="backup") == "unchanged"
    blind = transitions.give_back(bag.record(tried.id)).record
    assert bag.move(Move(record=blind, token=TOKEN)) == [MoveResult.ASKED]
    heard = bag.record(tried.id)
    assert mail.change(one, window="2d") == "changing"
    assert bag.move(Move(record=blind, token=TOKEN, version=heard.version)) == [MoveResult.ASKED]
    stored = bag.record(tried.id)
    change = transitions.obey(transitions.give_back(tried).record, stored, SETTINGS, stored.created_ms)
    assert bag.move(Move(record=change.record, token=TOKEN, version=stored.version, look_ms=change.look_ms)) == [1]
    after = mail.show(one)
    assert (after.state, after.set_route, after.set_window, after.site) == ("scheduled", "backup", "2d", "relay.test")
    again = claim_one(bag, one, lane=RELAY.lane_of(""))
    mail.redirect(one, route="-")
    lost = bag.record(again.id)
    change = transitions.reschedule(bag.record(again.id), claim_wait=False, now_ms=lost.created_ms)
    assert bag.move(Move(record=change.record, token=TOKEN, version=lost.version)) == [MoveResult.MOVED]
    assert (bag.record(again.id).lane, mail.show(one).set_route) == ("?example.net", None)


def test_issue15_2_one_is_changed_by_its_id(mail: Client, bag: Mailbag) -> None:
    """In each state in which it waits; a second time nothing is changed; what ended is told so."""
    one, held, over = send(mail, 3)
    mail.hold(held)
    mail.cancel(over)
    for identity, state in ((one, "scheduled"), (held, "held")):
        assert mail.change(identity, policy="slow", window="2d") == "changed"
        assert mail.change(identity, policy="slow") == "unchanged"
        assert mail.redirect(identity, route="backup") == "changed"
        shown = mail.show(identity)
        assert (shown.state, shown.policy, shown.set_route, shown.site) == (state, "slow", "backup", "relay.test")
        assert "An operator chose policy slow for it." in " ".join(mail.explain(identity).split())
        assert "An operator sent it by route backup." in " ".join(mail.explain(identity).split())
        assert mail.change(identity, policy="-", window="-") == "changed"
        assert (mail.show(identity).policy, mail.show(identity).set_window) == ("default", None)
    changed = [event for event in mail.events() if event.kind == "changed"]
    for identity in (one, held):  # of one millisecond, those of two shards have no order
        assert [event.why for event in changed if event.id == identity] == [
            f"By hand: {words}."
            for words in ("policy slow, window 2 d", "route backup", "policy as configured, window as configured")
        ]
    assert len(changed) == 6
    with pytest.raises(AlreadyEnded):
        mail.change(over, window="1h")
    assert "it has ended (cancelled)" in mail.preview_one("change", over, window="1h")
    assert "it bounces at once" in mail.preview_one("change", one, window="1ms")
    assert "instead of" in mail.preview_one("change", one, window="9d")
    assert "so already" in mail.preview_one("redirect", one, route="backup")
    assert "by route backup, to relay.test, port 587" in mail.preview_one("redirect", send(mail, 1)[0], route="backup")
    del bag


def test_issue15_2_what_is_not_published_is_refused_and_a_policy_that_goes_fails_the_action(
    mail: Client, bag: Mailbag
) -> None:
    """With the names that there are; in the middle of an action, where it is told, and what was done is done."""
    ids = send(mail, 2)
    for call in (
        lambda: mail.change(ids[0], policy="fast"),
        lambda: mail.begin_action("change", policy="fast", domain="*"),
        lambda: mail.act_on_matching("change", policy="fast", domain="*"),
        lambda: mail.preview_one("change", ids[0], policy="fast"),
    ):
        with pytest.raises(InvalidArgument, match="there are default, slow"):
            call()
    with pytest.raises(InvalidArgument, match="there are backup"):
        mail.act_on_matching("redirect", route="x", domain="*", dry_run=True)
    with pytest.raises(InvalidArgument, match="a retry knows none"):
        mail.begin_action("retry", window="1h", domain="*")
    begun = mail.begin_action("change", policy="slow", grace=timedelta(0))
    without = msgspec.structs.replace(SETTINGS, version=2, policies={"default": Policy(name="default")})
    assert bag.store.run(publish_settings(without, over=1))
    failed = carry_out(bag, mail, begun, "failed", "done")
    assert failed.state == "failed"
    assert "there are default" in failed.detail
    assert {mail.show(one).set_policy for one in ids} == {None}


def test_issue15_2_a_policy_that_goes_in_its_grace_leaves_nothing_held(mail: Client, bag: Mailbag) -> None:
    """What it held for its end is released, and it says why."""
    (old,) = send(mail, 1)
    age(bag, old, 10 * DAY_MS)
    begun = mail.begin_action("change", policy="slow", grace=timedelta(milliseconds=300), by="ann")
    assert carry_out(bag, mail, begun, "waiting").held == 1
    without = msgspec.structs.replace(SETTINGS, version=2, policies={"default": Policy(name="default")})
    assert bag.store.run(publish_settings(without, over=1))
    undone = carry_out(bag, mail, begun, "undone", "failed", "done")
    assert (undone.state, undone.released, mail.show(old).state) == ("undone", 1, "scheduled")
    assert "'slow' is none that is published" in undone.detail


def test_issue15_2_what_is_ready_keeps_its_place_or_leaves_for_its_lane(mail: Client, bag: Mailbag) -> None:
    """A window changes no list; a redirect takes it out of its lane, which drops what it had of it."""
    ids = send(mail, 3)
    for shard in range(bag.shards):
        bag.release(shard)
    assert mail.act_on_matching("change", window="2d", by="ann") == {"changed": 3}
    assert {mail.show(one).state for one in ids} == {"ready"}
    assert sum(len(bag.list_of(shard=shard)) for shard in range(bag.shards)) == 3
    assert mail.act_on_matching("redirect", route="backup", by="ann") == {"changed": 3}
    assert {(mail.show(one).state, mail.show(one).site) for one in ids} == {("scheduled", "relay.test")}
    assert [bag.claim(shard=shard) for shard in range(bag.shards)] == [[] for _ in range(bag.shards)]
    first, second = mail.actions(limit=2)
    assert [(one.action, dict(one.chosen), one.by) for one in (first, second)] == [
        ("redirect", {"route": "backup"}, "ann"),
        ("change", {"window": "2d"}, "ann"),
    ]
    assert {bag.record(parse_id(one)).state for one in ids} == {State.SCHEDULED}
