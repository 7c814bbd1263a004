"""Mail handed over by SMTP and LMTP to a running service, by real clients."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from ports import free_ports
from service import Service, until
from softbounce_playground import read_ledger
from submitting import RawClient, letter, listening

from softbounce import Client, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import StartService
    from service import PlaygroundProcess

QUEUED = re.compile(r"2\.0\.0 queued as ([0-9a-z]{23})")
CURL = "/usr/bin/curl"


def pages(mail: Client) -> Iterator[Shown]:
    """All envelopes."""
    after: str | None = None
    while True:
        page = mail.page(after=after, limit=500)
        yield from page.envelopes
        if (after := page.next) is None:
            return


@pytest.fixture
def port() -> int:
    """A free one."""
    return free_ports(1)[0]


@pytest.fixture
def service(start: StartService, port: int) -> Service:
    """One that takes mail in there."""
    return start(listening(port))


def message_id(reply: tuple[int, bytes]) -> str:
    """The id in the reply to a message."""
    found = QUEUED.fullmatch(reply[1].decode())
    assert reply[0] == 250
    assert found is not None, reply
    return found[1]


def hand_over(
    client: smtplib.SMTP, *to: str, message: bytes = b"", sender: str = "app@shop.test", options: Sequence[str] = ()
) -> tuple[int, bytes]:
    """One message; the reply to it."""
    assert client.mail(sender, options)[0] == 250
    for one in to:
        assert client.rcpt(one)[0] == 250
    return client.data(message or letter())


def test_issue14_smtplib_hands_over(service: Service, port: int, playground: PlaygroundProcess) -> None:
    """The id in the reply is the message's; it is delivered, without what was for us alone, and without Bcc."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        message = letter("one", Bcc="hidden@b.test", X_Softbounce_Stream="otp", X_Softbounce_Tenant="acme")
        identity = message_id(hand_over(client, "a@b.test", "c@b.test", message=message))
        mail = service.client()
        until(lambda: mail.queue().states.get("delivered") == 2, 20, "both were delivered")
        shown = mail.show(mail.page().envelopes[0].id)
        assert (shown.message_id, shown.stream, shown.sender) == (identity, "otp", "app@shop.test")
        mail.close()
    assert service.stop() == 0
    playground.end()
    taken = [entry for entry in read_ledger(playground.ledger) if entry.kept]
    assert sorted(one for entry in taken for one in entry.recipients) == ["a@b.test", "c@b.test"]


