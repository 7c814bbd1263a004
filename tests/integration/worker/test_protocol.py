"""Replies that make no sense, replies in odd packets, and hosts that read slowly: in step, bounded, soft."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from delivery import BODY, PATIENT, Begin, in_loop, lane_settings
from mx import EHLO_PLAIN, HANG, Mx, Reaction, Trickle, Writes

from softbounce.settings import LaneRule

ENDLESS = Trickle(b"250-x\r\n" * 512, 0.0, forever=True)


@pytest.mark.parametrize("offer", ["", EHLO_PLAIN], ids=["pipelined", "one-by-one"])
@pytest.mark.parametrize(
    "reply",
    [
        "250-fine\r\n550 not fine",
        "150 hm",
        "2200 ok",
        "bogus",
        "",
        b"\x00\x00\x00\r\n",
        "334 go on",
        "000 no",
        "999 no",
        b"25\r\n",
    ],
    ids=["two-codes", "150", "2200", "bogus", "empty", "nul", "334", "000", "999", "two-digits"],
)
@in_loop
async def test_S09_S12_S13_nonsense_to_rcpt_is_soft(begin: Begin, reply: Reaction, offer: str) -> None:
    """A reply that is none ends the session and defers all recipients; no content is sent."""
    script: dict[str, Reaction] = {"RCPT": reply or b"\r\n"}
    if offer:
        script["EHLO"] = offer
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test")
        for one in shown:
            (attempt,) = one.attempts
            assert (one.state, attempt.verdict) == ("scheduled", "soft")
            assert (attempt.reason, attempt.stage) == ("protocol", "rcpt")
        assert host.bodies == []


@pytest.mark.parametrize(("code", "state"), [("299 fine", "delivered"), ("499 hm", "scheduled"), ("599 no", "bounced")])
@in_loop
async def test_S11_an_unknown_code_is_judged_by_its_first_digit(begin: Begin, code: str, state: str) -> None:
    """299, 499 and 599 to RCPT are success, not now, and never."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"RCPT": code}))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == state


@pytest.mark.parametrize("reply", ["250 go on", "354-go\r\n250 on", "200 ok", "334 go on"])
@in_loop
async def test_S13_M02_nothing_but_354_asks_for_content(begin: Begin, reply: str) -> None:
    """Any other reply to DATA gets not an octet of the message."""
    host = Mx({"DATA": reply})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert (shown.state, shown.attempts[0].reason, shown.attempts[0].stage) == ("scheduled", "protocol", "data")
        assert not any(b"Subject" in line for line in host.commands)


@pytest.mark.parametrize("writes", list(Writes))
@in_loop
async def test_P01_replies_match_commands_in_any_packets(begin: Begin, writes: Writes) -> None:
    """All replies in one segment or each octet in its own: every recipient gets the one that is meant for it."""
    replies: list[Reaction] = ["550 5.1.1 no such user" if number % 3 == 0 else "250 ok" for number in range(30)]
    host = Mx({"RCPT": replies}, writes=writes)
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        ids = await mail.send(*(f"r{number}@a.test" for number in range(30)))
        shown = {one.recipient: one.state for one in await mail.settled(*ids)}
        said = [line.decode()[9:-1] for line in host.commands if line.startswith(b"RCPT")]
        assert [shown[recipient] for recipient in said] == [
            "bounced" if number % 3 == 0 else "delivered" for number in range(30)
        ]


@in_loop
async def test_P01_the_next_transaction_leaves_with_this_content(begin: Begin) -> None:
    """Messages one after another on one connection, each with its own content and nothing out of turn."""
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        mail.playground.ledger.bodies = {}
        bodies = [BODY + f"Number {number}\r\n".encode() for number in range(30)]
        ids = [
            identity
            for number, body in enumerate(bodies)
            for identity in await mail.send(f"r{number}@a.test", message=body)
        ]
        assert {one.state for one in await mail.settled(*ids)} == {"delivered"}
        assert not mail.playground.ledger.violations
        for number in range(30):
            (entry,) = [one for one in mail.playground.ledger.entries if f"r{number}@a.test" in one.recipients]
            assert mail.playground.ledger.bodies[entry.sha256].endswith(f"Number {number}\r\n".encode())
        assert (await mail.commands()).count("EHLO client.test") <= 2


@in_loop
async def test_P02_a_hundred_recipients_and_a_tiny_window(begin: Begin) -> None:
    """Commands that do not fit into the host's window are no deadlock, though its replies come meanwhile."""
    host = Mx(receive_octets=1024, writes=Writes.BYTEWISE)
    recipients = [f"{'r' * 50}{number}@a.test" for number in range(100)]
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver(*recipients)
        assert {one.state for one in shown} == {"delivered"}


