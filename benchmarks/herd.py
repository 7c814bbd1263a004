"""A herd: so many envelopes are due at once when the service starts again. What the store, the workers and hosts see.

    python benchmarks/herd.py [--envelopes 200000] [--json]

Messages of 2 KB with 100 recipients each, to 20 domains, are queued for one instant; the service is stopped, and
started when it has come. From ``ready`` on, the store is asked for the time a hundred times a second, as a claim asks
it for mail: p50, p99 and the longest answer. The open connections are those of the host that takes the mail
(Postfix's smtp-sink), sampled as often in a table that changes while it is read; 7 a domain are allowed. Memory is the
most that a process had.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from drain import CONFIG, Sink, messages
from running import Names, Service, most_megabytes, percentiles
from softbounce_playground import Zone

from softbounce import Client, Outgoing

RECIPIENTS = 100
DOMAINS = 20
CONNECTIONS = 7
CALL = 20
"""Messages in a call: 2,000 envelopes."""
EVERY = 0.01
LIVE = "sb:{0}:exp"
ESTABLISHED = "01"


class Watch:
    """Asks the store, and counts the host's connections, until told to stop."""

    def __init__(self, service: Service, port: int) -> None:
        self.seconds: list[float] = []
        self.connections = 0
        self._socket = str(service.socket)
        self._port = f":{port:04X}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with redis.Redis(unix_socket_path=self._socket) as raw:
            while not self._over.wait(EVERY):
                began = time.perf_counter()
                raw.time()
                self.seconds.append(time.perf_counter() - began)
                lines = Path("/proc/net/tcp").read_text().splitlines()
                rows = (line.split() for line in lines[1:])
                here = sum(row[1].endswith(self._port) and row[3] == ESTABLISHED for row in rows)
                self.connections = max(self.connections, here)


def herd(count: int, at: datetime) -> list[Outgoing]:
    """The messages, all for one instant."""
    sends = messages(count // RECIPIENTS)
    for number, send in enumerate(sends):
        domain = f"d{number % DOMAINS}.test"
        send["recipients"] = [f"u{number}-{one}@{domain}" for one in range(RECIPIENTS)]
        send["at"] = at
    return sends


def measure(count: int) -> dict[str, object]:
    """One herd."""
    zones = {
        f"d{number}.test": Zone(mx=[(10, f"mx.d{number}.test")], a={f"mx.d{number}.test": "127.0.0.1"})
        for number in range(DOMAINS)
    }
    with Sink() as sink, Names(zones) as names:
        config = CONFIG.format(
            nameserver=names.nameserver, port=sink.port, processes=2, connections=CONNECTIONS, durability="always"
        )
        with Service(config) as service:
            at = datetime.now(UTC) + timedelta(seconds=10 + count / 10_000)
            with service.up("--roles", "store"), Client(service.url) as mail:
                sends = herd(count, at)
                began = time.perf_counter()
                for start in range(0, len(sends), CALL):
                    mail.send_many(sends[start : start + CALL])
                queued = time.perf_counter() - began
            late = (datetime.now(UTC) - at).total_seconds()
            if late > 0:
                raise SystemExit(f"queueing took {late:.0f} s longer than was thought: ask for fewer envelopes")
            time.sleep(-late)
            started = time.perf_counter()
            with service.up() as process:
                ready = time.perf_counter()
                watch = Watch(service, sink.port)
                with redis.Redis(unix_socket_path=str(service.socket)) as raw:
                    while raw.zcard(LIVE):
                        time.sleep(0.05)
                drained = time.perf_counter() - ready
                watch.stop()
                memory = most_megabytes(process.pid)
    return {
        "envelopes": count,
        "queued_per_second": round(count / queued),
        "ready_seconds": round(ready - started, 1),
        "seconds": round(drained, 1),
        "envelopes_per_second": round(count / drained),
        "store": {
            **percentiles([one * 1000 for one in watch.seconds]),
            "longest_ms": round(max(watch.seconds) * 1000, 1),
        },
        "connections": watch.connections,
        "connections_allowed": DOMAINS * CONNECTIONS,
        "megabytes": memory,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envelopes", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.envelopes < RECIPIENTS * CALL:
        parser.error(f"--envelopes must be at least {RECIPIENTS * CALL:,}: so many go in one call")
    figures = measure(arguments.envelopes - arguments.envelopes % (RECIPIENTS * CALL))
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
