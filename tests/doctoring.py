"""What doctor is shown: a real DNS, real mail hosts and a real store, each of a test's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from dnsserver import DnsServer, OddDnsServer
from mx import Mx
from softbounce_gateway.doctor import Finding
from softbounce_gateway.doctor.examination import Check

__all__ = ["Ask", "Beside"]

T = TypeVar("T")
ROOT = {"": {"NS": ["a.root-servers.test."]}}


class Beside:
    """A loop in a thread of its own, because doctor waits for what it asks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._closing: list[Callable[[], Coroutine[Any, Any, object]]] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for something there."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def dns(self, zone: dict[str, Any], habit: Any = None) -> DnsServer:  # noqa: ANN401 - as the server has it
        """A name server that knows the root, and this."""
        zone = {**ROOT, **zone}

        async def begin() -> DnsServer:
            server = DnsServer(zone) if habit is None else OddDnsServer(zone, habit)
            return await server.__aenter__()

        server = self.run(begin())
        self._closing.append(server.__aexit__)
        return server

    def host(self, host: Mx, address: str) -> str:
        """A mail host; its place as doctor is told."""

        async def begin() -> int:
            await host.listen(address, 0)
            assert host._server is not None
            port: int = host._server.sockets[0].getsockname()[1]
            return port

        port = self.run(begin())
        self._closing.append(host.close)
        return f"{address}:{port}"

    def close(self) -> None:
        """End all of it."""
        for close in reversed(self._closing):
            self.run(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Ask(Protocol):
    """Runs one check."""

    def __call__(
        self,
        check: Check,
        server: DnsServer | None = None,
        *,
        config: str = "",
        addresses: tuple[str, ...] = (),
        hosts: tuple[tuple[str, int], ...] = (),
        domains: tuple[str, ...] = (),
        seconds: float = 5.0,
    ) -> dict[str, Finding]:
        """What it found, by what it is about."""
        ...