def test_M31_what_mail_and_rcpt_ask_for_is_kept(service: Service, port: int) -> None:
    """Times, and what is asked of reports; a field and a parameter are both obeyed."""
    until_at = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        options = [
            "RET=HDRS",
            "ENVID=order+2B7",
            f"HOLDUNTIL={until_at.isoformat().replace('+00:00', 'Z')}",
            "BY=7800;R",
        ]
        assert client.mail("app@shop.test", options)[0] == 250
        assert client.rcpt("a@b.test", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old+40b.test"])[0] == 250
        message_id(client.data(letter(X_Softbounce_At="1h", X_Softbounce_Window="1d")))
        assert client.mail("app@shop.test", [*options[:-1], "BY=600;R"])[0] == 501  # RFC 4865 §5.2.2
        assert hand_over(client, "a@b.test", message=letter(X_Softbounce_At="1h"), options=["BY=600;R"]) == (
            550,
            b"5.6.0 X-Softbounce-At: is behind the time that BY of MAIL names",
        )
    with service.client() as mail:
        (one,) = mail.page().envelopes
        shown = mail.show(one.id)
        assert shown.state == "scheduled"
        assert shown.next_attempt_at == until_at
        assert "or not at all" in mail.explain(one.id)
        assert timedelta(minutes=9, seconds=50) < shown.expires_at - until_at < timedelta(minutes=10, seconds=10)


def test_report_openmediavault_1058_a_raw_subject_reaches_hosts_without_smtputf8(service: Service, port: int) -> None:
    """As of scripts that know of no encoded words; who says SMTPUTF8 means it, and has it back from such a host."""
    raw = "From: Büro <app@shop.test>\r\nSubject: Káva\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nJó\r\n"
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        for to, options in (("accept+raw@nosmtputf8.test", ()), ("accept+said@nosmtputf8.test", ("SMTPUTF8",))):
            assert hand_over(client, to, message=raw.encode(), options=options)[0] == 250
    with service.client() as mail:
        until(lambda: mail.queue().states.get("bounced") == 1, 20, "one came back")
        until(lambda: mail.queue().states.get("delivered") == 1, 20, "the other was taken")
        (back,) = mail.page(state="bounced").envelopes
        assert back.recipient == "accept+said@nosmtputf8.test"


def test_issue14_a_key_sends_once(service: Service, port: int) -> None:
    """Over connections; without one each is a message of its own; used for other content it is refused by name."""
    ids = set()
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo()
            ids.add(message_id(hand_over(client, "a@b.test", message=letter(X_Softbounce_Key="order-7"))))
    assert len(ids) == 1
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        reply = hand_over(client, "a@b.test", message=letter("other", X_Softbounce_Key="order-7"))
        assert (reply[0], reply[1][:22]) == (550, b"5.6.0 X-Softbounce-Key")
        assert len({message_id(hand_over(client, "a@b.test")) for _ in range(2)}) == 2
    with service.client() as mail:
        assert mail.queue().total == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"X_Softbounce_Stream": "No Such"}, b"X-Softbounce-Stream: a stream's name has"),
        ({"X_Softbounce_At": "soon"}, b"X-Softbounce-At: neither"),
        ({"X_Softbounce_Window": "15"}, b"X-Softbounce-Window: a duration is"),
        ({"X_Softbounce_Key": "k" * 300}, b"X-Softbounce-Key: has 300 octets"),
        ({"X_Softbounce_Tenant": "a b"}, b"X-Softbounce-Tenant: a tenant's name"),
        ({"X_Softbounce_Tag": "t" * 129}, b"X-Softbounce-Tag: has 129 characters"),
        ({"X_Softbounce_Meta_a": "m" * 501}, b"X-Softbounce-Meta-a: has 501 characters"),
        ({"X_Softbounce_Meta_": "m"}, b"X-Softbounce-Meta-NAME: '' is no name"),
        ({"X_Softbounce_Nonsense": "1"}, b"X-Softbounce-Nonsense: there is no such field"),
    ],
)
def test_issue14_a_field_that_cannot_be_read_is_named(
    service: Service, port: int, fields: dict[str, str], words: bytes
) -> None:
    """With 550, and nothing is stored; the session goes on."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        code, text = hand_over(client, "a@b.test", message=letter(**fields))
        assert code == 550
        assert text.startswith(b"5.6.0 " + words)
        message_id(hand_over(client, "a@b.test"))
    with service.client() as mail:
        assert mail.queue().total == 1


def test_issue14_a_message_without_a_header_is_its_text(
    service: Service, port: int, playground: PlaygroundProcess
) -> None:
    """As an alarm's script writes it: it is delivered. A header that breaks off further on is refused as before."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        message_id(hand_over(client, "a@b.test", message=b"UPS on battery\r\nsince 8:00\r\n"))
        for broken, words in (
            (b"Subject: alarm\r\nUPS on battery\r\n", b"5.6.0 message: field 2 of the header has no name"),
            (b"UPS on battery\r\n" + b"x" * 1200 + b"\r\n", b"is longer than 998 octets"),
        ):
            code, text = hand_over(client, "a@b.test", message=broken)
            assert code == 550
            assert words in text
    with service.client() as mail:
        until(lambda: mail.queue().states.get("delivered") == 1, 20, "it was delivered")
        (shown,) = mail.page().envelopes
        assert shown.recipient == "a@b.test"
    assert service.stop() == 0
    playground.end()
    (taken,) = [entry for entry in read_ledger(playground.ledger) if entry.kept]
    assert taken.recipients == ("a@b.test",)


def test_issue14_lmtp_hands_over(start: StartService, port: int) -> None:
    """One reply a recipient, in order, each with the message's id."""
    service = start(listening(port, "lmtp"))
    with RawClient(port) as client:
        assert client.reply().startswith("220 ")
        assert client.ask("EHLO x").startswith("500 ")
        assert client.ask("LHLO x").startswith("250 ")
        for line in ("MAIL FROM:<>", "RCPT TO:<a@b.test>", "RCPT TO:<nonsense>", "RCPT TO:<c@b.test>", "DATA"):
            client.send(line.encode() + b"\r\n")
        assert [client.reply()[:3] for _ in range(5)] == ["250", "250", "553", "250", "354"]
        client.send(letter() + b".\r\nQUIT\r\n")
        replies = [client.reply() for _ in range(4)]
        assert replies[0] == replies[1]
        assert QUEUED.fullmatch(replies[0][4:])
        assert (replies[2][:3], replies[3]) == ("221", "")
    with service.client() as mail:
        assert mail.queue().total == 2


