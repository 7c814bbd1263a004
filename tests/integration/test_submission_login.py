"""Logins and TLS of the ways in by SMTP, with real clients and the tokens that the command line makes."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from ports import free_ports
from service import PlaygroundProcess, Service, until
from submitting import RawClient, letter

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = "[worker]\nprocesses = 1\n"


class Shop:
    """A service that takes mail in from other machines, with a token for whom each test needs."""

    def __init__(self, playground: PlaygroundProcess, folder: Path) -> None:
        self.authority = Authority(folder)
        self.pem = self.authority.sign("mail.shop.test")
        self.starttls, self.tls = free_ports(2)
        self.service = Service(f'[gateway]\nsubmission = "127.0.0.1:{self.starttls}"\n{WORKERS}', playground)
        self.service.start()
        self.tokens = {name: self._new_token("--name", name, "--sender", "*@shop.test") for name in ("app", "gone")}
        self.tokens["eye"] = self._new_token("--name", "eye", "--scope", "read")
        assert self.service.stop() == 0
        self.service.configure(
            f'[gateway]\nsubmission = "0.0.0.0:{self.starttls}"\nsubmissions = "0.0.0.0:{self.tls}"\n'
            f'tls_certificate = "{self.pem}"\ntls_key = "{self.pem}"\n{WORKERS}'
        )
        self.service.start()

    def _new_token(self, *options: str) -> str:
        done = self.service.cli("token", "new", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def context(self) -> ssl.SSLContext:
        """What believes its certificate."""
        return ssl.create_default_context(cadata=self.authority.pem)

    def client(self, *, is_implicit: bool) -> smtplib.SMTP:
        """One that was greeted over TLS."""
        if is_implicit:
            client: smtplib.SMTP = _ImplicitTls("127.0.0.1", self.tls, timeout=20, context=self.context())
        else:
            client = smtplib.SMTP("127.0.0.1", self.starttls, timeout=20)
            client._host = "mail.shop.test"  # type: ignore[attr-defined]
            client.starttls(context=self.context())
        client.ehlo()
        return client


class _ImplicitTls(smtplib.SMTP_SSL):
    """To an address, by a name."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        return self.context.wrap_socket(plain, server_hostname="mail.shop.test")


