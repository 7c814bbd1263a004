"""One connection: octets between the network and a :class:`.Dialogue`, its time limits, and TLS.

A client may be silent for so long, a little while only where hardly any connections are left; a message has to come
with some speed, and to be whole in half an hour. What a client sends ahead is read up to a bound, and then no more
until it has its replies.

A command that needs nobody else is answered where its octets come in (:meth:`Connection.data_received`); the session's
task is woken for the rest: to store, to check, to begin TLS, to close, and to look at the time. To wake it for each
command took more than all else that is done for one.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from contextlib import suppress
from typing import cast

import structlog

from softbounce_gateway.submission import replies
from softbounce_gateway.submission.dialogue import Dialogue
from softbounce_gateway.submission.door import Door
from softbounce_gateway.submission.house import House
from softbounce_gateway.submission.steps import BeginTls, CheckLogin, CheckRecipient, HangUp, Step, Store

__all__ = ["HANDSHAKE_SECONDS", "Connection"]

READ_AHEAD_OCTETS = 262_144
CROWDED_SECONDS = 10.0
"""How long a client may be silent when others want its place."""
LOOK_AGAIN_SECONDS = 5.0
FREE_SECONDS, LEAST_OCTETS_A_SECOND = 60.0, 500
MESSAGE_SECONDS = 1800.0
HANDSHAKE_SECONDS = 30.0
WRITE_SECONDS = 60.0
LAST_WORDS_SECONDS = 2.0
REFUSED_LOGIN_SECONDS = 1.0
log = structlog.get_logger("softbounce.submission")


class Connection(asyncio.Protocol):
    """A client.

    :param door: the listener that it came by, and what all connections share.
    """

    def __init__(self, door: Door, house: House, *, is_tls: bool) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._dialogue = Dialogue(house, is_tls=is_tls)
        self._transport: asyncio.Transport | None = None
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._is_lost = self._has_ended = self._is_paused = self._is_in = False
        self._is_storing = self._is_ending = self._is_hearing = False
        self._heard: Step = None
        self._failure: Exception | None = None
        self._waits_since, self._read_before = self._loop.time(), -1
        self._message_began_at: float | None = None
        self.peer = ""

    # -- asyncio's calls --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; over TLS when its handshake is done."""
        self._transport = transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else "unix"
        refusal = self._door.enter(self)
        if refusal is not None:
            transport.write(refusal.encode() + b"\r\n")
            transport.close()
            return
        self._is_in = True
        self._task = self._loop.create_task(self._serve(), name=f"serve {self.peer}")

    def data_received(self, data: bytes) -> None:
        """Octets came: answered at once where the session waits for them and nobody else has to be asked."""
        self._dialogue.feed(data)
        if self._is_hearing:
            try:
                self._heard = self._advance()
            except Exception as error:  # noqa: BLE001 - the session's task says what became of it
                self._failure = error
            if self._heard is None and self._failure is None and self._writable.is_set():
                return
            self._is_hearing = False  # what comes now waits until this is done
            self._is_storing = isinstance(self._heard, Store)
        elif self._dialogue.waits_for_us > READ_AHEAD_OCTETS and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """No more will come; what came is answered all the same, where the network still takes it."""
        self._has_ended = True
        self._news.set()
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The client does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """It is gone. A message that is being stored is stored nonetheless."""
        self._is_lost = True
        self._news.set()
        self._writable.set()
        if self._is_in:
            self._is_in = False
            self._door.leave(self)

    # -- the session ------------------------------------------------------------------------------------------------

    async def end(self) -> None:
        """The service ends: an answer that is owed is given, and then the last line said."""
        if self._task is None:
            return
        self._is_ending = True
        if not self._is_storing:
            self._dialogue.end(replies.ENDING_421)
        self._news.set()
        await asyncio.wait({self._task}, timeout=LAST_WORDS_SECONDS + WRITE_SECONDS)

    async def _serve(self) -> None:
        try:
            self._dialogue.greet()
            await self._talk()
        except (TimeoutError, ConnectionError, ssl.SSLError) as error:
            log.info("session_broken", peer=self.peer, error=type(error).__name__)
        except Exception:
            log.exception("session_failed", peer=self.peer)
        finally:
            self._dialogue.close()
            if self._transport is not None:
                self._transport.close()
                self._loop.call_later(LAST_WORDS_SECONDS, self._transport.abort)

    async def _talk(self) -> None:
        dialogue = self._dialogue
        step = self._advance()
        while True:
            await self._let_client_read()
            match step:
                case HangUp():
                    return
                case BeginTls():
                    await self._begin_tls()
                case CheckLogin():
                    await self._check_login(step)
                case CheckRecipient():
                    await self._check_recipient(step)
                case Store():
                    dialogue.settle(await self._store(step))
                case _:
                    if self._has_ended or self._is_lost:
                        return
                    self._resume_reading()
                    step = await self._hear()
                    continue
            if self._is_lost:
                return
            step = self._advance()

    def _advance(self) -> Step:
        """Go on as far as it goes, and say what there is to say."""
        self._news.clear()
        dialogue = self._dialogue
        step = dialogue.advance()
        octets = dialogue.take_output()
        if octets and self._transport is not None and not self._is_lost:
            self._transport.write(octets)
        now = self._loop.time()
        if dialogue.octets_read != self._read_before:  # a part of a command is no sign of life
            self._waits_since, self._read_before = now, dialogue.octets_read
        if dialogue.content_octets is None:
            self._message_began_at = None
        elif self._message_began_at is None:
            self._message_began_at = now
        return step

    async def _check_recipient(self, asked: CheckRecipient) -> None:
        check = self._door.check_recipient
        refusal = None if check is None else await check(asked.recipient.address, self.peer)
        if refusal is None:
            self._dialogue.take_recipient(asked.recipient)
        else:
            self._dialogue.say(refusal)

    async def _store(self, asked: Store) -> str:
        self._is_storing = True
        try:
            return await self._door.handing_over.take(asked, self.peer)
        finally:
            self._is_storing = False
            if self._is_ending:
                self._dialogue.end_after_this(replies.ENDING_421)

    async def _hear(self) -> Step:
        """Wait for octets, and not for ever: looked at now and then, for others may want the place by then."""
        self._is_hearing = not self._news.is_set()
        while not self._news.is_set():
            now = self._loop.time()
            silent = CROWDED_SECONDS if self._door.crowd.is_crowded else self._door.idle_seconds
            ends_at = min(self._waits_since + silent, self._message_ends_at())
            if now >= ends_at:
                self._dialogue.end(replies.TOO_SLOW_421)
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(min(ends_at - now, LOOK_AGAIN_SECONDS)):
                    await self._news.wait()
        self._is_hearing = False
        if self._failure is not None:
            raise self._failure
        heard, self._heard = self._heard, None
        return heard or self._advance()

    def _message_ends_at(self) -> float:
        """When a message that is coming in has taken too long: it has to come with some speed, and to end some time."""
        octets, began = self._dialogue.content_octets, self._message_began_at
        if octets is None or began is None:
            return math.inf
        return began + min(MESSAGE_SECONDS, FREE_SECONDS + octets / LEAST_OCTETS_A_SECOND)

    def _resume_reading(self) -> None:
        if self._is_paused and self._transport is not None and not self._is_lost:
            self._is_paused = False
            self._transport.resume_reading()

    async def _let_client_read(self) -> None:
        """Say no more before the client has read most of what was said."""
        if not self._writable.is_set():
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writable.wait()

    async def _begin_tls(self) -> None:
        """What came in clear and was not read yet is nobody's command; then the handshake."""
        context, transport = self._door.tls, self._transport
        assert context is not None  # noqa: S101 - else STARTTLS is not offered
        assert transport is not None  # noqa: S101
        if self._dialogue.waits_for_us:
            self._dialogue.end(replies.NOT_ALONE_501)
            return
        upgraded = await self._loop.start_tls(
            transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )
        if upgraded is None:  # the client went meanwhile
            raise ConnectionResetError
        self._transport = upgraded
        self._dialogue.begin_anew()

    async def _check_login(self, asked: CheckLogin) -> None:
        """One at a time and, after failures, after a pause: who guesses is slow."""
        door, who = self._door, (self.peer, asked.credentials.name)
        pause = door.guard.wait(*who)
        if pause:
            self._dialogue.say(f"454 4.7.0 too many logins failed, try again in {pause:.0f} s")
            return
        try:
            login = await door.check_login(asked.credentials)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody gets in by it
            log.warning("login_not_checked", error=str(error))
            self._dialogue.say(replies.TRY_LOGIN_LATER_454)
            return
        if login is None:
            door.guard.note(*who)
            log.warning("login_refused", peer=self.peer)
            await asyncio.sleep(REFUSED_LOGIN_SECONDS)
            self._dialogue.say(replies.BAD_LOGIN_535)
            return
        door.guard.forget(*who)
        if login.may_send:
            self._dialogue.let_in(login)
        else:
            self._dialogue.say(replies.NOT_FOR_SENDING_535)
