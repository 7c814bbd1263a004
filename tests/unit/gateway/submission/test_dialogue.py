"""A client's session, octets in and replies out."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.dialogue import Dialogue
from softbounce_gateway.submission.house import House, Login
from softbounce_gateway.submission.steps import BeginTls, CheckLogin, HangUp, Store

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
MESSAGE = b"Subject: hi\r\n\r\nhi\r\n.\r\n"


def dialogue(*, is_tls: bool = False, **changes: Any) -> Dialogue:  # noqa: ANN401 - of a House
    """One that was greeted."""
    rules: dict[str, Any] = {
        "protocol": "smtp",
        "hostname": "mx.test",
        "has_starttls": False,
        "wants_login": lambda: False,
        "takes_login": lambda: False,
        "is_valid": lambda _: True,
        "is_loopback": True,
        "max_octets": lambda: 100_000,
        "budget": Budget(1_000_000),
        "now": lambda: NOW,
    }
    one = Dialogue(House(**(rules | changes)), is_tls=is_tls)
    one.greet()
    assert one.take_output().startswith(b"220 mx.test ")
    return one


def say(one: Dialogue, *lines: str) -> list[str]:
    """Say lines at once; the replies."""
    one.feed("".join(f"{line}\r\n" for line in lines).encode())
    one.advance()
    return one.take_output().decode().split("\r\n")[:-1]


def codes(one: Dialogue, *lines: str) -> list[str]:
    """The same, their codes."""
    return [line[:3] for line in say(one, *lines)]


def test_a_message_comes_in() -> None:
    """All of it at once, as a client may (PIPELINING): replies in order, and nothing behind it is read yet."""
    one = dialogue()
    one.feed(
        b"EHLO a.test\r\nMAIL FROM:<s@a.test> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=QQ+2B7\r\n"
        b"RCPT TO:<r@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+40c.test\r\nRCPT TO:<bad>\r\nDATA\r\n"
        + MESSAGE
        + b"QUIT\r\n"
    )
    step = one.advance()
    assert isinstance(step, Store)
    assert (step.sender, [to.address for to in step.recipients]) == ("s@a.test", ["r@b.test"])
    assert step.recipients[0].options.notify == ("success", "delay")
    assert step.recipients[0].options.orcpt == "o@c.test"
    assert (step.options.ret, step.options.envid, step.with_words) == ("headers", "QQ+7", "ESMTP")
    assert step.message == b"Subject: hi\r\n\r\nhi\r\n"
    said = one.take_output().decode().split("\r\n")
    assert [line[:3] for line in said if line and line[3] == " "] == ["250", "250", "250", "553", "354"]
    one.settle("250 2.0.0 queued as x")
    assert isinstance(one.advance(), HangUp)
    assert one.take_output() == b"250 2.0.0 queued as x\r\n221 2.0.0 bye\r\n"


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (("MAIL FROM:<a@b.test>",), "503"),
        (("EHLO x", "RCPT TO:<a@b.test>"), "503"),
        (("EHLO x", "MAIL FROM:<a@b.test>", "DATA"), "503"),
        (("EHLO x", "MAIL FROM:<a@b.test>", "MAIL FROM:<a@b.test>"), "503"),
        (("EHLO x", "MAIL FROM:a@b.test"), "250"),
        (("EHLO x", "MAIL FROM:a@b.test SIZE=100001"), "552"),
        (("EHLO x", "MAIL FROM:a@b.test>"), "501"),
        (("EHLO x", "MAIL FROM:"), "501"),
        (("EHLO x", "MAIL FROM:a@b@c.test"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> AUTH=<>"), "250"),
        (("EHLO x", "MAIL FROM: <a@b.test>"), "250"),
        (("EHLO x", "MAIL FROM:<>"), "250"),
        (("EHLO x", "MAIL FROM:\t<a@b.test>\tSIZE=1"), "250"),
        (("EHLO x", "MAIL FROM: \ta@b.test\tSIZE=1"), "250"),
        (("EHLO x", "MAIL FROM:<a@b.test\t>"), "553"),
        (("EHLO x", "MAIL FROM:<a@b.test>SIZE=1"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> SIZE=100001"), "552"),
        (("EHLO x", "MAIL FROM:<a@b.test> SIZE=1e3"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> X=1"), "555"),
        (("EHLO x", "MAIL FROM:<a@b.test> SIZE=1 SIZE=1"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> REQUIRETLS"), "555"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=60;N"), "250"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=-60;nt"), "250"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=60;X"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=0;R"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=60;R HOLDFOR=60"), "250"),
        (("EHLO x", "MAIL FROM:<a@b.test> BY=60;R HOLDFOR=61"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> HOLDFOR=61 BY=60;N"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> HOLDFOR=0 BY=-60;N"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> HOLDFOR=5 HOLDUNTIL=2026-02-01T00:00:00Z"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> HOLDUNTIL=2026-02-01T00:00:00"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> HOLDFOR=999999999"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test> MT-PRIORITY=3"), "250"),
        (("EHLO x", "MAIL FROM:<ü@b.test>"), "553"),
        (("EHLO x", "MAIL FROM:<ü@b.test> SMTPUTF8"), "250"),
        (("HELO x", "MAIL FROM:<a@b.test> SIZE=1"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<@c.test:a@b.test>"), "553"),
        (("EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<>"), "501"),
        (("EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY"), "501"),
        (("EHLO x", 'MAIL FROM:<"a> b"@b.test>'), "250"),
        (("EHLO",), "501"),
        (("LHLO x",), "500"),
        (("VRFY a@b.test",), "252"),
        (("AUTH PLAIN AGEAYg==",), "500"),
        (("STARTTLS",), "500"),
    ],
)
def test_each_command_has_its_reply(lines: tuple[str, ...], reply: str) -> None:
    """What is wrong is said at once; the code is of the last line."""
    assert codes(dialogue(), *lines)[-1] == reply


def test_what_is_offered_is_what_is_done() -> None:
    """REQUIRETLS and a login only where nobody else listens; STARTTLS until it is used."""
    here = say(dialogue(), "EHLO x")
    assert "250-DSN" in here
    assert not [line for line in here if line[4:].split()[0] in {"STARTTLS", "REQUIRETLS", "AUTH", "CHUNKING"}]
    rules: dict[str, Any] = {"has_starttls": True, "takes_login": lambda: True, "is_loopback": False}
    clear = say(dialogue(**rules), "EHLO x")
    assert "250 STARTTLS" in clear
    assert not any("AUTH" in line for line in clear)
    by_tls = say(dialogue(is_tls=True, **rules), "EHLO x")
    assert by_tls[-2:] == ["250-REQUIRETLS", "250 AUTH PLAIN LOGIN"]


def test_A05_what_follows_starttls_in_clear_is_no_command() -> None:
    """It is not run after the handshake: whoever put it there is hung up on."""
    one = dialogue(has_starttls=True)
    one.feed(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@a.test>\r\n")
    assert isinstance(one.advance(), HangUp)
    assert one.take_output().endswith(b"closing\r\n")


def test_A05_tls_begins_anew() -> None:
    """EHLO and a sender that were said in clear are forgotten."""
    one = dialogue(has_starttls=True)
    one.feed(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nSTARTTLS\r\n")
    assert isinstance(one.advance(), BeginTls)
    one.take_output()
    one.begin_anew()
    assert codes(one, "RCPT TO:<a@b.test>", "MAIL FROM:<a@b.test>", "STARTTLS") == ["503", "503", "503"]


def test_A11_nobody_sends_without_a_login_where_one_is_wanted() -> None:
    """And none is taken in clear."""
    rules: dict[str, Any] = {"takes_login": lambda: True, "wants_login": lambda: True, "is_loopback": False}
    assert codes(dialogue(has_starttls=True, **rules), "EHLO x", "MAIL FROM:<a@b.test>", "AUTH PLAIN AGEAYg==")[
        -2:
    ] == [
        "530",
        "538",
    ]
    one = dialogue(is_tls=True, **rules)
    one.feed(b"EHLO x\r\nAUTH PLAIN " + b64encode(b"\0app\0secret") + b"\r\nMAIL FROM:<a@b.test>\r\n")
    step = one.advance()
    assert isinstance(step, CheckLogin)
    assert (step.credentials.name, step.credentials.token) == ("app", "secret")
    assert "secret" not in repr(step)
    one.take_output()
    one.let_in(Login(name="app", senders=("*@b.test",)))
    assert one.advance() is None
    assert one.take_output() == b"235 2.7.0 logged in\r\n250 2.1.0 sender ok\r\n"
    assert codes(one, "RSET", "MAIL FROM:<a@c.test>", "MAIL FROM:<>") == ["250", "550", "550"]


def test_a_login_ends_with_its_token() -> None:
    """Who was let in sends no more once the token is revoked."""
    valid = True
    one = dialogue(is_tls=True, takes_login=lambda: True, wants_login=lambda: True, is_valid=lambda _: valid)
    one.let_in(Login(name="app"))
    assert codes(one, "EHLO x", "MAIL FROM:<a@b.test>", "RSET")[-2:] == ["250", "250"]
    valid = False
    assert codes(one, "MAIL FROM:<a@b.test>") == ["530"]


def test_login_in_steps() -> None:
    """LOGIN asks twice; PLAIN once, where its words did not come along; an asterisk gives up."""
    one = dialogue(takes_login=lambda: True)
    assert codes(one, "EHLO x", "AUTH LOGIN", b64encode(b"app").decode(), "*")[-3:] == ["334", "334", "501"]
    assert codes(one, "AUTH PLAIN", "!!") == ["334", "501"]
    one.feed(b"AUTH LOGIN\r\n" + b64encode(b"app") + b"\r\n" + b64encode(b"t") + b"\r\n")
    step = one.advance()
    assert isinstance(step, CheckLogin)
    assert (step.credentials.name, step.credentials.token) == ("app", "t")


def test_lmtp_replies_once_a_recipient() -> None:
    """In the order of those that were taken (RFC 2033 §4.2), also where the message is refused."""
    one = dialogue(protocol="lmtp", max_octets=lambda: 10)
    assert codes(one, "EHLO x", "LHLO x")[0] == "500"
    to = ["RCPT TO:<a@b.test>", "RCPT TO:<bad>", "RCPT TO:<c@b.test>"]
    one.feed(b"MAIL FROM:<>\r\n" + "".join(f"{line}\r\n" for line in to).encode() + b"DATA\r\n" + MESSAGE)
    assert isinstance(one.advance(), Store)
    one.take_output()
    one.settle("250 2.0.0 queued as x")
    assert one.take_output() == b"250 2.0.0 queued as x\r\n" * 2


def test_A13_recipients_are_bounded() -> None:
    """The 1,001st is for another message; the 1,000 before it are taken."""
    one = dialogue()
    said = codes(one, "EHLO x", "MAIL FROM:<a@b.test>", *(f"RCPT TO:<r{number}@b.test>" for number in range(1001)))
    assert said[-1001:] == ["250"] * 1000 + ["452"]


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"NOOP\r\n" * 300, b"421 4.7.0"),
        (b"WHAT\r\n" * 50, b"421 4.7.0"),
        (b"x" * 5000, b"500 5.5.6"),
        (b"EHLO x\nMAIL FROM:<a@b.test>\r\n", b"554 5.6.0"),
        (b"EHLO x\rNOOP\r\n", b"554 5.6.0"),
        (b"\x16\x03\x01\x02\x00\x01", b"554 5.5.1"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\n", b"521 5.5.2"),
    ],
    ids=["chatter", "errors", "a line without an end", "bare LF", "bare CR", "TLS too early", "a browser"],
)
def test_a_session_that_is_none_is_ended(octets: bytes, reply: bytes) -> None:
    """With words, and nothing of what follows is read."""
    one = dialogue()
    one.feed(octets)
    assert isinstance(one.advance(), HangUp)
    said = one.take_output()
    assert said.split(b"\r\n")[-2].startswith(reply)
    one.feed(b"NOOP\r\n")
    assert isinstance(one.advance(), HangUp)
    assert one.take_output() == b""


def test_A04_a_message_with_a_bare_line_end_ends_the_session() -> None:
    """What was smuggled behind it is never read as commands."""
    one = dialogue()
    one.feed(
        b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\n.\r\n"
        b"MAIL FROM:<evil@a.test>\r\nRCPT TO:<v@b.test>\r\nDATA\r\nSubject: y\r\n\r\n.\r\n"
    )
    assert isinstance(one.advance(), HangUp)
    assert one.take_output().split(b"\r\n")[-2].startswith(b"554 5.6.0")


def test_A13_what_is_far_too_large_is_not_waited_for() -> None:
    """A little over the limit is read to its end; twice as much is not."""
    one = dialogue(max_octets=lambda: 100_000)
    say(one, "EHLO x", "MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>", "DATA")
    for _ in range(190):
        one.feed(b"x" * 998 + b"\r\n")
        assert one.advance() is None
    one.feed(b".\r\n")
    one.advance()
    assert one.take_output().startswith(b"552 5.3.4")
    say(one, "MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>", "DATA")
    one.feed((b"x" * 998 + b"\r\n") * 210)
    assert isinstance(one.advance(), HangUp)
    assert one.take_output().startswith(b"552 5.3.4")
