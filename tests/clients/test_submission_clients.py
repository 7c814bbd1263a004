"""Real clients that hand mail over: curl, smtplib, swaks, msmtp, nodemailer, Django, a Postfix with its queue.

``script/receivers`` installs them; a test is skipped where one is missing, and fails for it in CI. What each sent has
to arrive at a host of the playground to the octet, behind our Received field, under the id that the client heard.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import httpx
import pytest
from certificates import Authority
from ports import free_ports
from real_hosts import RelayingPostfix
from service import Service, until
from submitting import letter, listening

if TYPE_CHECKING:
    from conftest import StartService

HERE = "127.0.0.1"
WORKERS = "[worker]\nprocesses = 1\n"
SENDER, RECIPIENT = "app@shop.test", "accept@b.test"
QUEUED_AS = re.compile(r"queued as ([0-9a-z]{23})\b")
NODEMAILER = Path(__file__).parents[2] / "var" / "receivers" / "nodemailer"
LETTER = """\
From: app@shop.test\r
To: accept@b.test\r
Subject: by {client}\r
Date: Sat, 28 Nov 2026 12:00:00 +0000\r
Message-ID: <{client}@shop.test>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
Zwölf Boxkämpfer.\r
.\r
.a dot, a line of one alone before, and blanks at the end:   \r
\r
From here on it goes.\r
"""
SCRIPT = """
const [options, ...letters] = JSON.parse(process.argv[1]);
const mail = require("nodemailer").createTransport(options);
(async () => {
  for (const letter of letters) console.log((await mail.sendMail(letter)).response);
  mail.close();
})();
"""


def need(program: str) -> str:
    """Its path; without it the test is skipped, or in CI fails."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    return path if path is not None else missing(program)


def missing(program: str) -> NoReturn:
    """It is not there."""
    words = f"{program} is not installed: script/receivers does that"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


