"""Connections to receivers: the address that is dialled is the one that was checked.

A name is looked up for each new connection, its addresses are checked (:mod:`softbounce_worker.route.address_policy`),
and one of those is dialled; the certificate is checked for the name. So a name that leads elsewhere a moment later
leads us nowhere (SSRF by rebinding). No proxy of the environment is asked, no cookie kept, nothing is followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, cast

import httpcore
from softbounce_config.webhooks import is_loopback
from softbounce_worker.route.address_policy import AddressPolicy

from softbounce_gateway.webhooks.hearing import HeardStream
from softbounce_gateway.webhooks.racing import first_of, mixed

__all__ = ["CheckedBackend", "make_context"]

ADDRESSES = 4
"""Of a name that are tried."""
CONNECTED_WITHIN = 5.0
LOOKED_UP_WITHIN = 10.0


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections, to checked addresses only. One receiver's: a look-up that hangs is in nobody else's way.

    :param allow_private: addresses of our own network will do. What is written as this machine's own always does.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._policy = AddressPolicy(allow_private=allow_private)
        self._own = AddressPolicy(allow_private=True)
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="webhook-dns")
        self._looking: dict[str, asyncio.Future[list[str]]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that may be dialled and is there.

        :raises httpcore.ConnectError: none is; in words, why.
        """
        within = min(timeout or CONNECTED_WITHIN, CONNECTED_WITHIN)

        async def connect(address: str) -> httpcore.AsyncNetworkStream:
            try:
                return await self._backend.connect_tcp(address, port, within, local_address, socket_options)
            except httpcore.ConnectTimeout:
                raise httpcore.ConnectTimeout(f"no connection to {address} within {within:g} s") from None
            except httpcore.ConnectError as error:
                raise httpcore.ConnectError(f"no connection to {address}: {_reason(error)}") from None

        addresses = mixed(await self._checked(host))[:ADDRESSES]
        if not addresses:
            raise httpcore.ConnectError(f"{host} has no address")
        return HeardStream(await first_of(addresses, connect))

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401
        """None is ever asked for."""
        raise httpcore.UnsupportedProtocol("no sockets of files")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """End the thread that looks names up, when it is done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _checked(self, host: str) -> list[str]:
        addresses = await self._addresses(host)
        is_own = is_loopback(host)
        found, refused = [], ""
        for address in addresses:
            reason = (
                self._own.check(address) if is_own and ip_address(address).is_loopback else self._policy.check(address)
            )
            if reason is None:
                found.append(address)
            else:
                refused = refused or f"{address} {reason}"
        if not found and refused:
            raise httpcore.ConnectError(f"not called: {refused} ([[webhook]] allow_private)")
        return found

    async def _addresses(self, host: str) -> list[str]:
        """What a name leads to; asked once at a time, by the system's own way, which may take its time."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        future = self._looking.get(host)
        if future is None or future.done():
            loop = asyncio.get_running_loop()
            future = self._looking[host] = asyncio.ensure_future(loop.run_in_executor(self._threads, _look_up, host))
        try:
            return await asyncio.wait_for(asyncio.shield(future), LOOKED_UP_WITHIN)
        except TimeoutError:
            raise httpcore.ConnectError(f"{host} could not be looked up within {LOOKED_UP_WITHIN:g} s") from None
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or type(error).__name__
            raise httpcore.ConnectError(f"{host} cannot be looked up: {words}") from None


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _reason(error: BaseException) -> str:
    """What the system said, below what the library made of it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        if isinstance(inner, BaseExceptionGroup):
            return _reason(inner.exceptions[0])
        inner = inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__


def make_context() -> ssl.SSLContext:
    """How receivers prove their name; reading the system's authorities takes a while."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 §2
    return context
