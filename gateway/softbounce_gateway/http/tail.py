"""The end of the event log, followed once for all event streams of a process that are up to date.

Two hundred streams that each read and wrote down every event would take the machine from the mail that they tell of. So
what is new is read once, and written down once for all who ask the same. Who is behind reads the log by itself until it
has caught up with a batch that is kept here, and who reads too slowly does so again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import NamedTuple

from softbounce.client import AsyncClient
from softbounce.client.event_log import end_of_log, write_cursor
from softbounce.client.flow import await_flow
from softbounce.client.knowledge import Knowledge
from softbounce.errors import EventsLost, StoreError
from softbounce.events import Event
from softbounce.store.shards import AsyncShards

__all__ = ["LOOK_EVERY", "Batch", "Made", "Tail", "read_log"]

LOOK_EVERY = 0.5
"""Seconds."""
MOST_EVENTS = 1_000
"""Of one batch."""
BATCHES = 8
MOST_FORMS = 8
"""Ways in which one batch is kept written down; who asks for another has it written for himself."""
Made = Callable[[Event], bytes]


async def read_log(client: AsyncClient, after: str | None) -> AsyncGenerator[Event, None]:
    """What the log has behind a cursor now."""
    async for event in client.events(after=after):
        yield event


class Batch(NamedTuple):
    """Events that were new at one look.

    :ivar number: grows by one with each.
    """

    number: int
    events: Sequence[Event]
    forms: dict[tuple[frozenset[str], Made], bytes]

    def written(self, kinds: frozenset[str], made: Made) -> bytes:
        """Those of these kinds (none: of all), as *made* writes them; empty: there are none."""
        form = (kinds, made)
        octets = self.forms.get(form)
        if octets is None:
            octets = b"".join(made(one) for one in self.events if not kinds or one.kind in kinds)
            if len(self.forms) < MOST_FORMS:
                self.forms[form] = octets
        return octets


class Tail:
    """The last batches.

    :param client: reads the log of the store.
    :ivar heard: when the store answered last, monotonic seconds.
    """

    def __init__(self, client: AsyncClient, store: AsyncShards, knowledge: Knowledge) -> None:
        self.heard = time.monotonic()
        self._client = client
        self._store = store
        self._knowledge = knowledge
        self._end = ""
        self._next = 0
        self._batches: deque[Batch] = deque(maxlen=BATCHES)
        self._readers = 0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def followed(self) -> Iterator[None]:
        """While somebody reads, it is followed."""
        self._readers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._task.cancel()
                self._task = None
                self._forget()

    def behind(self, cursor: str | None) -> tuple[Sequence[Event], int] | None:
        """What is left of the batch where a cursor stands, and the number of the next; ``None``: it stands in none."""
        if cursor and cursor == self._end:
            return (), self._next
        for batch in self._batches:
            for number, event in enumerate(batch.events, 1):
                if event.cursor == cursor:
                    return batch.events[number:], batch.number + 1
        return None

    def since(self, number: int) -> list[Batch] | None:
        """The batches from this one on; ``None``: it is kept no more."""
        if number == self._next:
            return []
        if not self._batches or not self._batches[0].number <= number < self._next:
            return None
        return [one for one in self._batches if one.number >= number]

    async def _follow(self) -> None:
        while True:
            try:
                if not self._end:
                    self._end = write_cursor(await await_flow(end_of_log(self._knowledge), self._store))
                await self._look()
                self.heard = time.monotonic()
            except EventsLost:
                self._forget()
            except StoreError:
                pass  # whoever reads sees when it was heard of last
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        """Take what is new."""
        events: list[Event] = []
        async with aclosing(read_log(self._client, self._end)) as log:
            async for event in log:
                events.append(event)
                if len(events) >= MOST_EVENTS:
                    break
        if events:
            self._end = events[-1].cursor
            self._batches.append(Batch(self._next, events, {}))
            self._next += 1

    def _forget(self) -> None:
        """Begin anew at the end of the log: who reads goes on by himself from where he is."""
        self._batches.clear()
        self._next += 1
        self._end = ""
