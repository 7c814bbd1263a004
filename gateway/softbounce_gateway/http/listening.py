"""Connections: how many, how long a client may take to say what it wants, how large its headers may be.

A client that is slow costs itself a connection and nobody anything: it is hung up on. uvicorn itself has no bound for
the time before a request is whole, nor httptools one for the octets of a header.
"""

from __future__ import annotations

import asyncio
import errno
import socket

from softbounce_config.hosts import split_endpoint
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softbounce_gateway.submission.crowd import Crowd

__all__ = ["HEADER_OCTETS", "HEADER_SECONDS", "bounded_protocol", "is_taken", "open_sockets"]

HEADER_OCTETS = 32 * 1024
HEADER_SECONDS = 10.0
HEADERS = 100
STALLED_SECONDS = 60.0
"""How long a client may read nothing of its answer."""
BUSY_503 = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
BUSY = (
    b'{"type":"urn:softbounce:problem:Busy","title":"Too many connections","status":503,'
    b'"detail":"there are as many connections as [gateway] connections, or connections_per_client, allows; '
    b'nothing was taken","uncertain":false}'
)
TOO_LARGE_431 = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
TOO_LARGE = (
    b'{"type":"urn:softbounce:problem:HeaderTooLarge","title":"The header is too large","status":431,'
    b'"detail":"the path and the header fields together: at most 32768 octets, and 100 fields"}'
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A class of its own for each crowd: see :func:`bounded_protocol`."""

    crowd: Crowd
    _peer: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _head_octets = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.crowd.enter(peer) is not None:
            transport.write(BUSY_503 % (len(BUSY), BUSY))
            transport.close()
            return
        self._peer = peer
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel("_deadline")
        self._cancel("_stall")
        if self._peer is not None:
            self.crowd.leave(self._peer)
            self._peer = None

    def data_received(self, data: bytes) -> None:
        if self._peer is None or self.transport.is_closing():
            return
        if self._in_head:
            if self._deadline is None:  # the next request of a connection that was kept
                self._wait_for_head()
            self._head_octets += len(data)
            if self._head_octets > HEADER_OCTETS and not self._ends_in(data):
                self._refuse_head()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._cancel("_deadline")
        octets = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if octets > HEADER_OCTETS or len(self.headers) > HEADERS:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_octets = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel("_stall")
        super().resume_writing()

    def _ends_in(self, data: bytes) -> bool:
        """Whether the header may end here, behind which a body follows."""
        return self._head_octets - len(data) <= HEADER_OCTETS and b"\n\r\n" in data[: HEADER_OCTETS + 4]

    def _refuse_head(self) -> None:
        self.transport.write(TOO_LARGE_431 % (len(TOO_LARGE), TOO_LARGE))
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.close()

    def _cancel(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


def bounded_protocol(crowd: Crowd) -> type[HttpToolsProtocol]:
    """The protocol of connections that are of one crowd."""
    return type("CrowdProtocol", (BoundedProtocol,), {"crowd": crowd})


def open_sockets(where: str) -> list[socket.socket]:
    """Sockets that listen at ``host:port``; a name may have several addresses.

    :raises OSError: one cannot be opened.
    """
    host, port = split_endpoint(where)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            opened.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(1024)
            one.setblocking(False)  # noqa: FBT003 - the standard library's
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def is_taken(error: OSError) -> bool:
    """Whether somebody else listens there."""
    return error.errno == errno.EADDRINUSE
