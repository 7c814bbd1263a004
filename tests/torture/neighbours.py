"""Mail hosts that many share, where one has what others must not feel: greylisting, sick domains, tenants, places.

* ``greylist``: every sender and recipient that never met is deferred in words that do not say so, and taken a second
  later; four domains share the hosts.
* ``sick``: one of eight domains after another is deferred for all of its mail, for a while.
* ``tenant``: one sender after another is deferred for all of its mail, for a while; four domains.
* ``few``: thirty names at one address, which takes ten connections.

All of them take whatever comes in the end, and never bounce anybody.
"""

from __future__ import annotations

import asyncio
import functools
import time
from contextlib import suppress
from random import Random
from typing import Self

from softbounce_playground import Ledger, Zone

from torture.talk import Oddity, Over, Talk

__all__ = ["CROWD", "Neighbours", "domain_of"]

CROWD = "crowd.test"
KINDS = {"greylist": 4, "sick": 8, "tenant": 4, "few": 30}
"""How many domains each has."""
ADDRESSES = {kind: f"127.78.1.{number}" for number, kind in enumerate(KINDS, 1)}
SENDERS = 3
UNSAID = ("451 4.7.1 Try again later", "451 Temporary failure, please try again later")
GREY_FOR = 1.0
SPELL = 15.0
"""Seconds for which one is sick; then the next is, and as often nobody."""
PLACES = 10


class Neighbours:
    """The hosts; a context manager that listens meanwhile.

    :ivar zones: what DNS says of their domains.
    """

    def __init__(self, port: int, ledger: Ledger) -> None:
        self._port = port
        self._ledger = ledger
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.Task[None], str] = {}
        self.first_met: dict[tuple[str, str], float] = {}
        self.zones = {
            f"{kind}{number}.{CROWD}": _zone(kind, number) for kind, most in KINDS.items() for number in range(most)
        }

    async def __aenter__(self) -> Self:
        for kind, address in ADDRESSES.items():
            serve = functools.partial(self._serve, kind)
            self._servers.append(await asyncio.start_server(serve, address, self._port))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        is_full = kind == "few" and list(self._open.values()).count(kind) >= PLACES
        self._open[task] = kind
        task.add_done_callback(self._open.pop)
        talk = NeighbourTalk(self, kind, reader, writer, self._ledger)
        try:
            with suppress(Over, OSError, asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(120):
                    if is_full:
                        writer.write(b"421 4.7.0 too many connections from your address\r\n")
                    else:
                        await talk.run()
        finally:
            talk.note()
            writer.close()


class NeighbourTalk(Talk):
    """One conversation of one of them."""

    name = "neighbour"

    def __init__(
        self,
        hosts: Neighbours,
        kind: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ledger: Ledger,
    ) -> None:
        super().__init__(reader, writer, Oddity.PLAIN, Random(0), ledger)  # noqa: S311 - draws nothing
        self._hosts = hosts
        self._kind = kind

    def _answer_to(self, recipient: str) -> str:
        turn = int(time.monotonic() / SPELL)
        domain, sender = recipient.rpartition("@")[2], self._sender.rpartition("@")[2]
        match self._kind:
            case "greylist":
                pair = self._sender, recipient
                first = self._hosts.first_met.setdefault(pair, time.monotonic())
                if time.monotonic() - first < GREY_FOR:
                    return UNSAID[len(recipient) % len(UNSAID)]
            case "sick" if domain == f"sick{turn % (2 * KINDS['sick'])}.{CROWD}":
                return "451 4.3.0 the mailbox is not there for now"
            case "tenant" if sender == f"app{turn % (2 * SENDERS)}.test":
                return "451 4.7.1 not from you, for now"
        return super()._answer_to(recipient)


def domain_of(random: Random) -> str:
    """One of their domains: each kind as often."""
    kind = random.choice(list(KINDS))
    return f"{kind}{random.randrange(KINDS[kind])}.{CROWD}"


def _zone(kind: str, number: int) -> Zone:
    """Its domains share one name; those of ``few`` have names of their own, at one address."""
    name = f"mx{number}.few{number}.{CROWD}" if kind == "few" else f"mx.{kind}.{CROWD}"
    return Zone(mx=[(10, name)], a={name: ADDRESSES[kind]})
