"""A lane closes by what it saw, opens by one canary, and holds its caps."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery import BODY, PATIENT, Begin, Delivery, in_loop, lane_settings
from mx import Mx, Sleep
from softbounce_playground import HostBehaviour

from softbounce.settings import LaneRule

DOWN = HostBehaviour(refuses_connections=True)
SOON = LaneRule(close_first=timedelta(milliseconds=300), close_factor=1.0)
SYSTEM_450 = "451 4.3.0 Local system trouble"


async def send_each(mail: Delivery, *recipients: str, sender: str = "app@sender.test") -> list[str]:
    """One message a recipient."""
    receipts = await mail.client.send_many(
        {"sender": sender, "recipients": [one], "message": BODY} for one in recipients
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


async def states(mail: Delivery, ids: list[str]) -> set[str]:
    """The states that there are."""
    return {one.state for one in await mail.show(*ids)}


def numbered(word: str, count: int, domain: str = "a.test") -> list[str]:
    """Recipients that share a word of the playground's."""
    return [f"{word}+{number}@{domain}" for number in range(count)]


@in_loop
async def test_a_closed_lane_opens_at_once_when_its_canary_gets_through(begin: Begin) -> None:
    """While the host is down nobody is charged; when it is back, one goes first and all the others follow at once."""
    async with begin(settings=lane_settings(SOON)) as mail:
        mail.playground.behave("a.test", DOWN)
        ids = await send_each(mail, *numbered("accept", 60))
        await mail.tried(any_of=ids)
        lane = mail.lane_of("a.test")
        assert lane.is_closed
        await mail.wait(0.7)  # two canaries
        assert lane.state.failures >= 2
        assert await states(mail, ids) <= {"ready", "attempting"}
        mail.playground.behave("a.test")
        started = time.monotonic()
        shown = await mail.settled(*ids)
        assert time.monotonic() - started < 5  # their own backoff would be an hour
        assert {one.state for one in shown} == {"delivered"}
        assert all([attempt.charged for attempt in one.attempts].count(True) == 1 for one in shown)
        assert sum(len(one.attempts) > 1 for one in shown) <= 15
        assert lane.state.failures == 0  # open, and nothing is remembered against it


@in_loop
async def test_one_canary_at_a_time_and_a_failed_one_goes_to_the_tail(begin: Begin) -> None:
    """The knocks at a dead host are not all one envelope's, and each is one connection."""
    host = Mx({"greeting": "421 4.3.2 not now"})
    rule = LaneRule(close_first=timedelta(milliseconds=60), close_factor=1.5, close_cap=timedelta(seconds=9))
    async with begin(settings=lane_settings(rule)) as mail:
        await mail.host("a.test", host)
        mail.release_no_more()
        ids = await send_each(mail, *numbered("accept", 30))
        mail.release_again()  # with all of them there
        await mail.tried(any_of=ids)
        await mail.until_true(lambda: mail.lane_of("a.test").state.failures >= 4)
        opened = host.connections
        await mail.flusher.landed()
        shown = await mail.show(*ids)
        assert sum(len(one.attempts) for one in shown) >= 4
        assert max(len(one.attempts) for one in shown) <= 2
        assert opened <= LaneRule().connections + 4  # those of the first rush, and one a canary
        assert host.peak <= LaneRule().connections
        assert mail.lane_of("a.test").state.code == 421


@pytest.mark.parametrize("reply", ["550 5.1.1 no such user", "450 4.2.2 mailbox full"], ids=["550", "450"])
@in_loop
async def test_any_reply_that_does_not_blame_the_lane_opens_it(begin: Begin, reply: str) -> None:
    """The canary is refused for its own sake: the lane is open, and the others are delivered."""
    host = Mx({"greeting": ["421 4.3.2 not now", "220 mx.test"], "RCPT": [reply, "250 ok"]})
    async with begin(settings=lane_settings(LaneRule(connections=1, close_first=timedelta(milliseconds=100)))) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, *numbered("accept", 10))
        await mail.until_true(lambda: sum(body != b"" for body in host.bodies) == 9)
        shown = await mail.settled(*ids)
        assert sorted(one.state for one in shown).count("delivered") == 9


