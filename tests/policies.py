"""An HTTPS server of a test's own that tells domains' MTA-STS policies, in good form or not."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

from certificates import Authority, server_context
from delivery import Delivery
from softbounce_playground import Zone

__all__ = ["ADDRESS", "HANGS", "PolicyHost", "answer", "policy_text"]

ADDRESS = "127.88.8.1"
HANGS = b""


def policy_text(*mx: str, mode: str = "enforce", max_age: int = 86_400) -> str:
    """A policy."""
    hosts = "".join(f"mx: {host}\r\n" for host in mx)
    return f"version: STSv1\r\nmode: {mode}\r\n{hosts}max_age: {max_age}\r\n"


def answer(body: str | bytes, *, status: str = "200 OK", fields: str = "Content-Type: text/plain\r\n") -> bytes:
    """All octets of an answer by HTTP."""
    octets = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(octets)}\r\n\r\n".encode() + octets


class PolicyHost:
    """The server, within ``async with``. Each domain is told what :meth:`publish` gave last.

    :ivar asked: how often each host was, by the name in the TLS handshake.
    :ivar requests: the octets of each request.
    :ivar port: where it listens.
    """

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.asked: Counter[str] = Counter()
        self.requests: list[bytes] = []
        self.port = 0
        self._answers: dict[str, bytes] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._default = server_context(self.authority.sign("nobody.test"))
        self._default.sni_callback = self._choose  # type: ignore[assignment] # what it may be given is wider
        self._server = await asyncio.start_server(self._serve, ADDRESS, 0, ssl=self._default)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(
        self,
        mail: Delivery,
        domain: str,
        told: str | bytes,
        *,
        record: str = "v=STSv1; id=1;",
        certificate: Path | None = None,
    ) -> None:
        """From now on a domain has a policy, by its TXT record, and this is told of it: a policy, or raw octets."""
        host = f"mta-sts.{domain}"
        self.tell(domain, told, certificate=certificate)
        mail.playground.zone[host] = Zone(a={host: ADDRESS}, ttl_seconds=1)
        mail.playground.zone[f"_mta-sts.{domain}"] = Zone(txt={f"_mta-sts.{domain}": record}, ttl_seconds=1)

    def tell(self, domain: str, told: str | bytes, *, certificate: Path | None = None) -> None:
        """The same without DNS."""
        host = f"mta-sts.{domain}"
        self._answers[host] = answer(told) if isinstance(told, str) else told
        if host not in self._contexts or certificate is not None:
            self._contexts[host] = server_context(certificate or self.authority.sign(host))

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self.asked[name or ""] += 1
        connection.context = self._contexts.get(name or "", self._default)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            host = request.partition(b"Host: ")[2].partition(b"\r\n")[0].partition(b":")[0].decode()
            octets = self._answers.get(host, answer("", status="404 Not Found"))
            if octets == HANGS:
                await asyncio.Event().wait()
            writer.write(octets)
            await writer.drain()
        writer.close()
