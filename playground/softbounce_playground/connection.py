"""A client's connection to a host: octets in, replies out, in order and on time.

Commands are worked off strictly one after another, in a pipeline too (RFC 2920). A reply that is to come late stops
the work until it has been given, so that what follows it waits as it does at a real host. There is no task and no
timer a command: a plain transaction costs a few lookups in octets that have arrived anyway. What is said is decided in
``softbounce_playground.conversation``.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from softbounce_playground import command_lines, usual_replies
from softbounce_playground.conversation import Conversation
from softbounce_playground.ledger import Ledger
from softbounce_playground.point import DROP, HANG
from softbounce_playground.replies_by_address import Visits
from softbounce_playground.tls import ServerChannel

if TYPE_CHECKING:
    from softbounce_playground.hosts import Host

__all__ = ["Connection"]

MAX_LINE_OCTETS = 2048
MAX_WAITING_OCTETS = 1 << 20
LAST_REPLIES = ("221", "421")
"""Replies after which the host closes the connection."""


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection."""

    __slots__ = (
        "_buffer",
        "_channel",
        "_context",
        "_conversation",
        "_host",
        "_is_deaf",
        "_is_ended",
        "_ledger",
        "_out",
        "_timer",
        "_transport",
        "_visits",
    )

    def __init__(self, host: Host, ledger: Ledger, visits: Visits, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._channel: ServerChannel | None = None
        self._host = host
        self._ledger = ledger
        self._visits = visits
        self._transport: asyncio.Transport
        self._conversation: Conversation
        self._timer: asyncio.TimerHandle | None = None
        self._out: list[str] = []
        self._buffer = b""
        self._is_deaf = False  # hangs: hears nothing any more
        self._is_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # uvloop then writes at once: the ledger's times are those
        peer = transport.get_extra_info("peername")
        self._conversation = Conversation(
            self._host, self._ledger, self._visits, f"{peer[0]}:{peer[1]}" if peer else ""
        )
        self._conversation.offers_tls = self._context is not None and "STARTTLS" in self._host.behaviour.extensions
        self._host.enter(self)
        self._answer(self._conversation.greet())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Work off what arrived, as far as no reply is being delayed."""
        if self._is_deaf or self._is_ended:
            return
        if self._channel is not None:
            data = self._unprotect(self._channel, data)
            if not data:
                return
        self._buffer = self._buffer + data if self._buffer else data
        if self._timer is None:
            self._work()
            return
        verb = self._conversation.verb
        if not verb or verb in command_lines.MUST_BE_LAST:
            self._ledger.violations["did not wait for the greeting, or the reply to EHLO or DATA"] += 1
        if len(self._buffer) > MAX_WAITING_OCTETS:
            self._transport.pause_reading()

    def _unprotect(self, channel: ServerChannel, octets: bytes) -> bytes:
        """The text that came by TLS; what makes no sense there ends the connection."""
        try:
            text = channel.receive(octets)
            own = channel.protect(b"")
        except ssl.SSLError:
            self.cut()
            return b""
        if own:
            self._transport.write(own)
        return text

    def _start_tls(self, context: ssl.SSLContext) -> None:
        """Behind the 220: what came with the command was never protected, and counts for nothing."""
        self._buffer = b""
        self._channel = ServerChannel(context)

    def connection_lost(self, exc: Exception | None) -> None:
        """Write down what a cut connection leaves behind."""
        del exc
        self._is_ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._conversation.end()
        self._host.leave(self)

    def cut(self) -> None:
        """Close the connection at once, without a word."""
        self._is_ended = True
        self._out.clear()
        self._transport.abort()

    def _work(self) -> None:
        """Work off the buffer until it is used up, a reply has to wait, or the conversation has ended."""
        while self._buffer and self._timer is None and not self._is_deaf and not self._is_ended:
            if self._conversation.reads_body:
                reply, self._buffer = self._conversation.take_body(self._buffer)
            else:
                line = self._next_line()
                reply = None if line is None else self._conversation.obey(line)
            if reply is None:
                break
            self._answer(reply)
        self._flush()

    def _next_line(self) -> bytes | None:
        """Take a command line off the buffer, or ``None`` when none is complete."""
        buffer = self._buffer
        violations = self._ledger.violations
        end = buffer.find(b"\n")
        if end > MAX_LINE_OCTETS or (end < 0 and len(buffer) > MAX_LINE_OCTETS):
            violations["command line too long"] += 1
            self._out.append(usual_replies.LINE_TOO_LONG_500)
            self._flush()
            self.cut()
            return None
        if end < 0:
            return None
        line = buffer[:end]
        self._buffer = buffer[end + 1 :]
        if line.endswith(b"\r"):
            line = line[:-1]
        else:
            violations["command line ended by a bare LF"] += 1
        if self._buffer and (
            line[:4].upper() in command_lines.MUST_BE_LAST or "PIPELINING" not in self._host.behaviour.extensions
        ):
            violations["pipelined where that is not allowed"] += 1
        return line

    def _answer(self, reply: str) -> None:
        """Give a reply, now or later; or drop, or hang."""
        if reply == DROP:
            self._flush()
            self.cut()
        elif reply == HANG:
            self._flush()
            self._is_deaf = True
            self._buffer = b""
        elif delay := self._conversation.delay_seconds:
            self._flush()
            self._timer = asyncio.get_running_loop().call_later(delay, self._answer_late, reply)
        else:
            self._say(reply)

    def _answer_late(self, reply: str) -> None:
        self._timer = None
        self._transport.resume_reading()
        self._say(reply)
        self._work()

    def _say(self, reply: str) -> None:
        self._out.append(reply)
        if self._conversation.is_answering_dot:  # its time in the ledger is the moment at which it left
            self._flush()
        self._conversation.said(reply)
        if reply == usual_replies.READY_FOR_TLS_220 and self._context is not None:
            self._flush()
            self._start_tls(self._context)
        if reply.startswith(LAST_REPLIES):
            self._flush()
            self._is_ended = True
            self._transport.close()

    def _flush(self) -> None:
        if self._out:
            self._out.append("")
            octets = "\r\n".join(self._out).encode()
            self._out.clear()
            try:
                self._transport.write(octets if self._channel is None else self._channel.protect(octets))
            except ssl.SSLError:
                self.cut()
