"""A site is pushed as hard as it takes: begun with little, and what it refuses for being too much is learned."""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest
from delivery import BODY, SENDER, SETTINGS, Begin, Delivery, in_loop, lane_settings
from mx import Mx
from softbounce_playground import HostBehaviour
from softbounce_playground.hosts import Host
from softbounce_worker.lane.caps import Cap, cap_of
from softbounce_worker.session.organisation import FIRST

from softbounce.reply import Reply
from softbounce.settings import LaneRule
from softbounce.store.lanes import LaneState, LearnedState, lane_states


async def send_each(mail: Delivery, domain: str, number: int) -> list[str]:
    """One message a recipient, all at once."""
    receipts = await mail.client.send_many(
        {"sender": SENDER, "recipients": [f"accept+{one}@{domain}"], "message": BODY} for one in range(number)
    )
    return [identity for receipt in receipts for identity in receipt.envelopes.values()]


def host_of(mail: Delivery, domain: str) -> Host:
    """The playground's host for a domain."""
    return mail.playground.hosts_of(domain)[0]


@in_loop
async def test_issue13_a_site_that_takes_three_connections_refuses_few(begin: Begin) -> None:
    """It is begun with two, and as many again as stand: one of those was too many, and the others are never tried."""
    async with begin(settings=lane_settings(LaneRule(connections=20))) as mail:
        domain = "maxconn3.slow50.a.test"
        await mail.settled(*await send_each(mail, domain, 120), seconds=30)
        host = host_of(mail, domain)
        assert host.peak <= 3 + 3  # three stand, and as many more are on their way before one of them is refused
        assert host.accepted <= 12
        assert set(mail.lane_of(domain).state.learned.addresses.values()) == {3}


@in_loop
async def test_issue13_a_pace_that_nobody_told_is_learned_kept_and_shown(begin: Begin) -> None:
    """What was taken until the first refusal is what it allows; the others wait for their turn, uncharged."""
    async with begin(settings=lane_settings(LaneRule())) as mail:
        slow, fast = "rate5per10.a.test", "b.test"
        ids = await send_each(mail, slow, 40)
        await mail.tried(any_of=ids)
        lane = mail.lane_of(slow)
        await mail.until_true(lambda: lane.state.learned.rate > 0)
        begun = await send_each(mail, fast, 100)
        assert {one.state for one in await mail.settled(*begun)} == {"delivered"}
        refused = host_of(mail, slow).too_fast
        assert 1 <= refused <= 2 * FIRST
        charged = sum(attempt.charged for one in await mail.show(*ids) for attempt in one.attempts)
        assert charged <= 5 + refused
        assert lane.state.learned.rate == pytest.approx(0.5, rel=0.5)
        (stored,) = await mail.store.run(lane_states([lane.name]))
        assert stored.learned.rate == lane.state.learned.rate
        (view,) = await mail.client.lanes(site="a.test")
        assert view.to_dict()["learned"]["rate"] == stored.learned.rate


@in_loop
async def test_issue13_what_was_learned_binds_who_has_the_lane_next(begin: Begin) -> None:
    """A process that takes over sends no faster than its predecessor had found out."""
    async with begin(settings=lane_settings(LaneRule())) as mail:
        await mail.deliver("accept@a.test")
        lane = mail.lane_of("a.test")
        now_ms = mail.process.clock.now_ms(0)
        learned = LearnedState(rate=1.0, span=10.0, connections=1, learnt_ms=now_ms - 1000)
        lane.sessions.recall(learned, now_ms)
        assert lane.sessions.in_force() == {"rate": 1.0, "connections": 1}
        await send_each(mail, "a.test", 10)
        await mail.wait(2.5)
        assert 2 <= len(mail.playground.ledger.entries) - 1 <= 4


@in_loop
async def test_issue13_nonsense_that_is_remembered_binds_nobody(begin: Begin) -> None:
    """Rates of nothing, of infinity and of another age, and limits of nothing, are as good as none."""
    async with begin(settings=lane_settings(LaneRule())) as mail:
        await mail.deliver("accept@a.test")
        sessions, now_ms = mail.lane_of("a.test").sessions, mail.process.clock.now_ms(0)
        for rate in (-1.0, 0.0, float("nan"), float("inf"), 1e-9):
            sessions.recall(
                LearnedState(rate=rate, span=-5.0, patience=-3, connections=-1, learnt_ms=now_ms - 1), now_ms
            )
        sessions.recall(LearnedState(rate=1.0, span=60.0, learnt_ms=now_ms - 3 * 86_400_000), now_ms)
        sessions.recall(LearnedState(rate=1.0, span=60.0, learnt_ms=now_ms + 86_400_000), now_ms)
        assert sessions.in_force()["rate"] == 0.0
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(LaneState()), type=LaneState) == LaneState()


