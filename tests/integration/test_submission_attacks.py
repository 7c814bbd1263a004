"""Clients of the ways in by SMTP that mean harm, or are slow, over real sockets."""

from __future__ import annotations

import re
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from ports import free_ports
from service import until
from softbounce_playground import read_ledger
from submitting import RawClient, letter, listening

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import StartService
    from service import PlaygroundProcess

TRANSACTION = b"MAIL FROM:<a@shop.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"
EVIL = b"MAIL FROM:<evil@bank.test>\r\nRCPT TO:<victim@b.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"


def said_after(port: int, octets: bytes) -> list[str]:
    """All that is said to a client that sends these and no more."""
    with RawClient(port) as client:
        client.send(b"EHLO x\r\n" + octets)
        client.end_sending()
        replies = []
        while reply := client.reply():
            replies.append(reply)
        return replies


@pytest.fixture
def port() -> int:
    """A free one."""
    return free_ports(1)[0]


def test_A04_nothing_is_smuggled_in(start: StartService, port: int, playground: PlaygroundProcess) -> None:
    """However a message pretends to end, what follows it is no message: refused, closed, and nothing of it stored."""
    service = start(listening(port))
    ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n\n.\r\n\n", b"\r\r\n.\r\r\n"]
    for end in ends:
        replies = said_after(port, TRANSACTION + b"Subject: x\r\n\r\nhi" + end + EVIL + b"QUIT\r\n")
        assert [reply[:3] for reply in replies] == ["220", "250", "250", "250", "354", "554"], end
    assert said_after(port, TRANSACTION + letter() + b".\r\nQUIT\r\n")[-2:][0].startswith("250 2.0.0 queued")
    with service.client() as mail:
        until(lambda: mail.queue().states.get("delivered") == 1, 20, "the one good message is delivered")
        assert mail.queue().total == 1
    assert service.stop() == 0
    playground.end()
    assert {entry.sender for entry in read_ledger(playground.ledger)} == {"a@shop.test"}


def test_A13_large_messages_are_not_held(start: StartService, port: int) -> None:
    """Announced ones are refused at MAIL, others at their end or on the way; 20 at once take no more than a few."""
    service = start(listening(port, more='incoming = "4MiB"') + '[smtp.timeouts]\n[store]\nmaxmemory = "64MiB"\n')
    (pid,) = service.pids("softbounce_gateway")

    def resident_mib() -> int:
        with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
            return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read())[0]) // 1024

    before = resident_mib()
    with RawClient(port) as client:
        client.reply()
        client.ask("EHLO x")
        assert client.ask("MAIL FROM:<a@b.test> SIZE=26214401")[:9] == "552 5.3.4"

    def flood(_: int) -> str:
        with RawClient(port) as client:
            client.reply()
            client.send(b"EHLO x\r\n" + TRANSACTION)
            for _reply in range(4):
                client.reply()
            line = b"x" * 998 + b"\r\n"
            try:
                client.send(b"Subject: x\r\n\r\n")
                for _ in range(16):
                    client.send(line * 1024)
                client.send(b".\r\n")
            except OSError:
                return "closed"
            return client.reply()[:9]

    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(flood, range(20)))
    assert set(said) <= {"452 4.3.1"}, said
    assert resident_mib() - before < 100
    with RawClient(port) as client:
        client.reply()
        client.ask("EHLO x")
        client.send(TRANSACTION)
        for _ in range(3):
            client.reply()
        sent = 0
        try:
            while sent < 80_000_000:
                client.send(b"x" * 1_000_000)
                sent += 1_000_000
        except OSError:
            pass
        assert 26_214_400 < sent < 70_000_000
    with service.client() as mail:
        assert mail.queue().total == 0


def test_slow_clients_harm_nobody(start: StartService, port: int) -> None:
    """Silence and dripping end, as soon as connections run short; an honest client is served all the while.

    Those that are there when it is crowded no more have the usual time.
    """
    start(listening(port, more="connections = 40\nconnections_per_client = 40\nidle = '20s'"))
    silent = [RawClient(port) for _ in range(16)]
    dripping = [RawClient(port) for _ in range(16)]
    began = time.monotonic()
    for client in (*silent, *dripping):
        client.reply()
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as honest:
        honest.ehlo()
        open_still = list(dripping)
        while open_still and time.monotonic() - began < 60:
            for client in list(open_still):
                try:
                    client.send(b"N")
                except OSError:
                    open_still.remove(client)
            honest.mail("a@shop.test")
            honest.rcpt("b@b.test")
            assert honest.data(letter())[0] == 250
            time.sleep(0.5)
    assert not open_still
    assert [client.reply()[:9] for client in silent] == ["421 4.4.2"] * 16
    for client in (*silent, *dripping):
        client.close()


def test_connections_are_bounded(start: StartService, port: int) -> None:
    """One address has its share, and is told so; whoever hangs up makes room."""
    start(listening(port, more="connections_per_client = 5"))
    clients = [RawClient(port) for _ in range(6)]
    replies = [client.reply()[:9] for client in clients]
    assert replies.count("421 4.7.0") == 1
    assert replies[5] == "421 4.7.0"
    clients[0].close()
    clients[1].send(b"QUIT\r\n")
    clients[1].reply()
    time.sleep(0.3)
    with RawClient(port) as client:
        assert client.reply()[:3] == "220"
    for client in clients:
        client.close()


def test_a_browser_sends_no_mail(start: StartService, port: int) -> None:
    """What a page posts to the port is not read."""
    service = start(listening(port))
    with RawClient(port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nEHLO x\r\n" + TRANSACTION + letter() + b".\r\n")
        assert client.reply()[:3] == "220"
        assert client.reply()[:3] == "521"
        assert client.reply() == ""
    with service.client() as mail:
        assert mail.queue().total == 0


def test_A29_mail_that_goes_round_in_circles_ends(start: StartService, port: int) -> None:
    """Each passage leaves its trace, and a message with more than a hundred of them is refused."""
    start(listening(port))
    trace = b"".join(b"Received: from a by b; %d\r\n" % number for number in range(100))
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        for passed, code in ((trace[: len(trace) // 2], 250), (trace, 550)):
            client.mail("a@shop.test")
            client.rcpt("b@b.test")
            assert client.data(passed + letter())[0] == code


def test_who_ends_gives_the_answers_that_are_owed(start: StartService, port: int, tmp_path: Path) -> None:
    """SIGTERM while clients are at it: each message has its reply, and the others hear 421."""
    del tmp_path
    service = start(listening(port))

    def talk(number: int) -> tuple[int, bool]:
        taken = 0
        with RawClient(port) as client:
            client.reply()
            client.ask("EHLO x")
            while True:
                client.send(TRANSACTION.replace(b"b@b", b"b%d@b" % number) + letter() + b".\r\n")
                for reply in (client.reply() for _ in range(4)):
                    if reply[:3] == "421" or not reply:
                        return taken, reply[:9] == "421 4.3.2"
                    taken += reply.startswith("250 2.0.0 queued")

    with ThreadPoolExecutor(8) as pool:
        talking = [pool.submit(talk, number) for number in range(8)]
        time.sleep(1.5)
        with service.client() as mail:
            assert service.process is not None
            service.process.terminate()
            ended = [one.result(30) for one in talking]
            total = mail.queue().total
    assert sum(taken for taken, _ in ended) == total > 8
    assert all(heard for _, heard in ended)
