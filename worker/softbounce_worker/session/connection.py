"""One TCP connection with the SMTP engine in it: octets become events, deadlines become events too.

Deadlines are per request, not per read: a host that trickles octets resets nothing. One coarse timer watches all
connections of a process, because a timer a command costs more than the command. One turnstile for all of them too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import structlog
from softbounce_config.loops import keep_going

from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.session.stage_times import StageTimes
from softbounce_worker.session.tls import TlsChannel
from softbounce_worker.smtp import Answer, Broken, Command, Engine, Event, Lost, SmtpState
from softbounce_worker.tls_results.kinds import TlsFailure
from softbounce_worker.transcript.recorder import Connected, Secured, Wrote, recorder_at_hand
from softbounce_worker.turnstile import Turnstile

__all__ = ["Connection", "Deadlines"]

TICK = 0.1
BLOCK_OCTETS = 64 * 1024
LEAST_RATE = 500.0
"""Octets a second that a host has to take of content in the long run."""
NEVER = float("inf")
log = structlog.get_logger("softbounce.worker")


class Deadlines:
    """The one timer of all connections, and the turnstile at which their sessions wait.

    :ivar stages: how long hosts take for each stage.
    """

    def __init__(self) -> None:
        self.turnstile = Turnstile()
        self.stages = StageTimes()
        self._connections: set[Connection] = set()

    def add(self, connection: Connection) -> None:
        """Watch a connection."""
        self._connections.add(connection)

    def discard(self, connection: Connection) -> None:
        """Watch it no longer."""
        self._connections.discard(connection)

    async def run(self) -> None:
        """End connections whose deadline passed, until cancelled."""
        await keep_going("deadlines", self._tick, log)

    async def _tick(self) -> None:
        await asyncio.sleep(TICK)
        now = asyncio.get_running_loop().time()
        for connection in [one for one in self._connections if one.deadline < now]:
            connection.expire()


class Connection(asyncio.Protocol):
    """A connection to a mail host.

    :ivar deadline: loop time at which whatever is waited for counts as not coming; infinity: nothing is waited for.
    :ivar has_unsent: the end of what was written has certainly not reached the system: it never left, should the
        connection be over. Without it nobody can tell. It is the transport's word: writing is paused while any octet
        waits in our own buffer, and an ended transport takes none. Under TLS too: a record is worth nothing without
        its end, and what TLS says of its own accord is not counted, and waits while anything else does.
    :ivar tls: what it is protected by.
    :ivar tls_failure: what went wrong with TLS, though this stands.
    :ivar recorder: notes what is said.
    :ivar is_exim: the host said so in its greeting.
    :ivar queued: seconds for which its session waited for its turn in this process, though it could go on.
    :param channel: it is TLS's from its first octet on.
    """

    def __init__(
        self, hostname: str, deadlines: Deadlines, *, lmtp: bool = False, channel: TlsChannel | None = None
    ) -> None:
        self.smtp = Engine(hostname, lmtp=lmtp)
        self.recorder = recorder_at_hand()
        self.deadline = NEVER
        self.is_open = False
        self.has_unsent = False
        self._deadlines = deadlines
        self._events: deque[Event] = deque()
        self.queued = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._woken_at = 0.0
        self._said_at = 0.0
        self._at_once: Callable[[Event], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_in_content = False
        self.tls = Tls()
        self.tls_failure: TlsFailure | None = None
        self.is_exim = False
        self._channel = channel
        self._is_upkeep = False
        self._loop = asyncio.get_running_loop()

    # -- what asyncio calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; the greeting is awaited."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(high=0)  # paused means: the system has not taken all of it
        self.is_open = True
        self._said_at = self._loop.time()  # it is the host's turn
        self._deadlines.add(self)
        self.recorder.note(Connected())

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if self._channel is None:
            self._take(self.smtp.feed(data))
        else:
            self._receive(self._channel, data)

    def _receive(self, channel: TlsChannel, octets: bytes) -> None:
        """Octets of TLS came; or nothing did, and the handshake begins."""
        was_on = channel.is_on
        text = channel.receive(octets)
        self._write_upkeep()
        if channel.is_on and not was_on:
            if self.smtp.state is SmtpState.HANDSHAKE:
                self.smtp.tls_started()
            else:
                self.smtp.tls_from_start()
            self.recorder.note(Secured(channel.seen))
            self._time(Stage.STARTTLS)
            self._said_at = self._loop.time()  # where the greeting comes next
            self.wake()
        if text:
            self._take(self.smtp.feed(text))
        if channel.failure:
            self._fail(channel)
        elif channel.is_over and self._transport is not None:
            self._transport.close()

    def _fail(self, channel: TlsChannel) -> None:
        """TLS broke: that is an event, and the end of the connection."""
        kind = TroubleKind.CONNECTION_LOST if channel.is_on else TroubleKind.TLS_FAILED
        trouble = Trouble(kind=kind, text=channel.failure)
        self._happens([Lost(trouble=trouble, stage=lost.stage) for lost in self.smtp.eof()])
        self.abort()

    def _happens(self, events: Sequence[Event]) -> None:
        """Events are there, for whoever looks next."""
        if events:
            self.recorder.heard(events)
            self._events.extend(events)
            for event in events:
                if type(event) is Answer and event.stage is not Stage.STARTTLS:  # that takes until TLS is on
                    self._time(event.stage)

    def _time(self, stage: Stage) -> None:
        """The host has done what a stage asks of it, since we last said something."""
        self._deadlines.stages.note(stage, self._loop.time() - self._said_at)

    def _take(self, events: list[Event]) -> None:
        if events:
            self._happens(events)
            if self._at_once is not None:
                at_once, self._at_once = self._at_once, None
                at_once(self._events[0])
            if isinstance(events[-1], Broken) and self._transport is not None:
                self._transport.pause_reading()  # nothing that still comes would be looked at
            if self._is_in_content:  # the host does not have all of it: not an octet more leaves
                self.abort()
            self.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, by whomever."""
        del exc
        self._end()
        self._happens(self.smtp.eof())
        self.wake()

    def pause_writing(self) -> None:
        """The remote reads slower than we write."""
        self.has_unsent = self.has_unsent or not self._is_upkeep
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """The system has taken all that was written."""
        self.has_unsent = False
        self._let_writer_go()
        self._write_upkeep()

    # -- what a session calls ---------------------------------------------------------------------------------------

    def send(self, *commands: Command) -> None:
        """Write commands in one go.

        Nothing is sent while an event is unread: the session is over then, or the host said something out of turn,
        and that event is the next to come.

        :raises LocalProtocolError: one is not legal now; none of them was written.
        """
        if self._events or not self.is_open:
            return
        lines = [self.smtp.send(command) for command in commands]
        self.recorder.said(commands, lines)
        self.write(b"".join(lines))

    def write(self, octets: bytes) -> None:
        """Write what the engine gave."""
        if not octets:
            return  # what becomes of nothing says nothing of what was written before
        if self._transport is None or not self.is_open:
            self.has_unsent = True
            return
        if self._channel is not None:
            self._channel.protect(octets)
            octets = self._channel.take()
            if self._channel.failure:  # this was not protected, so it cannot leave
                self.has_unsent = True
                self._fail(self._channel)
                return
        self._transport.write(octets)
        self._said_at = self._loop.time()
        if self._transport.is_closing() or self._drained is not None:  # this very write failed, or not all of it left
            self.has_unsent = True

    async def start_tls(self, channel: TlsChannel, seconds: float) -> Event | None:
        """Shake hands within *seconds*. None: TLS is on, and EHLO is due again. Anything else that happens is an event.

        What came behind the 220 in clear is such an event: it was never TLS's (CVE-2021-38371).
        """
        if not self._events and self.is_open and self.smtp.state is SmtpState.HANDSHAKE:
            self._channel = channel
            await self._shake_hands(channel, seconds)
        return None if channel.is_on and not self._events and self.is_open else await self.event(0)

    async def begin_tls(self, seconds: float) -> Event | None:
        """Shake hands before the greeting, on a connection that is TLS's from the start (RFC 8314 §3.3).

        None: TLS is on, and the greeting is the next event. Anything else that happens is the end.
        """
        channel = self._channel
        if channel is not None and self.is_open:
            await self._shake_hands(channel, seconds)
            if channel.is_on:
                return None
        return await self.event(0)

    async def _shake_hands(self, channel: TlsChannel, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds
        self._receive(channel, b"")
        while not channel.is_on and not self._events and self.is_open:
            await self._wait()
        self.deadline = NEVER

    async def write_large(self, octets: bytes | memoryview, seconds: float) -> None:
        """Write content, block by block, each within *seconds*, and faster than that on the whole (T11).

        Whoever takes a block slower than :data:`LEAST_RATE` has so much less time for the next one. Ends early with the
        connection; and the connection ends, when the host says anything meanwhile.
        """
        self._is_in_content = True
        patience = seconds
        try:
            for start in range(0, len(octets), BLOCK_OCTETS):
                block = bytes(octets[start : start + BLOCK_OCTETS])
                self.write(block)
                if not self.is_open:
                    return
                if self._drained is not None:
                    began = self._loop.time()
                    self.deadline = began + patience
                    await self._drained
                    self.deadline = NEVER
                    late = self._loop.time() - began - len(block) / LEAST_RATE
                    patience = min(seconds, patience - late)
            self.recorder.note(Wrote(len(octets)))
        finally:
            self._is_in_content = False

    async def event(self, seconds: float, at_once: Callable[[Event], None] | None = None) -> Event:
        """The next event; one at the latest after *seconds*.

        :param at_once: called with what the host says, before anything else is done: the caller waits its turn.
        """
        if not self._events:
            self.deadline = self._loop.time() + seconds
            self._at_once = at_once
            try:
                while not self._events:
                    if not self.is_open:
                        return self._last_event()
                    await self._wait()
            finally:
                self._at_once = None
            self.deadline = NEVER
        return self._events.popleft()

    @property
    def has_event(self) -> bool:
        """Whether something happened that nobody looked at yet."""
        return bool(self._events)

    @property
    def surplus(self) -> Reply | None:
        """The reply to nothing that came behind all others, if one did."""
        last = self._events[-1] if self._events else None
        return last.surplus if isinstance(last, Broken) else None

    async def idle(self, seconds: float) -> None:
        """Wait for an event, a :meth:`wake`, or *seconds*, whichever comes first."""
        if self._events or not self.is_open:
            return
        timer = self._loop.call_later(seconds, self.wake)
        try:
            await self._wait()
        finally:
            timer.cancel()

    def wake(self) -> None:
        """End a wait."""
        if self._waiter is not None and not self._waiter.done():
            self._woken_at = self._woken_at or self._loop.time()
            self._deadlines.turnstile.admit(self._waiter)

    def expire(self) -> None:
        """The deadline passed: that is an event, and the end of the connection."""
        self.deadline = NEVER
        for lost in self.smtp.eof():
            self._time(lost.stage)
            trouble = Trouble(kind=TroubleKind.TIMEOUT, text=f"no answer in time at stage {lost.stage}")
            self._happens([Lost(trouble=trouble, stage=lost.stage)])
        self.abort()

    def abort(self) -> None:
        """End the connection at once: nothing that is still unwritten leaves."""
        self._end()
        if self._transport is not None:
            self._transport.abort()
        self.wake()

    def close(self) -> None:
        """End the connection in good order. What a host does not read is not waited for."""
        if self.has_unsent:
            self.abort()
            return
        if self._channel is not None and self.is_open:
            self._channel.close()
            self._write_upkeep()
        self._end()
        if self._transport is not None:
            self._transport.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        self.is_open = False
        self._deadlines.discard(self)
        self._let_writer_go()

    def _let_writer_go(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _write_upkeep(self) -> None:
        """Write what TLS has to say of its own accord, unless anything waits: then it does too."""
        if self._channel is None or self._transport is None or self._drained is not None or not self.is_open:
            return
        octets = self._channel.take()
        if octets:
            self._is_upkeep = True
            self._transport.write(octets)
            self._is_upkeep = False

    def _last_event(self) -> Event:
        """What an ended connection still has to say."""
        lost = self.smtp.eof()
        if lost:
            return lost[0]
        trouble = Trouble(kind=TroubleKind.CONNECTION_LOST, text="the session was over")
        return Lost(trouble=trouble, stage=Stage.MAIL)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        self._woken_at = 0.0
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._woken_at:
            self.queued += self._loop.time() - self._woken_at
