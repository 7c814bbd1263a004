"""A tiny mail host that does what no sane one does: trickles, hangs, resets, talks nonsense, reads too slowly.

It follows a script: what to do at a point instead of the usual reply. Points are ``greeting``, the verbs, ``body``
(behind the 354), ``dot``, ``handshake`` (instead of one, behind the 220 to STARTTLS), ``secured`` and ``resumed``
(right behind one, and behind one that resumed a TLS session), and verbs that came ``over TLS``. The playground has the
better manners; this is for what it cannot do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Self, assert_never

__all__ = [
    "CLOSE",
    "EHLO_PLAIN",
    "EHLO_STARTTLS",
    "HANG",
    "RESET",
    "USUAL",
    "Act",
    "Early",
    "Mx",
    "Reaction",
    "Read",
    "Script",
    "Sleep",
    "Trickle",
    "Writes",
]


class Act(Enum):
    """What needs no words."""

    CLOSE = auto()
    RESET = auto()
    HANG = auto()


CLOSE, RESET, HANG = Act.CLOSE, Act.RESET, Act.HANG


class Early(Enum):
    """What becomes of commands that came before the answer to the one before, though PIPELINING is offered."""

    KEPT = auto()
    DROPPED = auto()
    CLOSED = auto()


class Writes(Enum):
    """How replies leave."""

    TOGETHER = auto()  # all that are ready in one segment
    BYTEWISE = auto()


@dataclass(frozen=True)
class Trickle:
    """Octets that come one at a time, so many seconds apart (without a pause: all at once), and again if *forever*."""

    octets: bytes
    pause: float
    forever: bool = False


@dataclass(frozen=True)
class Sleep:
    """A pause of so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Read:
    """Take in so many octets of the body before going on."""

    octets: int


Reaction = str | bytes | Act | Trickle | Sleep | Read
"""A reply line or several (``str``, without the last line end), raw octets, or something else to do."""
Script = Mapping[str, Reaction | tuple[Reaction, ...] | Sequence[Reaction | tuple[Reaction, ...]]]
"""By point: what happens there; a tuple: several things in turn; a list: each time the next, the last from then on."""

ACCEPTING = 5
"""Turns of the loop from an accepted connection to the task that serves it."""
EHLO_PLAIN = "250 mx.test"
EHLO_STARTTLS = "250-mx.test\r\n250-STARTTLS\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 SMTPUTF8"
EHLO = "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 SMTPUTF8"
USUAL: Mapping[str, str] = {
    "greeting": "220 mx.test ESMTP",
    "EHLO": EHLO,
    "HELO": "250 mx.test",
    "LHLO": EHLO,
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
    "BDAT": "250 2.0.0 taken",
    "STARTTLS": "220 go ahead",
}
CLOSING = ("221", "421")


class _Gone(Exception):
    """The conversation is over."""


@dataclass
class _Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    writes: Writes
    buffer: bytes = b""
    out: bytes = b""
    refused: int = 0
    sender: str = ""
    is_refused: bool = False
    is_secure: bool = False
    is_known: bool = False
    accepted: int = 0
    lines: list[bytes] = field(default_factory=list)

    async def flush(self) -> None:
        octets, self.out = self.out, b""
        if self.writes is Writes.BYTEWISE:
            for octet in octets:
                self.writer.write(bytes((octet,)))
                await asyncio.sleep(0)
        elif octets:
            self.writer.write(octets)

    async def more(self) -> None:
        await self.flush()
        octets = await self.reader.read(65536)
        if not octets:
            raise _Gone
        self.buffer += octets

    async def line(self) -> bytes:
        while b"\n" not in self.buffer:
            await self.more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.lines.append(line.rstrip(b"\r"))
        return self.lines[-1]

    async def body(self) -> bytes:
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            await self.more()
        if self.buffer.startswith(b".\r\n"):
            self.buffer = self.buffer[3:]
            return b""
        body, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        return body + b"\r\n"

    async def end(self, act: Act) -> None:
        await self.flush()
        if act is HANG:
            await asyncio.Event().wait()
        if act is RESET:
            self.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.writer.transport.abort()
        else:
            self.writer.close()
        raise _Gone