def run(*command: str, stdin: bytes = b"", folder: Path | None = None) -> str:
    """One client, to its end; what it said."""
    done = subprocess.run(  # noqa: S603 - clients
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, cwd=folder
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize("key", ["submission", "lmtp"])
def test_issue14_postfix_hands_over_its_queue(start: StartService, key: str) -> None:
    """By SMTP, with all that it does unasked, and by LMTP; what comes while the service is away waits with it."""
    need("postfix")
    port, mine = free_ports(2)
    service = start(listening(port, key))
    transport = f"lmtp:inet:{HERE}:{port}" if key == "lmtp" else f"smtp:[{HERE}]:{port}"

    async def hand_over() -> None:
        host = RelayingPostfix(transport)
        await host.listen(HERE, mine)
        try:
            await asyncio.to_thread(send, host, mine, service)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{host.said()}") from None
        finally:
            await host.close()

    asyncio.run(hand_over())


def send(host: RelayingPostfix, port: int, service: Service) -> None:
    """30 messages to Postfix, a third of them while the service is away."""
    with smtplib.SMTP(HERE, port, timeout=30) as client:
        for number in range(20):
            to = [f"accept-{number}@a.test", f"accept-{number}@b.test"]
            client.sendmail("app@shop.test", to, letter(X_Softbounce_Key=f"first-{number}"))
        with service.client() as mail:
            until(lambda: mail.queue().states.get("delivered") == 40, 60, "20 messages to two are delivered")
        assert service.stop() == 0
        for number in range(10):
            client.sendmail("app@shop.test", [f"accept-{number}@a.test"], letter(X_Softbounce_Key=f"second-{number}"))
        service.start()
    with service.client() as mail:

        def all_came() -> bool:
            host.flush()
            return mail.queue().states.get("delivered") == 50

        until(all_came, 60, "all are delivered", pause=1.0)
        assert mail.queue().total == 50


@dataclass(frozen=True, kw_only=True)
class Here:
    """A service that takes mail on every way, and keeps what its playground was sent for looking at.

    :ivar trusted: the file of the authority that signed its certificate.
    :ivar sent: the file of a message.
    """

    service: Service
    starttls: int
    tls: int
    lmtp: int
    http: int
    token: str
    trusted: Path
    folder: Path

    def letter(self, client: str) -> bytes:
        """A message that says who sends it; it has what has gone wrong with one client or another."""
        return LETTER.format(client=client).encode()

    def file(self, client: str) -> Path:
        """The same as a file."""
        path = self.folder / f"{client}.eml"
        path.write_bytes(self.letter(client))
        return path

    def get(self, path: str) -> bytes:
        """What its HTTP says."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(f"http://{HERE}:{self.http}{path}", headers=headers, timeout=20).raise_for_status().content

    def arrived(self, client: str, said: str, *, octets: bool = True) -> bytes:
        """See that the id which the client heard is in the store, and that what it sent arrived, to the octet."""
        found = QUEUED_AS.search(said)
        assert found is not None, f"{client} heard no id: {said}"
        message = found[1]
        with self.service.client() as mail:
            envelope = mail.show(f"{message}000")
            until(lambda: mail.show(envelope.id).state == "delivered", 30, f"{client}'s mail is delivered")
        source = self.get(f"/dev/messages/{message}/source")
        ledger = self.service.folder / "var/playground/ledger.jsonl"  # written a moment after the reply
        until(lambda: sha256(source).hexdigest() in ledger.read_text(), 10, f"{client}'s mail is in the ledger")
        if octets:
            assert source.endswith(self.letter(client)), source.decode()
        return source


@pytest.fixture(scope="module")
def here(store_binary: object) -> Iterator[Here]:
    """One for all clients."""
    del store_binary
    with TemporaryDirectory(prefix="sb-") as name:
        folder = Path(name)
        authority = Authority(folder)
        pem = authority.sign("localhost")
        trusted = folder / "trusted.pem"
        trusted.write_text(authority.pem)
        starttls, tls, lmtp, http = free_ports(4)
        service = Service(
            f'[gateway]\nhttp = "{HERE}:{http}"\nsubmission = "{HERE}:{starttls}"\nsubmissions = "{HERE}:{tls}"\n'
            f'lmtp = "{HERE}:{lmtp}"\ntls_certificate = "{pem}"\ntls_key = "{pem}"\n{WORKERS}'
        )
        try:
            service.start("--playground", "--inbox")
            made = service.cli("token", "new", "--name", "app", "--scope", "send", "--scope", "read")
            token = made.stdout.decode().strip()
            with smtplib.SMTP(HERE, starttls) as client:
                until(lambda: client.ehlo()[1].find(b"AUTH") > 0, 10, "the listener knows of the token")
            yield Here(
                service=service,
                starttls=starttls,
                tls=tls,
                lmtp=lmtp,
                http=http,
                token=token,
                trusted=trusted,
                folder=folder,
            )
            assert service.stop() == 0
        finally:
            service.clean()


both = pytest.mark.parametrize("is_implicit", [False, True], ids=["starttls", "tls"])


@both
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_issue14_swaks(here: Here, mechanism: str, *, is_implicit: bool) -> None:
    """Perl's Net::SSLeay, each mechanism, all commands one by one."""
    name = f"swaks-{mechanism}-{is_implicit}"
    message = here.file(name)
    message.write_bytes(here.letter(name).removesuffix(b"\r\n"))  # it ends the last line itself
    said = run(
        *(need("swaks"), "--server", "localhost", "--port", str(here.tls if is_implicit else here.starttls)),
        *("--from", SENDER, "--to", RECIPIENT, "--tlsc" if is_implicit else "--tls", "--auth", mechanism),
        *("--auth-user", "app", "--auth-password", here.token, "--data", f"@{message}"),
    )
    here.arrived(name, said)


@both
def test_issue14_msmtp(here: Here, *, is_implicit: bool) -> None:
    """As `sendmail` of a machine without a mail server; it checks the certificate."""
    name = f"msmtp-{is_implicit}"
    said = run(
        *(need("msmtp"), "--host=localhost", f"--port={here.tls if is_implicit else here.starttls}", "--tls=on"),
        *(f"--tls-trust-file={here.trusted}", f"--tls-starttls={'off' if is_implicit else 'on'}", "--auth=on"),
        *("--user=app", f"--passwordeval=echo {here.token}", f"--from={SENDER}", "--domain=shop.test"),
        *("--logfile=-", RECIPIENT),
        stdin=here.letter(name).replace(b"\r\n", b"\n"),
    )
    here.arrived(name, said)


@both
def test_issue14_curl_by_smtp(here: Here, *, is_implicit: bool) -> None:
    """It checks the certificate, and says EHLO with a path of its URL."""
    name = f"curl-{is_implicit}"
    place = f"smtps://localhost:{here.tls}" if is_implicit else f"smtp://localhost:{here.starttls}"
    said = run(
        *(need("curl"), "-sSv", "--url", f"{place}/shop.test", "--ssl-reqd", "--cacert", str(here.trusted)),
        *("--user", f"app:{here.token}", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT),
        *("--upload-file", str(here.file(name))),
    )
    here.arrived(name, said)


def test_issue14_curl_by_http(here: Here) -> None:
    """A whole message; a second time with its key it is known."""
    name = "curl-http"
    command = (
        *(need("curl"), "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {here.token}", "-H"),
        *("Content-Type: message/rfc822", "-H", "Idempotency-Key: curl-1", "--data-binary", f"@{here.file(name)}"),
        f"http://{HERE}:{here.http}/api/v1/messages?from={SENDER}&to={RECIPIENT}",
    )
    first, second = (json.loads(run(*command)) for _ in range(2))
    assert first["message_id"] == second["message_id"]
    here.arrived(name, f"queued as {first['message_id']}")


@both
def test_issue14_smtplib(here: Here, *, is_implicit: bool) -> None:
    """Python's own, with the certificate checked; what it was told is what `data` returns."""
    name = f"smtplib-{is_implicit}"
    context = ssl.create_default_context(cafile=str(here.trusted))
    if is_implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", here.tls, timeout=20, context=context)
    else:
        client = smtplib.SMTP("localhost", here.starttls, timeout=20)
        client.starttls(context=context)
    with client:
        client.login("app", here.token)
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        _, said = client.data(here.letter(name))
    here.arrived(name, said.decode())


@both
def test_issue14_nodemailer(here: Here, *, is_implicit: bool) -> None:
    """The one of Node; the message as it was given, and one that it composes."""
    node, home = need("node"), NODEMAILER
    if not (home / "node_modules" / "nodemailer").exists():
        missing("nodemailer")
    name = f"nodemailer-{is_implicit}"
    options = {
        "host": "localhost",
        "port": here.tls if is_implicit else here.starttls,
        "secure": is_implicit,
        "requireTLS": not is_implicit,
        "auth": {"user": "app", "pass": here.token},
        "tls": {"ca": here.trusted.read_text()},
    }
    envelope = {"from": SENDER, "to": [RECIPIENT]}
    composed = {"from": SENDER, "to": RECIPIENT, "subject": "Grüße", "text": ".a dot\nand more", "html": "<p>Grüße</p>"}
    raw = {"envelope": envelope, "raw": here.letter(name).decode()}
    said = run(node, "-e", SCRIPT, json.dumps([options, raw, composed]), folder=home).splitlines()
    here.arrived(name, said[0])
    read = message_from_bytes(here.arrived(name, said[1], octets=False), policy=default)
    assert read["subject"] == "Grüße"
    text = read.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines() == [".a dot", "and more"]


@both
def test_issue14_djangos_send_mail(here: Here, monkeypatch: pytest.MonkeyPatch, *, is_implicit: bool) -> None:
    """With nothing but the EMAIL settings that each project has."""
    program = (
        "import sys\nfrom django.conf import settings\n"
        f"settings.configure(EMAIL_HOST='localhost', EMAIL_PORT={here.tls if is_implicit else here.starttls},"
        f" EMAIL_USE_{'SSL' if is_implicit else 'TLS'}=True, EMAIL_HOST_USER='app', EMAIL_HOST_PASSWORD=sys.argv[1],"
        " EMAIL_TIMEOUT=20)\n"
        "import smtplib\nfrom django.core.mail import send_mail\n"
        "told = smtplib.SMTP.data\n"
        "def data(self, message):\n    answer = told(self, message)\n    print(answer)\n    return answer\n"
        "smtplib.SMTP.data = data\n"
        f"assert send_mail('Grüße', '.a dot\\nand more', '{SENDER}', ['{RECIPIENT}']) == 1\n"
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(here.trusted))
    said = run(sys.executable, "-c", program, here.token)
    read = message_from_bytes(here.arrived("django", said, octets=False), policy=default)
    assert read["subject"] == "Grüße"
    text = read.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines() == [".a dot", "and more"]


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_issue14_a_postfix_with_a_relayhost(here: Here, protocol: str) -> None:
    """By SMTP with TLS and a login, by LMTP on this machine without; what its log says is what the store has."""
    need("postfix")
    place = f"[localhost]:{here.starttls}"
    more = (
        f"smtp_tls_security_level = secure\nsmtp_tls_CAfile = {here.trusted}\nsmtp_tls_secure_cert_match = localhost\n"
        "smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\n"
        f"smtp_sasl_password_maps = inline:{{ {{{place} = app:{here.token}}} }}\nsmtp_host_lookup = native\n"
    )
    host = (
        RelayingPostfix(f"smtp:{place}", more)
        if protocol == "smtp"
        else RelayingPostfix(f"lmtp:inet:{HERE}:{here.lmtp}")
    )
    name = f"postfix-{protocol}"

    async def hand_over() -> str:
        (port,) = free_ports(1)
        await host.listen(HERE, port)
        try:
            with smtplib.SMTP(HERE, port, timeout=30) as client:
                await asyncio.to_thread(client.sendmail, SENDER, [RECIPIENT], here.letter(name))
            await asyncio.to_thread(until, lambda: "status=sent" in host.said(), 30, "it is handed over")
            return host.said()
        finally:
            await host.close()

    here.arrived(name, asyncio.run(hand_over()))
