"""A small internet beside tests that have no event loop: names, and mail hosts that change while a service runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mx import Mx
from softbounce_playground import Playground, Zone

__all__ = ["Neighbours", "neighbours"]


class Neighbours:
    """Hosts and names. As a service of tests asks for its playground: where names are told, and the port of all hosts.

    :ivar zone: what is told of names; change it at any time.
    """

    def __init__(self, playground: Playground, loop: asyncio.AbstractEventLoop, ledger: Path) -> None:
        self.nameserver = playground.nameserver
        self.port = playground.smtp_port
        self.ledger = ledger
        self.zone = playground.zone
        self._loop = loop
        self._hosts: list[Mx] = []

    def host(self, domain: str, host: Mx) -> Mx:
        """Begin a host, the only one that takes mail for a domain."""
        address = f"127.88.9.{len(self._hosts) + 1}"
        self._hosts.append(host)
        asyncio.run_coroutine_threadsafe(host.listen(address, self.port), self._loop).result(5)
        self.zone[domain] = Zone(mx=[(10, f"mx.{domain}")], a={f"mx.{domain}": address})
        return host

    async def close(self) -> None:
        """End all hosts."""
        for host in self._hosts:
            await host.close()


@contextmanager
def neighbours(folder: Path) -> Iterator[Neighbours]:
    """They live in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)  # type: ignore[arg-type]

    playground = Playground()
    try:
        run(playground.__aenter__())
        ours = Neighbours(playground, loop, folder / "ledger.jsonl")
        try:
            yield ours
        finally:
            run(ours.close())
            run(playground.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
