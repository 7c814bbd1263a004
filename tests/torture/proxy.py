"""The way from one part to the store: passes octets on, and can be cut, slowed, blocked and made to lose replies.

One on each part's way, all in one event loop. What is lost before a request passed did not run; what is lost after it
may have. Requests are told from replies by their direction only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum
from pathlib import Path

__all__ = ["Loss", "Proxy"]

PIECE = 1 << 16
JOBS = b"SELECT\r\n$1\r\n1\r\n"
"""What a connection of dramatiq's begins with. It asks so often that it would draw every planned loss upon itself."""


class Loss(Enum):
    """What becomes of one request."""

    REQUEST = "request"
    REPLY = "reply"
    HALF_REPLY = "half of the reply"


class Proxy:
    """Listens at *path* for the store at *upstream*.

    :ivar delay: seconds by which every piece is late, in each direction.
    :ivar swallows: nothing passes, and nothing is said about it.
    :ivar losses: how many of the next requests get lost, and how.
    """

    def __init__(self, path: Path, upstream: Path) -> None:
        self.path = path
        self.delay = 0.0
        self.swallows = False
        self.losses: list[Loss] = []
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    @property
    def url(self) -> str:
        """The store's URL by this way."""
        return f"unix://{self.path}"

    async def open(self) -> None:
        """Listen, where that is not so already."""
        if self._server is not None:
            return
        self._server = await asyncio.start_unix_server(self._carry, self.path, limit=PIECE, backlog=512)

    async def close(self) -> None:
        """Listen no more, so that nobody can connect, and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)
        self.cut()

    def heal(self) -> None:
        """Pass everything on time from now on; a connection that lost something in a black hole is cut."""
        self.delay = 0.0
        self.losses.clear()
        if self.swallows:
            self.swallows = False
            self.cut()

    def cut(self) -> None:
        """End all connections at once."""
        for link in tuple(self._links):
            link.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self._upstream, limit=PIECE)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, writer, far_writer)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(link.forward(reader))
                group.create_task(link.back(far_reader))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            link.cut()


class _Link:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self._loss: Loss | None = None
        self._is_for_jobs = False

    def cut(self) -> None:
        """End it at once."""
        self._near.transport.abort()
        self._far.transport.abort()

    async def forward(self, reader: asyncio.StreamReader) -> None:
        """Carry requests."""
        proxy = self._proxy
        while piece := await reader.read(PIECE):
            self._is_for_jobs = self._is_for_jobs or JOBS in piece
            if proxy.losses and self._loss is None and not self._is_for_jobs:
                self._loss = proxy.losses.pop()
            if self._loss is Loss.REQUEST:
                break
            await self._pass_on(piece, self._far)
        self.cut()

    async def back(self, reader: asyncio.StreamReader) -> None:
        """Carry replies."""
        while piece := await reader.read(PIECE):
            if self._loss is Loss.REPLY:
                break
            if self._loss is Loss.HALF_REPLY:
                self._near.write(piece[: len(piece) // 2])
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._near.drain(), 1.0)
                break
            await self._pass_on(piece, self._near)
        self.cut()

    async def _pass_on(self, piece: bytes, to: asyncio.StreamWriter) -> None:
        if self._proxy.delay:
            await asyncio.sleep(self._proxy.delay)
        if not self._proxy.swallows:
            to.write(piece)
            await to.drain()
