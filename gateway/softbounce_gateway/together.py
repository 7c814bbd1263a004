"""Messages that come in at the same time are stored together: one round trip, and one sync of the disk, for all.

Whoever comes while nothing is under way is stored at once, alone. Who comes while :data:`AT_ONCE` calls are waits for
the first of them to end, and goes with all that came meanwhile: so a group is as large as the crowd, and nobody waits
for a timer. Each hears what became of its own message. A large one is prepared and sent in a thread, for the others
would wait for that; one of some size goes by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from softbounce.client import AsyncClient, Client
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.errors import SoftbounceError

__all__ = ["Together"]

AT_ONCE = 2
"""Calls under way: one is prepared here while the other is with the store."""
MOST = 50
"""Messages of one call: what is prepared of it keeps the loop for a few milliseconds."""
ALONE_OCTETS = 64 * 1024
IN_A_THREAD_OCTETS = 256 * 1024


@dataclass(slots=True, eq=False)
class Waiting:
    """A message whose turn has not come."""

    outgoing: Outgoing
    outcome: asyncio.Future[Receipt | SoftbounceError]


class Together:
    """Hands messages over to the store.

    :param url: of the store.
    :param patience: seconds for which a store that cannot be reached is tried.
    :param way: how the mail comes in.
    :ivar client: for all that is no sending.
    """

    def __init__(self, url: str, *, patience: float, way: str) -> None:
        self.client = AsyncClient(url, patience=patience, way=way)
        self._of_threads = Client(url, patience=patience, way=way)
        self._waiting: deque[Waiting] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()
        self._of_threads.close()

    async def send(self, outgoing: Outgoing, *, octets: int) -> Receipt:
        """As :meth:`.AsyncClient.send`, with the same errors.

        Whoever is cancelled before its turn has sent nothing.

        :param octets: about the size of the message.
        """
        if octets > IN_A_THREAD_OCTETS:
            return await asyncio.to_thread(self._of_threads.send, **outgoing)
        if octets > ALONE_OCTETS:
            return await self.client.send(**outgoing)
        waiting = Waiting(outgoing, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._begin()
        outcome = await waiting.outcome
        if isinstance(outcome, SoftbounceError):
            raise outcome.__cause__ if type(outcome) is SoftbounceError and outcome.__cause__ else outcome
        return outcome

    def _begin(self) -> None:
        while self._waiting and len(self._calls) < AT_ONCE:
            group: list[Waiting] = []
            while self._waiting and len(group) < MOST:
                one = self._waiting.popleft()
                if not one.outcome.done():  # who asked went meanwhile
                    group.append(one)
            if group:
                call = asyncio.create_task(self._call(group))
                self._calls.add(call)
                call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # whoever waited has it
        self._begin()

    async def _call(self, group: list[Waiting]) -> None:
        try:
            outcomes = await self.client.send_each([one.outgoing for one in group])
        except SoftbounceError as error:
            outcomes = [error] * len(group)
        except BaseException as error:  # whatever it is, nobody waits for good
            for one in group:
                if not one.outcome.done():
                    one.outcome.set_exception(error if isinstance(error, Exception) else RuntimeError("it has ended"))
            raise
        for one, outcome in zip(group, outcomes, strict=True):
            if not one.outcome.done():
                one.outcome.set_result(outcome)
