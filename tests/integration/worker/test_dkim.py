"""Signed mail on its way: once a message, the same for all its recipients and attempts, and never unsigned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import current_thread

import pytest
from delivery import Begin, Delivery, in_loop
from mx import Mx
from ports import free_ports
from signing import ED25519, RSA, rule, tags_of, verify
from softbounce_scheduler.notices.due import Action
from softbounce_scheduler.notices.report import Notice, Outcome, write_notice
from softbounce_scheduler.notices.returned import Returned
from softbounce_worker.dkim.signing_key import SigningKey

from softbounce.envelope import State
from softbounce.ids import parse_id
from softbounce.road import Road, RouteRule
from softbounce.settings import Policy, Settings
from softbounce.store import reading

RULES = [rule(RSA, "r"), rule(ED25519, "e")]
RECORDS = {"r._domainkey.app.test": RSA.record, "e._domainkey.app.test": ED25519.record}
AGAIN_SOON = Settings(policies={"default": Policy(name="default", delays=(timedelta(milliseconds=150),), jitter=0.0)})
MESSAGE = b"From: A <a@app.test>\r\nSubject: hello\r\n\r\n.a line\r\n..\r\nHello\r\n"


class CountingKey(SigningKey):
    """An RSA key that counts, or fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.type, self.bits, self.algorithm, self.public = RSA.type, RSA.bits, RSA.algorithm, RSA.public
        self.signed = 0
        self.threads: set[str] = set()
        self.failures = failures

    def sign(self, octets: bytes) -> bytes:
        """As the other does."""
        if self.failures:
            self.failures -= 1
            raise ValueError("the token is not there")
        self.signed += 1
        self.threads.add(current_thread().name)
        return RSA.sign(octets)


def arrived(body: bytes) -> bytes:
    """A message without the dots that were doubled."""
    lines = body.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


async def send_apart(mail: Delivery, message: bytes = MESSAGE) -> list[str]:
    """To two recipients at hosts of their own."""
    return await mail.send("x@a.test", "y@b.test", message=message)


@in_loop
async def test_issue12_what_arrives_verifies_and_is_the_same_for_all_recipients(begin: Begin) -> None:
    """Signed before dots are doubled, by both keys, and once for a message to two sites."""
    hosts, key = [Mx(), Mx()], CountingKey()
    async with begin(signing=[rule(key, "r"), RULES[1]]) as mail:
        await mail.host("a.test", hosts[0])
        await mail.host("b.test", hosts[1])
        shown = await mail.settled(*await send_apart(mail))
    assert [one.state for one in shown] == ["delivered", "delivered"]
    assert hosts[0].bodies == hosts[1].bodies
    message = arrived(hosts[0].bodies[0])
    assert verify(message, RECORDS) == [True, True]
    assert message.endswith(b"\r\n\r\n.a line\r\n..\r\nHello\r\n")
    assert key.signed == 1
    assert all(name.startswith("dkim") for name in key.threads)  # and not the event loop's


@in_loop
async def test_issue14_what_a_smarthost_signs_is_not_signed_here(begin: Begin) -> None:
    """Amazon SES refuses a second signature (554), and changes what was signed; all other mail is signed as ever."""
    relay, host, port = Mx(), Mx(), free_ports(1)[0]
    road = Road(host="127.0.0.1", port=port, sign=False)
    routed = Settings(policies=AGAIN_SOON.policies, route=(RouteRule(domain="a.test", road=road),))
    async with begin(settings=routed, signing=RULES) as mail:
        await mail.listen(relay, "127.0.0.1", port)
        await mail.host("b.test", host)
        shown = await mail.settled(*await send_apart(mail))
    assert [one.state for one in shown] == ["delivered", "delivered"]
    assert [b"dkim-signature" in body.lower() for body in relay.bodies] == [False]
    assert verify(arrived(host.bodies[0]), RECORDS) == [True, True]