@in_loop
async def test_issue13_who_is_told_only_learns_nothing(begin: Begin) -> None:
    """With `adaptive = false` the rule alone binds."""
    async with begin(settings=lane_settings(LaneRule(adaptive=False))) as mail:
        slow = "rate5per10.a.test"
        ids = await send_each(mail, slow, 40)
        shown = await mail.settled(*ids)
        assert sum(one.state == "delivered" for one in shown) == 5
        assert host_of(mail, slow).too_fast == 35


@in_loop
async def test_issue13_a_session_that_carried_enough_makes_nobody_slower(begin: Begin) -> None:
    """A host that wants fewer messages in a session gets them: the next one carries on, as fast."""
    host = Mx({"MAIL": ["250 ok", "250 ok", "452 4.7.0 Too many messages in this session", "250 ok"]})
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        await mail.settled(*await send_each(mail, "a.test", 8))
        assert mail.lane_of("a.test").sessions.in_force()["rate"] == 0.0
        assert host.connections >= 2


@in_loop
async def test_report_chatmail_3490_exim_gets_ten_messages_a_session(begin: Begin) -> None:
    """What comes behind those waits in its queue for half an hour (chatmail/core#3490); a rule of the user's binds."""
    host, told = Mx({"greeting": "220 mx.test ESMTP Exim 4.98 Sat, 28 Nov 2026"}), Mx({"greeting": "220 EXIM"})
    rules = (
        LaneRule(site="b.test", connections=1, messages_per_connection=50, source="lane[0]"),
        LaneRule(connections=1),
    )
    async with begin(settings=msgspec.structs.replace(SETTINGS, lane=rules)) as mail:
        await mail.host("a.test", host)
        await mail.host("b.test", told)
        await mail.settled(*await send_each(mail, "a.test", 30), *await send_each(mail, "b.test", 30))
        assert host.connections == 3
        assert told.connections == 1


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("Too many connections from your host", Cap.SESSIONS),
        ("4.7.0 Too many concurrent SMTP connections; please try again later", Cap.SESSIONS),
        ("Zu viele gleichzeitige Verbindungen", Cap.SESSIONS),
        ("Too many messages in this session", Cap.SESSION),
        ("message limit per connection reached", Cap.SESSION),
        ("Too many recipients", Cap.MESSAGE),
        ("Too many recipients in the last hour", Cap.PACE),
        ("too many messages in one session", Cap.SESSION),
        ("#4.4.5 Too many connections from your host.", Cap.SESSIONS),
        ("Connection rate limit exceeded.", Cap.SESSIONS),
        ("Concurrent connections limit exceeded. Visit https://example.com for more information.", Cap.SESSIONS),
        ('Ratelimit "user" exceeded', Cap.PACE),
        ("Temporary local problem - sender rate 120 / 1h exceeded", Cap.PACE),
        ("Too many emails sent per minute", Cap.PACE),
        ("You are sending too many messages, slow down", Cap.PACE),
        ("4.7.28 unusual rate of unsolicited mail originating from your IP", Cap.PACE),
        ("Throttling failure: Maximum sending rate exceeded.", Cap.PACE),
    ],
)
def test_issue13_words_say_what_there_was_too_much_of(text: str, cap: Cap) -> None:
    """Sessions at once, what one may carry, recipients of a message, or the pace."""
    assert cap_of(Reply(code=451, lines=(text,))) is cap


@pytest.mark.parametrize(
    ("outage", "rule"),
    [
        pytest.param(6.0, LaneRule(close_first=timedelta(seconds=3)), id="scaled"),
        pytest.param(60.0, LaneRule(), id="a minute", marks=pytest.mark.thorough),
    ],
)
@in_loop
async def test_issue13_behind_an_outage_waits_all_and_follows_at_once(
    begin: Begin, outage: float, rule: LaneRule
) -> None:
    """Two thousand wait for a host that is away: it is asked a few times, and has them soon after it is back."""
    async with begin(settings=lane_settings(rule)) as mail:
        mail.playground.behave("a.test", HostBehaviour(replies={"greeting": "421 4.3.2 Not now"}))
        ids = await send_each(mail, "a.test", 2000)
        await mail.wait(outage)
        host = host_of(mail, "a.test")
        assert 2 <= host.accepted <= 10
        mail.playground.behave("a.test")
        longest = rule.close_first.total_seconds() * rule.close_factor * 1.1  # until the next is sent ahead
        began = time.monotonic()
        await mail.until_true(lambda: mail.playground.ledger.counters["taken"] >= len(ids), longest + 15)
        assert time.monotonic() - began < longest + 15
        shown = await mail.settled(*ids, seconds=20)
        assert {one.state for one in shown} == {"delivered"}
        assert {sum(attempt.charged for attempt in one.attempts) for one in shown} == {1}
