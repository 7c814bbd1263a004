"""One attempt: the event goes to the receiver by HTTP, and what comes back is an :class:`Answer`, whatever it is.

Bounded whatever the receiver does: in time, in what is read of its header (100 KiB) and body (64 KiB), and in all
(:mod:`softbounce_gateway.webhooks.hearing`). A status that came counts, also where the body behind it never ends.
Connections are kept for a while, and dialled anew after five minutes (only who dials sees that a name leads elsewhere
by now), or when one that was kept broke off: the others are as old.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpcore
from softbounce_config.process_settings import WebhookSettings
from softbounce_config.webhooks import is_in_clear

from softbounce_gateway.webhooks.answer import Answer, read_retry_after
from softbounce_gateway.webhooks.dialling import CheckedBackend
from softbounce_gateway.webhooks.hearing import HEARING, Hearing

__all__ = ["Poster", "host_field"]

MOST_OCTETS = 64 * 1024
SHOWN_OCTETS = 500
BODY_WITHIN = 5.0
IDLE = 30.0
DIALLED_ANEW = 300.0
LONGEST_WORDS = 160
DEFAULT_PORTS = {"https": 443, "http": 80}


class _Pool:
    """Connections of one age, and how many attempts use them.

    :ivar dialled_anew_at: they are too old from then on.
    """

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self.connections = pool
        self.dialled_anew_at = time.monotonic() + DIALLED_ANEW
        self.users = 0


class Poster:
    """The connections to one receiver.

    :param context: how it proves its name.
    """

    def __init__(self, told: WebhookSettings, context: ssl.SSLContext) -> None:
        self._told = told
        self._context = context
        self._host = host_field(told.url)
        self._backend = CheckedBackend(allow_private=told.allow_private)
        self._pool = self._new_pool()

    async def post(self, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
        """Make one attempt.

        One that breaks off on a connection from before, which the receiver may just have closed, is made once more on
        a new one.
        """
        if is_in_clear(self._told.url) and not self._told.allow_http:
            return Answer(code=0, words="not called: http would tell it in clear", is_connected=False)
        seconds = self._told.timeout.total_seconds()
        hearing = Hearing()
        heard = HEARING.set(hearing)
        try:
            async with asyncio.timeout(seconds) as hearing.timer:
                answer = await self._post(headers, body, hearing)
                if answer.code == 0 and answer.is_connected and not hearing.has_dialled:
                    hearing.begin()
                    answer = await self._post(headers, body, hearing)
                return answer
        except TimeoutError:
            words = f"no answer within {seconds:g} s" if hearing.is_connected else f"no connection within {seconds:g} s"
            return Answer(code=0, words=words, is_connected=hearing.is_connected)
        finally:
            HEARING.reset(heard)

    async def close(self) -> None:
        """Close what is open."""
        self._backend.close()
        await self._pool.connections.aclose()

    async def _post(self, headers: list[tuple[bytes, bytes]], body: bytes, hearing: Hearing) -> Answer:
        async with self._connections() as pool:
            try:
                async with pool.connections.stream(
                    "POST",
                    self._told.url,
                    headers=[self._host, *headers],
                    content=body,
                    extensions={"trace": hearing.trace},
                ) as response:
                    if not hearing.has_come:
                        raise httpcore.RemoteProtocolError("an answer was there before it was asked")
                    hearing.has_status()
                    return await _read(response)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                return Answer(code=0, words=_printable(str(error) or "no connection"), is_connected=False)
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
                if not hearing.has_dialled:
                    pool.dialled_anew_at = 0
                return _broken_off(hearing, error)
            except httpcore.UnsupportedProtocol as error:
                return Answer(code=0, words=_printable(str(error)), is_connected=False)

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[_Pool]:
        pool = self._pool
        if time.monotonic() > pool.dialled_anew_at:
            pool = self._pool = await self._instead_of(pool)
        pool.users += 1
        try:
            yield pool
        finally:
            pool.users -= 1
            if pool is not self._pool and not pool.users:
                await pool.connections.aclose()

    async def _instead_of(self, old: _Pool) -> _Pool:
        if not old.users:
            await old.connections.aclose()
        return self._new_pool()

    def _new_pool(self) -> _Pool:
        number = self._told.connections
        return _Pool(
            httpcore.AsyncConnectionPool(
                ssl_context=self._context,
                max_connections=number,
                max_keepalive_connections=number,
                keepalive_expiry=IDLE,
                network_backend=self._backend,
            )
        )


def host_field(url: str) -> tuple[bytes, bytes]:
    """The Host field, without the port of the scheme: httpcore leaves out the brackets of an address of IPv6."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return b"Host", (f"[{host}]{port}" if ":" in host else f"{host}{port}").encode("ascii")


def _broken_off(hearing: Hearing, error: Exception) -> Answer:
    """What came of an attempt that broke off: nothing, but where the whole header of an answer was there."""
    if hearing.status is not None:
        code, reason = hearing.status
        return Answer(code=code, words=_printable(f"{code} {reason}".strip()))
    words = _printable(f"broke off: {str(error) or type(error).__name__}")
    return Answer(code=0, words=words, is_connected=hearing.is_connected)


async def _read(response: httpcore.Response) -> Answer:
    code = response.status
    reason = response.extensions.get("reason_phrase", b"").decode("latin-1")
    header = {name.lower(): value for name, value in response.headers}
    stated = header.get(b"retry-after")
    body = bytearray()
    with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        async with asyncio.timeout(BODY_WITHIN):
            async for octets in response.aiter_stream():
                body += octets[: MOST_OCTETS + 1 - len(body)]
                if len(body) > MOST_OCTETS:
                    break
    return Answer(
        code=code,
        words=_printable(f"{code} {reason}".strip()),
        stated=None if stated is None else read_retry_after(stated.decode("latin-1"), datetime.now(UTC)),
        body=bytes(body[:SHOWN_OCTETS]),
    )


def _printable(text: str) -> str:
    """What a stranger said, as it can be printed and logged."""
    text = text[:LONGEST_WORDS]
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in text)
