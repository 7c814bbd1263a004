"""The name servers that are asked: one after another until one answers, each as it wants to be asked.

A question goes out by UDP from a port of its own; what was cut off or cannot be read is asked for again by TCP. A
server that fails for EDNS, or says nothing to it, is asked without, and so from then on for a while (RFC 6891 §6.2.2);
one that has answered it must be silent to it several times in a row, for a datagram is easily lost, and without EDNS
nobody hears of DNSSEC. One that says nothing where another one answers comes last for a while. A failure (SERVFAIL,
REFUSED) asks the next.

RFC 1035 §4.2 (UDP, TCP), RFC 5452 §9 (what a reply must match), RFC 6891 §6.2.2.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle

import structlog

from softbounce_worker.route.reading import BrokenReply, Refused, read_reply
from softbounce_worker.route.wire import DnsReply, Question, Rcode

__all__ = ["NameServers", "Unanswered"]

TRY_SECONDS = 2.0  # of one question to one server, before it is asked again or the next one is
PLAIN_SECONDS = 900.0  # for which a server is asked without EDNS, before that is tried again
LAST_SECONDS = 30.0  # for which a silent one comes last
SILENCES = 3  # to questions with EDNS that were answered without: one alone may be a lost datagram
STRAYS = 32  # datagrams that are not the reply; a flood of them ends the try
LARGEST = 65_535  # octets of a datagram
SMALL_OCTETS = 512  # above that, replies are read one after another
PAUSE = 0.002  # seconds between these
UNREACHABLE = "the name servers cannot be reached"
UNREADABLE = "the name servers answered what cannot be read"
UNWILLING = "the name servers refuse to answer"
FAILED = "the name servers answered with a failure"
log = structlog.get_logger()


class Unanswered(Exception):
    """No server told; in words, why."""


class _Server:
    """One name server and its habits."""

    def __init__(self, place: tuple[str, int], clock: Callable[[], float]) -> None:
        self.place = place
        self.last_until = 0.0
        self._plain_until = 0.0
        self._silences = SILENCES - 1  # it has never answered with EDNS
        self._clock = clock

    def put_last(self) -> None:
        """It was silent where another one answered."""
        self.last_until = self._clock() + LAST_SECONDS

    @property
    def wants_plain(self) -> bool:
        """Whether it is asked without EDNS."""
        return self._clock() < self._plain_until

    def ask_plain(self) -> None:
        """From now on."""
        if not self.wants_plain:
            log.info("name_server_without_edns", name_server="{}:{}".format(*self.place))
        self._plain_until = self._clock() + PLAIN_SECONDS

    def answered_edns(self) -> None:
        """It can."""
        self._silences = 0

    def was_silent_to_edns(self) -> None:
        """It answered without what it had said nothing to with EDNS."""
        self._silences += 1
        if self._silences >= SILENCES:
            self.ask_plain()


class NameServers:
    """All of them.

    :param places: address and port of each.
    :param lifetime: seconds for one question, all tries together.
    :param clock: monotonic seconds.
    """

    def __init__(self, places: Sequence[tuple[str, int]], lifetime: float, clock: Callable[[], float]) -> None:
        self._servers = [_Server(place, clock) for place in places]
        self._lifetime = lifetime
        self._try_seconds = min(TRY_SECONDS, lifetime / (2 * len(places)))  # each with and without EDNS
        self._clock = clock
        self._reading = asyncio.Lock()

    async def ask(self, question: Question, most: Callable[[], int]) -> DnsReply:
        """The reply that answers the question.

        :param most: how many records may answer, when it has come.
        :raises Refused: the answer is more than is worth reading.
        :raises Unanswered: nobody told.
        """
        now = self._clock()
        waiting = sorted(self._servers, key=lambda server: server.last_until > now)
        passed_over: list[_Server] = []
        why = "the name servers did not answer in time"
        vague: DnsReply | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lifetime):
                for with_edns in cycle((True, False)):
                    for server in list(waiting):
                        told = await self._hear(server, question, most, with_edns=with_edns)
                        if isinstance(told, DnsReply) and told.is_vague:
                            vague = vague or told
                            continue
                        if isinstance(told, DnsReply):
                            self._remember(server, passed_over)
                            return told
                        if told is not None:
                            why = told
                            waiting.remove(server)
                        if told != FAILED:
                            passed_over.append(server)
                    if vague is not None:
                        return vague  # nobody knows better
                    if not waiting:
                        break
        raise Unanswered(why)

    @staticmethod
    def _remember(answered: _Server, passed_over: Sequence[_Server]) -> None:
        for server in passed_over:
            if server is not answered:
                server.put_last()

    async def _hear(
        self, server: _Server, question: Question, most: Callable[[], int], *, with_edns: bool
    ) -> DnsReply | str | None:
        """The answer; or why there is none for this question; ``None``: silence, for now."""
        edns = with_edns and not server.wants_plain
        try:
            reply = await self._exchange(server, question, most, with_edns=edns)
            if edns and reply.dislikes_edns:
                plain = await self._exchange(server, question, most, with_edns=False)
                if plain.rcode != reply.rcode or reply.botches_edns:
                    server.ask_plain()
                reply = plain
        except TimeoutError:
            return None
        except Refused:
            raise
        except OSError:
            return UNREACHABLE
        except BrokenReply:
            return UNREADABLE
        if not reply.is_answer:
            return UNWILLING if reply.rcode == Rcode.REFUSED or reply.is_referral else FAILED
        if not with_edns:
            server.was_silent_to_edns()
        elif edns and not reply.dislikes_edns:
            server.answered_edns()
        return reply

    async def _exchange(
        self, server: _Server, question: Question, most: Callable[[], int], *, with_edns: bool
    ) -> DnsReply:
        """Ask once; by TCP where the datagram does not tell."""
        number = secrets.randbelow(1 << 16)
        query = question.query(number, with_edns=with_edns)
        octets = await _by_udp(server.place, question, number, query, self._try_seconds)
        try:
            reply = await self._read(question, octets, most)
            if not reply.is_truncated:
                return reply
        except Refused:
            raise
        except BrokenReply:
            pass
        async with asyncio.timeout(self._try_seconds):
            octets = await _by_tcp(server.place, query)
        if not question.is_answered_by(octets, number):
            raise BrokenReply("it answers another question")
        reply = await self._read(question, octets, most)
        if reply.is_truncated:
            raise BrokenReply("it is truncated by TCP too")
        return reply

    async def _read(self, question: Question, octets: bytes, most: Callable[[], int]) -> DnsReply:
        if len(octets) <= SMALL_OCTETS:
            return read_reply(question, octets, most=most())
        async with self._reading:
            try:
                return read_reply(question, octets, most=most())
            finally:
                await asyncio.sleep(PAUSE)  # so that many of these keep nothing else waiting


async def _by_udp(place: tuple[str, int], question: Question, number: int, query: bytes, seconds: float) -> bytes:
    """Everything but the reply is passed over, and not too much of it.

    A loop that was kept from its work for long looks at its clock before it looks at its sockets, so after the time the
    socket has the last word: what has come by then was in time.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0)
        udp.connect(place)
        await loop.sock_sendall(udp, query)
        readable = asyncio.Event()
        loop.add_reader(udp, readable.set)
        try:
            strays = 0
            while strays < STRAYS:
                is_late = loop.time() >= end
                try:
                    octets = udp.recv(LARGEST)
                except BlockingIOError:
                    if is_late:
                        raise TimeoutError from None
                    readable.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(end):
                            await readable.wait()
                    continue
                if question.is_answered_by(octets, number):
                    return octets
                strays += 1
        finally:
            loop.remove_reader(udp)
    raise ConnectionError("a flood of strange datagrams")


async def _by_tcp(place: tuple[str, int], query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*place)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (octets,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(octets)
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("cut off") from error
    finally:
        writer.transport.abort()