@pytest.mark.skipif(not Path(CURL).exists(), reason="there is no curl")
def test_issue14_curl_hands_over(service: Service, port: int, tmp_path: Path) -> None:
    """Which sends its commands by the book and knows SMTPUTF8."""
    file = tmp_path / "message"
    file.write_bytes(letter())
    said = ["--mail-from", "app@shop.test", "--mail-rcpt", "a@b.test", "--mail-rcpt", "c@b.test"]
    done = subprocess.run(  # noqa: S603 - a client
        [CURL, "-sS", "--url", f"smtp://127.0.0.1:{port}/here.test", *said, "--upload-file", str(file)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with service.client() as mail:
        assert mail.queue().total == 2


def test_issue14_never_a_false_250(start: StartService, port: int) -> None:
    """While the store is away a client hears 4xx, and is served again when it is back, on the same connection."""
    service = start(listening(port))
    (store,) = service.pids("valkey")
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo()
        message_id(hand_over(client, "a@b.test"))
        os.kill(store, signal.SIGSTOP)
        code, text = hand_over(client, "a@b.test", message=letter(X_Softbounce_Key="k"))
        assert (code, text[:5]) == (451, b"4.3.0")
        os.kill(store, signal.SIGCONT)
        message_id(hand_over(client, "a@b.test", message=letter(X_Softbounce_Key="k")))
    with service.client() as mail:
        assert mail.queue().total == 2


def test_issue14_a_place_that_is_taken_says_so(start: StartService, port: int) -> None:
    """`up` ends with the reason instead of trying for ever."""
    first = start(listening(port))
    second = Service(listening(port), first.playground)
    try:
        with pytest.raises(AssertionError, match=r"(?s)ended with 2 before.*cannot listen: .*in use"):
            second.start()
    finally:
        second.clean()


def test_A11_nothing_listens_for_strangers_without_tokens(start: StartService, port: int) -> None:
    """Beyond loopback `up` refuses to start while anybody could send, and says what to do."""
    del start
    service = Service(f'[gateway]\nsubmission = "0.0.0.0:{port}"\n')
    try:
        with pytest.raises(AssertionError, match=r"(?s)ended with 2 before.*there is no token to log in with"):
            service.start("--playground")
    finally:
        service.clean()


CLIENTS, EACH, KILLS = 20, 40, 5


@pytest.mark.long
def test_issue14_kill_9_of_the_gateway_loses_no_250_and_doubles_none(start: StartService, port: int) -> None:
    """20 clients repeat by key what was cut; five times the process dies; each message is there once."""
    service = start(listening(port))
    taken: dict[str, str] = {}
    together = Barrier(CLIENTS)

    def send(name: str) -> None:
        together.wait(30)
        end = time.monotonic() + 90
        left = [f"{name}-{number}" for number in range(EACH)]
        while left:
            try:
                with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
                    client.ehlo()
                    while left:
                        message = letter(left[0], X_Softbounce_Key=left[0])
                        code, text = hand_over(client, f"accept-{left[0]}@{name}.test", message=message)
                        if code == 250:
                            taken[left.pop(0)] = message_id((code, text))
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)  # nobody listens for a moment
            assert time.monotonic() < end, left

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(send, f"c{number}") for number in range(CLIENTS)]
        for kill in range(KILLS):
            until(lambda kill=kill: len(taken) >= 150 * kill, 60, "clients go on")  # type: ignore[misc]
            until(lambda: bool(service.pids("softbounce_gateway")), 20, "it was started again")
            os.kill(service.pids("softbounce_gateway")[0], signal.SIGKILL)
        for one in clients:
            one.result(120)
    assert len(taken) == CLIENTS * EACH
    with service.client() as mail:
        until(lambda: mail.queue().states.get("delivered") == len(taken), 60, "all were delivered")
        kept = {envelope.recipient: envelope for envelope in pages(mail)}
        assert len(kept) == mail.queue().total == len(taken)
        assert {envelope.message_id for envelope in kept.values()} == set(taken.values())
