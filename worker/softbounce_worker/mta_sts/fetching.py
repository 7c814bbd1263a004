"""Fetches a policy by HTTPS (RFC 8461 §3.3): one GET, whose certificate is checked, and nothing that it leads to.

Bounded whatever the other side does: a minute in all, 64 KiB, no redirects, no encodings. The address that is dialled
is the one that was checked (:mod:`softbounce_worker.route.address_policy`): a stranger's record makes us speak to no
host of ours. A client for one file of one form is shorter than what a library needs to be told to do no more.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from softbounce_worker.route.mail_hosts import Lookup
from softbounce_worker.tls_results.kinds import TlsResult

__all__ = ["FetchFailed", "PolicyFetcher", "policy_host", "read_answer"]

WITHIN = 60.0
CONNECTED_WITHIN = 10.0
MOST_OCTETS = 64 * 1024
HEAD_OCTETS = 16 * 1024
INTERIM = 5
ADDRESSES = 4
AT_ONCE = 200
OK_200, REDIRECTS = 200, 3
CONTEXTS = 16
SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
Lookups = Callable[[str], Awaitable[Lookup]]


class FetchFailed(Exception):
    """There is no policy to be had now; in words, why.

    :ivar result: by its name in reports (RFC 8460 §4.3).
    """

    def __init__(self, why: str, result: TlsResult = TlsResult.STS_POLICY_FETCH_ERROR) -> None:
        super().__init__(why)
        self.result = result


def policy_host(domain: str) -> str:
    """Who tells a domain's policy."""
    return f"mta-sts.{domain}"


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    fields: dict[bytes, bytes]


