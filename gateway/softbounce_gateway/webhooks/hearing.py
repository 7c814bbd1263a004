"""What is heard of a receiver in one attempt, octet by octet: whether it was dialled, and what it said since we asked.

httpcore tells answers apart and leaves three things to us. What a receiver says without an end, header fields or
interim answers, is bounded in octets too, not only in time. An answer that was there before we asked is none: a
receiver that answers twice would have the next event on the same connection count as taken, which it never saw. And a
status counts, though a line of its header is such as no grammar allows.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextvars import ContextVar
from typing import Any

import httpcore

__all__ = ["HEARING", "HeardStream", "Hearing"]

MOST_OCTETS = 256 * 1024
"""Of one answer, with all that comes before it: more than the header and the body that are read of one."""
HEAD_OCTETS = 16 * 1024
HEAD = re.compile(rb"HTTP/1\.[0-9] ([2-9][0-9]{2})(?: ([^\r\n]*))?\r?\n(?:[^\n]+\n)*?\r?\n")
"""A whole header, whatever its lines are."""


class Hearing:
    """One attempt.

    :ivar has_dialled: it is made on a new connection.
    :ivar is_connected: there is a connection, and we ask.
    :ivar timer: when it is over.
    """

    def __init__(self) -> None:
        self.timer: asyncio.Timeout | None = None
        self.begin()

    def begin(self) -> None:
        """Nothing was done yet."""
        self.has_dialled = False
        self.is_connected = False
        self.asked()

    def asked(self) -> None:
        """More was sent: what came before is no answer to it."""
        self._octets = 0
        self._head = b""

    def came(self, octets: bytes) -> None:
        """Something came.

        :raises httpcore.ReadError: it is too much.
        """
        self._octets += len(octets)
        if self._octets > MOST_OCTETS:
            raise httpcore.ReadError(f"more than {MOST_OCTETS} octets without an end")
        self._head += octets[: HEAD_OCTETS - len(self._head)]

    @property
    def has_come(self) -> bool:
        """Whether anything came since we asked."""
        return self._octets > 0

    @property
    def status(self) -> tuple[int, str] | None:
        """The code of an answer whose header is there, and its words; ``None``: it is not."""
        found = HEAD.match(self._head)
        return None if found is None else (int(found[1]), (found[2] or b"").decode("latin-1"))

    def has_status(self) -> None:
        """The receiver has said what counts; what follows has a time of its own."""
        if self.timer is not None:
            self.timer.reschedule(None)

    async def trace(self, name: str, _details: dict[str, Any]) -> None:
        """Hear of a step."""
        if name == "connection.connect_tcp.started":
            self.has_dialled = True
        elif name == "http11.send_request_headers.started":
            self.is_connected = True


HEARING: ContextVar[Hearing] = ContextVar("HEARING")
"""That of the attempt which is made now. A connection is used by one at a time, and by many in a row."""


class HeardStream(httpcore.AsyncNetworkStream):
    """A connection, whose attempt hears what goes over it."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore calls it
        """Read what comes."""
        octets = await self._stream.read(max_bytes, timeout)
        HEARING.get().came(octets)
        return octets

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send."""
        HEARING.get().asked()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Begin TLS: what is heard from then on is what is meant."""
        return HeardStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        """What the connection is."""
        return self._stream.get_extra_info(info)
