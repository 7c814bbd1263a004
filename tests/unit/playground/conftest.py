"""A bare SMTP client, as far as it takes to see what the playground's hosts do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvloop
from softbounce_playground import Playground

END_SECONDS = 5


class Client:
    """One connection; reads whole replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next reply, its lines joined by a slash; empty at the end of the connection."""
        lines: list[str] = []
        while True:
            try:
                line = (await asyncio.wait_for(self.reader.readline(), END_SECONDS)).decode().rstrip("\r\n")
            except ConnectionError:
                return ""
            if not line:
                return ""
            lines.append(line)
            if line[3:4] != "-":
                return "/".join(lines)

    async def say(self, text: str, replies: int = 1) -> list[str]:
        """Send octets, and read so many replies."""
        self.writer.write(text.encode())
        return [await self.reply() for _ in range(replies)]

    async def hello(self) -> list[str]:
        """Wait for the greeting and say EHLO."""
        return [await self.reply(), *await self.say("EHLO client.test\r\n")]

    async def send(
        self, *recipients: str, sender: str = "app@sender.test", body: str = "Subject: x\r\n\r\nhi\r\n"
    ) -> list[str]:
        """Run a pipelined transaction as far as it gets; every reply from that to MAIL on."""
        rcpt = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
        replies = await self.say(f"MAIL FROM:<{sender}>\r\n{rcpt}DATA\r\n", len(recipients) + 2)
        return replies + await self.say(f"{body}.\r\n") if replies[-1].startswith("354") else replies

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


Scene = Callable[[Playground, Callable[..., Awaitable[Client]]], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a scene in an open playground, on either event loop."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    async def run(scene: Scene, playground: Playground) -> None:
        clients: list[Client] = []

        async def dial(domain: str = "a.test") -> Client:
            # as a resolver would ask: the answer also opens the address
            address = playground._directory.answer(f"mx1.{domain}", "A").records[0].values[0]
            reader, writer = await asyncio.open_connection(address, playground.smtp_port)
            clients.append(Client(reader, writer))
            return clients[-1]

        async with playground:
            try:
                await scene(playground, dial)
            finally:
                for client in clients:
                    await client.close()

    def play_scene(scene: Scene, playground: Playground | None = None) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run(scene, playground or Playground()))

    return play_scene
