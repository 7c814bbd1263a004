"""The drain benchmark in short bursts, so that variants of the code can take turns: each is a whole service of its own.

All services run all the time; one of them at a time has mail. A burst is queued for one instant (``at``), and measured
from that instant to the last commit. All deliver to the same sink.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import redis
from drain import BATCH, CONFIG, Sink, messages
from running import Names, Service, cpu_seconds
from softbounce_playground import Zone

from softbounce import Client, Outgoing

__all__ = ["Burst", "Drainer", "drainers", "letters"]

CONNECTIONS = 20
WARM_UP = 200
LEAD_SECONDS = 0.2
TURNS = 5
WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Burst:
    """What one burst took. CPU is that of all processes of the service, the store included."""

    messages: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU a message."""
        return self.cpu_seconds * 1000 / self.messages


class Drainer:
    """One service that delivers bursts.

    :ivar sent: how many messages it was given so far.
    """

    def __init__(self, service: Service, pid: int) -> None:
        self.sent = 0
        self._pid = pid
        self._url = service.url
        self._server = redis.Redis(unix_socket_path=str(service.socket))
        self._queueing_seconds = 1.0

    def burst(self, count: int) -> Burst:
        """Deliver so many messages. A burst that was not all queued in time does not count, and is repeated.

        :raises SystemExit: it does not come to an end.
        """
        for _ in range(TURNS):
            at = time.time() + LEAD_SECONDS + 1.5 * self._queueing_seconds
            self._queue(count, at)
            is_in_time = time.time() < at - LEAD_SECONDS / 2
            time.sleep(max(0.0, at - LEAD_SECONDS / 4 - time.time()))
            cpu_before = sum(cpu_seconds(self._pid).values())
            self._wait_until_drained()
            seconds = time.time() - at
            if is_in_time:
                return Burst(count, seconds, sum(cpu_seconds(self._pid).values()) - cpu_before)
        raise SystemExit(f"{count} messages were not queued in the time that the same number had taken before")

    def _queue(self, count: int, at: float) -> None:
        began = time.time()
        due = datetime.fromtimestamp(at, UTC)
        sends: list[Outgoing] = [{**one, "at": due} for one in letters(count)]
        with Client(self._url) as mail:
            for start in range(0, count, BATCH):
                mail.send_many(sends[start : start + BATCH])
        self.sent += count
        self._queueing_seconds = time.time() - began

    def _wait_until_drained(self) -> None:
        end = time.time() + WITHIN_SECONDS
        while (done := self._server.zcard("sb:{0}:done")) < self.sent:
            if time.time() > end:
                raise SystemExit(
                    f"{done} of {self.sent} messages were delivered, and no more within {WITHIN_SECONDS} s"
                )
            time.sleep(0.002)


@cache
def letters(count: int) -> list[Outgoing]:
    """What is sent, over and over: without keys each is a message of its own."""
    return messages(count)


@contextmanager
def drainers(paths: Mapping[str, str]) -> Iterator[dict[str, Drainer]]:
    """A service for each variant, warmed up. In the end the sink has to have counted all that they were given.

    :param paths: what to put on ``PYTHONPATH`` for each.
    :raises SystemExit: the counts differ.
    """
    zone = Zone(mx=[(10, "mx.sink.test")], a={"mx.sink.test": "127.0.0.1"})
    with Sink() as sink, Names({"sink.test": zone}) as names, ExitStack() as running:
        config = CONFIG.format(
            nameserver=names.nameserver, port=sink.port, processes=1, connections=CONNECTIONS, durability="always"
        )
        found = {}
        for variant, path in paths.items():
            service = running.enter_context(Service(config, path))
            process = running.enter_context(service.up("--roles", "store,scheduler,worker"))
            found[variant] = Drainer(service, process.pid)
            found[variant].burst(WARM_UP)
        yield found
        sent = sum(one.sent for one in found.values())
        if sink.messages != sent:
            raise SystemExit(f"the sink counted {sink.messages} of {sent} messages")
