"""The long tail: mail to many domains, each with a mail host of its own name, beside the same mail to one.

    python benchmarks/tail.py [--domains 1000 10000] [--messages 20000] [--places 8000 256] [--repeat 3] [--json]

Distinct messages of 2 KB, one recipient each, go to N domains in turn; every domain has an MX name that no other has,
all of these are at one address, and no domain was heard of before. Their host is Postfix's smtp-sink, once with
places for everybody and once with few (``--places``): more connections wait there, unanswered. Messages are queued
first, then scheduler and workers start, and the clock runs from their ``ready`` to the last commit; what left before
counts for nothing. CPU is that of all processes of the service, the store included, in the same time.

Each round measures one domain first, at the sink with the most places, then each number of domains at each sink; what
is told is the median of the rounds, and ``pace`` and ``cost`` are the ratios to the one domain of the same round.
``closed`` is how many lanes the store knew as closed at any time (looked at four times a second), ``lanes`` the most
that had an owner at a time, ``MB`` the most memory that a worker had. A case ends after ``--limit`` seconds, done or
not. 20,000 messages to 10,000 domains are two for each: most of what is measured then is the first contact.

``--memory`` measures something else: how much a worker has that owns a lane for each domain at the same time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis
from drain import BATCH, Sink, messages
from many_names import ManyNames
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from running import Service, cpu_seconds, most_megabytes

from softbounce import Client, Outgoing
from softbounce.store.lanes import decode_state

CONFIG = """
[dns]
nameservers = ["{nameserver}"]
[smtp]
port = {port}
allow_private_addresses = true
{per_address}
[store]
durability = "always"
[worker]
processes = {processes}
[[lane]]
site = "*"
connections = {connections}
messages_per_connection = 1000
rate = "{rate}"
"""
LOOK_EVERY = 0.25
DONE, CLOSED, OWNED = "sb:{0}:done", "sb:{0}:lane", "sb:{0}:owner"
ONE_A_DAY = "1/d"
"""Rate of a lane that has one message to carry, and another that waits: its owner keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: so many domains, and a host with so many places."""

    domains: int
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    :ivar delivered: of all messages; fewer than there were where the time was up.
    :ivar closed: lanes that the store knew as closed at any time.
    :ivar lanes: the most that had an owner at a time.
    :ivar megabytes: the most that one worker had.
    :ivar is_counted: the sink has taken as many as were delivered.
    """

    delivered: int
    seconds: float
    per_second: float
    cpu_ms: float
    cpu_ms_by_process: dict[str, float]
    closed: int
    lanes: int
    megabytes: float
    questions: int
    is_counted: bool


class Watch:
    """What the store says of the lanes, each time that it is looked at."""

    def __init__(self, store: redis.Redis) -> None:
        self.closed: set[bytes] = set()
        self.lanes = 0
        self.done = 0
        self._store = store
        self._looked_at = 0.0

    def look(self) -> int:
        """How many messages are done."""
        self.done = self._store.zcard(DONE)
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._looked_at = time.monotonic()
            self.lanes = max(self.lanes, self._store.hlen(OWNED))
            states = self._store.hgetall(CLOSED)
            self.closed.update(lane for lane, state in states.items() if decode_state(state).closed_until_ms)
        return self.done


