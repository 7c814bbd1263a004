"""What a host offers decides what it gets: SIZE, 8BITMIME, SMTPUTF8, LIMITS, and the octets of the content."""

from __future__ import annotations

import pytest
from delivery import BODY, Begin, in_loop
from mx import Mx

from softbounce import Shown

EIGHT_BIT = BODY.replace(b"Hello.", "Grüße.".encode())
UTF8_HEADER = BODY.replace(b"Subject: x", "Subject: Grüße".encode())


def outcome(shown: Shown) -> tuple[str, str | None]:
    """State and enhanced status of the only attempt."""
    (attempt,) = shown.attempts
    return shown.state, attempt.enhanced


def offering(*keywords: str) -> str:
    """A reply to EHLO."""
    return "\r\n".join([*(f"250-{word}" for word in ("mx.test", *keywords)), "250 PIPELINING"])


@pytest.mark.parametrize(
    ("offer", "suffix"),
    [("SIZE 1000000", b" SIZE=%d"), ("SIZE", b" SIZE=%d"), ("SIZE 0", b" SIZE=%d"), ("X-SIZE", b"")],
    ids=["limit", "no-number", "zero", "not-offered"],
)
@in_loop
async def test_M21_size_is_said_where_it_is_offered(begin: Begin, offer: str, suffix: bytes) -> None:
    """The octets of the message with CRLF, before dot-stuffing; no limit is no obstacle."""
    host = Mx({"EHLO": offering(offer)})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=BODY + b".dots\r\n..\r\n")
        assert shown.state == "delivered"
        (line,) = [line for line in host.commands if line.startswith(b"MAIL")]
        octets = len(host.bodies[0].replace(b"\r\n..", b"\r\n."))
        assert line == b"MAIL FROM:<app@sender.test>" + (suffix % octets if suffix else b"")


@in_loop
async def test_M21_too_large_for_the_offer_is_permanent_without_mail(begin: Begin) -> None:
    """A message beyond the offered SIZE ends with 5.3.4, and the host hears no MAIL."""
    host = Mx({"EHLO": offering("SIZE 50")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
        assert outcome(shown) == ("bounced", "5.3.4")
        assert host.count("MAIL") == 0


@pytest.mark.parametrize(("reply", "state"), [("452 4.3.1 no room now", "scheduled"), ("552 5.3.4 too big", "bounced")])
@in_loop
async def test_M21_a_refused_size_is_judged_by_its_code(begin: Begin, reply: str, state: str) -> None:
    """452 to MAIL is temporary, 552 is not."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"MAIL": reply}))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == state


@in_loop
async def test_M23_eight_bit_content_is_announced(begin: Begin) -> None:
    """BODY=8BITMIME where the host offers it, and only for content that needs it."""
    host = Mx()
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test", message=EIGHT_BIT), *await mail.deliver("r2@a.test")]
        assert [one.state for one in shown] == ["delivered", "delivered"]
        assert [b"BODY=8BITMIME" in line for line in host.commands if line.startswith(b"MAIL")] == [True, False]


@in_loop
async def test_M24_no_high_octet_reaches_a_host_that_did_not_offer_it(begin: Begin) -> None:
    """Without 8BITMIME such a message ends with 5.6.3; others go by the same session."""
    host = Mx({"EHLO": offering("SIZE")})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test", message=EIGHT_BIT), *await mail.deliver("r2@a.test")]
        assert [outcome(one) for one in shown] == [("bounced", "5.6.3"), ("delivered", "2.0.0")]
        assert all(octet < 0x80 for body in host.bodies for octet in body)
        assert host.connections == 1


@in_loop
async def test_M25_smtputf8_is_said_for_a_local_part_beyond_ascii_only(begin: Begin) -> None:
    """The parameter is sent where an address or header needs it, and not for a domain, which goes in A-labels."""
    host = Mx()
    async with begin() as mail:
        await mail.host("xn--bcher-kva.test", host)
        for recipient in ("jürgen@bücher.test", "plain@bücher.test"):
            (shown,) = await mail.deliver(recipient)
            assert shown.state == "delivered"
        assert [line.decode() for line in host.commands if line.startswith(b"RCPT")] == [
            "RCPT TO:<jürgen@xn--bcher-kva.test>",
            "RCPT TO:<plain@xn--bcher-kva.test>",
        ]
        assert [b"SMTPUTF8" in line for line in host.commands if line.startswith(b"MAIL")] == [True, False]


@in_loop
async def test_M25_without_smtputf8_only_those_who_need_it_end(begin: Begin) -> None:
    """Of one message's recipients the one beyond ASCII ends with 5.6.7, and the others are delivered."""
    host = Mx({"EHLO": offering("8BITMIME", "SIZE")})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("jürgen@a.test", "plain@a.test", "other@a.test")
        assert [outcome(one) for one in shown] == [("bounced", "5.6.7"), ("delivered", "2.0.0"), ("delivered", "2.0.0")]


@in_loop
async def test_M25_a_header_beyond_ascii_needs_smtputf8(begin: Begin) -> None:
    """Never downgraded silently."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"EHLO": offering("8BITMIME")}))
        (shown,) = await mail.deliver("r@a.test", message=UTF8_HEADER)
        assert outcome(shown) == ("bounced", "5.6.7")


@pytest.mark.parametrize(
    ("limits", "transactions", "connections"),
    [("RCPTMAX=1", 3, 1), ("MAILMAX=1 RCPTMAX=1", 3, 3), ("RCPTMAX=x", 1, 1)],
    ids=["recipients", "messages", "malformed"],
)
@in_loop
async def test_M30_limits_are_kept(begin: Begin, limits: str, transactions: int, connections: int) -> None:
    """RCPTMAX bounds a transaction, MAILMAX a session; a malformed keyword counts for nothing."""
    host = Mx({"EHLO": offering("SIZE", f"LIMITS {limits}")})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("known@a.test")
        shown = await mail.deliver("r1@a.test", "r2@a.test", "r3@a.test")
        assert {one.state for one in shown} == {"delivered"}
        assert len(host.bodies) == 1 + transactions
        assert host.connections >= connections


@pytest.mark.parametrize("offset", range(6))
@in_loop
async def test_M13_M14_dots_survive_at_any_place(begin: Begin, offset: int) -> None:
    """Lines of dots around the edge of a block arrive as they were, behind exactly one end of data."""
    filler = b"x" * 62 + b"\r\n"
    padding = b"y" * offset + b"\r\n"
    message = BODY + padding + filler * 1023 + b".\r\n..\r\n.\r\n" + filler * 1100 + b".\r\n"
    async with begin() as mail:
        mail.playground.ledger.bodies = {}
        (shown,) = await mail.deliver("r@a.test", message=message)
        assert shown.state == "delivered"
        (body,) = mail.playground.ledger.bodies.values()
        assert body.endswith(message.partition(b"\r\n\r\n")[2])
