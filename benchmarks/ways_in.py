"""How many messages a second each way in takes, durably: ``Client.send``, HTTP, HTTP in batches, SMTP.

    python benchmarks/ways_in.py [--clients 20] [--seconds 3] [--rounds 5] [--json] [--postfix HOST:PORT]

One service with a store that syncs each write; the ways take turns, round after round, and the median round counts.
Each has the same number of clients, which wait for the answer to one message before the next: threads with one
``Client`` for ``Client.send``, connections that are kept for the others. A message has 2 KB and one recipient. Beside
the rate stands the CPU time that gateway and store take for a message, which other work on the machine changes little.
``--postfix`` has the same SMTP clients hand over to another server, such as Postfix's smtpd.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from borrowed import free_ports
from running import Service, cpu_seconds

from softbounce import Client

__all__ = ["Figures", "main"]

BATCH = 50
LINE = "It is on its way, and this line is here so that the message has about two kilobytes.\r\n"
TEXT = LINE * 22
CONFIG = """
[gateway]
http = "127.0.0.1:{http}"
submission = "127.0.0.1:{smtp}"
connections_per_client = 200
"""


@dataclass(slots=True)
class Figures:
    """What one way did: a figure a round."""

    per_second: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


class Numbers:
    """A number for each message, so that no two are the same."""

    def __init__(self) -> None:
        self._count = count()

    def next(self) -> int:
        """The next one."""
        return next(self._count)


def octets(number: int) -> bytes:
    """A message as a mail program makes it."""
    return (
        "From: app@shop.example\r\nTo: ann@example.net\r\nDate: Sat, 31 Jan 2026 08:00:00 +0000\r\n"
        f"Message-ID: <{number}@shop.example>\r\nSubject: Your order {number}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}"
    ).encode()


def by_client(url: str, clients: int, seconds: float, numbers: Numbers) -> int:
    """Threads that share one ``Client``."""
    sent: list[int] = []

    def call() -> None:
        mine = 0
        while time.perf_counter() < ends_at:
            mail.send(sender="app@shop.example", recipients=["ann@example.net"], message=octets(numbers.next()))
            mine += 1
        sent.append(mine)

    with Client(url) as mail:
        ends_at = time.perf_counter() + seconds
        threads = [threading.Thread(target=call) for _ in range(clients)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    return sum(sent)


Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter, float, Numbers], Awaitable[int]]


def by_connections(port: int, session: Session, clients: int, seconds: float, numbers: Numbers) -> int:
    """Connections that are kept, each with one message after another."""

    async def one(ends_at: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        try:
            return await session(reader, writer, ends_at, numbers)
        finally:
            writer.close()

    async def run() -> int:
        ends_at = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(one(ends_at) for _ in range(clients))))

    return asyncio.run(run())


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends_at: float, numbers: Numbers) -> int:
    """``POST /api/v1/messages``."""
    sent = 0
    while time.perf_counter() < ends_at:
        await _post(reader, writer, "/api/v1/messages", _part(numbers.next()))
        sent += 1
    return sent


async def batch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends_at: float, numbers: Numbers) -> int:
    """``POST /api/v1/messages/batch``."""
    sent = 0
    while time.perf_counter() < ends_at:
        await _post(reader, writer, "/api/v1/messages/batch", [_part(numbers.next()) for _ in range(BATCH)])
        sent += BATCH
    return sent


def _part(number: int) -> dict[str, object]:
    return {
        "from": "app@shop.example", "to": ["ann@example.net"], "subject": f"Your order {number}", "text": TEXT
    }  # fmt: skip


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, value: object) -> None:
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    octets = await reader.readexactly(int(length.partition(b":")[2]))
    if b" 202 " not in answer[:16]:
        raise SystemExit(f"not taken: {answer.decode()}{octets.decode()}")


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends_at: float, numbers: Numbers) -> int:
    """MAIL, RCPT, DATA and the message, each when the reply to the one before is there."""
    await _reply(reader, b"220")
    await _ask(reader, writer, b"EHLO app.shop.example\r\n", b"250")
    sent = 0
    while time.perf_counter() < ends_at:
        await _ask(reader, writer, b"MAIL FROM:<app@shop.example>\r\n", b"250")
        await _ask(reader, writer, b"RCPT TO:<ann@example.net>\r\n", b"250")
        await _ask(reader, writer, b"DATA\r\n", b"354")
        await _ask(reader, writer, octets(numbers.next()) + b".\r\n", b"250")
        sent += 1
    return sent


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes, code: bytes) -> None:
    writer.write(line)
    await _reply(reader, code)


async def _reply(reader: asyncio.StreamReader, code: bytes) -> None:
    while True:
        line = await reader.readline()
        if not line.startswith(code):
            raise SystemExit(f"not taken: {line.decode()}")
        if line[3:4] != b"-":
            return


def measure(options: argparse.Namespace) -> dict[str, Figures]:
    """Each way in turn, round after round."""
    http_port, smtp_port = free_ports(2)
    service = Service(CONFIG.format(http=http_port, smtp=smtp_port))
    clients, seconds, numbers = options.clients, options.seconds, Numbers()
    with service, service.up("--roles", "store,gateway") as process:
        ways: dict[str, Callable[[float], int]] = {
            "Client.send": lambda time: by_client(service.url, clients, time, numbers),
            "HTTP": lambda time: by_connections(http_port, http, clients, time, numbers),
            "HTTP, batch": lambda time: by_connections(http_port, batch, clients, time, numbers),
            "SMTP": lambda time: by_connections(smtp_port, smtp, clients, time, numbers),
        }
        if options.postfix:
            port = int(options.postfix.rpartition(":")[2])
            ways["another server, SMTP"] = lambda time: by_connections(port, smtp, clients, time, numbers)
        figures = {name: Figures() for name in ways}
        for way in ways.values():
            way(0.5)
        for _ in range(options.rounds):
            for name, way in ways.items():
                before, began = sum(cpu_seconds(process.pid).values()), time.perf_counter()
                sent = way(seconds)
                took, cpu = time.perf_counter() - began, sum(cpu_seconds(process.pid).values()) - before
                figures[name].per_second.append(sent / took)
                figures[name].cpu_ms.append(1000 * cpu / max(1, sent))
                sys.stderr.write(f"{name}: {sent / took:.0f} messages/s\n")
    return figures


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postfix", default="", metavar="HOST:PORT")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options)
    base = figures["Client.send"]
    rows = [
        {
            "way": name,
            "per_second": round(statistics.median(one.per_second)),
            "share": round(
                statistics.median(a / b for a, b in zip(one.per_second, base.per_second, strict=True)), 2
            ),
            "service_cpu_ms": round(statistics.median(one.cpu_ms), 2),
        }
        for name, one in figures.items()
    ]  # fmt: skip
    if options.json:
        print(json.dumps({"clients": options.clients, "rounds": options.rounds, "ways": rows}))
        return 0
    print(f"| way | messages/s | of Client.send | CPU of gateway and store, ms |\n|{'---|' * 4}")
    for row in rows:
        print(f"| {row['way']} | {row['per_second']} | {row['share']:.0%} | {row['service_cpu_ms']} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
