"""A mail host that takes everything, pipelined, in clear or over TLS, as cheaply as Python can; run as a process.

    python benchmarks/pipelining_sink.py PORT [CERTIFICATE]

It says ``ready`` once it listens on 127.0.0.1, and how many messages it took when its stdin ends. smtp-sink is faster,
and speaks no TLS: what is compared with TLS is measured at this one.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import cast

import uvloop

END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One session."""

    taken = 0

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._is_secure = False
        self._got = b""
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, in clear."""
        self._transport = cast("asyncio.WriteTransport", transport)
        if not self._is_secure:
            self._transport.write(b"220 mx.sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever is whole."""
        got, self._got = self._got + data, b""
        out: list[bytes] = []
        while got:
            if self._in_content:
                content, end, rest = got.partition(END)
                if not end:
                    self._got = content
                    break
                got, self._in_content = rest, False
                Sink.taken += 1
                out.append(b"250 2.0.0 taken\r\n")
                continue
            line, end, rest = got.partition(b"\r\n")
            if not end:
                self._got = line
                break
            got = rest
            verb = line[:4].upper()
            if verb == b"DATA":
                self._in_content = True
                got = b"\r\n" + got if got else got
                out.append(b"354 go on\r\n")
            elif verb in {b"EHLO", b"HELO"}:
                offer = b"250-STARTTLS\r\n" if self._context and not self._is_secure else b""
                out.append(b"250-mx.sink.test\r\n250-PIPELINING\r\n" + offer + b"250 8BITMIME\r\n")
            elif verb == b"STAR":
                self._transport.write(b"220 go on\r\n")
                self._begun = asyncio.ensure_future(self._secure())
                return
            elif verb == b"QUIT":
                self._transport.write(b"".join(out) + b"221 2.0.0 bye\r\n")
                self._transport.close()
                return
            else:
                out.append(b"250 2.1.0 ok\r\n")
        if out:
            self._transport.write(b"".join(out))

    async def _secure(self) -> None:
        self._is_secure = True
        loop = asyncio.get_running_loop()
        transport = cast("asyncio.Transport", self._transport)
        assert self._context is not None  # noqa: S101 - it was offered
        try:
            secured = await loop.start_tls(transport, self, self._context, server_side=True)
        except (OSError, ConnectionError):
            return
        if secured is not None:
            self._transport = secured


async def serve(port: int, certificate: str | None) -> None:
    """Until stdin ends."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(context), "127.0.0.1", port, backlog=1024)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(Sink.taken, flush=True)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
