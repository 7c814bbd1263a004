"""The playground's DNS on the wire: one port, UDP and TCP (RFC 1035 §4.2), truncation included.

What is answered is decided in ``softbounce_playground.zone``.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from softbounce_playground.zone import Directory, DnsAnswer

__all__ = ["Nameserver"]

PLAIN_UDP_OCTETS = 512
MAX_TCP_OCTETS = 65535
PORT_TRIES = 20
CLOSING_TURNS = 2
LENGTH_OCTETS = 2
RCODES = {"nxdomain": dns.rcode.NXDOMAIN, "servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}


class Nameserver:
    """Answers questions from a directory.

    :ivar address: where it listens, once opened.
    :ivar queries: how often each name and type was asked for, over UDP and TCP together.
    """

    def __init__(self, directory: Directory, address: tuple[str, int]) -> None:
        self._directory = directory
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[_Stream] = set()
        self.address = address
        self.queries: Counter[tuple[str, str]] = Counter()

    async def open(self) -> None:
        """Listen; port 0 takes one that is free for both transports.

        :raises OSError: the address is not ours, or the port is taken.
        """
        host, port = self.address
        loop = asyncio.get_running_loop()
        udp, tcp = _bound_pair(host, port)
        self.address = (host, udp.getsockname()[1])
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._tcp = await loop.create_server(lambda: _Stream(self, self._connections), sock=tcp)

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for connection in tuple(self._connections):
            connection.cut()
        for _ in range(CLOSING_TURNS):  # so that they are told, and leave nothing behind
            await asyncio.sleep(0)

    def reply_to(self, wire: bytes, *, is_udp: bool) -> bytes | None:
        """The reply to one message, or ``None`` for silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
            return reply.to_wire()
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        type_ = dns.rdatatype.to_text(question.rdtype)
        self.queries[name, type_] += 1
        answer = self._directory.answer(name, type_)
        if answer.error == "timeout":
            return None
        _fill(reply, answer, question.name, self._directory.ttl_seconds)
        if answer.is_signed and (query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO):  # RFC 6840 §5.7, §5.8
            reply.flags |= dns.flags.AD
        if not is_udp:
            return reply.to_wire(max_size=MAX_TCP_OCTETS)
        limit = max(query.payload, PLAIN_UDP_OCTETS) if query.edns >= 0 else PLAIN_UDP_OCTETS
        try:
            return reply.to_wire(max_size=limit)
        except dns.exception.TooBig:
            reply.answer.clear()
            reply.authority.clear()
            reply.flags |= dns.flags.TC
            return reply.to_wire()


def _fill(reply: dns.message.Message, answer: DnsAnswer, asked: dns.name.Name, ttl_seconds: int) -> None:
    reply.flags |= dns.flags.AA
    if answer.error is not None:
        reply.set_rcode(RCODES[answer.error])
    for records in answer.records:
        name = dns.name.from_text(records.name)
        if name == asked:
            name = asked  # the asker's spelling
        reply.answer.append(dns.rrset.from_text(name, records.ttl_seconds, "IN", records.type, *records.values))
    if not answer.records and answer.error in {None, "nxdomain"}:
        # RFC 2308: how long the absence may be remembered
        soa = f"ns.playground.test. hostmaster.playground.test. 1 3600 600 86400 {ttl_seconds}"
        reply.authority.append(dns.rrset.from_text(asked, ttl_seconds, "IN", "SOA", soa))


def _bound_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket bound to one port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(PORT_TRIES):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        try:
            udp.settimeout(0)
            tcp.settimeout(0)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((host, port))
            tcp.bind((host, udp.getsockname()[1]))
        except OSError as error:
            udp.close()
            tcp.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
        else:
            return udp, tcp
    raise OSError(errno.EADDRINUSE, "no port is free for both UDP and TCP")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, nameserver: Nameserver) -> None:
        self._nameserver = nameserver
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override,unused-ignore]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # type: ignore[override,unused-ignore]
        reply = self._nameserver.reply_to(data, is_udp=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


class _Stream(asyncio.Protocol):
    def __init__(self, nameserver: Nameserver, connections: set[_Stream]) -> None:
        self._nameserver = nameserver
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= LENGTH_OCTETS:
            end = LENGTH_OCTETS + int.from_bytes(self._buffer[:LENGTH_OCTETS])
            if len(self._buffer) < end:
                return
            wire, self._buffer = self._buffer[LENGTH_OCTETS:end], self._buffer[end:]
            reply = self._nameserver.reply_to(wire, is_udp=False)
            if reply is not None and self._transport is not None:
                self._transport.write(len(reply).to_bytes(LENGTH_OCTETS) + reply)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()
