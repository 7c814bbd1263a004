"""DNS as nobody wishes to meet it: each question about an odd name draws what is odd about the answer this time.

Whatever is odd, the answer names a host that is there, or is none at all: no odd name is ever rightly called gone.
Other questions are passed on to the playground's nameserver.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from enum import StrEnum
from random import Random
from typing import Any, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dnsserver import pair_of_sockets

from torture.strangers import ADDRESSES

__all__ = ["ODD", "OddNames"]

ODD = "odd.test"
SHARED = "mx.odd.test"
UDP_OCTETS = 1232
TCP_OCTETS = 65_000
DEAD = tuple(f"127.77.255.{number}" for number in range(1, 9))
NO_HOSTS = (
    "a.a|b.",
    "a|0|x.",
    "?x.",
    "+x.",
    r"two\032words.test.",
    r"\000\001.test.",
    r"line\010feed.test.",
    r"\{0\}:e.",
    r"\195\188ber.test.",
    "-.",
    f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 50}.",
    "127.0.0.1.",
    "*.test.",
    r"a\.b.test.",
    r"\"quoted\".test.",
)


class Odd(StrEnum):
    """What is odd about an answer."""

    PLAIN = "plain"
    NO_HOST = "an MX that is no host name"
    ALL_NO_HOSTS = "many MX that are no host names"
    NULL_BESIDE = "a null MX beside others"
    MANY = "thousands of records"
    DEAD_FIRST = "a better MX that is down"
    ZERO = "addresses that may not be dialled"
    NO_EDNS = "FORMERR to EDNS"
    DROPS_EDNS = "silence to EDNS"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    SILENT = "silence"
    GARBAGE = "octets at random"
    WRONG_ID = "another id"
    OTHER_QUESTION = "an answer to another question"
    TRUNCATED = "truncated, and nothing over TCP"
    LOOP = "an alias of itself"
    NO_TTL = "no time to live"


WEIGHTS = [20 if odd is Odd.PLAIN else 1 for odd in Odd]


RCODES = {Odd.SERVFAIL: dns.rcode.SERVFAIL, Odd.REFUSED: dns.rcode.REFUSED}
MANY_ADDRESSES = tuple(f"127.79.{high}.{low}" for high in range(15) for low in range(250))
"""Nobody listens there."""


class OddNames:
    """The nameserver in front of the playground's; a context manager that listens meanwhile."""

    def __init__(self, upstream: tuple[str, int], seed: int) -> None:
        self._upstream = upstream
        self._random = Random(f"odd names of {seed}")  # noqa: S311 - it has to be repeatable
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        tcp, udp = pair_of_sockets()
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)
        self.port = tcp.getsockname()[1]
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, query: bytes, peer: Any, transport: asyncio.DatagramTransport) -> None:  # noqa: ANN401 - as asyncio has it
        """Answer one datagram beside others."""

        async def answer() -> None:
            reply = await self._answer(query, UDP_OCTETS)
            if reply is not None:
                transport.sendto(reply, peer)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, OSError, TimeoutError):
            async with asyncio.timeout(30):
                while True:
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    reply = await self._answer(await reader.readexactly(length), TCP_OCTETS)
                    if reply is None:
                        break
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        writer.close()

    async def _answer(self, wire: bytes, octets: int) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        if not name.endswith(ODD):
            return await self._ask_upstream(wire)
        odd = self._random.choices(list(Odd), WEIGHTS)[0]
        return self._odd_answer(query, name, odd, octets)

    async def _ask_upstream(self, wire: bytes) -> bytes | None:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Asked(answered), remote_addr=self._upstream
        )
        try:
            transport.sendto(wire)
            return await asyncio.wait_for(answered, 4.0)
        except (TimeoutError, OSError):
            return None
        finally:
            transport.close()

    # -- odd answers ------------------------------------------------------------------------------------------------

    def _odd_answer(self, query: dns.message.Message, name: str, odd: Odd, octets: int) -> bytes | None:
        is_tcp = octets > UDP_OCTETS
        if odd is Odd.SILENT or (odd is Odd.DROPS_EDNS and query.edns >= 0) or (odd is Odd.TRUNCATED and is_tcp):
            return None
        if odd is Odd.GARBAGE:
            return query.id.to_bytes(2) + self._random.randbytes(self._random.randrange(1, 400))
        if odd is Odd.NO_EDNS and query.edns >= 0:
            return _refusal(query, dns.rcode.FORMERR)
        if odd in RCODES:
            return _refusal(query, RCODES[odd])
        try:
            return _truncated(query) if odd is Odd.TRUNCATED else self._reply(query, name, odd).to_wire(max_size=octets)
        except dns.exception.TooBig:
            return None if is_tcp else _truncated(query)

    def _reply(self, query: dns.message.Message, name: str, odd: Odd) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        kind, values = question.rdtype, list[str]()
        if kind == dns.rdatatype.MX:
            values = self._mx(name, odd)
            if odd is Odd.LOOP:
                kind, values = dns.rdatatype.CNAME, [f"{name}."]
        elif kind == dns.rdatatype.A:
            values = self._addresses(name, odd)
        if values:
            reply.answer.append(
                dns.rrset.from_text_list(question.name, 0 if odd is Odd.NO_TTL else 2, "IN", kind, values)
            )
        if odd is Odd.WRONG_ID:
            reply.id ^= 0x55
        if odd is Odd.OTHER_QUESTION:
            other = dns.name.from_text(f"x.{name}.")
            reply.question = [dns.rrset.RRset(other, question.rdclass, question.rdtype)]
        return reply

    def _mx(self, name: str, odd: Odd) -> list[str]:
        # Two domains of three have hosts of their own, one in three those that it shares with others.
        own = SHARED if name[:1] == "s" else f"mx.{name}"
        good = [f"10 1.{own}.", f"20 2.{own}."]
        match odd:
            case Odd.NO_HOST:
                return [f"{self._random.randrange(5, 30)} {self._random.choice(NO_HOSTS)}", *good]
            case Odd.ALL_NO_HOSTS:
                return [*(f"{number} {one}" for number, one in enumerate(NO_HOSTS)), *good]
            case Odd.NULL_BESIDE:
                return ["0 .", *good]
            case Odd.MANY:
                return [*good, *(f"{100 + number} m{number}.{own}." for number in range(1000))]
            case Odd.DEAD_FIRST:
                return [f"5 dead.{own}.", *good]
        return good

    def _addresses(self, name: str, odd: Odd) -> list[str]:
        label, _, rest = name.partition(".")
        if label == "dead":
            return list(DEAD[:2])
        number = sum(rest.encode()) % (len(ADDRESSES) // 2) * 2
        good = ADDRESSES[number + (label == "2")]
        match odd:
            case Odd.MANY:
                return [good, *MANY_ADDRESSES]
            case Odd.ZERO:
                return ["0.0.0.0", "255.255.255.255", "224.0.0.1", good]  # noqa: S104 - to be refused
        return [good]


def _refusal(query: dns.message.Message, rcode: dns.rcode.Rcode) -> bytes:
    reply = dns.message.make_response(query)
    reply.use_edns(edns=False)
    reply.set_rcode(rcode)
    return reply.to_wire()


def _truncated(query: dns.message.Message) -> bytes:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, names: OddNames) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - as asyncio has it
        self._names.begin(data, addr, self._transport)


class _Asked(asyncio.DatagramProtocol):
    """Takes one answer."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - as asyncio has it
        del addr
        if not self._answered.done():
            self._answered.set_result(data)
