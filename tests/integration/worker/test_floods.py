"""Hosts that talk without end: what they say is bounded in number and octets, wherever the session stands."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from delivery import BODY, PATIENT, Begin, in_loop
from mx import Mx, Reaction, Sleep, Trickle

LARGE_BODY = BODY + b"0123456789 The quick brown fox jumps over the lazy dog.\r\n" * 150_000
FLOODS: dict[str, bytes] = {
    "421": b"421 4.3.2 bye\r\n",
    "250": b"250 2.0.0 ok\r\n",
    "550": b"550 5.1.1 no such user\r\n",
    "150": b"150 wait\r\n",
    "lines": b"250-and\r\n",
    "octets": b"2" * 64,
}


def flood(kind: str) -> Trickle:
    """More of the same, without end."""
    return Trickle(FLOODS[kind] * 4096, 0.0, forever=True)


@pytest.mark.parametrize("kind", FLOODS)
@in_loop
async def test_issue10_09_a_flood_while_a_large_message_is_written_ends_the_session(begin: Begin, kind: str) -> None:
    """Whatever comes in while content goes out ends it at once: it is known that no dot left, and memory stays flat."""
    host = Mx({"body": flood(kind)}, receive_octets=4096)
    async with begin(timeouts=replace(PATIENT, block=3, end_of_data=3), body_octets=30_000_000) as mail:
        await mail.host("a.test", host)
        await mail.deliver("warm@b.test", message=LARGE_BODY)
        tracemalloc.start()
        try:
            (shown,) = await mail.deliver("r@a.test", message=LARGE_BODY)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        (attempt,) = shown.attempts
        assert not attempt.uncertain
        assert attempt.charged
        assert shown.state == "scheduled" or kind == "550"  # an early refusal is a refusal
        assert peak < 4 * len(LARGE_BODY)
        await mail.until_true(lambda: host.open == 0)


@pytest.mark.parametrize("reply", ["421 4.3.2 bye", "452 4.3.1 disk full", "552 5.3.4 too big"])
@in_loop
async def test_issue10_09_an_early_answer_ends_the_writing(begin: Begin, reply: str) -> None:
    """A host that refuses in the middle of a body and reads no further is heard before the bound of a block."""
    host = Mx({"body": (reply, Sleep(30))}, receive_octets=4096)
    async with begin(timeouts=replace(PATIENT, block=60, end_of_data=60), body_octets=30_000_000) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=LARGE_BODY)
        (attempt,) = shown.attempts
        assert (attempt.code, attempt.uncertain, attempt.charged) == (int(reply[:3]), False, True)


@in_loop
async def test_issue10_09_a_250_before_the_dot_left_is_no_delivery(begin: Begin) -> None:
    """Nobody has what was not sent."""
    host = Mx({"body": ("250 2.0.0 taken", Sleep(30))}, receive_octets=4096)
    async with begin(body_octets=30_000_000) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=LARGE_BODY)
        assert (shown.state, shown.attempts[0].uncertain) == ("scheduled", False)


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize("point", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot", "QUIT"])
@in_loop
async def test_issue10_09_a_flood_behind_any_reply_ends_the_session(begin: Begin, point: str, kind: str) -> None:
    """Before the greeting is answered, in a group, at the marker, between two messages, in QUIT: bounded, and left."""
    first: dict[str, Reaction] = {"greeting": "220 mx.test", "EHLO": "250-mx.test\r\n250 PIPELINING", "DATA": "354 go"}
    host = Mx({point: (first.get(point, "250 ok"), flood(kind))})
    short = replace(PATIENT, idle=0.2, quit=0.3)
    async with begin(timeouts=short) as mail:
        await mail.host("a.test", host)
        await mail.deliver("warm@b.test")
        tracemalloc.start()
        try:
            ids = await mail.send("r@a.test")
            (shown,) = await mail.tried(*ids)
            await mail.until_true(lambda: host.open == 0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert shown.state != "bounced"
        assert peak < 16 * 1024 * 1024
