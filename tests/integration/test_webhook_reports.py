"""What public reports say of receivers that senders of webhooks did not get on with, each tried on one running service.

Every receiver is told two events, of two envelopes, one after the other. What it answers to its first requests is in
the table; from then on it answers as it should.
"""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hooks import SECRET
from raw_receiver import OK, RawReceiver, Talk, receiving
from service import Service, until

POLICY = '[policy.webhook]\ndelays = ["300ms"]\njitter = 0.0\nwindow = "1h"\n'
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
ZEROS = gzip.compress(bytes(64 * 1024 * 1024), 9)


def interim_for_ever(connection: socket.socket) -> None:
    """As many interim answers as it can."""
    with suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000)


def dribbles(connection: socket.socket) -> None:
    """A header, an octet at a time."""
    with suppress(OSError):
        for octet in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 100:
            connection.sendall(bytes((octet,)))
            time.sleep(0.1)


def hangs_up(_connection: socket.socket) -> None:
    """No answer."""


def cut_body(connection: socket.socket) -> None:
    """A tenth of what was promised."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")


@dataclass(frozen=True, kw_only=True)
class Report:
    """One.

    :ivar requests: how many it gets until it took both events.
    """

    answers: tuple[bytes | Talk, ...]
    requests: int = 2
    timeout: str = "2s"
    host: str = "127.0.0.1"


SLOW_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
REPORTS = {
    # -- answers that are none, or odd ones: what was taken is not told again
    "h11-130-a-header-line-with-a-blank-in-its-name": Report(
        answers=(b"HTTP/1.1 200 OK\r\nX Powered By: a box\r\nContent-Length: 2\r\n\r\nok",) * 2
    ),
    "h11-96-two-lengths": Report(answers=(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",) * 2),
    "httpx-1378-bare-line-feeds": Report(answers=(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",) * 2),
    "aiohttp-4000-an-encoding-that-nobody-knows": Report(
        answers=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 2\r\n\r\n",) * 2
    ),
    "chunks-that-are-none": Report(
        answers=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 0\r\n\r\nZZ\r\n",) * 2
    ),
    "no-reason-phrase": Report(answers=(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",) * 2),
    "http-1.0-until-it-closes": Report(answers=(b"HTTP/1.0 200 OK\r\n\r\nok",) * 2),
    "a-body-that-is-cut": Report(answers=(cut_body,) * 2),
    "gitea-5470-a-body-that-never-comes": Report(answers=(SLOW_BODY,)),
    "openclaw-5125-gzip-bomb": Report(
        answers=(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZEROS) + ZEROS,)
    ),
    "early-hints": Report(answers=(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,) * 2),
    # -- what is not taken is told again
    "h11-96-a-status-of-600": Report(answers=(b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",), requests=3),
    "switching-protocols": Report(answers=(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",), requests=3),
    "postal-726-moved": Report(
        answers=(b"HTTP/1.1 301 Moved Permanently\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",), requests=3
    ),
    "gitpod-13985-a-401-disables-nothing": Report(
        answers=(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",), requests=3
    ),
    "kibana-284084-429-without-a-time": Report(
        answers=(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",), requests=3
    ),
    "logto-9410-503-with-a-time-of-0": Report(
        answers=(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",), requests=3
    ),
    "owncast-1504-dribbles-its-header": Report(answers=(dribbles,), requests=3, timeout="1s"),
    "interim-answers-for-ever": Report(answers=(interim_for_ever,), requests=3, timeout="30s"),
    "convoy-1833-hangs-up": Report(answers=(hangs_up,), requests=3),
    # -- connections that were kept
    "emqx-web-hook-271-closes-one-that-was-kept": Report(answers=(OK, hangs_up), requests=3),
    "nuclei-7671-answers-twice": Report(answers=(OK + OK, REFUSED), requests=3),
    "envoy-13983-204-with-a-body": Report(
        answers=(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", REFUSED), requests=3
    ),
    "a-line-end-too-much": Report(answers=(OK + b"\r\n", REFUSED), requests=3),
    # -- where it is
    "got-ssrf-64-an-address-of-ipv6": Report(answers=(), host="::1"),
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """All of them were told two events.

    :ivar rows: what `webhooks` says of each.
    """

    rows: list[dict[str, object]]
    receivers: dict[str, RawReceiver]
    peak_kib: int


@pytest.fixture(scope="module")
def told(store_binary: object) -> Iterator[Told]:
    """One service for all reports."""
    del store_binary
    with ExitStack() as stack:
        receivers = {
            name: stack.enter_context(receiving(report.answers, report.host)) for name, report in REPORTS.items()
        }
        tables = [
            f'[[webhook]]\nname = "r{number}"\nurl = "{receivers[name].url}"\nsecret = "{SECRET}"\n'
            f'kinds = ["accepted"]\ntimeout = "{report.timeout}"\n'
            for number, (name, report) in enumerate(REPORTS.items())
        ]
        service = Service(POLICY + "".join(tables))
        stack.callback(service.clean)
        service.start("--roles", "store,gateway")
        with service.client() as mail:
            for number in (1, 2):
                mail.send(sender="a@app.test", recipients=[f"u{number}@x.test"], message=MESSAGE)

                def are_told(number: int = number) -> bool:
                    return {one["told"] for one in service.json("webhooks")} == {number}

                with suppress(AssertionError):  # which is not told its own test says
                    until(are_told, 15, f"event {number} is told to all", pause=0.5)
        (pid,) = service.pids("softbounce_gateway.webhooks")
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        yield Told(rows=service.json("webhooks"), receivers=receivers, peak_kib=int(peak.split()[1]))


@pytest.mark.parametrize("name", REPORTS)
def test_report_this_receiver_is_told_each_event_and_none_without_need(told: Told, name: str) -> None:
    """Both events are told, by so many requests and no more."""
    receiver, number = told.receivers[name], list(REPORTS).index(name)
    row = told.rows[number]
    assert (row["told"], row["given_up"], row["waiting"]) == (2, 0, 0), row
    assert len(receiver.asked) == REPORTS[name].requests, [(one.connection, one.is_taken) for one in receiver.asked]
    if all(isinstance(one, bytes) for one in REPORTS[name].answers):
        assert len(receiver.taken) == 2


def test_report_openclaw_5125_no_answer_takes_memory(told: Told) -> None:
    """Whatever they said, the process that tells them stays small."""
    assert told.peak_kib < 200_000