class PolicyFetcher:
    """Fetches policies, a bounded number at once.

    :param look_up: the addresses of a host that may be dialled.
    :param port: of HTTPS; a configuration's or a test's to say, never DNS's.
    """

    def __init__(self, look_up: Lookups, port: int) -> None:
        self._look_up = look_up
        self._port = port
        self._places = asyncio.Semaphore(AT_ONCE)
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    async def fetch(self, domain: str, roots: str | None) -> bytes:
        """The policy's octets.

        :param roots: authorities that are trusted beside the system's, as PEM.
        :raises FetchFailed: in words, why not.
        """
        host = policy_host(domain)
        try:
            async with self._places, asyncio.timeout(WITHIN):
                lookup = await self._look_up(host)
                if not lookup.addresses:
                    raise FetchFailed(f"{host} {lookup.detail}")
                return await self._ask(host, lookup.addresses[:ADDRESSES], await self._context(roots))
        except TimeoutError:
            raise FetchFailed(f"{host} did not tell it within {WITHIN:g} s") from None

    async def _context(self, roots: str | None) -> ssl.SSLContext:
        """Reading the system's authorities takes a while: not for the loop's thread."""
        if roots not in self._contexts:
            if len(self._contexts) >= CONTEXTS:
                self._contexts.clear()
            try:
                made = await asyncio.get_running_loop().run_in_executor(None, _make_context, roots)
            except (ssl.SSLError, OSError) as error:
                raise FetchFailed(f"the authorities cannot be read here: {error}") from error
            self._contexts[roots] = made
        return self._contexts[roots]

    async def _ask(self, host: str, addresses: tuple[str, ...], context: ssl.SSLContext) -> bytes:
        """The first address that is there tells; what it says is final."""
        why = ""
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECTED_WITHIN):
                    reader, writer = await asyncio.open_connection(
                        address, self._port, ssl=context, server_hostname=host, limit=HEAD_OCTETS
                    )
            except ssl.SSLCertVerificationError as error:
                why = f"the certificate of {host} is not trusted: {error.verify_message.rstrip('.')}"
                raise FetchFailed(why, TlsResult.STS_WEBPKI_INVALID) from None
            except TimeoutError:
                why = f"no connection to {host} at {address} within {CONNECTED_WITHIN:g} s"
            except (OSError, ValueError) as error:  # a name that TLS cannot say is a ValueError
                why = (
                    f"no connection to {host} at {address}: {getattr(error, 'strerror', None) or type(error).__name__}"
                )
            else:
                try:
                    return await self._get(host, reader, writer)
                finally:
                    writer.transport.abort()
        raise FetchFailed(why)

    async def _get(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        port = "" if self._port == 443 else f":{self._port}"  # noqa: PLR2004 - RFC 9110 §4.2.2
        writer.write(
            f"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: softbounce\r\n"
            "Accept: text/plain\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n".encode()
        )
        return await read_answer(host, reader)


def _make_context(roots: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 §2
    if roots:
        context.load_verify_locations(cadata=roots)
    return context


async def read_answer(host: str, reader: asyncio.StreamReader) -> bytes:
    """The octets of the policy in an answer by HTTP (RFC 9112).

    :raises FetchFailed: it has none, or is none.
    """
    try:
        head = await _head(reader)
        _check(host, head)
        return await _body(reader, head)
    except (asyncio.IncompleteReadError, OSError):
        raise FetchFailed(f"{host} broke off") from None
    except (asyncio.LimitOverrunError, ValueError):
        raise FetchFailed(f"{host} answered what is no HTTP, or too much of it") from None


async def _head(reader: asyncio.StreamReader) -> _Head:
    """Status and fields; what comes before the answer proper is passed over (RFC 9110 §15.2)."""
    for _ in range(INTERIM):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        protocol, status, *_ = [*first.split(b" ", 2), b"", b""]
        if not (protocol.startswith(b"HTTP/1.") and len(status) == 3 and status.isdigit()):  # noqa: PLR2004 - digits
            raise ValueError(protocol)
        if not status.startswith(b"1"):
            pairs = (line.partition(b":") for line in lines)
            return _Head(int(status), {name.strip().lower(): value.strip() for name, colon, value in pairs if colon})
    raise ValueError("no end of it")


def _check(host: str, head: _Head) -> None:
    if head.status // 100 == REDIRECTS:
        raise FetchFailed(f"{host} answers {head.status}: it leads elsewhere, where nobody follows (RFC 8461 §3.3)")
    if head.status != OK_200:
        raise FetchFailed(f"{host} answers {head.status}")
    kind = head.fields.get(b"content-type", b"text/plain").partition(b";")[0].strip().lower()
    if kind != b"text/plain":
        raise FetchFailed(f"{host} answers what is not text/plain")
    if head.fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise FetchFailed(f"{host} answers in an encoding that was not asked for")


async def _body(reader: asyncio.StreamReader, head: _Head) -> bytes:
    if head.fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        return await _chunks(reader)
    length = head.fields.get(b"content-length")
    if length is None:
        return _bounded(await _all(reader))
    if not length.isdigit() or len(length) > 10 or int(length) > MOST_OCTETS:  # noqa: PLR2004 - digits of a number
        raise FetchFailed(f"it has more than {MOST_OCTETS // 1024} KiB")
    return await reader.readexactly(int(length))


async def _all(reader: asyncio.StreamReader) -> bytes:
    octets = bytearray()
    while len(octets) <= MOST_OCTETS and (more := await reader.read(MOST_OCTETS)):
        octets += more
    return bytes(octets)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """RFC 9112 §7.1. What follows the last one is not waited for."""
    octets = bytearray()
    while len(octets) <= MOST_OCTETS:
        size = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        if SIZE.fullmatch(size) is None:
            raise ValueError(size)
        if not (number := int(size, 16)):
            break
        octets += await reader.readexactly(min(number, MOST_OCTETS + 1))
        if len(octets) <= MOST_OCTETS:
            await reader.readexactly(2)
    return _bounded(bytes(octets))


def _bounded(octets: bytes) -> bytes:
    if len(octets) > MOST_OCTETS:
        raise FetchFailed(f"it has more than {MOST_OCTETS // 1024} KiB")
    return octets