@pytest.fixture(scope="module")
def shop(store_binary: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The service, one for all: its start takes longer than any of the tests."""
    del store_binary
    playground = PlaygroundProcess(tmp_path_factory.mktemp("playground"))
    shop = Shop(playground, tmp_path_factory.mktemp("shop"))
    yield shop
    shop.service.clean()
    playground.end()


def test_issue14_logins_by_starttls_and_by_tls(shop: Shop) -> None:
    """PLAIN and LOGIN with a token's name and the token; allowed senders; the trace says how it came."""
    for is_implicit in (False, True):
        for mechanism in ("plain", "login"):
            with shop.client(is_implicit=is_implicit) as client:
                assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
                assert "requiretls" in client.esmtp_features
                assert client.mail("me@shop.test")[0] == 530
                client.user, client.password = "app", shop.tokens["app"]
                code, _ = client.auth(mechanism, getattr(client, f"auth_{mechanism}"))
                assert code == 235
                assert client.mail("me@other.test")[0] == 550
                assert client.mail("me@shop.test")[0] == 250
                assert client.rcpt("a@b.test")[0] == 250
                assert client.data(letter())[0] == 250
    with shop.client(is_implicit=True) as client:
        client.login("app", shop.tokens["app"])
        boss = b"From: CEO <ceo@bank.test>\r\nTo: a@b.test\r\nSubject: x\r\n\r\nx\r\n"
        with pytest.raises(smtplib.SMTPDataError, match="may not write as"):
            client.sendmail("me@shop.test", ["a@b.test"], boss)
    with shop.service.client() as mail:
        assert mail.queue().total == 4


def test_A11_A12_nobody_gets_in_by_another_way(shop: Shop) -> None:
    """Not in clear, by a wrong token or an unknown name (the same reply after the same time), or by another scope."""
    with RawClient(shop.starttls) as client:
        client.reply()
        client.send(b"EHLO x\r\n")
        client.reply()
        assert client.ask("AUTH PLAIN AGFwcABzZWNyZXQ=")[:3] == "538"
        assert client.ask("MAIL FROM:<me@shop.test>")[:3] == "530"
    replies = set()
    seconds = []
    for name, token in (("gone", "sbt_wrong"), ("nobody", "sbt_wrong"), ("gone", shop.tokens["eye"])):
        with shop.client(is_implicit=True) as client:
            began = time.monotonic()
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                client.login(name, token)
        seconds.append(time.monotonic() - began)
        replies.add((refused.value.smtp_code, refused.value.smtp_error))
    assert len(replies) == 1
    assert replies.pop()[0] == 535
    assert all(2.0 <= one < 10.0 for one in seconds)  # PLAIN and then LOGIN are tried
    with shop.client(is_implicit=True) as client, pytest.raises(smtplib.SMTPAuthenticationError, match="scope send"):
        client.login("eye", shop.tokens["eye"])
    assert not any(token in shop.service.log for token in shop.tokens.values())


def test_A12_guesses_are_slowed_down(shop: Shop) -> None:
    """After some failures even the right token waits; another name from the same address does not."""
    with shop.client(is_implicit=True) as client:
        for _ in range(4):
            assert client.docmd("AUTH PLAIN AGV5ZQBzZWNyZXQ=")[0] == 535
        code, text = client.docmd("AUTH PLAIN AGV5ZQBzZWNyZXQ=")
        assert (code, text[:5]) == (454, b"4.7.0")
        assert client.docmd("AUTH PLAIN AG90aGVyAHNlY3JldA==")[0] == 535


def test_issue14_a_revoked_token_sends_no_more(shop: Shop) -> None:
    """Also in a session that it had begun."""
    with shop.client(is_implicit=False) as client:
        client.login("gone", shop.tokens["gone"])
        assert client.mail("me@shop.test")[0] == 250
        client.rset()
        assert shop.service.cli("token", "revoke", "gone").returncode == 0

        def is_out() -> bool:
            code, _ = client.mail("me@shop.test")
            client.rset()
            return code == 530

        until(is_out, 10, "the token is forgotten", pause=0.3)


def test_issue14_a_renewed_certificate_is_shown(shop: Shop) -> None:
    """Without a restart; half a pair is not shown, and said."""

    def serial() -> int:
        with shop.client(is_implicit=True) as client:
            assert isinstance(client.sock, ssl.SSLSocket)
            return int(str((client.sock.getpeercert() or {})["serialNumber"]), 16)

    before = serial()
    good = shop.pem.read_bytes()
    shop.pem.write_bytes(b"nonsense")
    until(lambda: "certificate_not_renewed" in shop.service.log, 10, "it is said")
    assert serial() == before
    shop.pem.write_bytes(shop.authority.sign("mail.shop.test").read_bytes())
    until(lambda: serial() != before, 10, "the new one is shown", pause=0.3)
    assert good


def test_A05_what_is_sent_in_clear_behind_starttls_counts_for_nothing(shop: Shop) -> None:
    """Hung up on when it comes with the command; a handshake that fails when it comes later."""
    with RawClient(shop.starttls) as client:
        client.reply()
        client.send(b"EHLO x\r\n")
        client.reply()
        client.send(b"STARTTLS\r\nMAIL FROM:<evil@shop.test>\r\n")
        assert client.reply().startswith("501 5.5.4")
        assert client.reply() == ""
    with RawClient(shop.starttls) as client:
        client.reply()
        client.send(b"EHLO x\r\n")
        client.reply()
        assert client.ask("STARTTLS")[:3] == "220"
        client.send(b"MAIL FROM:<evil@shop.test>\r\n")
        assert "250" not in client.reply()


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        ('submissions = "127.0.0.1:{port}"', "give [gateway] tls_certificate and tls_key"),
        ('submission = "127.0.0.1:{port}"\ntls_certificate = "no.pem"', "needs tls_key beside it"),
        ('submission = "127.0.0.1:{port}"\ntls_certificate = "no.pem"\ntls_key = "no.pem"', "No such file"),
    ],
)
def test_issue14_what_cannot_be_used_is_said_at_the_start(gateway: str, words: str) -> None:
    """With exit code 2."""
    service = Service(f"[gateway]\n{gateway.format(port=free_ports(1)[0])}\n")
    try:
        with pytest.raises(AssertionError, match=r"ended with 2 before") as refused:
            service.start("--playground")
        assert words in str(refused.value)
    finally:
        service.clean()