class Mx:
    """One mail host.

    :param receive_octets: the size of its receive buffer, where that shall be tiny.
    :param most_recipients: of one transaction, and what is said to more.
    :param early: what becomes of commands that came in a group behind another; a reply: they get this one.
    :param most_connections: at a time, and what happens to more in place of the greeting.
    :ivar turned_away: how many those were.
    :param by_recipient: replies to RCPT, by address or ``@domain``; or none until it is cured.
    :param by_sender: replies to MAIL, the same way; what follows is out of order then.
    :param greylists: for so many seconds a sender and recipient that it sees for the first time get this reply to RCPT.
    :param tls: STARTTLS is offered, and begun with this.
    :param implicit: TLS from the first octet on.
    :ivar secure: for each of the bodies, whether it came by TLS.
    :ivar resumed: how many TLS sessions were.
    :ivar behind_dot: how often octets stood behind a final dot.
    :ivar groups: how often a command came before the answer to the one before.
    :ivar bodies: what arrived up to a final dot, dot-stuffed as it came.
    :ivar chunks: what arrived by BDAT.
    :ivar lines: the command lines of each connection, in the order of connecting.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        writes: Writes = Writes.TOGETHER,
        receive_octets: int = 0,
        most_recipients: tuple[int, str] = (1000, ""),
        early: Early | str = Early.KEPT,
        by_recipient: Mapping[str, str | Act] | None = None,
        most_connections: tuple[int, Reaction] = (10_000, ""),
        by_sender: Mapping[str, str] | None = None,
        greylists: tuple[float, str] | None = None,
        tls: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._implicit = implicit
        self.secure: list[bool] = []
        self.resumed = 0
        self._most_connections = most_connections
        self.turned_away = self._being_turned_away = 0
        self._early = early
        self._by_recipient = dict(by_recipient or {})
        self._by_sender = dict(by_sender or {})
        self._greylists = greylists
        self._first_seen: dict[tuple[str, str], float] = {}
        self._well = asyncio.Event()
        self.behind_dot = 0
        self.groups = 0
        self._script = dict(script or {})
        self._writes = writes
        self._receive_octets = receive_octets
        self._most_recipients = most_recipients
        self._visits: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.lines: list[list[bytes]] = []
        self.bodies: list[bytes] = []
        self.chunks: list[bytes] = []
        self.open = 0
        self.peak = 0

    @property
    def connections(self) -> int:
        """How many connections there ever were."""
        return len(self.lines)

    @property
    def commands(self) -> list[bytes]:
        """All command lines so far."""
        return [line for lines in self.lines for line in lines]

    def count(self, verb: str) -> int:
        """How often a verb was said."""
        return sum(line.startswith(verb.encode()) for line in self.commands)

    def say(self, point: str, reaction: Reaction | None) -> None:
        """From now on this happens at a point; ``None``: the usual."""
        self._script.pop(point, None)
        if reaction is not None:
            self._script[point] = reaction

    def refuse_sender(self, domain: str, reply: str) -> None:
        """From now on this is said to MAIL of a sender domain."""
        self._by_sender[f"@{domain}"] = reply

    def use_tls(self, context: ssl.SSLContext) -> None:
        """From now on TLS begins with this."""
        self._tls = context

    async def listen(self, address: str, port: int) -> Self:
        """Begin."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_octets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_octets)
        listener.bind((address, port))
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=4096, ssl=self._implicit)
        return self

    async def listen_at(self, path: Path) -> Self:
        """Begin at a unix socket."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=4096)
        return self

    async def close(self) -> None:
        """End, whatever hangs."""
        if self._server is not None:
            self._server.close()
        for _ in range(ACCEPTING):  # whom the system has let in by now has a task of ours, which closes its socket
            await asyncio.sleep(0)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        peer = _Peer(reader, writer, self._writes, is_secure=self._implicit is not None)
        self.lines.append(peer.lines)
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            with suppress(_Gone, ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await self._talk(peer)
        finally:
            self.open -= 1
            writer.close()

    async def _talk(self, peer: _Peer) -> None:
        if self.open - self._being_turned_away > self._most_connections[0]:
            await self._turn_away(peer)
        if self._implicit is not None:
            await self._note_tls(peer)
        await self._react(peer, "greeting")
        await peer.flush()
        recipients = 0
        while True:
            line = await peer.line()
            verb = line[:4].upper().decode(errors="replace").replace("STAR", "STARTTLS")
            address = line.partition(b"<")[2].partition(b">")[0].decode()
            recipients = recipients + 1 if verb == "RCPT" else 0 if verb == "MAIL" else recipients
            taken = await self._takes_chunk(peer, line) or await self._is_early(peer)
            if taken or await self._takes_itself(peer, line):
                continue
            if verb not in USUAL:
                peer.out += b"500 what\r\n"
            elif verb == "RCPT" and recipients > self._most_recipients[0]:
                peer.out += self._most_recipients[1].encode() + b"\r\n"
            elif (special := self._special(peer, verb, address)) is not None:
                await self._treat(peer, special)
            elif verb == "STARTTLS":
                await self._start_tls(peer)
            else:
                said = await self._react(peer, self._point(peer, verb))
                peer.accepted += verb == "RCPT" and said.startswith("2")
                if said.startswith("354"):
                    await self._take_body(peer)

    async def _take_body(self, peer: _Peer) -> None:
        await peer.flush()
        if (point := self._point(peer, "body")) in self._script:
            await self._react(peer, point)
        self.bodies.append(await peer.body())
        self.secure.append(peer.is_secure)
        self.behind_dot += bool(peer.buffer)
        await self._answer_dot(peer)

    async def _takes_itself(self, peer: _Peer, line: bytes) -> bool:
        """Whether a host that knows more answered a line by itself."""
        del peer, line
        return False

    async def _answer_dot(self, peer: _Peer) -> None:
        await self._react(peer, self._point(peer, "dot"))

    async def _takes_chunk(self, peer: _Peer, line: bytes) -> bool:
        """Whether that was BDAT. ``BDAT early`` happens before the chunk is read, which is commands to it then."""
        if not line.upper().startswith(b"BDAT "):
            return False
        if "BDAT early" in self._script:
            await self._react(peer, "BDAT early")
            await peer.flush()
            return True
        octets = int(line.split()[1])
        while len(peer.buffer) < octets:
            await peer.more()
        self.chunks.append(peer.buffer[:octets])
        peer.buffer = peer.buffer[octets:]
        self.behind_dot += bool(peer.buffer)
        await self._react(peer, "BDAT")
        return True

    def _point(self, peer: _Peer, verb: str) -> str:
        over_tls = f"{verb} over TLS"
        return over_tls if peer.is_secure and over_tls in self._script else verb

    async def _start_tls(self, peer: _Peer) -> None:
        said = await self._react(peer, "STARTTLS")
        await peer.flush()
        if not said.startswith("220") or self._tls is None:
            return
        if "handshake" in self._script:
            await self._react(peer, "handshake")
            await peer.flush()
            return
        await peer.writer.start_tls(self._tls)
        peer.is_secure = True
        await self._note_tls(peer)

    async def _note_tls(self, peer: _Peer) -> None:
        is_resumed = peer.writer.get_extra_info("ssl_object").session_reused
        self.resumed += is_resumed
        for point in ("secured", "resumed")[: 1 + is_resumed]:
            if point in self._script:
                await self._react(peer, point)

    async def _turn_away(self, peer: _Peer) -> None:
        """It is one too many: a reply and the end, or whatever else happens to those."""
        self.turned_away += 1
        self._being_turned_away += 1
        try:
            await self._do(peer, self._most_connections[1])
            await peer.end(CLOSE)
        finally:
            self._being_turned_away -= 1

    def _special(self, peer: _Peer, verb: str, address: str) -> str | Act | None:
        """What these addresses get instead of what the script says."""
        domain = address[address.rfind("@") :]
        if verb == "MAIL":
            peer.sender, peer.accepted = address, 0
            refusal = self._by_sender.get(address, self._by_sender.get(domain))
            peer.is_refused = refusal is not None
            return refusal
        if peer.is_refused and verb in {"RCPT", "DATA"}:
            return "503 5.5.1 MAIL first"
        if verb != "RCPT":
            return None
        return self._by_recipient.get(address, self._by_recipient.get(domain, self._greylisted(peer.sender, address)))

    def _greylisted(self, sender: str, recipient: str) -> str | None:
        if self._greylists is None:
            return None
        seconds, reply = self._greylists
        now = time.monotonic()
        return reply if now < self._first_seen.setdefault((sender, recipient), now) + seconds else None

    async def _treat(self, peer: _Peer, special: str | Act) -> None:
        if isinstance(special, Act):
            await peer.flush()
            await self._well.wait()
            special = USUAL["RCPT"]
        peer.out += special.encode() + b"\r\n"
        if special.startswith(CLOSING):
            await peer.end(CLOSE)

    def refuse(self, whom: str, reply: str) -> None:
        """From now on this address, or ``@domain``, gets this reply to RCPT."""
        self._by_recipient[whom] = reply

    def cure(self) -> None:
        """From now on nobody is treated in a special way."""
        self._well.set()
        self._by_recipient.clear()
        self._by_sender.clear()
        self._greylists = None

    async def _is_early(self, peer: _Peer) -> bool:
        """Whether the command just read gets nothing but the reply for those that came too early."""
        if peer.refused:
            peer.refused -= 1
            peer.out += str(self._early).encode() + b"\r\n"
            return True
        if peer.buffer:
            self.groups += 1
            if self._early is Early.CLOSED:
                await peer.end(CLOSE)
            elif self._early is Early.DROPPED:
                peer.buffer = b""
            elif isinstance(self._early, str):
                peer.refused = peer.buffer.count(b"\n")
        return False

    async def _react(self, peer: _Peer, point: str) -> str:
        """Do what the script says; answers the last reply."""
        usual = USUAL.get(point, "")
        if point == "EHLO" and self._tls is not None and not peer.is_secure:
            usual = EHLO_STARTTLS
        script = self._script.get(point, usual)
        if isinstance(script, list):
            script = script[min(self._visits[point], len(script) - 1)]
        self._visits[point] += 1
        reactions: tuple[Reaction, ...] = script if isinstance(script, tuple) else (script,)
        said = ""
        for reaction in reactions:
            if isinstance(reaction, str):
                said = reaction
            await self._do(peer, reaction)
        if said.startswith(CLOSING):
            await peer.end(CLOSE)
        return said

    async def _do(self, peer: _Peer, reaction: Reaction) -> None:
        match reaction:
            case str():
                peer.out += reaction.encode() + b"\r\n" if reaction else b""
            case bytes():
                peer.out += reaction
            case Act():
                await peer.end(reaction)
            case Trickle():
                await self._trickle(peer, reaction)
            case Sleep():
                await peer.flush()
                await asyncio.sleep(reaction.seconds)
            case Read():
                while len(peer.buffer) < reaction.octets:
                    await peer.more()
            case _:
                assert_never(reaction)

    async def _trickle(self, peer: _Peer, trickle: Trickle) -> None:
        await peer.flush()
        step = 1 if trickle.pause else len(trickle.octets)
        while True:
            for start in range(0, len(trickle.octets), step):
                if peer.writer.transport.is_closing():
                    raise _Gone
                peer.writer.write(trickle.octets[start : start + step])
                await peer.writer.drain()
                await asyncio.sleep(trickle.pause)
            if not trickle.forever:
                return
