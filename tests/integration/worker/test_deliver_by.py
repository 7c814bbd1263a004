"""DELIVERBY (RFC 2852): what a host is told of the time by which a message is to be delivered, and who gets it."""

from __future__ import annotations

import pytest
from delivery import BODY, SENDER, Begin, Delivery, in_loop
from mx import Mx

from softbounce import Shown
from softbounce.deliver_by import DeliverBy
from softbounce.dsn import DsnOptions

RETURNED = DeliverBy(within_ms=120_000, returns=True)
TOLD = DeliverBy(within_ms=120_000)


def offering(*keywords: str) -> str:
    """A reply to EHLO."""
    return "\r\n".join([*(f"250-{word}" for word in ("mx.test", *keywords)), "250 PIPELINING"])


async def deliver(mail: Delivery, by: DeliverBy | None, *recipients: str, dsn: DsnOptions | None = None) -> list[Shown]:
    """Send it so, and wait until it is settled."""
    to = recipients or ("r@a.test",)
    one = {"sender": SENDER, "recipients": to, "message": BODY, "deliver_by": by, "dsn": dsn}
    (receipt,) = await mail.client.send_many([one])  # type: ignore[list-item]
    return await mail.settled(*receipt.envelopes.values())


def said(host: Mx, verb: bytes) -> bytes:
    """The parameters of the only such command."""
    (line,) = [line for line in host.commands if line.startswith(verb)]
    return line.partition(b"> ")[2]


@pytest.mark.parametrize(
    ("by", "offer", "words"),
    [
        (RETURNED, "DELIVERBY", b"BY=120;R"),
        (RETURNED, "DELIVERBY 30", b"BY=120;R"),
        (RETURNED, "DELIVERBY nonsense", b"BY=120;R"),
        (DeliverBy(within_ms=120_000, returns=True, traces=True), "DELIVERBY", b"BY=120;RT"),
        (TOLD, "DELIVERBY 240", b"BY=120;N"),
        (DeliverBy(within_ms=-60_000), "DELIVERBY 240", b"BY=-60;N"),
        (TOLD, "X-NONE", b""),
        (RETURNED, "X-NONE", b""),
        (None, "DELIVERBY", b""),
    ],
    ids=["R", "R-shortest", "R-nonsense", "R-trace", "N", "N-over", "N-not-offered", "R-not-offered", "nothing-asked"],
)
@in_loop
async def test_M31_what_is_left_of_the_time_is_passed_on(
    begin: Begin, by: DeliverBy | None, offer: str, words: bytes
) -> None:
    """To a host that offers it; less the time that the message spent here, with its mode."""
    host = Mx({"EHLO": offering(offer)})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await deliver(mail, by)
        assert shown.state == "delivered"
        assert said(host, b"MAIL") == words


@in_loop
async def test_M31_time_that_a_message_spent_here_is_gone(begin: Begin) -> None:
    """A host that deferred it hears less the second time; 3 seconds are told as 1 or 2 then, never as 3."""
    host = Mx({"EHLO": offering("DELIVERBY"), "MAIL": ["451 4.3.2 not now", "250 2.1.0 well"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        (receipt,) = await mail.client.send_many(
            [
                {
                    "sender": SENDER,
                    "recipients": ["r@a.test"],
                    "message": BODY,
                    "deliver_by": DeliverBy(within_ms=3_000, returns=True),
                }
            ]
        )
        (identity,) = receipt.envelopes.values()
        await mail.tried(identity)
        await mail.wait(1.1)  # so much of its time passes
        await mail.client.retry(identity)
        await mail.until_true(lambda: host.count("MAIL") == 2)
        first, second = [line.partition(b"BY=")[2] for line in host.commands if line.startswith(b"MAIL")]
        assert first == b"3;R"
        assert second in {b"1;R", b"2;R"}


@in_loop
async def test_M31_what_is_to_come_back_goes_to_no_host_that_wants_more_time(begin: Begin) -> None:
    """It bounces with 5.4.7, and the host hears no MAIL; other mail goes there."""
    host = Mx({"EHLO": offering("DELIVERBY 121")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await deliver(mail, RETURNED)
        (other,) = await mail.deliver("s@a.test")
        assert (shown.state, other.state, host.count("MAIL")) == ("bounced", "delivered", 1)
        assert shown.bounce is not None
        assert (shown.bounce.enhanced, shown.bounce.cause, shown.bounce.suppress) == ("5.4.7", "rejected", False)


@in_loop
async def test_M31_the_next_host_may_promise_it(begin: Begin) -> None:
    """In the same attempt."""
    first, second = Mx({"EHLO": offering("DELIVERBY 121")}), Mx({"EHLO": offering("DELIVERBY")})
    async with begin() as mail:
        await mail.host("a.test", first, second)
        (shown,) = await deliver(mail, RETURNED)
        assert (shown.state, shown.attempts[-1].host, first.count("MAIL")) == ("delivered", "mx2.a.test", 0)
        assert said(second, b"MAIL") == b"BY=120;R"


@in_loop
async def test_M31_what_is_too_late_is_not_said_to_any_host(begin: Begin) -> None:
    """A hold made its window longer, and nobody's hold makes that time longer."""
    host = Mx({"EHLO": offering("DELIVERBY")})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await deliver(mail, DeliverBy(within_ms=1, returns=True))
        assert (shown.state, host.count("MAIL")) == ("bounced", 0)
        assert shown.bounce is not None
        assert shown.bounce.enhanced == "5.4.7"


@pytest.mark.parametrize(
    ("by", "offers", "notify", "words"),
    [
        (TOLD, ("DSN",), None, b"NOTIFY=FAILURE,DELAY"),
        (TOLD, ("DSN",), "success", b"NOTIFY=SUCCESS,DELAY"),
        (TOLD, ("DSN",), "delay", b"NOTIFY=DELAY"),
        (TOLD, ("DSN",), "never", b"NOTIFY=NEVER"),
        (TOLD, ("DSN", "DELIVERBY"), None, b""),
        (TOLD, ("DELIVERBY",), "success", b""),
        (DeliverBy(within_ms=-60_000), ("DSN",), None, b""),
    ],
    ids=["nothing", "success", "delay", "never", "host-knows-time", "host-knows-no-DSN", "time-over"],
)
@in_loop
async def test_M31_a_host_that_knows_no_time_is_asked_to_tell_of_delays(
    begin: Begin, by: DeliverBy, offers: tuple[str, ...], notify: str | None, words: bytes
) -> None:
    """RFC 2852 §4.1.4.2: unless the sender wants to hear nothing, or has heard already that it is late."""
    host = Mx({"EHLO": offering(*offers)})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await deliver(mail, by, dsn=DsnOptions(notify=[notify]) if notify else None)
        assert shown.state == "delivered"
        assert said(host, b"RCPT") == words