@in_loop
async def test_P04_a_host_out_of_step_gets_one_command_at_a_time(begin: Begin) -> None:
    """One reply too many ends the session softly; on the next one DATA waits for an accepted recipient."""
    host = Mx({"DATA": ("354 go on", "250 what?"), "RCPT": ["250 ok", "550 5.1.1 no such user"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test")
        assert (shown.state, shown.attempts[0].reason) == ("scheduled", "protocol")
        (shown,) = await mail.deliver("r2@a.test")
        assert shown.state == "bounced"
        assert [line[:4] for line in host.lines[1]][:4] == [b"EHLO", b"MAIL", b"RCPT", b"RSET"]


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        ({"greeting": Trickle(b"220-x\r\n" * 512, 0.0, forever=True)}, "greeting"),
        ({"greeting": Trickle(b"2" * 4096, 0.0, forever=True)}, "greeting"),
        ({"EHLO": ENDLESS}, "ehlo"),
        ({"RCPT": ENDLESS}, "rcpt"),
        ({"dot": ENDLESS}, "end_of_data"),
    ],
    ids=["greeting-lines", "greeting-line", "ehlo", "rcpt", "dot"],
)
@in_loop
async def test_A26_F23_S17_an_endless_reply_is_cut(begin: Begin, script: dict[str, Reaction], stage: str) -> None:
    """More than any sane reply ends the session, long before it fills the memory."""
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = await mail.send("r@a.test")
        (shown,) = await mail.tried(*ids)
        assert shown.attempts[0].stage == stage
        await mail.until_true(lambda: host.open == 0)


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        ({"greeting": Trickle(b"2", 0.02, forever=True)}, "greeting"),
        ({"EHLO": Trickle(b"2", 0.02, forever=True)}, "ehlo"),
        ({"MAIL": Trickle(b"2", 0.02, forever=True)}, "mail"),
        ({"RCPT": Trickle(b"2", 0.02, forever=True)}, "rcpt"),
        ({"DATA": Trickle(b"2", 0.02, forever=True)}, "data"),
        ({"dot": Trickle(b"2", 0.02, forever=True)}, "end_of_data"),
    ],
)
@in_loop
async def test_T11_F23_a_trickle_resets_no_deadline(begin: Begin, script: dict[str, Reaction], stage: str) -> None:
    """The deadline is the request's: an octet now and then does not keep it alive."""
    short = dict.fromkeys(("greeting", "ehlo", "mail", "rcpt", "data", "end_of_data"), 0.3)
    async with begin(timeouts=replace(PATIENT, **short)) as mail:
        await mail.host("a.test", Mx(script))
        (shown,) = await mail.tried(*await mail.send("r@a.test"), seconds=4)
        (attempt,) = shown.attempts
        assert attempt.stage == stage
        assert attempt.uncertain == (stage == "end_of_data")


@pytest.mark.parametrize(
    ("point", "stage", "outcome"),
    [
        ("greeting", "greeting", (False, False)),
        ("EHLO", "ehlo", (False, False)),
        ("MAIL", "mail", (True, False)),
        ("RCPT", "rcpt", (True, False)),
        ("DATA", "data", (True, False)),
        ("dot", "end_of_data", (True, True)),
    ],
)
@in_loop
async def test_T03_T04_T05_T06_T07_T09_each_stage_has_a_bound_of_its_own(
    begin: Begin, point: str, stage: str, outcome: tuple[bool, bool]
) -> None:
    """Silence at a stage ends the attempt at that stage's bound, and says where; behind the dot it is uncertain."""
    async with begin(timeouts=replace(PATIENT, **{stage: 0.2})) as mail:
        await mail.host("a.test", Mx({point: HANG}))
        (shown,) = await mail.tried(*await mail.send("r@a.test"), seconds=4)
        (attempt,) = shown.attempts
        assert (attempt.stage, (attempt.charged, attempt.uncertain)) == (stage, outcome)
        assert attempt.reason == "network"
        assert "in time" in attempt.text


@in_loop
async def test_T01_each_command_has_the_whole_time(begin: Begin) -> None:
    """Ten recipients that each take most of the time for a RCPT are all accepted: no timer runs over all of them."""
    async with begin(timeouts=replace(PATIENT, rcpt=0.2)) as mail:
        await mail.deliver("known@a.slow60.test")
        shown = await mail.deliver(*(f"r{number}@a.slow60.test" for number in range(10)))
        assert {one.state for one in shown} == {"delivered"}


@in_loop
async def test_T08_a_host_that_stops_reading_is_left_at_the_bound_of_a_block(begin: Begin) -> None:
    """Content that nobody reads is not waited for beyond the bound, and the attempt is certain: no dot has left."""
    body = BODY + b"0123456789 The quick brown fox jumps over the lazy dog.\r\n" * 150_000
    host = Mx({"body": HANG}, receive_octets=2048)
    async with begin(timeouts=replace(PATIENT, block=0.3)) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=body)
        (attempt,) = shown.attempts
        assert (attempt.verdict, attempt.uncertain, attempt.stage) == ("soft", False, "end_of_data")


@in_loop
async def test_F23_memory_stays_flat_under_an_endless_reply(begin: Begin) -> None:
    """Twenty sessions with endless replies take no memory to speak of."""
    host = Mx({"RCPT": Trickle(b"250-" + b"x" * 400 + b"\r\n", 0.0, forever=True)})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("warm@b.test")
        tracemalloc.start()
        try:
            ids = [identity for number in range(20) for identity in await mail.send(f"r{number}@a.test")]
            await mail.tried(*ids)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 16 * 1024 * 1024