class Tail:
    """One run of the benchmark: its options, its messages, and the bar that shows how far it is."""

    def __init__(self, options: argparse.Namespace, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._letters = messages(options.messages)

    def measure(self, case: Case, title: str) -> Result:
        """One case."""
        options, count = self._options, self._options.messages
        with Sink(case.places) as sink, ManyNames() as names, self._service(sink.port, names.nameserver) as service:
            task = self._progress.add_task(title, total=count)
            with service.up("--roles", "store") as store:
                self._queue(service, case.domains)
                server = redis.Redis(unix_socket_path=str(service.socket))
                with service.up(
                    "--roles", "scheduler,worker", environ={"SOFTBOUNCE__STORE__URL": service.url}
                ) as process:
                    watch = Watch(server)
                    before, cpu_before = watch.look(), _cpu(store.pid, process.pid)
                    began = time.perf_counter()
                    while watch.look() < count and time.perf_counter() - began < options.limit:
                        self._progress.update(task, completed=watch.done)
                        time.sleep(0.02)
                    seconds = time.perf_counter() - began
                    cpu = _cpu(store.pid, process.pid)
                    megabytes = most_megabytes(process.pid)["worker"]
                delivered = server.zcard(DONE)
            self._progress.remove_task(task)
            taken = sink.messages
        out = max(1, watch.done - before)
        by_process = {name: round((cpu[name] - cpu_before.get(name, 0.0)) * 1000 / out, 3) for name in sorted(cpu)}
        return Result(
            delivered=watch.done,
            seconds=round(seconds, 2),
            per_second=round(out / seconds, 1),
            cpu_ms=round(sum(by_process.values()), 3),
            cpu_ms_by_process=by_process,
            closed=len(watch.closed),
            lanes=watch.lanes,
            megabytes=megabytes,
            questions=names.questions,
            is_counted=taken == delivered,
        )

    def measure_memory(self, domains: int) -> dict[str, float]:
        """How much memory the one worker has that owns a lane for each domain.

        Each has two messages; when all first ones are out, all lanes have one that waits for its lane's rate.
        """
        with Sink(8000) as sink, ManyNames() as names:
            rate = ONE_A_DAY
            with self._service(sink.port, names.nameserver, processes=1, rate=rate) as service:
                task = self._progress.add_task(f"{domains} lanes at once", total=domains)
                with service.up() as process:
                    self._letters = messages(2 * domains)
                    idle = most_megabytes(process.pid)["worker"]
                    self._queue(service, domains)
                    server = redis.Redis(unix_socket_path=str(service.socket))
                    began = time.perf_counter()
                    while (out := server.zcard(DONE)) < domains and time.perf_counter() - began < self._options.limit:
                        self._progress.update(task, completed=out)
                        time.sleep(0.1)
                    lanes = server.hlen(OWNED)
                    megabytes = most_megabytes(process.pid)["worker"]
                self._progress.remove_task(task)
        return {"domains": domains, "lanes": lanes, "idle_megabytes": idle, "megabytes": megabytes}

    @contextmanager
    def _service(self, port: int, nameserver: str, *, processes: int = 0, rate: str = "") -> Iterator[Service]:
        options = self._options
        per_address = options.per_address
        config = CONFIG.format(
            nameserver=nameserver,
            port=port,
            processes=processes or options.processes,
            connections=options.connections,
            per_address=f"connections_per_address = {per_address}" if per_address else "",
            rate=rate,
        )
        with Service(config if rate else config.replace('rate = ""\n', "")) as service:
            yield service

    def _queue(self, service: Service, domains: int) -> None:
        sends: list[Outgoing] = [
            {**letter, "recipients": [f"u{number}@d{number % domains}.test"]}
            for number, letter in enumerate(self._letters)
        ]
        with Client(service.url) as mail:
            for start in range(0, len(sends), BATCH):
                mail.send_many(sends[start : start + BATCH])


def _cpu(*pids: int) -> dict[str, float]:
    """CPU seconds so far of these processes and those below them, by what they are."""
    sums: dict[str, float] = {}
    for pid in pids:
        for name, seconds in cpu_seconds(pid).items():
            sums[name] = sums.get(name, 0.0) + seconds
    return sums


def rows(cases: Sequence[Case], rounds: Sequence[dict[Case, Result]]) -> list[dict[str, Any]]:
    """Each case with the medians of its rounds; all of what was measured stands beside them."""
    table: list[dict[str, Any]] = []
    for case in cases:
        results = [one[case] for one in rounds]
        beside = [one[cases[0]] for one in rounds]
        table.append(
            {
                **asdict(case),
                "messages_per_second": round(statistics.median(one.per_second for one in results)),
                "pace": _ratio(results, beside, "per_second"),
                "cpu_ms": round(statistics.median(one.cpu_ms for one in results), 3),
                "cost": _ratio(results, beside, "cpu_ms"),
                "closed": max(one.closed for one in results),
                "lanes": max(one.lanes for one in results),
                "megabytes": max(one.megabytes for one in results),
                "rounds": [asdict(one) for one in results],
            }
        )
    return table


def _ratio(results: Sequence[Result], beside: Sequence[Result], what: str) -> float:
    pairs = zip(results, beside, strict=True)
    return round(statistics.median(getattr(one, what) / (getattr(other, what) or 1e-9) for one, other in pairs), 3)


def print_table(table: Sequence[dict[str, Any]], count: int) -> None:
    """For people."""
    print("domains  places  messages/s   pace  CPU ms   cost  closed  lanes      MB")
    for row in table:
        print(
            "{domains:7}  {places:6}  {messages_per_second:10}  {pace:5.2f}  {cpu_ms:6.2f}  {cost:5.2f}"
            "  {closed:6}  {lanes:5}  {megabytes:6.1f}".format(**row)
        )
        for number, one in enumerate(row["rounds"], 1):
            if one["delivered"] < count:
                print(f"         round {number}: {one['delivered']} of {count} were out when its time was up")
            elif not one["is_counted"]:
                print(f"         round {number}: the sink has not counted what was delivered")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--places", type=int, nargs="+", default=[8000, 256], help="connections that the host serves")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--connections", type=int, default=40, help="of a lane")
    parser.add_argument("--per-address", type=int, default=0, help="connections to one address; 0: as shipped")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one case")
    parser.add_argument("--memory", action="store_true", help="of a worker with a lane for each domain at once")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = read_options()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tail = Tail(options, progress)
        if options.memory:
            held = [tail.measure_memory(domains) for domains in options.domains]
            for one in held:
                text = "{lanes} lanes of {domains} domains: {megabytes} MB, {idle_megabytes} before the first"
                print(json.dumps(one) if options.json else text.format(**one))
            return 0 if all(one["lanes"] >= one["domains"] for one in held) else 1
        cases = [Case(domains=1, places=max(options.places))]
        cases += [Case(domains=one, places=places) for one in options.domains for places in options.places]
        cases = list(dict.fromkeys(cases))
        rounds: list[dict[Case, Result]] = []
        for number in range(options.repeat):
            titles = {case: f"round {number + 1}: {case.domains} domains, {case.places} places" for case in cases}
            rounds.append({case: tail.measure(case, titles[case]) for case in cases})
    table = rows(cases, rounds)
    if options.json:
        print(json.dumps({"messages": options.messages, "repeat": options.repeat, "cases": table}))
    else:
        print_table(table, options.messages)
    is_whole = all(one["delivered"] == options.messages and one["is_counted"] for row in table for one in row["rounds"])
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
