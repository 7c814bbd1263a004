"""Mail hosts that mean harm, at many addresses of loopback; run as a process.

    python benchmarks/hostile_hosts.py KIND PORT ADDRESSES [CERTIFICATE]

``drip``: each reply to MAIL comes an octet at a time, one in two seconds. ``window``: it takes a message's octets one
at a time, one a second, through the smallest window that the kernel gives. ``banner``: it never ends its greeting, at
a hundred lines a second. With a certificate they offer STARTTLS, and do so over TLS. It says ``ready`` once it listens
on 127.10.0.0 and upwards, and for each line on stdin in how many sessions it does harm now, the most so far and all
sessions that there were.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import uvloop

FIRST = IPv4Address("127.10.0.0")
KINDS = ("drip", "window", "banner")


class Hosts:
    """All of them.

    :ivar harmed: sessions that meet it now; *most*: at a time so far; *all*: all sessions so far.
    """

    def __init__(self, kind: str, context: ssl.SSLContext | None) -> None:
        self._kind = kind
        self._context = context
        self.harmed = self.most = self.all = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        self.all += 1
        try:
            await self._speak(reader, writer)
        except (OSError, EOFError, RuntimeError):  # uvloop's, where the other side has gone
            pass
        finally:
            writer.close()

    @contextmanager
    def _harming(self) -> Iterator[None]:
        self.harmed += 1
        self.most = max(self.most, self.harmed)
        try:
            yield
        finally:
            self.harmed -= 1

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._kind == "banner":
            with self._harming():
                await self._welcome(writer)
        writer.write(b"220 mx.test ESMTP\r\n")
        is_secure = self._context is None
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-mx.test\r\n" + (b"" if is_secure else b"250-STARTTLS\r\n") + b"250 8BITMIME\r\n")
            elif verb == b"STAR" and self._context is not None:
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self._context)
                is_secure = True
            elif verb == b"MAIL" and self._kind == "drip":
                with self._harming():
                    for octet in b"250 2.1.0 " + b"o" * 400:
                        writer.write(bytes([octet]))
                        await asyncio.sleep(2)
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                with self._harming():
                    while await reader.read(1):  # noqa: ASYNC110 - that is its way
                        await asyncio.sleep(1)
            else:
                writer.write(b"250 2.1.0 ok\r\n")

    @staticmethod
    async def _welcome(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-welcome to a host that has much to say of itself\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)


async def main(kind: str, port: int, addresses: int, certificate: str | None) -> None:
    """Until stdin ends."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    hosts = Hosts(kind, context)
    for number in range(addresses):
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == "window":
            place.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        place.bind((str(FIRST + number), port))
        await asyncio.start_server(hosts.serve, sock=place, backlog=1024, limit=2048)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(hosts.harmed, hosts.most, hosts.all, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None))