@in_loop
async def test_issue12_a_retry_sends_the_same_octets_and_signs_nothing(begin: Begin) -> None:
    """A 451 to the dot, then a 250: both times the very same signature, of the time when the message was accepted."""
    host, key = Mx({"dot": ["451 4.3.2 not now", "250 2.0.0 taken"]}), CountingKey()
    async with begin(settings=AGAIN_SOON, signing=[rule(key, "r")]) as mail:
        await mail.host("a.test", host)
        ids = await mail.send("x@a.test", message=MESSAGE)
        await mail.until_true(lambda: len(host.bodies) == 2)
        (record,) = await mail.store.run(reading.fetch([parse_id(ids[0])]))
    assert record is not None
    assert host.bodies[0] == host.bodies[1]
    assert key.signed == 1
    (tags,) = tags_of(host.bodies[0])
    assert tags["t"] == str(record.created_ms // 1000)


@in_loop
async def test_issue12_another_process_sends_the_same_octets(begin: Begin) -> None:
    """The signature follows from message, key and time of acceptance: nothing has to be remembered for it."""
    host = Mx({"dot": ["451 4.3.2 not now", "250 2.0.0 taken"]})
    async with begin(settings=AGAIN_SOON, signing=RULES) as mail:
        await mail.host("a.test", host)
        await mail.send("x@a.test", message=MESSAGE)
        await mail.until_true(lambda: len(host.bodies) == 1)
        mail.engine._signer._kept.clear()  # what a process that begins knows
        await mail.until_true(lambda: len(host.bodies) == 2)
    assert host.bodies[0] == host.bodies[1]


@in_loop
async def test_issue12_what_cannot_be_signed_waits_and_never_leaves_unsigned(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked, nothing is charged, other mail flows; when the key is there again it goes, signed."""
    monkeypatch.setattr("softbounce_worker.claim.bodies.UNSIGNED_SECONDS", 0.3)
    host, other, key = Mx(), Mx(), CountingKey(failures=2)
    async with begin(signing=[rule(key, "r")]) as mail:
        await mail.host("a.test", host)
        await mail.host("b.test", other)
        (late,) = await mail.send("x@a.test", message=MESSAGE)
        await mail.until_true(lambda: key.failures < 2)
        assert [one.state for one in await mail.deliver("y@b.test")] == ["delivered"]
        assert not host.bodies
        (shown,) = await mail.settled(late)
        events = [event async for event in mail.client.events() if event.id == late]
    assert shown.state == "delivered"
    assert [one.verdict for one in shown.attempts] == ["delivered"]
    assert verify(arrived(host.bodies[0]), RECORDS) == [True]
    assert [event.kind for event in events] == ["accepted", "deferred", "deferred", "delivered"]
    assert "could not be signed" in events[1].why


@in_loop
async def test_issue12_a_process_that_ends_puts_nothing_off(begin: Begin) -> None:
    """Its threads end with it: what it could not sign any more goes back at once, for another process to sign."""
    key = CountingKey(failures=1)
    async with begin(signing=[rule(key, "r")]) as mail:

        def fail_at_the_end(_octets: bytes) -> bytes:
            mail.process.is_ending = True
            key.failures = 0
            raise RuntimeError("cannot schedule new futures after shutdown")

        key.sign = fail_at_the_end  # type: ignore[method-assign]
        mail.release_no_more()
        (envelope,) = await mail.send("x@a.test", message=MESSAGE)
        await mail._release_what_is_due()
        await mail.until_true(lambda: key.failures == 0)

        async def is_ready() -> bool:
            (record,) = await mail.store.run(reading.fetch([parse_id(envelope)]))
            return record is not None and record.state is State.READY

        await mail.until(is_ready)


@in_loop
async def test_issue12_mail_of_others_leaves_as_it_came(begin: Begin) -> None:
    """Whose From field is at no configured domain, or who has none, is not signed, whoever the envelope's sender is."""
    host = Mx()
    async with begin(signing=RULES) as mail:
        await mail.host("a.test", host)
        await mail.deliver("x@a.test", message=MESSAGE.replace(b"@app.test", b"@sub.app.test"), sender="a@app.test")
        await mail.deliver("x@a.test", message=b"Subject: hello\r\n\r\nHello\r\n", sender="a@app.test")
    assert [tags_of(body) for body in host.bodies] == [[], []]


@in_loop
async def test_issue12_size_says_what_is_sent(begin: Begin) -> None:
    """The signature counts: a host that would take the message alone, but not with it, is not sent it."""
    small = Mx({"EHLO": f"250-mx.test\r\n250 SIZE {len(MESSAGE) + 400}"})
    host = Mx({"EHLO": "250-mx.test\r\n250 SIZE 100000"})
    async with begin(signing=RULES) as mail:
        await mail.host("a.test", small)
        await mail.host("b.test", host)
        shown = await mail.deliver("x@a.test", "x@b.test", message=MESSAGE)
    assert [one.state for one in shown] == ["bounced", "delivered"]
    size = int(host.lines[-1][1].partition(b"SIZE=")[2].split()[0])
    assert size == len(arrived(host.bodies[-1]))
    assert size > len(MESSAGE) + 400


@in_loop
async def test_issue12_many_messages_are_signed_and_none_waits_for_all(begin: Begin) -> None:
    """Three hundred messages at a time: all verify, each with its own signature."""
    host = Mx()
    async with begin(signing=[RULES[1]]) as mail:
        await mail.host("a.test", host)
        ids = [(await mail.send("x@a.test", message=MESSAGE + b"%d\r\n" % number))[0] for number in range(300)]
        shown = await mail.settled(*ids, seconds=20)
    assert {one.state for one in shown} == {"delivered"}
    assert len(set(host.bodies)) == 300
    assert all(verify(arrived(body), RECORDS) == [True] for body in host.bodies)


@in_loop
async def test_issue12_utf8_and_8_bit_content_arrive_signed(begin: Begin) -> None:
    """A From field and a text beyond ASCII: by a host that offers SMTPUTF8, verified as it came."""
    message = "From: Jürgen <jürgen@app.test>\r\nSubject: Grüße\r\n\r\nschöne Grüße\r\n".encode()
    host = Mx()
    async with begin(signing=RULES) as mail:
        await mail.host("a.test", host)
        await mail.deliver("x@a.test", message=message)
    assert verify(arrived(host.bodies[0]), RECORDS) == [True, True]


@in_loop
async def test_issue14_8_a_notice_is_signed(begin: Begin) -> None:
    """By the key of the domain that it is from, though it leaves with the null sender; its many parts verify."""
    at = datetime(2026, 11, 28, 18, 30, tzinfo=UTC)
    gone = Outcome(recipient="ü@b.test", log_id="0e", code=550, text="no such user", why="The host refused it.")
    notice = Notice(
        id="notice-0e-bounced",
        action=Action.FAILED,
        to="x@a.test",
        sent_from="MAILER-DAEMON@app.test",
        hostname="mail.app.test",
        at=at,
        arrived_at=at,
        outcomes=[gone],
        returned=Returned(MESSAGE, "message/rfc822", "Your message is attached."),
    )
    host = Mx()
    async with begin(signing=RULES) as mail:
        await mail.host("a.test", host)
        (identity,) = await mail.send("x@a.test", message=write_notice(notice), sender="")
        (shown,) = await mail.settled(identity)
    assert (shown.state, shown.sender) == ("delivered", "")
    message = arrived(host.bodies[0])
    assert b"Content-Type: multipart/report" in message
    assert verify(message, RECORDS) == [True, True]
