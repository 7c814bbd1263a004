"""What a host offers decides what it gets: SIZE, 8BITMIME, SMTPUTF8, LIMITS, and the octets of the content."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from delivery import BODY, SENDER, Begin, in_loop, lane_settings
from mx import Mx, Script
from signing import ED25519, rule

from softbounce import Shown
from softbounce.settings import LaneRule

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
async def test_M24_no_high_octet_of_a_signed_message_reaches_a_host_that_did_not_offer_it(begin: Begin) -> None:
    """Without 8BITMIME such a message ends with 5.6.3; others go by the same session."""
    host = Mx({"EHLO": offering("SIZE")})
    async with begin() as mail:
        await mail.host("a.test", host)
        signed = b"DKIM-Signature: v=1; d=x.test\r\n" + EIGHT_BIT
        shown = [*await mail.deliver("r1@a.test", message=signed), *await mail.deliver("r2@a.test")]
        assert [outcome(one) for one in shown] == [("bounced", "5.6.3"), ("delivered", "2.0.0")]
        assert all(octet < 0x80 for body in host.bodies for octet in body)
        assert host.connections == 1


@pytest.mark.parametrize(
    "script",
    [{"EHLO": offering("SIZE")}, {"EHLO": "502 5.5.1 what"}, {"EHLO": "250-mx.test\r\n250 CHUNKING"}],
    ids=["pipelining", "helo", "chunking"],
)
@in_loop
async def test_M24_a_message_is_made_seven_bit_where_no_host_takes_it_otherwise(begin: Begin, script: Script) -> None:
    """In the same attempt, for all of its recipients, SIZE and content included; the text is what it was."""
    host = Mx(script)
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test", message=EIGHT_BIT)
        assert [(one.state, len(one.attempts)) for one in shown] == [("delivered", 1)] * 2
        assert not any(b"8BITMIME" in line for line in host.commands)
        for body in host.bodies + host.chunks:
            assert message_from_bytes(body).get_payload(decode=True) == "Grüße.\r\n".encode()
        sizes = [line.partition(b"SIZE=")[2] for line in host.commands if b"SIZE=" in line]
        assert sizes == [b"%d" % len(body) for body in host.bodies if b"SIZE=" in b"".join(host.commands)]


@in_loop
async def test_M24_a_large_message_too_and_one_that_becomes_too_large_ends(begin: Begin) -> None:
    """What it becomes is held to the offered SIZE."""
    host = Mx({"EHLO": offering("SIZE 1500000")})
    line = "Sixty octets of text, with some beyond ASCII in it: äöü.\r\n".encode()
    async with begin(body_octets=10_000_000) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test", message=BODY + line * 20_000)
        assert shown.state == "delivered"
        (shown,) = await mail.deliver("r2@a.test", message=BODY + line * 24_000)
        assert outcome(shown) == ("bounced", "5.3.4")


@in_loop
async def test_M24_what_we_signed_stays_as_it_is(begin: Begin) -> None:
    """Never after signing: the message asks for 8BITMIME, and ends where nobody has it."""
    host = Mx({"EHLO": offering("SIZE")})
    async with begin(signing=[rule(ED25519, "e", "sender.test")]) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test", message=EIGHT_BIT)
        assert (outcome(shown), host.bodies) == (("bounced", "5.6.3"), [])


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


@pytest.mark.parametrize("offer", ["DSN", "X-DSN"])
@in_loop
async def test_M27_what_is_asked_of_reports_is_passed_on_where_dsn_is_offered(begin: Begin, offer: str) -> None:
    """NOTIFY and ORCPT with each recipient, RET and ENVID with the message; to other hosts nothing of it."""
    host = Mx({"EHLO": offering(offer)})
    async with begin(settings=lane_settings(LaneRule(connections=1))) as mail:
        await mail.host("a.test", host)
        receipt = await mail.client.send(
            sender=SENDER,
            recipients=["r1@a.test", "r2@a.test"],
            message=BODY,
            dsn={
                "notify": {"r1@a.test": ["failure", "delay"], "r2@a.test": ["never"]},
                "orcpt": {"r1@a.test": "boss@old.test"},
                "ret": "headers",
                "envid": "order 1",
            },
        )
        assert {one.state for one in await mail.settled(*receipt.envelopes.values())} == {"delivered"}
        said = {line.decode() for line in host.commands if line.startswith((b"MAIL", b"RCPT"))}
        if offer == "DSN":
            assert said == {
                f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=order+201",
                "RCPT TO:<r1@a.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;boss@old.test",
                "RCPT TO:<r2@a.test> NOTIFY=NEVER",
            }
        else:
            assert said == {f"MAIL FROM:<{SENDER}>", "RCPT TO:<r1@a.test>", "RCPT TO:<r2@a.test>"}


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
