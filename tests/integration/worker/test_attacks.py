"""What senders and hosts that mean harm try (A..), from an accepted message to the octets on the wire, and back."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import Authority, server_context
from delivery import BODY, PATIENT, POLICY, SENDER, Begin, in_loop
from mx import EHLO_PLAIN, Mx, Reaction, Trickle
from softbounce_playground import Zone
from structlog.testing import capture_logs

from softbounce import InvalidAddress, InvalidMessage
from softbounce.settings import Settings, TlsMode, TlsRule

CHUNKING = "250-mx.test\r\n250 CHUNKING"
SMUGGLED = b"MAIL FROM:<ceo@a.test>\r\nRCPT TO:<victim@a.test>\r\nDATA\r\nFrom: ceo@a.test\r\n\r\nPay.\r\n.\r\n"


@pytest.mark.parametrize("offer", [EHLO_PLAIN, CHUNKING, ""], ids=["plain", "chunk", "group"])
@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n\x00.\r\n",
        b"\r\n.\x00\r\n",
        b"\r\n.\r\n",
    ],
)
@in_loop
async def test_A03_no_second_message_is_smuggled_behind_a_dot(begin: Begin, end: bytes, offer: str) -> None:
    """Whatever receivers take for the end of data: refused at once, or one message with one end, no bare CR or LF."""
    host = Mx({"EHLO": offer} if offer else None)
    async with begin() as mail:
        await mail.host("a.test", host)
        try:
            ids = await mail.send("r@a.test", message=BODY + b"Harmless." + end + SMUGGLED)
        except InvalidMessage:
            assert host.connections == 0
            return
        (shown,) = await mail.settled(*ids)
        assert shown.state == "delivered"
        (octets,) = host.bodies + host.chunks
        assert b"\r" not in octets.replace(b"\r\n", b"")
        assert b"\n" not in octets.replace(b"\r\n", b"")
        assert (host.count("MAIL"), host.behind_dot) == (1, 0)
        if host.bodies:  # stuffed: no line is a dot
            assert b"\r\n.\r\n" not in octets


@pytest.mark.parametrize(
    ("recipient", "domain", "wire"),
    [
        ('"a@evil.test"@a.test', "a.test", '"a@evil.test"@a.test'),
        ('"a>\\"@evil.test"@a.test', "a.test", '"a>\\"@evil.test"@a.test'),
        ("user%evil.test@a.test", "a.test", "user%evil.test@a.test"),
        ("evil.test!user@a.test", "a.test", "evil.test!user@a.test"),
    ],
)
@in_loop
async def test_A06_mail_goes_to_the_domain_behind_the_last_at_sign(
    begin: Begin, recipient: str, domain: str, wire: str
) -> None:
    """A quoted local part, the percent hack and a bang path move no mail to somebody else's host."""
    host, evil = Mx(), Mx()
    async with begin() as mail:
        await mail.host(domain, host)
        await mail.host("evil.test", evil)
        (shown,) = await mail.deliver(recipient)
        assert (shown.state, evil.connections) == ("delivered", 0)
        assert f"RCPT TO:<{wire}>".encode() in host.commands


@pytest.mark.parametrize(
    "address",
    [
        "@evil.test:r@a.test",
        "r@a.test\r\nRCPT TO:<x@a.test>",
        "r@a.test> SIZE=1",
        "r@a.test\0",
        "r@[127.0.0.1]:25",
        "r@a.test:2525",
        "r (x) @a.test",
        "r@a.test, s@a.test",
    ],
)
@in_loop
async def test_A01_A06_what_confuses_parsers_is_refused_before_it_is_stored(begin: Begin, address: str) -> None:
    """As a recipient and as a sender: source routes, ports, comments, lists, controls."""
    async with begin() as mail:
        for sender, recipient in ((SENDER, address), (address, "r@a.test")):
            with pytest.raises(InvalidAddress):
                await mail.client.send(sender=sender, recipients=[recipient], message=BODY)
        assert not [counts for counts in (await mail.client.queue()).rows if counts.count]


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255"])  # noqa: S104
@in_loop
async def test_A08_a_strangers_mx_record_makes_us_dial_nothing_of_our_own(begin: Begin, address: str) -> None:
    """Even where private addresses may be dialled: metadata services, multicast. A bounce, and nobody is dialled."""
    async with begin() as mail:
        mail.playground.zone["a.test"] = Zone(mx=[(10, "mx.a.test")], a={"mx.a.test": address})
        (shown,) = await mail.deliver("r@a.test")
        (attempt,) = shown.attempts
        assert (shown.state, attempt.stage, attempt.enhanced) == ("bounced", "route", "5.4.4")
        assert attempt.address is None


NASTY = "550 5.1.1 \x1b[2J\x1b]0;pwned\x07 no\u202e\u2066 such\u2028 user\u200b <script>\x9b31m \x00 \xad"


