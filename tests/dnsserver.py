"""A DNS server on loopback for tests: real packets over UDP and TCP, a zone as a dict, and a ledger of questions."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Habit = Callable[[bytes, bytes | None, bool], bytes | None]

UDP_OCTETS = 1232
PLAIN_OCTETS = 512

Zone = dict[str, "Mapping[str, Sequence[str]] | str"]


def pair_of_sockets() -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket of one port, which is free for both."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # the system gave a port that somebody has for UDP
            tcp.close()
            udp.close()
        else:
            udp.settimeout(0)
            return tcp, udp


class DnsServer:
    """Answers from *zone*: name to records by type, or to ``"servfail"``, ``"refused"``, ``"silent"``.

    A name that is not in the zone does not exist, unless another one ends with it. A CNAME is followed within the zone;
    with ``bare_aliases`` it is told alone.

    :ivar asked: how often each ``name/TYPE`` was asked, UDP and TCP together.
    :ivar asked_by_tcp: the same over TCP.
    :ivar gate: where set, answers wait for it.
    :ivar was_asked: set with the first question.
    """

    def __init__(
        self, zone: Zone, *, ttl: int = 300, negative_ttl: int | None = 60, bare_aliases: bool = False
    ) -> None:
        self.zone = zone
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self.bare_aliases = bare_aliases
        self.asked: Counter[str] = Counter()
        self.asked_by_tcp: Counter[str] = Counter()
        self.gate: asyncio.Event | None = None
        self.was_asked = asyncio.Event()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def nameserver(self) -> str:
        """The server as a config names it."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        tcp, udp = pair_of_sockets()
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)
        self.port = tcp.getsockname()[1]
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, octets: bytes, transport: asyncio.DatagramTransport, peer: Any) -> None:  # noqa: ANN401 (as asyncio has it)
        """Answer one datagram, when the gate is open."""

        async def answer() -> None:
            reply = await self.answer(octets, max_octets=UDP_OCTETS)
            if reply is not None:
                transport.sendto(reply, peer)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = await self.answer(await reader.readexactly(length), max_octets=65_535)
                if reply is None:
                    break
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        writer.close()

    async def answer(self, octets: bytes, *, max_octets: int) -> bytes | None:
        """The octets of the reply; ``None``: stay silent."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text().lower().removesuffix(".")
        key = f"{name}/{dns.rdatatype.to_text(question.rdtype)}"
        self.asked[key] += 1
        self.was_asked.set()
        if max_octets > UDP_OCTETS:
            self.asked_by_tcp[key] += 1
        if self.gate is not None:
            await self.gate.wait()
        if max_octets == UDP_OCTETS and query.edns < 0:
            max_octets = PLAIN_OCTETS
        reply = dns.message.make_response(query, recursion_available=True)
        if not self._fill(reply, name, question.rdtype):
            return None
        try:
            return reply.to_wire(max_size=max_octets, want_shuffle=False)
        except dns.exception.TooBig:
            short = dns.message.make_response(query, recursion_available=True)
            short.flags |= dns.flags.TC
            return short.to_wire()

    def _fill(self, reply: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> bool:
        for _ in range(40):  # a loop of aliases is told as far as that
            records = self.zone.get(name)
            if records is None and any(other.endswith(f".{name}") for other in self.zone):
                records = {}
            if isinstance(records, str):
                reply.set_rcode(
                    {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}.get(records, dns.rcode.NOERROR)
                )
                return records != "silent"
            if records is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            alias = (records or {}).get("CNAME")
            if alias:
                reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "CNAME", alias[0]))
                name = alias[0].removesuffix(".")
                if self.bare_aliases:
                    return True
                continue
            found = (records or {}).get(dns.rdatatype.to_text(kind))
            if found:
                reply.answer.append(dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, found))
            elif self.negative_ttl is not None:
                soa = f"ns.test. hostmaster.test. 1 3600 600 86400 {self.negative_ttl}"
                reply.authority.append(dns.rrset.from_text("test.", self.negative_ttl, "IN", "SOA", soa))
            return True
        return True


class OddDnsServer(DnsServer):
    """One with a habit.

    :ivar habit: given a query's octets, the reply that belongs to it, and whether they go by TCP; what is sent instead.
    """

    def __init__(self, zone: Zone, habit: Habit, **settings: Any) -> None:  # noqa: ANN401 (as above)
        super().__init__(zone, **settings)
        self.habit = habit

    async def answer(self, octets: bytes, *, max_octets: int) -> bytes | None:
        """The octets of the reply, as the habit has it."""
        reply = await super().answer(octets, max_octets=max_octets)
        return self.habit(octets, reply, max_octets > UDP_OCTETS)


def question_of(octets: bytes) -> tuple[str, int, bytes]:
    """Name, type and section of the only question."""
    at, labels = 12, []
    while octets[at]:
        labels.append(octets[at + 1 : at + 1 + octets[at]].decode())
        at += 1 + octets[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", octets, at + 1)[0], octets[12 : at + 5]


def raw_reply(
    octets: bytes, counts: tuple[int, int, int] = (0, 0, 0), body: bytes = b"", *, flags: int = 0x8180
) -> bytes:
    """A reply to that query, with these numbers of records in its sections, and any octets as records."""
    return octets[:2] + struct.pack("!HHHHH", flags, 1, *counts) + question_of(octets)[2] + body


def raw_record(kind: int, content: bytes, *, owner: bytes = b"\xc0\x0c", ttl: int = 300, group: int = 1) -> bytes:
    """A record's octets; its owner is the name in the question."""
    return owner + struct.pack("!HHIH", kind, group, ttl, len(content)) + content


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 (as asyncio has it)
        self.server.start(data, self.transport, addr)
