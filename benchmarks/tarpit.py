"""What tarpits cost the mail of others: its pace beside hosts that take every connection and say nothing, and without.

    python benchmarks/tarpit.py [--messages 10000] [--rounds 3] [--json]

Each round runs two services, one after the other, in an order that changes: one with ten sites that take every
connection and never greet, with mail for 50 sessions each, and one without. When the tarpits get no more connections,
messages of 2 KB go to a host beside them (Postfix's smtp-sink); after some to warm up, the clock runs from the first
send to the last commit. The share is the pace beside tarpits over that without them, the median of the rounds. It
should be 0.9 at least.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

import redis
from drain import BATCH, CONFIG, Sink, messages
from running import Names, Service
from softbounce_playground import Zone

from softbounce import Client, Outgoing

SITES = 10
CONNECTIONS = 50
SESSIONS = SITES * CONNECTIONS
ROOM = "[worker]\nsessions = 600\ndrain = '1s'\n"
DONE = "sb:{0}:done"
WITHIN = 60.0
STEADY = 10.0
"""Seconds without another connection after which the tarpits have what they get."""


class Tarpit:
    """Takes every connection to 127.0.0.2 on a port, and never says a word. A context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.2", port), backlog=1024)
        self.sessions: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for one in self.sessions:
            one.close()

    def _take(self) -> None:
        while True:
            try:
                self.sessions.append(self._socket.accept()[0])
            except OSError:
                return


def measure(count: int, *, is_beside_tarpits: bool) -> tuple[float, int]:
    """Messages a second to the host that answers, and the connections that tarpits had meanwhile."""
    zones = {"sink.test": Zone(mx=[(10, "mx.sink.test")], a={"mx.sink.test": "127.0.0.1"})}
    pits: list[Outgoing] = []
    for number in range(SITES if is_beside_tarpits else 0):
        name = f"pit{number}.test"
        zones[name] = Zone(mx=[(10, f"mx.{name}")], a={f"mx.{name}": "127.0.0.2"})
        pits += [
            {"sender": "app@app.test", "recipients": [f"u{one}@{name}"], "message": b"Subject: x\r\n\r\nx\r\n"}
            for one in range(2 * CONNECTIONS)
        ]
    with Sink() as sink, Tarpit(sink.port) as tarpit, Names(zones) as names:
        config = CONFIG.format(
            nameserver=names.nameserver, port=sink.port, processes=1, connections=CONNECTIONS, durability="always"
        ).replace("[worker]\n", ROOM)
        sends = messages(BATCH + count)
        with Service(config) as service, service.up(), Client(service.url) as mail:
            if pits:
                mail.send_many(pits)
                wait(lambda: len(tarpit.sessions), SITES, "tarpits' sessions")
                settle(lambda: len(tarpit.sessions))
            server = redis.Redis(unix_socket_path=str(service.socket))
            mail.send_many(sends[:BATCH])
            wait(lambda: server.zcard(DONE), BATCH, "messages to warm up")
            began = time.perf_counter()
            for start in range(BATCH, BATCH + count, BATCH):
                mail.send_many(sends[start : start + BATCH])
            while server.zcard(DONE) < BATCH + count:
                time.sleep(0.01)
            pace = count / (time.perf_counter() - began)
            held = len(tarpit.sessions)
            if held > SESSIONS:
                raise SystemExit(f"{held} sessions at the tarpits: more than their lanes may have")
        if sink.messages != BATCH + count:
            raise SystemExit(f"the sink counted {sink.messages} of {BATCH + count} messages")
    return pace, held


def settle(number: Callable[[], int]) -> None:
    """Until there are no more for a while."""
    until = time.monotonic() + WITHIN
    known, since = number(), time.monotonic()
    while time.monotonic() - since < STEADY and time.monotonic() < until:
        time.sleep(0.1)
        if number() > known:
            known, since = number(), time.monotonic()


def wait(number: Callable[[], int], wanted: int, what: str) -> None:
    """Until there are so many."""
    until = time.monotonic() + WITHIN
    while number() < wanted:
        if time.monotonic() > until:
            raise SystemExit(f"{number()} of {wanted} {what} after {WITHIN:.0f} s")
        time.sleep(0.05)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rounds = []
    for number in range(arguments.rounds):
        measured = {
            beside: measure(arguments.messages, is_beside_tarpits=beside)
            for beside in (number % 2 == 0, number % 2 == 1)
        }
        (alone, _), (beside, held) = measured[False], measured[True]
        rounds.append({"alone": round(alone), "beside_tarpits": round(beside), "held": held, "share": beside / alone})
        if not arguments.json:
            print(f"{alone:6.0f} a second alone, {beside:6.0f} beside {held} sessions at tarpits", file=sys.stderr)
    share = round(statistics.median(one["share"] for one in rounds), 2)
    figures = {"messages": arguments.messages, "share": share, "rounds": rounds}
    print(json.dumps(figures) if arguments.json else f"share kept beside tarpits: {share:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
