"""What public reports say of clients that mail servers did not get on with, each tried on one running service."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from ports import free_ports
from service import Service, until
from submitting import RawClient, letter, listening

SENDER, RECIPIENT = "app@shop.test", "accept@b.test"
WHOLE = letter().decode().replace("\r\n.", "\r\n..") + ".\r\n"
BEGIN = (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA")
QUEUED_AS = re.compile(r"^250 2\.0\.0 queued as [0-9a-z]{23}$")


@dataclass(frozen=True, kw_only=True)
class Door:
    """A listener that wants a login."""

    service: Service
    port: int
    token: str

    def plain(self) -> str:
        """The words of AUTH PLAIN."""
        return b64encode(f"\0app\0{self.token}".encode()).decode()

    def words(self, line: str) -> str:
        """A line of a report, with what only this service knows."""
        name, token = (b64encode(one.encode()).decode() for one in ("app", self.token))
        return line.replace("PLAIN-WORDS", self.plain()).replace("NAME-WORDS", name).replace("TOKEN-WORDS", token)


@pytest.fixture(scope="module")
def door(store_binary: object) -> Iterator[Door]:
    """One for all reports."""
    del store_binary
    (port,) = free_ports(1)
    service = Service(listening(port))
    try:
        service.start("--playground")
        token = service.cli("token", "new", "--name", "app").stdout.decode().strip()

        def offers_login() -> bool:
            with RawClient(port) as client:
                client.reply()
                return not client.ask("EHLO x").startswith("250 DELIVERBY")

        until(offers_login, 20, "the listener knows of the token")
        yield Door(service=service, port=port, token=token)
    finally:
        service.clean()


LOGIN = ("EHLO app.test", "AUTH PLAIN PLAIN-WORDS")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> SIZE=13343 AUTH=<>", *BEGIN[1:]), id="smtp4dev-565-outlook"),
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> BODY=7BIT AUTH=<user>", *BEGIN[1:]), id="proton-bridge-46-kmail"),
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> AUTH=e+3Dmc2@a.test", *BEGIN[1:]), id="mox-462"),
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> AUTH=a@b.test", *BEGIN[1:]), id="go-smtp-226-no-brackets"),
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=Q7", *BEGIN[1:]), id="smtp4dev-1212"),
        pytest.param(
            (*LOGIN, BEGIN[0], f"RCPT TO:<{RECIPIENT}> ORCPT=rfc822;{RECIPIENT}", "DATA"), id="aiosmtpd-367-orcpt"
        ),
        pytest.param((*LOGIN, f"MAIL FROM:<{SENDER}> BODY=8BITMIME", *BEGIN[1:]), id="simplesmtp-17"),
        pytest.param(
            (*LOGIN, f"MAIL FROM: {SENDER}", f"RCPT TO: {RECIPIENT}", "DATA"), id="SmtpServer-219-a-disk-controller"
        ),
        pytest.param(
            (*LOGIN, f"MAIL FROM:\t<{SENDER}>\tSIZE=9", f"RCPT TO: \t<{RECIPIENT}>", "DATA"), id="kumomta-559-tabs"
        ),
        pytest.param(
            (*LOGIN, f"MAIL FROM:{SENDER}", f"RCPT TO:{RECIPIENT}", "DATA"), id="Papercut-SMTP-183-an-old-client"
        ),
        pytest.param((*LOGIN, f"mail from: <{SENDER}>", f"rcpt to: <{RECIPIENT}>", "data"), id="smtp-cli-9-a-space"),
        pytest.param(
            ("EHLO app.test", "AUTH LOGIN NAME-WORDS", "TOKEN-WORDS", *BEGIN), id="aiosmtpd-219-OpenSMTPD-819"
        ),
        pytest.param(
            ("EHLO app.test", "AUTH LOGIN", "NAME-WORDS", "TOKEN-WORDS", *BEGIN), id="go-simple-mail-119-greenmail-370"
        ),
        pytest.param(("EHLO _", *LOGIN[1:], *BEGIN), id="roundcubemail-6408-server-name-underscore"),
        pytest.param(("EHLO 7kO2OrE", *LOGIN[1:], *BEGIN), id="james-5258"),
        pytest.param(("EHLO [IPV6:2a01:cb06:b841:bf5d:38ff:861a:1646:ab77]", *LOGIN[1:], *BEGIN), id="james-5317"),
        pytest.param(("EHLO viiv-podcast_craft_1.viiv_internal", *LOGIN[1:], *BEGIN), id="ix-ai-smtp-6-compose"),
        pytest.param(("EHLO 192.168.1.1", *LOGIN[1:], *BEGIN), id="gregington-SMTPClient-3"),
        pytest.param(("EHLO Bürorechner von Anna", *LOGIN[1:], *BEGIN), id="Mailspring-Sync-135-a-name-with-blanks"),
        pytest.param(("EHLO a", "EHLO a", "RSET", *LOGIN[1:], "RSET", *BEGIN), id="PHPMailer-1219-twice"),
        pytest.param((*LOGIN, "NOOP", *BEGIN), id="PHPMailer-keeps-alive"),
        pytest.param(
            ("EHLO app.test", "AUTH PLAIN  PLAIN-WORDS", *BEGIN), id="modern-email-defects-10-windows-mail-two-blanks"
        ),
        pytest.param((*LOGIN, f"MAIL FROM: <{SENDER}>", *BEGIN[1:]), id="modern-email-defects-14-mox-51"),
        pytest.param((*LOGIN, *BEGIN[:2], "DATA "), id="nim-smtp-3-a-blank-behind-data"),
    ],
)
def test_report_this_client_gets_its_mail_in(door: Door, lines: tuple[str, ...]) -> None:
    """Command by command, as the reported client says them; in the end it hears an id."""
    with RawClient(door.port) as client:
        assert client.reply().startswith("220 ")
        for line in lines:
            said = client.ask(door.words(line))
            assert said[0] in "23", f"{line}: {said}"
        client.send(WHOLE.encode())
        assert QUEUED_AS.match(client.reply())
        assert client.ask("QUIT").startswith("221 ")


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        pytest.param(b"Subject: hi\r\n\r\n" + b"x" * 1800 + b"\r\n.\r\n", "line 3", id="sentry-7454-pydici-96"),
        pytest.param(b"Subject: hi\n\nhello\r\n.\r\n", "lines end in CRLF", id="VernissageServer-28-bare-LF"),
        pytest.param(b"Subject: hi\r\n\r\n10%\r20%\r\n.\r\n", "lines end in CRLF", id="msmtp-145-progress-bars"),
    ],
)
def test_report_what_cannot_be_taken_is_said_in_words(door: Door, octets: bytes, said: str) -> None:
    """A 5xx that says what to mend: such messages are theirs to write."""
    with RawClient(door.port) as client:
        client.reply()
        for line in (*LOGIN, *BEGIN):
            client.ask(door.words(line))
        client.send(octets)
        reply = client.reply()
        assert reply.startswith("55")
        assert said in reply


def test_report_xsibackup_12_ghettoVCB_339_commands_that_come_at_once(door: Door) -> None:
    """Sent ahead from EHLO to the last dot, by a script that reads no reply: each has its own, in order."""
    lines = "".join(f"{door.words(one)}\r\n" for one in (*LOGIN, *BEGIN))
    with RawClient(door.port) as client:
        client.send(lines.encode() + b"Subject: hi\r\n\r\n..a dot (curl-2304)\r\n.\r\nQUIT\r\n")
        said = [client.reply() for _ in range(8)]
    assert [one[:3] for one in said] == ["220", "250", "235", "250", "250", "354", "250", "221"]


def test_report_mailpit_132_one_recipient_that_is_none_keeps_no_other_from_it(door: Door) -> None:
    """He alone is refused."""
    with RawClient(door.port) as client:
        client.reply()
        for line in (*LOGIN, BEGIN[0], BEGIN[1]):
            client.ask(door.words(line))
        assert client.ask("RCPT TO:<nobody>").startswith("553 ")
        assert client.ask("DATA").startswith("354 ")
        client.send(WHOLE.encode())
        assert QUEUED_AS.match(client.reply())


def test_report_phpmailer_733_tls_on_the_port_that_begins_in_clear(door: Door) -> None:
    """It hears at once that this is none, instead of waiting for minutes."""
    with RawClient(door.port) as client:
        client.reply()
        client.send(b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03")
        assert "STARTTLS" in client.reply()
        assert client.reply() == ""


def test_report_nodemailer_1292_no_quit(door: Door) -> None:
    """Who hangs up behind its 250 has its message taken, and nothing is logged as a failure."""
    with RawClient(door.port) as client:
        client.reply()
        for line in (*LOGIN, *BEGIN):
            client.ask(door.words(line))
        client.send(WHOLE.encode())
        said = client.reply()
    with door.service.client() as mail:
        assert mail.show(f"{said.rpartition(' ')[2]}000").recipient == RECIPIENT
    assert "session_failed" not in door.service.log
