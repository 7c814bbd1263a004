"""One TCP connection with the SMTP engine in it: octets become events, deadlines become events too.

Deadlines are per request, not per read: a host that trickles octets resets nothing. One coarse timer watches all
connections of a process, because a timer a command costs more than the command.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from softbounce.reply import Trouble, TroubleKind

from .smtp import Command, Engine, Event, Lost

__all__ = ["Connection", "Deadlines"]

TICK = 0.1
BLOCK_OCTETS = 64 * 1024


class Deadlines:
    """The one timer of all connections."""

    def __init__(self) -> None:
        self._connections: set[Connection] = set()

    def add(self, connection: Connection) -> None:
        """Watch a connection."""
        self._connections.add(connection)

    def discard(self, connection: Connection) -> None:
        """Watch it no longer."""
        self._connections.discard(connection)

    async def run(self) -> None:
        """End connections whose deadline passed, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            for connection in [one for one in self._connections if one.deadline < now]:
                connection.expire()


class Connection(asyncio.Protocol):
    """A connection to a mail host.

    :ivar deadline: loop time at which whatever is waited for counts as not coming; infinity: nothing is waited for.
    """

    def __init__(self, hostname: str, deadlines: Deadlines) -> None:
        self.engine = Engine(hostname)
        self.deadline = float("inf")
        self.is_open = False
        self._deadlines = deadlines
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._writable: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.unsent_octets = 0

    # -- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; the greeting is awaited."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.is_open = True
        self._deadlines.add(self)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        events = self.engine.feed(data)
        if events:
            self._events.extend(events)
            self.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, by whomever."""
        del exc
        self.is_open = False
        self._deadlines.discard(self)
        if self._transport is not None:
            self.unsent_octets = self._transport.get_write_buffer_size()
        self._events.extend(self.engine.eof())
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self.wake()

    def pause_writing(self) -> None:
        """The remote reads slower than we write."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """The remote caught up."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # -- what a session calls ---------------------------------------------------------------------------------------

    def send(self, *commands: Command) -> None:
        """Write commands in one go.

        :raises LocalProtocolError: one is not legal now; none of them was written.
        """
        octets = b"".join([self.engine.send(command) for command in commands])
        if self._transport is not None and self.is_open:
            self._transport.write(octets)

    async def send_large(self, octets: bytes, seconds: float) -> None:
        """Write what the engine gave, block by block, each within *seconds*."""
        for start in range(0, len(octets), BLOCK_OCTETS):
            if not self.is_open or self._transport is None:
                return
            self.deadline = self._loop.time() + seconds
            self._transport.write(octets[start : start + BLOCK_OCTETS])
            if self._writable is not None:
                await self._writable
        self.deadline = float("inf")

    def write(self, octets: bytes) -> None:
        """Write what the engine gave."""
        if self._transport is not None and self.is_open:
            self._transport.write(octets)

    async def event(self, seconds: float) -> Event:
        """The next event; one at the latest after *seconds*."""
        if not self._events:
            self.deadline = self._loop.time() + seconds
            while not self._events:
                await self._wait()
            self.deadline = float("inf")
        return self._events.popleft()

    @property
    def has_event(self) -> bool:
        """Whether something happened that nobody looked at yet."""
        return bool(self._events)

    async def idle(self, seconds: float) -> None:
        """Wait for an event, a :meth:`wake`, or *seconds*, whichever comes first."""
        if self._events:
            return
        timer = self._loop.call_later(seconds, self.wake)
        try:
            await self._wait()
        finally:
            timer.cancel()

    def wake(self) -> None:
        """End a wait."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def expire(self) -> None:
        """The deadline passed: that is an event, and the end of the connection."""
        self.deadline = float("inf")
        for lost in self.engine.eof():
            assert isinstance(lost, Lost)  # noqa: S101
            trouble = Trouble(kind=TroubleKind.TIMEOUT, text=f"no answer in time at stage {lost.stage}")
            self._events.append(Lost(trouble=trouble, stage=lost.stage))
        self.abort()
        self.wake()

    def abort(self) -> None:
        """End the connection at once: nothing that is still unwritten leaves."""
        self._deadlines.discard(self)
        if self._transport is not None:
            self.unsent_octets = self._transport.get_write_buffer_size()
            self._transport.abort()
        self.is_open = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def close(self) -> None:
        """End the connection once what was written has left."""
        self._deadlines.discard(self)
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