@in_loop
async def test_A22_reply_text_reaches_no_screen_log_or_event_unescaped(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences, direction marks and line separators of a host's are printed as what they are."""
    async with begin() as mail:
        await mail.host("a.test", Mx({"RCPT": NASTY}))
        (shown,) = await mail.deliver("r@a.test")
        assert shown.state == "bounced"
        words = await mail.client.explain(shown.id)
        events = [event async for event in mail.client.events()]
        texts = [*(attempt.text for attempt in shown.attempts), *(line for line in words.splitlines())]
        texts += [event.text for event in events if getattr(event, "text", None)]
        assert shown.bounce is not None
        for text in (*texts, shown.bounce.text):
            assert text.isprintable(), text
        assert "\\x1b[2J" in shown.bounce.text
    printed = capsys.readouterr()
    for line in (printed.out + printed.err).splitlines():
        plain = line.replace("\x1b[", "")  # structlog's own colours
        assert "pwned\x07" not in plain
        assert "\u202e" not in plain
    assert json.dumps(shown.bounce.text).isascii()


@pytest.mark.parametrize(
    "script",
    [
        {"EHLO": Trickle(b"250-" + b"x" * 400 + b"\r\n", 0.0, forever=True)},
        {"MAIL": Trickle(b"250-" + b"\xf0\x9f\x92\xa9" * 100 + b"\r\n", 0.0, forever=True)},
        {"dot": Trickle(b"x" * 4096, 0.0, forever=True)},
        {"BDAT": Trickle(b"250-x\r\n" * 512, 0.0, forever=True), "EHLO": CHUNKING},
    ],
    ids=["ehlo", "mail", "dot", "chunk"],
)
@in_loop
async def test_A26_endless_replies_take_no_memory(begin: Begin, script: dict[str, Reaction]) -> None:
    """Sessions that hear no end of it are cut, each long before a megabyte."""
    async with begin(timeouts=replace(PATIENT, end_of_data=1, mail=1)) as mail:
        await mail.host("a.test", Mx(script))
        await mail.deliver("warm@b.test")
        tracemalloc.start()
        try:
            ids = [identity for number in range(10) for identity in await mail.send(f"r{number}@a.test")]
            await mail.tried(any_of=ids)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 10 * 1024 * 1024


@pytest.mark.parametrize("attack", ["stripped", "refused", "wrong-name", "injected"])
@pytest.mark.parametrize("mode", ["required", "verified"])
@in_loop
async def test_A27_who_is_in_the_middle_gets_no_mail_that_asks_for_tls(
    begin: Begin, tmp_path: Path, mode: TlsMode, attack: str
) -> None:
    """A host that had TLS has none any more, or another's: no MAIL is said, and the attempt says why."""
    authority = Authority(tmp_path)
    host = Mx(tls=server_context(authority.sign("mx1.a.test")))
    rule = TlsRule(mode=mode, roots=authority.pem)
    settings = Settings(policies={"default": POLICY}, tls=(rule,))
    async with begin(settings=settings, timeouts=replace(PATIENT, idle=0.05)) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test")
        assert (shown.state, host.secure) == ("delivered", [True])
        await mail.until_true(lambda: not host.open)
        said = host.count("MAIL")
        match attack:
            case "stripped":
                host.say("EHLO", EHLO_PLAIN)
            case "refused":
                host.say("STARTTLS", "454 4.7.0 not now")
            case "injected":
                host.say("STARTTLS", b"220 go ahead\r\n250-mx1.a.test\r\n250 SIZE\r\n")
            case _:
                host.use_tls(server_context(authority.sign("evil.test")))
        (shown,) = await mail.tried(*await mail.send("r2@a.test"))
        if attack == "wrong-name" and mode == "required":
            assert shown.state == "delivered"  # any certificate will do: that is what `verified` is for
            return
        assert (shown.state, host.count("MAIL")) == ("scheduled", said)
        (attempt,) = shown.attempts
        assert (attempt.stage, attempt.verdict, attempt.charged) == ("starttls", "soft", False)
        assert attempt.text


@in_loop
async def test_A27_a_host_that_is_less_protected_than_it_was_is_named_once(begin: Begin, tmp_path: Path) -> None:
    """Mail that may go in clear goes so; the log says what changed, when it does, and not for each session."""
    host = Mx(tls=server_context(Authority(tmp_path).sign("mx1.a.test")))
    async with begin(timeouts=replace(PATIENT, idle=0.05)) as mail:
        await mail.host("a.test", host)
        with capture_logs() as logs:
            for number in range(4):
                if number == 1:
                    host.say("EHLO", EHLO_PLAIN)
                (shown,) = await mail.deliver(f"r{number}@a.test")
                assert shown.state == "delivered"
                await mail.until_true(lambda: not host.open)
        assert host.secure == [True, False, False, False]
        (said,) = [one for one in logs if one["event"] == "tls_got_weaker"]
        told = {name: said[name] for name in ("host", "before", "now", "why")}
        words = {"host": "mx1.a.test", "before": "TLSv1.3", "now": "none", "why": "the host does not offer STARTTLS"}
        assert told == words