@in_loop
async def test_five_system_replies_from_two_senders_close_their_domain(begin: Begin) -> None:
    """Then what waits of it is not charged any more, nor is the reply that closed it; the site goes on."""
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        ids = []
        for number in range(6):
            ids += await mail.send(f"systemdown+{number}@a.test", sender=f"app@sender{number % 2}.test")
        await mail.until_true(lambda: mail.closed_domains() == {"a.test"})
        await mail.wait(0.1)
        shown = await mail.show(*ids)
        charged = [attempt.charged for one in shown for attempt in one.attempts]
        assert charged.count(True) == 4
        assert charged.count(False) == 1
        assert {one.state for one in shown} == {"scheduled"}
        assert not any(lane.is_closed for lane in mail.engine.lanes.values())


@in_loop
async def test_one_tenant_never_closes_a_lane_that_carries_others(begin: Begin) -> None:
    """Ten system replies in a row to one sender domain charge that sender's mail only."""
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.deliver("accept@a.test", sender="app@other.test")
        ids = await send_each(mail, *numbered("systemdown", 10))
        shown = await mail.settled(*ids)
        assert {one.state for one in shown} == {"scheduled"}
        assert not mail.lane_of("a.test").is_closed


@pytest.mark.parametrize("word", ["defer", "full", "reject", "greylist9", "dropdata"])
@in_loop
async def test_R07_recipients_trouble_never_closes_a_lane(begin: Begin, word: str) -> None:
    """Busy and full mailboxes, refusals, greylisting and broken connections are their envelopes' own."""
    async with begin() as mail:
        ids = await send_each(mail, *numbered(word, 12))
        others = [f"{word}+other{number}@a.test" for number in range(12)]  # what waits behind one is not tried
        ids += await send_each(mail, *others, sender="app@other.test")
        await mail.settled(*ids)
        assert not mail.lane_of("a.test").is_closed


@in_loop
async def test_R09_connections_never_exceed_the_cap(begin: Begin) -> None:
    """150 messages to a slow host over three connections."""
    async with begin(settings=lane_settings(LaneRule(connections=3))) as mail:
        domain = "a.slow5.test"
        await mail.settled(*await send_each(mail, *numbered("accept", 150, domain)), seconds=20)
        assert max(host.peak for host in mail.playground.hosts_of(domain)) == 3


@in_loop
async def test_messages_per_connection_are_kept(begin: Begin) -> None:
    """After so many messages QUIT is said, and a new connection opened."""
    host = Mx()
    async with begin(settings=lane_settings(LaneRule(connections=2, messages_per_connection=3))) as mail:
        await mail.host("a.test", host)
        await mail.settled(*await send_each(mail, *numbered("accept", 20)))
        counts = [sum(line.startswith(b"MAIL") for line in lines) for lines in host.lines]
        assert (sum(counts), max(counts)) == (20, 3)
        full = [lines for lines, count in zip(host.lines, counts, strict=True) if count == 3]
        await mail.until_true(lambda: all(lines[-1] == b"QUIT" for lines in full))


@in_loop
async def test_the_rate_of_a_lane_is_kept(begin: Begin) -> None:
    """Ten messages at twenty a second take at least 0.45 seconds, and not much more."""
    async with begin(settings=lane_settings(LaneRule(rate=20.0))) as mail:
        ids = await send_each(mail, *numbered("accept", 10))
        shown = await mail.settled(*ids)
        assert {one.state for one in shown} == {"delivered"}
        first = min(one.attempts[0].started_at for one in shown)
        last = max(one.attempts[0].started_at for one in shown)
        assert timedelta(seconds=0.44) <= last - first <= timedelta(seconds=3)


@in_loop
async def test_a_host_that_takes_two_connections_is_not_pestered_for_more(begin: Begin) -> None:
    """The sessions that stand carry the backlog; a refused further one is not tried again at once."""
    async with begin() as mail:
        domain = "a.maxconn2.slow5.test"
        shown = await mail.settled(*await send_each(mail, *numbered("accept", 100, domain)), seconds=20)
        assert {one.state for one in shown} == {"delivered"}
        assert not mail.lane_of(domain).is_closed
        assert sum(host.accepted for host in mail.playground.hosts_of(domain)) <= 60


@in_loop
async def test_F22_a_tarpit_slows_its_own_lane_only(begin: Begin) -> None:
    """Twenty sessions that wait for a slow host take nothing from another lane."""
    async with begin() as mail:
        slow = await send_each(mail, *numbered("accept", 40, "a.slow900.test"))
        await mail.wait(0.3)
        started = time.monotonic()
        shown = await mail.settled(*await send_each(mail, *numbered("accept", 100, "b.test")))
        assert {one.state for one in shown} == {"delivered"}
        assert time.monotonic() - started < 4  # the slow ones take that for one message each
        assert any(one.state == "attempting" for one in await mail.show(*slow))


