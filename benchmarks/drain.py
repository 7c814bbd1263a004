"""How fast queued mail leaves: distinct messages of 2 KB, one recipient each, one domain, into Postfix's smtp-sink.

    python benchmarks/drain.py [--messages 20000] [--connections 20] [--processes 1] [--durability always] [--json]
                               [--host sink|playground|playground-tls]

The messages are queued first, by the client into the embedded store; then the scheduler and the workers start, and the
clock runs from their ``ready`` to the last commit. CPU is that of all processes of the service, the store included, but
not of the sink, from the moment they are ready. The sink counts for itself, and the count has to agree.

smtp-sink speaks no TLS. What that costs shows between the playground's hosts without and with it, which take more of
the machine than smtp-sink does.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
from running import Names, Service, cpu_seconds
from softbounce_playground import Zone, read_ledger

from softbounce import Client, Outgoing, Receipt

__all__ = ["BATCH", "CONFIG", "Drained", "Sink", "drain", "messages"]

CONFIG = """
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
[store]
durability = "{durability}"
[worker]
processes = {processes}
[[lane]]
site = "*"
connections = {connections}
messages_per_connection = 0
"""
BATCH = 200


class Sink:
    """Postfix's smtp-sink on a free port, with its own count of messages. A context manager.

    :param places: the connections that it serves at a time; others wait, unanswered.
    :param options: further ones of smtp-sink's.
    :param port: 0: a free one.
    """

    def __init__(self, places: int = 256, *, options: Sequence[str] = (), port: int = 0) -> None:
        program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise SystemExit("smtp-sink is missing: it comes with Debian's package postfix (apt-get install postfix)")
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            self.port = free.getsockname()[1]
        self._ours, theirs = pty.openpty()
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        command = [program, "-c", "-m", str(places), *user, *options, f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=theirs)  # noqa: S603 - our own command
        os.close(theirs)
        self._last = b""
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:  # it does not listen yet
                time.sleep(0.02)
            else:
                break

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    def _read(self) -> None:
        while True:
            try:
                self._last = (self._last + os.read(self._ours, 65536))[-400:]
            except OSError:
                return

    @property
    def messages(self) -> int:
        """How many it has taken."""
        counts = [part.rpartition(b"mesg=")[2] for part in self._last.split(b"\r") if b"mesg=" in part]
        return int(counts[-1]) if counts else 0


class PlaygroundHosts:
    """The playground as a process of its own, which counts in its ledger. A context manager."""

    def __init__(self, *, tls: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sb-hosts-")
        self._ledger = Path(self._folder.name, "ledger.jsonl")
        options = [] if tls else ["--no-tls"]
        command = [sys.executable, "-m", "softbounce_playground", "--ledger", str(self._ledger), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        assert self._process.stdout is not None  # noqa: S101 - it was opened above
        words = dict(word.split("=") for word in self._process.stdout.readline().split()[1:])
        self.nameserver, self.port = words["dns"], int(words["smtp"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
        self._folder.cleanup()

    @property
    def messages(self) -> int:
        """How many it has taken; soon after it has."""
        taken = -1
        while (now := sum(entry.is_taken for entry in read_ledger(self._ledger))) != taken:
            taken = now
            time.sleep(1)
        return taken


@contextmanager
def hosts(kind: str) -> Iterator[tuple[Sink | PlaygroundHosts, str]]:
    """What takes the mail, and the nameserver that leads there."""
    if kind == "sink":
        zone = Zone(mx=[(10, "mx.sink.test")], a={"mx.sink.test": "127.0.0.1"})
        with Sink() as sink, Names({"sink.test": zone}) as names:
            yield sink, names.nameserver
        return
    with PlaygroundHosts(tls=kind == "playground-tls") as playground:
        yield playground, playground.nameserver


def messages(count: int) -> list[Outgoing]:
    """Distinct messages of 2 KB that compress like text."""
    source = random.Random(1)
    words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 10))) for _ in range(3000)]
    sends: list[Outgoing] = []
    for number in range(count):
        lines = [f"From: app@app.test\r\nTo: u{number}@sink.test\r\nSubject: number {number}\r\n\r\n"]
        size = len(lines[0])
        while size < 2000:
            lines.append(" ".join(source.choices(words, k=10)) + "\r\n")
            size += len(lines[-1])
        sends.append(
            {"sender": "app@app.test", "recipients": [f"u{number}@sink.test"], "message": "".join(lines).encode()}
        )
    return sends


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of it.

    :ivar queued: seconds until all were accepted; *ready*: until scheduler and workers were.
    :ivar seconds: from then to the last commit.
    :ivar cpu: seconds since they were ready, by process.
    """

    receipts: Sequence[Receipt]
    queued: float
    ready: float
    seconds: float
    cpu: dict[str, float]


def drain(service: Service, store: subprocess.Popen[str], sends: Sequence[Outgoing]) -> Drained:
    """Queue all of it in a store that runs, then start scheduler and workers, and wait until it has left."""
    count = len(sends)
    began = time.perf_counter()
    receipts: list[Receipt] = []
    with Client(service.url) as mail:
        for start in range(0, count, BATCH):
            receipts += mail.send_many(sends[start : start + BATCH])
    queued = time.perf_counter() - began
    server = redis.Redis(unix_socket_path=str(service.socket))
    store_before = cpu_seconds(store.pid)
    started = time.perf_counter()
    with service.up("--roles", "scheduler,worker", environ={"SOFTBOUNCE__STORE__URL": service.url}) as process:
        ready = time.perf_counter()
        before = cpu_seconds(process.pid)
        while server.zcard("sb:{0}:done") < count:
            time.sleep(0.02)
        seconds = time.perf_counter() - ready
        after = cpu_seconds(process.pid)
    cpu = {name: after[name] - before.get(name, 0.0) for name in after}
    cpu["store"] = cpu_seconds(store.pid)["store"] - store_before["store"]
    return Drained(receipts=receipts, queued=queued, ready=ready - started, seconds=seconds, cpu=cpu)


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """One run."""
    count = arguments.messages
    with hosts(arguments.host) as (sink, nameserver):
        config = CONFIG.format(
            nameserver=nameserver,
            port=sink.port,
            processes=arguments.processes,
            connections=arguments.connections,
            durability=arguments.durability,
        )
        sends = messages(count)
        with Service(config) as service, service.up("--roles", "store") as store:
            run = drain(service, store, sends)
        taken = sink.messages
    return {
        "messages": count,
        "counted_by_the_sink": taken,
        "queued_per_second": round(count / run.queued),
        "ready_seconds": round(run.ready, 2),
        "seconds": round(run.seconds, 2),
        "messages_per_second": round(count / run.seconds),
        "cpu_ms_per_message": round(sum(run.cpu.values()) * 1000 / count, 3),
        "cpu_ms_by_process": {name: round(seconds * 1000 / count, 3) for name, seconds in sorted(run.cpu.items())},
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--durability", choices=["always", "everysec", "none"], default="always")
    parser.add_argument("--host", choices=["sink", "playground", "playground-tls"], default="sink")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):24} {value}")
    return 0 if figures["counted_by_the_sink"] == arguments.messages else 1


if __name__ == "__main__":
    sys.exit(main())
