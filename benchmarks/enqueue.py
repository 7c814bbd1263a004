"""How long an app waits until its mail is durable: stores of each kind, all running at once, and callers of each kind.

The service's own store, on its unix socket, syncs each write (``always``), once a second (``everysec``), or leaves that
to the system (``none``). Replicas need servers on TCP: one alone shows what that costs, then replicas are waited for.
Each of these syncs every write, and all are on this machine and its one disk. One message of 2 KB a call, where it is
not said otherwise.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from borrowed import Pair, Server, Watched, free_ports, store_options, until, valkey_binary
from bursts import letters
from running import Service

from softbounce import AsyncClient, Client

__all__ = ["ALWAYS", "CALLERS", "STORES", "Slice", "stores"]

ALWAYS = "always"
EVERYSEC = "everysec"
NONE = "none"
ALONE, ONE_REPLICA, TWO_REPLICAS = "always, TCP", "always, TCP, 1 replica", "always, TCP, 2 replicas"
STORES = (ALWAYS, EVERYSEC, NONE, ALONE, ONE_REPLICA, TWO_REPLICAS)
CONFIG = '[store]\ndurability = "{}"\n'
MANY = 50
BATCH = 100
LETTERS = 1000


@dataclass(frozen=True, slots=True)
class Slice:
    """What callers got done in a slice of time.

    :ivar waits: ms of each call.
    """

    waits: list[float]
    seconds: float
    messages: int

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@contextmanager
def stores() -> Iterator[dict[str, str]]:
    """The URL of each store.

    :raises SystemExit: replicas were there, and nobody waited for them.
    """
    binary = valkey_binary()
    with ExitStack() as running:
        urls = {}
        for durability in (ALWAYS, EVERYSEC, NONE):
            service = running.enter_context(Service(CONFIG.format(durability)))
            running.enter_context(service.up("--roles", "store"))
            urls[durability] = service.url
        urls[ALONE] = running.enter_context(_alone(binary))
        pair, watched = running.enter_context(Pair(binary)), running.enter_context(Watched(binary))
        urls[ONE_REPLICA], urls[TWO_REPLICAS] = pair.url, watched.url
        yield urls
        for primary in (pair.servers[0], watched.primary()):
            _see_that_it_was_waited_for(primary)


@contextmanager
def _alone(binary: Path) -> Iterator[str]:
    """A server that differs from one with replicas in nothing but these."""
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        port, folder = free_ports(1)[0], Path(name) / "server"
        server = Server(binary, port, folder, *store_options(port, folder))
        server.start()
        try:
            until(lambda: server.ask("PING"), "a server answers")
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.kill()


def _see_that_it_was_waited_for(primary: Server) -> None:
    if "cmdstat_wait" not in primary.ask("INFO", "commandstats"):
        raise SystemExit("no WAIT was sent to a primary with replicas")


def one_caller(url: str, seconds: float) -> Slice:
    """One thread, one message after another."""
    mine = cycle(letters(LETTERS))
    with Client(url) as mail:
        return _calls(lambda: mail.send(**next(mine)), seconds)


def one_caller_of_many(url: str, seconds: float) -> Slice:
    """One thread, a hundred messages a call."""
    batches = cycle([letters(LETTERS)[start : start + BATCH] for start in range(0, LETTERS, BATCH)])
    with Client(url) as mail:
        done = _calls(lambda: mail.send_many(next(batches)), seconds)
    return Slice(done.waits, done.seconds, done.messages * BATCH)


def tasks(url: str, seconds: float) -> Slice:
    """Fifty asyncio tasks with one client."""
    return asyncio.run(_tasks(url, seconds))


async def _tasks(url: str, seconds: float) -> Slice:
    mine = cycle(letters(LETTERS))
    waits: list[float] = []
    async with AsyncClient(url) as mail:
        await asyncio.gather(*(mail.send(**next(mine)) for _ in range(MANY)))  # all connections are made
        began = time.perf_counter()

        async def call() -> None:
            now = time.perf_counter()
            while now - began < seconds:
                await mail.send(**next(mine))
                before, now = now, time.perf_counter()
                waits.append((now - before) * 1000)

        await asyncio.gather(*(call() for _ in range(MANY)))
        return Slice(waits, time.perf_counter() - began, len(waits))


def threads(url: str, seconds: float) -> Slice:
    """Fifty threads with one client."""
    slices: list[Slice] = []
    ready = threading.Barrier(MANY)
    with Client(url) as mail:

        def call(first: int) -> None:
            own = cycle(letters(LETTERS)[first::MANY])
            mail.send(**next(own))
            ready.wait(30)
            slices.append(_calls(lambda: mail.send(**next(own)), seconds))

        callers = [threading.Thread(target=call, args=(number,)) for number in range(MANY)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    if len(slices) < MANY:
        raise SystemExit(f"only {len(slices)} of {MANY} threads came to their end")
    waits = [wait for one in slices for wait in one.waits]
    return Slice(waits, max(one.seconds for one in slices), len(waits))


def _calls(call: Callable[[], object], seconds: float) -> Slice:
    """Call again and again; a first call, which connects, does not count."""
    call()
    waits = []
    began = now = time.perf_counter()
    while now - began < seconds:
        call()
        before, now = now, time.perf_counter()
        waits.append((now - before) * 1000)
    return Slice(waits, now - began, len(waits))


CALLERS: dict[str, Callable[[str, float], Slice]] = {
    "1 caller": one_caller,
    "50 tasks": tasks,
    "50 threads": threads,
    "`send_many` of 100": one_caller_of_many,
}
