"""Event streams beside each other: they share what is read of the log, and each gets all that is its own."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from service import Service

PATH = "/api/v1/events/stream"
ROUNDS, AT_ONCE = 20, 400
MESSAGE = b"Subject: x\r\n\r\nx\r\n"
MUCH = {f"note{number}": "x" * 200 for number in range(5)}
"""So that what a reader does not take fills what the system keeps for it."""
NAMES = [f"a{number}@example.net" for number in range(ROUNDS * AT_ONCE)]


def send(service: Service, names: Sequence[str]) -> None:
    """Accept mail for them, some at a time, for longer than the tail of the log is kept."""
    with service.client() as mail:
        for first in range(0, len(names), AT_ONCE):
            mail.send_many(
                {"sender": "a@shop.test", "recipients": [name], "message": MESSAGE, "metadata": MUCH}
                for name in names[first : first + AT_ONCE]
            )
            time.sleep(0.25)


def opened(port: int, query: str, *, buffer: int = 0) -> socket.socket:
    """A connection with a stream on it."""
    made = socket.socket()
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(30)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET {PATH}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return made


def told(stream: socket.socket, last: str) -> list[str]:
    """Whose events come on it, up to this one's."""
    octets = b""
    names: list[str] = []
    while last not in names[-1:]:
        octets += stream.recv(1 << 20)
        lines, _, octets = octets.rpartition(b"\n")
        names += [json.loads(line[6:])["recipient"] for line in lines.split(b"\n") if line.startswith(b"data: {")]
    stream.close()
    return names


def test_issue15_streams_share_the_end_of_the_log(http: httpx.Client, service: Service, port: int) -> None:
    """From the log's first event or its last, read at once or much too late: each event once, in order.

    One that asks for another kind is told of none.
    """
    send(service, ["before@example.net"])
    end = http.get("/api/v1/events").json()["next"]
    first, live, other = opened(port, ""), opened(port, f"after={end}"), opened(port, f"after={end}&kind=held")
    late = opened(port, f"after={end}", buffer=4096)
    with ThreadPoolExecutor() as pool:
        reading = [pool.submit(told, one, NAMES[-1]) for one in (first, live)]
        send(service, NAMES)
        everything, since = (one.result() for one in reading)
    assert everything == ["before@example.net", *NAMES]
    assert since == NAMES
    assert told(late, NAMES[-1]) == NAMES
    assert b"data: " not in other.recv(1 << 20)
    other.close()


def test_issue14_no_proxy_keeps_or_compresses_a_stream(http: httpx.Client) -> None:
    """An event is there when it comes, not when somebody's block is full; the screen's stream is the same."""
    for path in (PATH, "/ui/events/stream"):
        with http.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert answer.headers["x-accel-buffering"] == "no"
            assert answer.headers.get_list("cache-control") == ["no-store, no-transform"]
