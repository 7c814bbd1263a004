"""Mail hosts as nobody wishes to meet them: with each connection a stranger draws what is odd about it this time.

Each oddity was seen at a host of the real world, or is what an attacker would do. Strangers are odd and do not lie:
what they took stands in the ledger, what they say of it is true, and often they are plain, so that all mail gets out.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from random import Random
from typing import Self

from softbounce_playground import Ledger

from torture.talk import NOBODY, Oddity, Over, Talk

__all__ = ["NOBODY", "Oddity", "Strangers"]

ADDRESSES = tuple(f"127.78.0.{number}" for number in range(1, 17))
MOST_CONNECTIONS = 12
SMALL_BUFFER = 4096
WEIGHTS = [30 if oddity is Oddity.PLAIN else 1 if oddity is Oddity.SILENT else 2 for oddity in Oddity]


class Strangers:
    """The hosts; a context manager that listens meanwhile.

    :param port: of all of them.
    """

    def __init__(self, port: int, ledger: Ledger, seed: int) -> None:
        self._port = port
        self._ledger = ledger
        self._random = Random(f"strangers of {seed}")  # noqa: S311 - it has to be repeatable
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for address in ADDRESSES:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            listener.bind((address, self._port))
            self._servers.append(await asyncio.start_server(self._serve, sock=listener, limit=SMALL_BUFFER))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        oddity = self._random.choices(list(Oddity), WEIGHTS)[0]
        if len(self._open) > MOST_CONNECTIONS * len(ADDRESSES):
            oddity = Oddity.GREETS_554
        talk = Talk(reader, writer, oddity, self._random, self._ledger)
        try:
            with suppress(Over, OSError, asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(120):
                    await talk.run()
        finally:
            talk.note()
            writer.close()
