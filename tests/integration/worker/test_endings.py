"""A session that ends where it should not: 421, close and reset at every point, and what may have been taken."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from delivery import BODY, PATIENT, Begin, in_loop, lane_settings
from mx import CLOSE, HANG, RESET, Mx, Reaction, Read, Script, Sleep
from softbounce_worker.session.session import Session

from softbounce import Shown
from softbounce.settings import LaneRule

BUSY = "421 4.3.2 Closing"
LARGE_BODY = BODY + b"".join(b"%06d The quick brown fox jumps over the lazy dog.\r\n" % line for line in range(160_000))
NO_PIPELINING = "250-mx.test\r\n250 SIZE 50000000"


def outcome(shown: Shown) -> tuple[str, int, bool, bool]:
    """State, number of attempts, and whether the first was charged and uncertain."""
    first = shown.attempts[0]
    return shown.state, len(shown.attempts), first.charged, first.uncertain


@pytest.mark.parametrize("offer", ["", NO_PIPELINING], ids=["pipelined", "one-by-one"])
@pytest.mark.parametrize(
    ("point", "stage", "codes"),
    [
        ("MAIL", "mail", [421, 421, 421]),
        ("RCPT", "rcpt", [421, 421, 421]),
        ("DATA", "data", [421, 421, 421]),
        ("dot", "end_of_data", [421, 421, 421]),
    ],
)
@in_loop
async def test_S14_421_defers_all_without_an_outcome(
    begin: Begin, point: str, stage: str, codes: list[int], offer: str
) -> None:
    """A 421 speaks for every recipient of the transaction that has no outcome so far, and is nobody's own fault."""
    script: dict[str, Reaction | list[Reaction]] = {point: BUSY}
    if offer:
        script["EHLO"] = offer
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test", "r3@a.test")
        assert [one.attempts[0].code for one in shown] == codes
        assert {outcome(one) for one in shown} == {("scheduled", 1, True, False)}
        assert {(one.attempts[0].stage, one.attempts[0].fault) for one in shown} == {(stage, "system")}


@in_loop
async def test_S14_421_at_the_second_recipient_does_not_touch_the_first_verdict(begin: Begin) -> None:
    """The one that was refused before keeps its own reply; the others get the 421."""
    host = Mx({"RCPT": ["250 ok", "550 5.1.1 no such user", BUSY]})
    async with begin() as mail:
        await mail.deliver("first@b.test")
        await mail.host("a.test", Mx({"RCPT": ["250 ok", "550 5.1.1 no such user", BUSY]}))
        await mail.deliver("known@a.test")
        shown = await mail.deliver("r1@a.test", "r2@a.test", "r3@a.test")
        assert [one.attempts[0].code for one in shown] == [550, 421, 421]
        assert [one.state for one in shown] == ["bounced", "scheduled", "scheduled"]
    assert not host.lines


@pytest.mark.parametrize("point", ["RSET", "QUIT"])
@in_loop
async def test_S14_S19_421_to_rset_and_quit_changes_nothing(begin: Begin, point: str) -> None:
    """Outcomes that were given stay as they are, and the next mail goes by another connection."""
    host = Mx({point: BUSY, "RCPT": ["550 5.1.1 no such user", "250 ok"]})
    async with begin(settings=lane_settings(LaneRule(connections=1, messages_per_connection=1))) as mail:
        await mail.host("a.test", host)
        (first,) = await mail.deliver("r1@a.test")
        (second,) = await mail.deliver("r2@a.test")
        assert (first.state, second.state) == ("bounced", "delivered")


@pytest.mark.parametrize("end", [CLOSE, RESET, HANG, "500 what"], ids=["close", "reset", "hang", "500"])
@in_loop
async def test_S19_T10_quit_comes_last_and_its_outcome_never_matters(begin: Begin, end: Reaction) -> None:
    """A 250 is final whatever QUIT does."""
    host = Mx({"QUIT": end})
    async with begin(settings=lane_settings(LaneRule(messages_per_connection=1))) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        await mail.until_true(lambda: host.count("QUIT") == 1)
        assert outcome(shown) == ("delivered", 1, True, False)