@in_loop
async def test_a_cancelled_envelope_ends_before_the_dot(begin: Begin) -> None:
    """Cancel is asked while the attempt is under way: no content leaves."""
    host = Mx({"DATA": (Sleep(0.3), "354 go on")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: host.count("DATA") == 1)
        assert await mail.client.cancel(identity) == "cancelling"
        (shown,) = await mail.settled(identity)
        assert (shown.state, host.bodies) == ("cancelled", [])


@in_loop
async def test_issue14_what_is_bounced_by_hand_ends_before_the_dot(begin: Begin) -> None:
    """The same with a bounce: no content leaves, and its words reach the end and the event."""
    host = Mx({"DATA": (Sleep(0.3), "354 go on")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: host.count("DATA") == 1)
        assert await mail.client.bounce(identity, reason="stolen", by="ann") == "bouncing"
        (shown,) = await mail.settled(identity)
        assert (shown.state, host.bodies) == ("bounced", [])
        assert shown.bounce is not None
        assert shown.bounce.cause == "operator"
        told = [(event.cause, event.why) async for event in mail.client.events() if event.kind == "bounced"]
        assert told == [("operator", "ann ended it: stolen")]


@in_loop
async def test_draining_finishes_what_is_under_way_and_gives_the_rest_back(begin: Begin) -> None:
    """After the drain everything is delivered once or waits in its lane; nothing is being attempted."""
    async with begin(settings=lane_settings(LaneRule(connections=2))) as mail:
        ids = await send_each(mail, *numbered("accept", 60, "a.slow20.test"))
        await mail.until_true(lambda: mail.playground.ledger.counters["taken"] >= 2)
        await mail.engine.drain(5.0)
        await mail.flusher.drained()
        shown = await mail.show(*ids)
        assert {one.state for one in shown} == {"delivered", "ready"}
        assert sum(one.state == "delivered" for one in shown) == mail.playground.ledger.counters["taken"]
        assert all(len(one.attempts) == (one.state == "delivered") for one in shown)


@in_loop
async def test_a_drain_that_runs_out_of_time_cuts_sessions_uncharged(begin: Begin) -> None:
    """A host that does not answer RCPT keeps nobody: the envelope goes back to its lane as if it had not been tried."""
    host = Mx({"RCPT": (Sleep(30), "250 ok")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: host.count("RCPT") == 1)
        await mail.engine.drain(0.1)
        await mail.flusher.drained()
        (shown,) = await mail.show(identity)
        assert (shown.state, shown.attempts) == ("ready", ())


@in_loop
async def test_a_session_that_hangs_does_not_keep_the_canary(begin: Begin) -> None:
    """While a session from before the domain closed still waits for its host, the canary gets a session of its own."""
    rule = LaneRule(connections=3, messages_per_connection=1, close_first=timedelta(milliseconds=100), close_factor=1.0)
    async with begin(settings=lane_settings(rule)) as mail:
        hanging = await mail.send("hangat-rcpt@a.test")
        seen = mail.transcript
        await mail.until_true(lambda: any(b"hangat" in line.octets for line in seen))
        for number in range(5):
            await mail.send(f"systemdown+{number}@a.test", sender=f"app@sender{number % 2}.test")
        await mail.until_true(lambda: mail.closed_domains() == {"a.test"})
        (good,) = await mail.send("accept@a.test")
        (shown,) = await mail.settled(good, seconds=3)
        assert shown.state == "delivered"
        assert (await mail.show(*hanging))[0].state == "attempting"


@in_loop
async def test_issue11_nobody_is_dialled_whose_turn_to_send_is_far_off(begin: Begin) -> None:
    """One message in three seconds: the next one waits without a session, and is sent when its turn has come."""
    host = Mx()
    timeouts = replace(PATIENT, idle=0.2)
    async with begin(settings=lane_settings(LaneRule(rate=1 / 3)), timeouts=timeouts) as mail:
        await mail.host("a.test", host)
        ids = await send_each(mail, *numbered("accept", 2))
        await mail.until_true(lambda: len(host.bodies) == 1)
        await mail.until_true(lambda: not mail.lane_of("a.test").sessions)
        await mail.wait(1.5)
        assert host.connections == 1
        assert {one.state for one in await mail.settled(*ids, seconds=6)} == {"delivered"}
        assert host.connections == 2
