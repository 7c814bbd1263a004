"""The mail hosts: one listener an address, and who is connected to it.

What is said on a connection is the duty of ``softbounce_playground.connection``.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from softbounce_playground.host_behaviour import PLAIN, HostBehaviour

__all__ = ["Host", "Hosts", "Session"]

BACKLOG = 1024
PORT_TRIES = 20
CLOSING_TURNS = 10
"""Turns of the loop within which connections that were cut are told so; one should do."""


class Session(Protocol):
    """What a host needs to know of a connection to it."""

    def cut(self) -> None:
        """Close the connection at once, without a word."""


class Host:
    """One address with its behaviour.

    :ivar peak: the most connections that were open at one time.
    :ivar accepted: how many connections there ever were.
    :ivar too_fast: how many messages were refused for coming too fast.
    :ivar is_shared: hosts of every kind share the address, so that ``slow`` in a recipient's domain acts from RCPT on.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.name = f"mx-{address.replace('.', '-').replace(':', '-')}.playground.test"
        self.sessions: set[Session] = set()
        self.peak = 0
        self.accepted = 0
        self.too_fast = 0
        self._begun: deque[float] = deque()
        self.is_shared = False
        self.server: asyncio.Server | None = None
        self.listener: socket.socket | None = None
        self.behave(PLAIN)

    def behave(self, behaviour: HostBehaviour) -> None:
        """Take on a behaviour, for commands to come and on connections that are open already too."""
        self.behaviour = behaviour
        self.replies = {str(point): reply for point, reply in behaviour.replies.items()}
        self.delay_seconds = behaviour.delay.total_seconds()
        offers = [f"SIZE {behaviour.max_message_octets}" if word == "SIZE" else word for word in behaviour.extensions]
        self.ehlo_reply = _ehlo_reply([self.name, *(offer for offer in offers if offer != "STARTTLS")])
        self.ehlo_reply_with_tls = _ehlo_reply([self.name, *offers])

    def enter(self, session: Session) -> None:
        """Count a connection that was opened."""
        self.sessions.add(session)
        self.accepted += 1
        self.peak = max(self.peak, len(self.sessions))

    def is_too_fast(self) -> bool:
        """Whether one message more is one too many; where not, it counts."""
        most = self.behaviour.max_messages
        if not most:
            return False
        now = time.monotonic()
        while self._begun and now - self._begun[0] >= self.behaviour.per.total_seconds():
            self._begun.popleft()
        is_too_fast = len(self._begun) >= most
        if is_too_fast:
            self.too_fast += 1
        else:
            self._begun.append(now)
        return is_too_fast

    def leave(self, session: Session) -> None:
        """Count a connection that ended."""
        self.sessions.discard(session)


def _ehlo_reply(lines: list[str]) -> str:
    marks = ["-"] * (len(lines) - 1) + [" "]
    return "\r\n".join(f"250{mark}{line}" for mark, line in zip(marks, lines, strict=True))


class Hosts:
    """All hosts by address, on one port. Must be used within a running event loop."""

    def __init__(self, new_session: Callable[[Host], asyncio.Protocol]) -> None:
        self._new_session = new_session
        self._starting: set[asyncio.Task[None]] = set()
        self.by_address: dict[str, Host] = {}
        self.port = 0

    def open_all(self, addresses: tuple[str, ...], port: int) -> None:
        """Listen on all these addresses, on one port; 0: one that is free on all of them.

        :raises OSError: an address is not ours, or the port is taken.
        """
        for _ in range(PORT_TRIES):
            self.port = port
            try:
                for address in addresses:
                    self.open(address)
            except OSError as error:
                self._stop_listening()
                self.by_address.clear()
                if port or error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "no port is free on all addresses of the mail hosts")

    def open(self, address: str) -> Host:
        """The host at an address, listening unless it refuses connections."""
        host = self.by_address.get(address)
        if host is None:
            host = Host(address)
            self._listen(host)
            self.by_address[address] = host
        return host

    def behave(self, address: str, behaviour: HostBehaviour) -> None:
        """Change the behaviour of an address, and whether it listens at all."""
        host = self.by_address.get(address) or Host(address)
        self.by_address[address] = host
        host.behave(behaviour)
        if behaviour.refuses_connections:
            _stop_listening(host)
            for session in tuple(host.sessions):
                session.cut()
        elif host.listener is None:
            self._listen(host)

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        self._stop_listening()
        if self._starting:
            await asyncio.wait(self._starting)
        for host in self.by_address.values():
            for session in tuple(host.sessions):
                session.cut()
        for _ in range(CLOSING_TURNS):
            if not any(host.sessions for host in self.by_address.values()):
                break
            await asyncio.sleep(0)

    def _listen(self, host: Host) -> None:
        """Bind at once, so that a client that was just told the address finds it; accept as soon as the loop runs."""
        family = socket.AF_INET6 if ":" in host.address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.settimeout(0)
            listener.bind((host.address, self.port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        host.listener = listener
        task = asyncio.get_running_loop().create_task(self._accept(host, listener))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _accept(self, host: Host, listener: socket.socket) -> None:
        if host.listener is not listener:
            listener.close()
            return
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._new_session(host), sock=listener, backlog=BACKLOG)
        if host.listener is listener:
            host.server = server
        else:
            server.close()

    def _stop_listening(self) -> None:
        for host in self.by_address.values():
            _stop_listening(host)


def _stop_listening(host: Host) -> None:
    """Stop; a listener that has no server yet is closed by the task that is about to make one."""
    if host.server is not None:
        host.server.close()
    host.server = None
    host.listener = None