@in_loop
async def test_S14_421_out_of_the_blue_ends_an_idle_session_only(begin: Begin) -> None:
    """What the host says to nobody between two messages charges nobody; the next message gets a new connection."""
    host = Mx({"dot": [("250 taken", "421 4.3.2 idle for too long"), "250 taken"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        first = await mail.deliver("r1@a.test")
        second = await mail.deliver("r2@a.test")
        assert [outcome(one) for one in first + second] == [("delivered", 1, True, False)] * 2
        assert host.connections == 2


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@pytest.mark.parametrize(
    ("point", "stage", "uncertain"),
    [("MAIL", "mail", False), ("RCPT", "rcpt", False), ("DATA", "data", False), ("dot", "end_of_data", True)],
)
@in_loop
async def test_S15_M11_an_end_without_a_word_is_as_if_451(
    begin: Begin, point: str, stage: str, uncertain: bool, end: Reaction
) -> None:
    """The mail is deferred and charged; once the dot has left nobody knows, and the attempt says so."""
    host = Mx({point: [end, "250 ok"], "EHLO": NO_PIPELINING})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert outcome(shown) == ("scheduled", 1, True, uncertain)
        attempt = shown.attempts[0]
        assert (attempt.stage, attempt.code) == (stage, None)
        assert attempt.verdict == (None if uncertain else "soft")
        assert not mail.lane_of("a.test").is_closed


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@in_loop
async def test_S15_an_end_at_rset_changes_nothing(begin: Begin, end: Reaction) -> None:
    """The refused recipient keeps its 550, and the next mail goes by another connection."""
    host = Mx({"RSET": end, "RCPT": ["550 5.1.1 no such user", "250 ok"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test"), *await mail.deliver("r2@a.test")]
        assert [one.state for one in shown] == ["bounced", "delivered"]


@pytest.mark.parametrize(
    ("script", "codes"),
    [
        ({"MAIL": ("550 5.7.1 we do not want you", CLOSE)}, [550, 550]),
        ({"RCPT": ["550 5.1.1 no such user", ("550 5.1.1 neither", CLOSE)]}, [550, 550]),
        ({"DATA": ("554 5.7.1 no", CLOSE)}, [554, 554]),
        ({"dot": ("554 5.7.1 spam", CLOSE)}, [554, 554]),
    ],
    ids=["mail", "rcpt", "data", "dot"],
)
@in_loop
async def test_S16_5xx_and_a_close_is_the_5xx(begin: Begin, script: Script, codes: list[int]) -> None:
    """A host that hangs up right behind its refusal has refused; that is no network trouble."""
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test")
        assert [one.state for one in shown] == ["bounced", "bounced"]
        assert [one.attempts[0].code for one in shown] == codes


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@in_loop
async def test_F24_a_drop_right_behind_354_is_certain(begin: Begin, end: Reaction) -> None:
    """The connection ends before the marker is stored: no dot can have left."""
    host = Mx({"DATA": ("354 go on", end)})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert outcome(shown) == ("scheduled", 1, True, False)
        assert host.bodies == []


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@in_loop
async def test_M10_a_drop_in_the_middle_of_a_large_body_is_certain(begin: Begin, end: Reaction) -> None:
    """While octets of the message are unsent, so is the dot: soft, charged, not uncertain."""
    host = Mx({"body": (Read(10_000), end)}, receive_octets=4096)
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=LARGE_BODY)
        assert outcome(shown) == ("scheduled", 1, True, False)
        assert (shown.attempts[0].verdict, shown.attempts[0].stage) == ("soft", "end_of_data")
        assert host.bodies == []


@in_loop
async def test_M11_a_drop_behind_the_dot_is_uncertain_for_all_recipients(begin: Begin) -> None:
    """The host has the message and never says so: every recipient's attempt is uncertain, and the copy is the same."""
    async with begin() as mail:
        await mail.deliver("known@a.test")
        shown = await mail.deliver("dropdot@a.test", "accept@a.test")
        assert [outcome(one) for one in shown] == [("scheduled", 1, True, True)] * 2
        assert mail.playground.ledger.copies("dropdot@a.test") == 1
        for one in shown:
            await mail.client.retry(one.id)
        await mail.until_true(lambda: mail.playground.ledger.taken("accept@a.test") == 1)
        kept = [entry for entry in mail.playground.ledger.entries if "accept@a.test" in entry.recipients]
        assert len({entry.sha256 for entry in kept}) == 1
        assert len({entry.message_id for entry in kept}) == 1


@in_loop
async def test_issue10_23_the_log_tells_of_an_uncertain_attempt(begin: Begin) -> None:
    """Readers of events see it before what became of the envelope, also when a cancel was asked meanwhile."""
    async with begin() as mail:
        await mail.deliver("known@a.test")
        (shown,) = await mail.deliver("dropdot@a.test")
        kinds = [event.kind async for event in mail.client.events() if event.id == shown.id]
        assert kinds == ["accepted", "uncertain", "deferred"]
        await mail.client.cancel(shown.id)
        last = [event async for event in mail.client.events() if event.id == shown.id][-1]
        assert (last.kind, "may have got it" in last.why) == ("cancelled", True)


@in_loop
async def test_issue10_23_a_cancel_asked_behind_the_dot_leaves_the_uncertain_event(begin: Begin) -> None:
    """Its result is decided anew for what was asked, and the event of the attempt stays."""
    host = Mx({"dot": (Sleep(0.5), CLOSE)})
    async with begin() as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("r@a.test")
        await mail.until_true(lambda: len(host.bodies) == 1)
        assert await mail.client.cancel(identity) == "cancelling"
        (shown,) = await mail.settled(identity)
        assert shown.state == "cancelled"
        kinds = [event.kind async for event in mail.client.events() if event.id == shown.id]
        assert kinds == ["accepted", "uncertain", "cancelled"]


@pytest.mark.parametrize("reply", ["150 hm", "2200 yes", "bogus", "", "354 more", "999 no"])
@in_loop
async def test_M11_nonsense_behind_the_dot_is_uncertain(begin: Begin, reply: str) -> None:
    """Whatever it was meant to say, the host may have the message."""
    host = Mx({"dot": reply.encode() + b"\r\n"})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert outcome(shown) == ("scheduled", 1, True, True)
        assert shown.attempts[0].verdict is None


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@in_loop
async def test_S21_a_connection_that_died_idle_charges_nobody(begin: Begin, end: Reaction) -> None:
    """A session that had worked ends between two messages: the second one goes by a new connection, first attempt."""
    host = Mx({"dot": [("250 taken", end), "250 taken"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test"), *await mail.deliver("r2@a.test")]
        assert [outcome(one) for one in shown] == [("delivered", 1, True, False)] * 2
        assert host.connections == 2


@pytest.mark.parametrize("offer", ["", NO_PIPELINING], ids=["pipelined", "one-by-one"])
@pytest.mark.parametrize("end", [CLOSE, RESET, BUSY], ids=["close", "reset", "421"])
@in_loop
async def test_S21_an_end_at_the_next_mail_charges_nobody(begin: Begin, end: Reaction, offer: str) -> None:
    """A host that has had enough after one message, and only says so at the next, loses nobody an attempt."""
    script: dict[str, Reaction | list[Reaction]] = {"MAIL": ["250 ok", end, "250 ok"]}
    if offer:
        script["EHLO"] = offer
    host = Mx(script)
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        ids = [identity for number in range(4) for identity in await mail.send(f"r{number}@a.test")]
        shown = await mail.settled(*ids)
        assert [outcome(one) for one in shown] == [("delivered", 1, True, False)] * 4
        assert len(host.bodies) == 4


@pytest.mark.parametrize("end", [CLOSE, BUSY], ids=["close", "421"])
@in_loop
async def test_S21_a_session_whose_only_work_was_a_refusal_has_worked(begin: Begin, end: Reaction) -> None:
    """No message was carried, yet the host had answered: its end at the next MAIL charges nobody."""
    host = Mx({"RCPT": ["550 5.1.1 no such user", "250 ok"], "MAIL": ["250 ok", end, "250 ok"]})
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test"), *await mail.deliver("r2@a.test")]
        assert [(one.state, len(one.attempts)) for one in shown] == [("bounced", 1), ("delivered", 1)]


@in_loop
async def test_F24_drops_all_the_time_end_in_backoff_not_in_a_loop(begin: Begin) -> None:
    """Every connection is dropped in the body: each message is tried once, and waits."""
    async with begin() as mail:
        ids = [identity for number in range(20) for identity in await mail.send(f"dropdata+{number}@a.test")]
        shown = await mail.settled(*ids)
        assert {(one.state, len(one.attempts)) for one in shown} == {("scheduled", 1)}
        assert mail.playground.ledger.counters["taken"] == 0


@in_loop
async def test_T10_a_hang_at_rset_ends_the_session_at_its_own_bound(begin: Begin) -> None:
    """The refusal before it stands, and the next mail does not wait for the host that hangs."""
    host = Mx({"RSET": HANG, "RCPT": ["550 5.1.1 no such user", "250 ok"]})
    async with begin(
        settings=lane_settings(LaneRule(connections=1)), timeouts=replace(PATIENT, rset=0.2, quit=0.2)
    ) as mail:
        await mail.host("a.test", host)
        first = await mail.send("r1@a.test")
        second = await mail.send("r2@a.test")
        shown = await mail.settled(*first, *second, seconds=4)
        assert sorted(one.state for one in shown) == ["bounced", "delivered"]


@in_loop
async def test_T10_an_idle_session_says_quit_at_its_bound(begin: Begin) -> None:
    """A session waits a while for more, then ends in good order."""
    host = Mx()
    async with begin(timeouts=replace(PATIENT, idle=0.3)) as mail:
        await mail.host("a.test", host)
        await mail.deliver("r1@a.test")
        await mail.deliver("r2@a.test")
        assert (host.connections, host.count("QUIT")) == (1, 0)
        await mail.until_true(lambda: host.count("QUIT") == 1, 4)
        assert host.open <= 1


@in_loop
async def test_issue12_a_session_that_ended_is_gone_at_once(begin: Begin) -> None:
    """And all that it had: what only a search for rings finds fills megabytes before the next, and halts all then."""
    host = Mx()
    gc.collect()
    gc.disable()
    try:
        async with begin(timeouts=replace(PATIENT, idle=0.1)) as mail:
            await mail.host("a.test", host)
            await mail.deliver("r1@a.test")
            await mail.until_true(lambda: host.count("QUIT") == 1, 4)
            await mail.until_true(lambda: not any(issubclass(type(one), Session) for one in gc.get_objects()), 2)
    finally:
        gc.enable()
