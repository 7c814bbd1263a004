"""One conversation of a mail host, with what is odd about it this time. What it took stands in the ledger."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from enum import StrEnum
from random import Random

from softbounce_playground import Entry, Ledger, Refusal

__all__ = ["BUSY", "NOBODY", "Oddity", "Over", "Talk"]

NOBODY = "nobody"
"""Begins the local part of addresses that do not exist."""

FLOOD = b"421 4.3.2 going down\r\n" * 2000
FLOODS = 100
SILENCE = 12.0
COMMANDS = ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "QUIT", "NOOP")
MESSAGE_ID = re.compile(rb"(?im)^message-id:[ \t]*(\S+)")


class Oddity(StrEnum):
    """What is odd about a connection."""

    PLAIN = "plain"
    SILENT = "no greeting"
    GREETS_421S = "a greeting of 421s without end"
    GREETS_554 = "greets 554"
    GREETS_NONSENSE = "a greeting of nonsense"
    NO_EHLO = "refuses EHLO"
    CUTS_EHLO = "cuts the line at EHLO"
    JUNK_IN_EHLO = "junk in what it offers"
    LACKS_ALL = "offers nothing"
    SCOLDS = "503 to what came early"
    IS_DEAF = "throws early input away"
    CUTS_EARLY = "hangs up on early input"
    BUSY_MAIL = "4xx to MAIL"
    BUSY_RCPT = "4xx to RCPT"
    FEW_RECIPIENTS = "one recipient a transaction"
    ONE_DOMAIN = "one recipient domain a transaction"
    TWICE_MAIL = "answers MAIL twice"
    TWICE_RCPT = "answers RCPT twice"
    TWICE_DOT = "answers the dot twice"
    FLOODS_BODY = "421s without end while it reads"
    NO_IN_BODY = "452 in the middle of the body"
    CUTS_BODY = "cuts the line in the body"
    STALLS = "stops reading in the body"
    STALLS_AND_CUTS = "stops reading in the body, and cuts the line"
    CUTS_DOT = "takes it and cuts the line"
    DROPS_DOT = "forgets it and cuts the line"
    NONSENSE_DOT = "takes it and answers nonsense"
    HALF_DOT = "takes it and answers by half a reply"
    LATE_DOT = "answers the dot late"
    DEFERS_DOT = "4xx to the dot"
    RESETS = "resets the line somewhere"
    BYTEWISE = "answers octet by octet"


NONSENSE = ("150 wait", "2500 yes", "", "250", "\x00\x00", "550-no\r\n250 yes", "ok", "25\u0660 fine", "x" * 9000)
JUNK = ("", "SIZE x", "LIMITS RCPTMAX=nope", "X" * 900, "SIZE")
BUSY = ("421 4.3.2 busy", "450 4.7.1 later", "451 4.3.0 busy", "452 4.3.1 full")
EHLO_REFUSED = ("500 what", "502 5.5.1 no", "503 bad", "504 no", "521 no", "550 5.7.1 go away", "554 no")


class Over(Exception):
    """The conversation is."""


class Talk:
    """One conversation.

    :cvar name: of the host, in the ledger.
    """

    name = "stranger"

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, oddity: Oddity, random: Random, ledger: Ledger
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._oddity = oddity
        self._random = random
        self._ledger = ledger
        self._address = writer.get_extra_info("sockname")[0]
        # One of two hosts of a domain takes whatever mail there is: else some would rightly bounce.
        self._may_lack = int(self._address.rpartition(".")[2]) % 2 == 1
        self._resets_at = random.randrange(1, 8) if oddity is Oddity.RESETS else 0
        self._buffer = b""
        self._begin()

    def _begin(self) -> None:
        self._sender = ""
        self._recipients: list[str] = []
        self._refused: list[Refusal] = []
        self._message_id = ""
        self._octets = 0
        self._data_begun = self._complete = self._kept = False
        self._answer: int | None = None

    def note(self) -> None:
        """Write the transaction down, where there was one, and begin the next."""
        if self._data_begun or self._refused:
            self._ledger.add(
                Entry(
                    at=self._ledger.now(),
                    host=self.name,
                    address=self._address,
                    peer="",
                    ehlo="",
                    sender=self._sender,
                    recipients=tuple(self._recipients),
                    refused=tuple(self._refused),
                    message_id=self._message_id,
                    octets=self._octets,
                    data_begun=self._data_begun,
                    complete=self._complete,
                    kept=self._kept,
                    answer=self._answer,
                    kind=self._oddity,
                )
            )
        self._begin()

    # -- octets -----------------------------------------------------------------------------------------------------

    async def _say(self, reply: str) -> None:
        octets = reply.encode() + b"\r\n"
        if self._oddity is Oddity.BYTEWISE:
            for octet in octets:
                self._writer.write(bytes((octet,)))
                await asyncio.sleep(0)
        else:
            self._writer.write(octets)
        await self._writer.drain()

    async def _flood(self) -> None:
        for _ in range(FLOODS):
            self._writer.write(FLOOD)
            await asyncio.wait_for(self._writer.drain(), 5.0)

    async def _more(self) -> None:
        octets = await self._reader.read(1 << 16)
        if not octets:
            raise Over
        self._buffer += octets

    async def _line(self) -> str:
        while b"\n" not in self._buffer:
            await self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def _reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise Over

    # -- the conversation -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the greeting to the end."""
        await self._greet()
        commands = 0
        while True:
            line = await self._line()
            commands += 1
            if commands == self._resets_at:
                self._reset()
            verb = line[:4].upper()
            if verb not in COMMANDS:
                await self._say("500 what")
                continue
            is_early = bool(self._buffer) and verb != "QUIT"
            if is_early and self._oddity is Oddity.CUTS_EARLY:
                raise Over
            await self._obey(verb, line)
            if is_early and self._oddity is Oddity.IS_DEAF:
                self._buffer = b""
            if is_early and self._oddity is Oddity.SCOLDS:
                await self._scold()

    async def _scold(self) -> None:
        """503 to each command that came before its turn, as hosts do that think of smuggling."""
        while b"\n" in self._buffer:
            await self._line()
            await self._say("503 5.5.1 I did not ask for that yet")

    async def _greet(self) -> None:
        match self._oddity:
            case Oddity.SILENT:
                await asyncio.sleep(SILENCE)
                raise Over
            case Oddity.GREETS_421S:
                await self._flood()
                raise Over
            case Oddity.GREETS_554:
                await self._say("554 5.7.1 not today")
            case Oddity.GREETS_NONSENSE:
                await self._say(self._random.choice(NONSENSE))
            case _:
                await self._say("220 stranger.test ESMTP")

    async def _obey(self, verb: str, line: str) -> None:
        match verb:
            case "EHLO":
                await self._ehlo()
            case "HELO" | "NOOP":
                await self._say("250 stranger.test")
            case "MAIL":
                await self._mail(line)
            case "RCPT":
                await self._rcpt(line)
            case "DATA":
                await self._data()
            case "RSET":
                self.note()
                await self._say("250 ok")
            case "QUIT":
                await self._say("221 bye")
                raise Over

    async def _ehlo(self) -> None:
        match self._oddity:
            case Oddity.NO_EHLO:
                await self._say(self._random.choice(EHLO_REFUSED))
                return
            case Oddity.CUTS_EHLO:
                raise Over
            case Oddity.LACKS_ALL if self._may_lack:
                await self._say("250 stranger.test")
                return
            case Oddity.JUNK_IN_EHLO:
                offer = [
                    "stranger.test",
                    "",
                    "SIZE x",
                    "LIMITS RCPTMAX=nope",
                    "X" * 900,
                    "SIZE",
                    "8bitmime",
                    "pipelining",
                ]
            case _:
                offer = ["stranger.test", "PIPELINING", "8BITMIME", "SIZE 50000000", "ENHANCEDSTATUSCODES"]
        await self._say("\r\n".join([*(f"250-{one}" for one in offer), "250 HELP"]))

    async def _mail(self, line: str) -> None:
        self.note()
        if self._oddity is Oddity.BUSY_MAIL:
            await self._say(self._random.choice(BUSY))
            return
        self._sender = _path(line)
        await self._say("250 2.1.0 ok")
        if self._oddity is Oddity.TWICE_MAIL:
            await self._say("250 2.1.0 ok")

    async def _rcpt(self, line: str) -> None:
        recipient = _path(line)
        reply = self._answer_to(recipient)
        if reply.startswith("250"):
            self._recipients.append(recipient)
        else:
            self._refused.append(Refusal(recipient, int(reply[:3])))
        await self._say(reply)
        if self._oddity is Oddity.TWICE_RCPT:
            await self._say("250 2.1.5 ok")

    def _answer_to(self, recipient: str) -> str:
        """What is said to a recipient."""
        reply = "250 2.1.5 ok"
        if recipient.startswith(NOBODY):
            reply = "550 5.1.1 no such user"
        elif self._oddity is Oddity.BUSY_RCPT:
            reply = "451 4.3.0 busy"
        elif self._recipients and self._oddity is Oddity.FEW_RECIPIENTS:
            reply = "452 4.5.3 one at a time"
        elif self._oddity is Oddity.ONE_DOMAIN and any(
            one.rpartition("@")[2] != recipient.rpartition("@")[2] for one in self._recipients
        ):
            reply = "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again."
        return reply

    # -- the body and its dot ---------------------------------------------------------------------------------------

    async def _data(self) -> None:
        if not self._recipients:
            await self._say("503 5.5.1 no valid recipients")
            return
        self._data_begun = True
        await self._say("354 go on")
        await self._in_body()
        body = await self._body()
        self._complete = True
        self._octets = len(body)
        found = MESSAGE_ID.search(body)
        self._message_id = found[1].decode(errors="replace") if found else ""
        await self._dot()
        self.note()

    async def _in_body(self) -> None:
        match self._oddity:
            case Oddity.FLOODS_BODY:
                await self._flood()
                raise Over
            case Oddity.NO_IN_BODY:
                await self._more()
                await self._say("452 4.3.1 no room")
                raise Over
            case Oddity.CUTS_BODY:
                for _ in range(self._random.randrange(3)):
                    await self._more()
                raise Over
            case Oddity.STALLS:
                await asyncio.sleep(self._random.uniform(0.2, 2.0))
            case Oddity.STALLS_AND_CUTS:
                await asyncio.sleep(self._random.uniform(0.2, 1.0))
                raise Over

    async def _body(self) -> bytes:
        if self._buffer.startswith(b".\r\n"):
            self._buffer = self._buffer[3:]
            return b""
        parts = []
        while b"\r\n.\r\n" not in self._buffer:
            if len(self._buffer) > 1 << 16:  # keep what may begin the end
                parts.append(self._buffer[:-4])
                self._buffer = self._buffer[-4:]
            await self._more()
        last, _, self._buffer = self._buffer.partition(b"\r\n.\r\n")
        return b"".join([*parts, last, b"\r\n"])

    async def _dot(self) -> None:
        match self._oddity:
            case Oddity.DROPS_DOT:
                raise Over
            case Oddity.DEFERS_DOT:
                self._answer = 451
                await self._say("451 4.3.0 try again")
                return
            case Oddity.LATE_DOT:
                await asyncio.sleep(self._random.uniform(0.5, 5.0))
        self._kept = True
        match self._oddity:
            case Oddity.CUTS_DOT:
                raise Over
            case Oddity.NONSENSE_DOT:
                await self._say(self._random.choice([one for one in NONSENSE if not re.match("[245]", one)]))
                raise Over
            case Oddity.HALF_DOT:
                self._writer.write(b"250-2.0.0 tak")
                raise Over
        self._answer = 250
        await self._say("250 2.0.0 taken")
        if self._oddity is Oddity.TWICE_DOT:
            await self._say("250 2.0.0 taken")


def _path(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
