"""Hosts that do not keep step: groups that they offer and do not keep, and more replies than commands.

Nothing of what is said out of step concerns a mailbox: nobody bounces for it, nobody is called dead, nobody is charged.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from delivery import BODY, PATIENT, Begin, in_loop, lane_settings
from mx import CLOSE, Early, Mx, Reaction, Script, Sleep

from softbounce import Shown
from softbounce.settings import LaneRule

ONE_CONNECTION = lane_settings(LaneRule(connections=1))
DEAD = "550 5.1.1 no such user"
HASTY = "503 5.5.1 Bad sequence of commands - pipelined"
OFFER = "250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME"
SHORT = replace(PATIENT, mail=0.4, rcpt=0.4, data=0.4, end_of_data=0.4, quit=0.4, rset=0.4)


def outcomes(shown: Sequence[Shown]) -> set[tuple[str, int]]:
    """State and number of attempts of each."""
    return {(one.state, len(one.attempts)) for one in shown}


@pytest.mark.parametrize("connections", [1, 5])
@in_loop
async def test_issue10_04_nothing_stands_behind_a_dot(begin: Begin, connections: int) -> None:
    """A host that refuses what stands behind a dot, as Haraka 3.3 does, has nothing to refuse: no letter bounces."""
    host = Mx(early=HASTY)
    async with begin(settings=lane_settings(LaneRule(connections=connections))) as mail:
        await mail.host("a.test", host)
        ids = [identity for number in range(100) for identity in await mail.send(f"r{number}@a.test")]
        assert outcomes(await mail.settled(*ids)) == {("delivered", 1)}
        assert host.behind_dot == 0


@pytest.mark.parametrize(
    "early",
    [
        Early.DROPPED,
        Early.CLOSED,
        HASTY,
        "503 Bad sequence of commands",
        "500 5.5.1 what?",
        "501 5.5.4 syntax",
        "502 no",
        "504 no",
        "554 5.5.0 Error: SMTP protocol synchronization",
        "554 SMTP synchronization error",
        "421 4.7.0 Improper command pipelining",
    ],
    ids=str,
)
@in_loop
async def test_issue10_05_a_group_that_is_not_kept_is_said_again_singly(begin: Begin, early: Early | str) -> None:
    """The same attempt goes on, one command at a time; the host is remembered, and no second group is tried."""
    host = Mx(early=early)
    async with begin(settings=ONE_CONNECTION, timeouts=SHORT) as mail:
        await mail.host("a.test", host)
        for _ in range(2):
            ids = [identity for _ in range(5) for identity in await mail.send(*(f"r{n}@a.test" for n in range(3)))]
            shown = await mail.settled(*ids)
            assert outcomes(shown) == {("delivered", 1)}
            assert {one.attempts[0].charged for one in shown} == {True}
        assert host.groups == 1


@in_loop
async def test_issue10_05_several_sessions_that_begin_at_once_each_lose_one_group(begin: Begin) -> None:
    """Twenty sessions learn it side by side: all is delivered, and nobody is charged for what they learnt."""
    host = Mx(early=Early.CLOSED)
    async with begin(settings=lane_settings(LaneRule(connections=20))) as mail:
        await mail.host("a.test", host)
        ids = [identity for number in range(60) for identity in await mail.send(f"r{number}@a.test")]
        assert outcomes(await mail.settled(*ids)) == {("delivered", 1)}
        assert host.groups <= 20


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA"])
@in_loop
async def test_issue10_05_what_fails_singly_too_is_charged_once(begin: Begin, point: str) -> None:
    """A host that always hangs up costs a second connection, then an attempt, and no loop."""
    host = Mx({point: CLOSE})
    async with begin(settings=ONE_CONNECTION) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, len(shown.attempts), shown.attempts[0].charged) == ("scheduled", 1, True)
        assert host.connections == 2


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"MAIL": "501 5.5.4 bad parameter"}, 501),
        ({"MAIL": "503 5.5.1 not you"}, 503),
        ({"RCPT": "504 5.5.2 <r>: need a full address"}, 504),
        ({"DATA": "554 5.5.0 no"}, 554),
        ({"RCPT": "501 5.1.3 bad address"}, 501),
    ],
)
@in_loop
async def test_issue10_04_the_answer_to_a_command_by_itself_counts(begin: Begin, script: Script, code: int) -> None:
    """What is refused alike by itself is refused: one attempt, with that reply."""
    host = Mx(script)
    async with begin(settings=ONE_CONNECTION) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert outcomes([shown]) == {("bounced", 1)}
        assert shown.attempts[0].code == code
        assert host.connections <= 2


@in_loop
async def test_issue10_04_a_used_session_may_be_to_blame_for_a_bad_sequence(begin: Begin) -> None:
    """503 to the second MAIL of a connection, without any group: the mail goes by a new one, uncharged."""
    host = Mx({"EHLO": "250 mx.test", "MAIL": ["250 ok", "503 5.5.1 nested MAIL command", "250 ok"]})
    async with begin(settings=ONE_CONNECTION) as mail:
        await mail.host("a.test", host)
        ids = [identity for number in range(4) for identity in await mail.send(f"r{number}@a.test")]
        assert outcomes(await mail.settled(*ids)) == {("delivered", 1)}


def twice(reply: str, *between: Reaction) -> tuple[Reaction, ...]:
    """A reply said again."""
    return (reply, *between, reply)


PAUSES = {"at once": (), "a moment later": (Sleep(0.005),), "later": (Sleep(0.03),)}
TWICE: dict[str, dict[str, str]] = {
    "dot": {"dot": "250 2.0.0 taken"},
    "EHLO": {"EHLO": OFFER},
    "greeting": {"greeting": "220 mx.test"},
    "MAIL": {"MAIL": "250 2.1.0 ok"},
    "RCPT": {"RCPT": "250 2.1.5 ok"},
    "DATA": {"DATA": "354 go on"},
    "RSET": {"RSET": "250 reset"},
    "all": {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "dot": "250 taken", "RSET": "250 reset"},
}


@pytest.mark.parametrize("offer", [OFFER, "250 mx.test"], ids=["groups", "one-by-one"])
@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("where", TWICE)
@in_loop
async def test_issue10_07_no_reply_too_many_is_read_as_a_verdict(
    begin: Begin, where: str, pause: str, offer: str
) -> None:
    """Whatever is answered twice, and whenever the second answer comes: no living address bounces or is called dead."""
    script: dict[str, Reaction | tuple[Reaction, ...]] = {"EHLO": offer}
    script |= {
        point: twice(reply if point != "EHLO" else offer, *PAUSES[pause]) for point, reply in TWICE[where].items()
    }
    chance = random.Random(f"{where}{pause}")  # noqa: S311 - a case that can be repeated
    addresses = [f"r{number}@a.test" for number in range(24)]
    dead = {address for address in addresses if chance.random() < 0.4}
    host = Mx(script, by_recipient=dict.fromkeys(dead, DEAD))
    async with begin(settings=ONE_CONNECTION, timeouts=SHORT) as mail:
        await mail.host("a.test", host)
        ids: list[str] = []
        left = addresses[:]
        while left:
            size = chance.randint(1, 4)
            ids += await mail.send(*left[:size], message=BODY + f"{len(left)}\r\n".encode())
            del left[:size]

        async def is_over() -> bool:
            await mail.wait(0.1)
            has_hope = not any(lane.is_closed for lane in mail.engine.lanes.values())
            return not has_hope or all(one.state != "ready" and one.attempts for one in await mail.show(*ids))

        await mail.until(is_over, 30)
        shown = await mail.show(*ids)
        living = [one for one in shown if one.recipient not in dead]
        assert "bounced" not in {one.state for one in living}
        assert not [one for one in shown if one.recipient in dead and one.state == "delivered"]
        if where != "DATA":  # there an attempt may be uncertain
            assert not [one for one in shown if any(attempt.uncertain for attempt in one.attempts)]
        if where in {"dot", "RSET"}:  # nothing is in the way of delivery
            assert outcomes(living) == {("delivered", 1)}
        if where == "dot":  # nor of a refusal
            assert outcomes([one for one in shown if one.recipient in dead]) == {("bounced", 1)}


@in_loop
async def test_issue10_07_a_refusal_that_is_proven_in_step_needs_no_new_session(begin: Begin) -> None:
    """A host that is in step keeps its connection through refusals, and each is told soon."""
    host = Mx(by_recipient={"gone@a.test": DEAD})
    async with begin(settings=ONE_CONNECTION) as mail:
        await mail.host("a.test", host)
        for number in range(3):
            (shown,) = await mail.settled(*await mail.send("gone@a.test"), seconds=2)
            assert shown.bounce is not None
            assert shown.bounce.suppress
            assert outcomes(await mail.deliver(f"r{number}@a.test")) == {("delivered", 1)}
        assert host.connections == 1


@in_loop
async def test_issue10_07_a_refused_dot_that_is_taken_too_is_uncertain(begin: Begin) -> None:
    """Nobody knows what a host does with a message that it refuses and takes in one breath."""
    host = Mx({"dot": ("554 5.6.0 no", "250 2.0.0 taken")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[0].uncertain) == ("scheduled", True)


REPORTS: dict[str, tuple[Script, list[str]]] = {
    # what a server was reported to do, and what becomes of r1, r2 and r3, sent one after another
    "RSET gets 503 5.5.0 (haraka/Haraka#2375)": (
        {"RSET": "503 5.5.0 not available", "RCPT": [DEAD, "250 ok"]},
        ["bounced", "delivered", "delivered"],
    ),
    "554 too many nonmail commands, and the end (nodemailer/nodemailer#262)": (
        {"RSET": ("554 Too many nonmail commands", CLOSE), "RCPT": [DEAD, "250 ok"]},
        ["bounced", "delivered", "delivered"],
    ),
    "503 issue a reset if you want to start over (knadh/listmonk#966)": (
        {"MAIL": ["250 ok", "503 Issue a reset if you want to start over", "250 ok"]},
        ["delivered", "delivered", "delivered"],
    ),
    "502 5.5.2 in the middle of recipients (jstedfast/MailKit#1221)": (
        {"RCPT": ["502 5.5.2 Error: command not recognized", "250 ok"]},
        ["delivered", "delivered", "delivered"],
    ),
    "421 at DATA (python/cpython#132796)": (
        {"DATA": ["421 4.7.0 Try again later", "354 go on"]},
        ["scheduled", "delivered", "delivered"],
    ),
    "503 to DATA where all recipients were refused (haraka/Haraka#538)": (
        {"RCPT": [DEAD, "250 ok"], "DATA": ["503 RCPT required first", "354 go on"]},
        ["bounced", "delivered", "delivered"],
    ),
    "250 to QUIT, and it stays open (nodemailer/nodemailer#1292)": (
        {"QUIT": ("250 ok", Sleep(30)), "RCPT": [DEAD, "250 ok"]},
        ["bounced", "delivered", "delivered"],
    ),
}


@pytest.mark.parametrize("report", REPORTS)
@in_loop
async def test_issue10_04_05_07_servers_that_others_met(begin: Begin, report: str) -> None:
    """What public reports tell of servers that are out of order bounces nobody but whom it is about."""
    script, states = REPORTS[report]
    async with begin(settings=ONE_CONNECTION, timeouts=SHORT) as mail:
        await mail.host("a.test", Mx(script))
        shown = [one for number in (1, 2, 3) for one in await mail.deliver(f"r{number}@a.test")]
        assert [one.state for one in shown] == states
        assert {len(one.attempts) for one in shown} == {1}
