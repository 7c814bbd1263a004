"""The event log: in pages by cursor, and as server-sent events whose id is the cursor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import msgspec
from litestar.response import Stream

from softbounce.client.event_log import read_cursor
from softbounce.client.shown import event_as_json
from softbounce.errors import EventsLost, InvalidArgument, SoftbounceError, StoreError
from softbounce.events import Event
from softbounce.webhooks import KINDS, kind_of
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.house import HEADERS, Call, House, answer_json
from softbounce_gateway.http.models import EventsQuery, StreamQuery
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.tail import LOOK_EVERY, Made, read_log

__all__ = ["Leap", "answer_stream", "frame", "page", "stream"]

MOST_SCANNED = 10_000
"""Events that one page looks through for those of its kinds."""
MOST_STREAMS = 250
KEEP_ALIVE = 15.0
AWAY_FOR = 60.0
AS_IT_COMES = {"Cache-Control": f"{HEADERS['Cache-Control']}, no-transform", "X-Accel-Buffering": "no"}
"""For proxies on the way: who compresses events keeps them until a block is full, and so does who buffers them."""
_encode = msgspec.json.Encoder().encode
Leap = Callable[[str | None], Awaitable[tuple[bytes, str] | None]]
"""For who reads on by himself from a cursor: what is said in place of all that is behind it, and the cursor to go on
from; ``None``: it is all told."""


async def page(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/events``."""
    asked = read_query(call.request, EventsQuery)
    kinds = _kinds(asked.kind)
    events: list[dict[str, Any]] = []
    after, scanned = asked.after or None, 0
    async with aclosing(read_log(call.house.client, after)) as log:
        async for event in log:
            after = event.cursor
            scanned += 1
            if not kinds or event.kind in kinds:
                events.append(event_as_json(event))
            if len(events) >= asked.limit or scanned >= MOST_SCANNED:
                break
    return answer_json({"events": events, "next": after})


async def stream(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/events/stream``."""
    asked = read_query(call.request, StreamQuery)
    after = call.request.headers.get("last-event-id") or asked.after or None
    return answer_stream(call.house, after, _kinds(asked.kind), made=_made, may_go_on=partial(_may_go_on, call))


def answer_stream(  # noqa: PLR0913 - what a stream is made of
    house: House,
    after: str | None,
    kinds: frozenset[str],
    *,
    made: Made,
    may_go_on: Callable[[], Awaitable[bool]],
    beat: bytes = b": still here\n\n",
    leap: Leap | None = None,
) -> Any:  # noqa: ANN401
    """Events as they come, each as it is made.

    :param beat: what is said where there is nothing to say. A comment keeps proxies from hanging up; a script hears
        events only.
    :param leap: for a stream that may leave out something; ``None``: it tells every event.
    :raises InvalidArgument: *after* is no cursor.
    :raises Problem: too many streams are open.
    """
    read_cursor(after)  # what is none is told before the stream begins
    if house.streams >= MOST_STREAMS:
        raise Problem(
            503, "Busy", f"{MOST_STREAMS} event streams are open", title="Try again later",
            headers={"Retry-After": "5"}, uncertain=False,
        )  # fmt: skip
    return Stream(
        _frames(house, Reading(house, after, kinds, made, leap), may_go_on, beat),
        media_type="text/event-stream",
        headers={**HEADERS, **AS_IT_COMES},
    )


async def _frames(
    house: House, reading: Reading, may_go_on: Callable[[], Awaitable[bool]], beat: bytes
) -> AsyncIterator[bytes]:
    house.streams += 1
    try:
        with house.tail.followed():
            yield b": events\nretry: 2000\n\n"
            spoke = time.monotonic()
            while not house.ending.is_set():
                async for octets in reading.news():
                    yield octets
                    spoke = time.monotonic()
                if time.monotonic() - reading.heard > AWAY_FOR:
                    return
                if time.monotonic() - spoke > KEEP_ALIVE:
                    spoke = time.monotonic()
                    if not await may_go_on():
                        return
                    yield beat
                with suppress(TimeoutError):
                    await asyncio.wait_for(house.ending.wait(), LOOK_EVERY)
    finally:
        house.streams -= 1


class Reading:
    """One stream: by itself until it has caught up with the tail that all share, then with that.

    :ivar heard: when the store answered last, monotonic seconds.
    """

    def __init__(self, house: House, after: str | None, kinds: frozenset[str], made: Made, leap: Leap | None) -> None:
        self.heard = time.monotonic()
        self._house = house
        self._after = after
        self._kinds = kinds
        self._made = made
        self._leap = leap
        self._next: int | None = None

    async def news(self) -> AsyncIterator[bytes]:
        """What there is now, written down; an answer never waits for more."""
        if self._next is None:
            for octets in self._join():  # before it reads on, or it would be ahead of the tail for good
                yield octets
        if self._next is None:
            async with aclosing(self._alone()) as own:
                async for octets in own:
                    yield octets
            return
        batches = self._house.tail.since(self._next)
        if batches is None:
            self._next = None  # it reads too slowly, or the tail began anew
            return
        self.heard = self._house.tail.heard
        for batch in batches:
            octets = batch.written(self._kinds, self._made)
            self._next, self._after = batch.number + 1, batch.events[-1].cursor
            if octets:
                yield octets

    async def _alone(self) -> AsyncGenerator[bytes, None]:
        try:
            leapt = None if self._leap is None else await self._leap(self._after)
            if leapt is not None:
                octets, self._after = leapt
                yield octets
            async with aclosing(read_log(self._house.client, self._after)) as log:
                async for event in log:
                    self._after = event.cursor
                    if not self._kinds or event.kind in self._kinds:
                        yield self._made(event)
            self.heard = time.monotonic()
        except EventsLost as error:
            self._after = error.resume_after
            yield frame("events_lost", self._after, _encode({"resume_after": self._after}))
        except StoreError:
            pass

    def _join(self) -> list[bytes]:
        """Go on with the tail, if it has what was read last: what is left of its batch."""
        found = self._house.tail.behind(self._after)
        if found is None:
            return []
        left, self._next = found
        self._after = left[-1].cursor if left else self._after
        return [self._made(one) for one in left if not self._kinds or one.kind in self._kinds]


def _kinds(words: list[str]) -> frozenset[str]:
    """The kinds that are asked for, each by either of its names; none: all. A misspelt one would fit nothing, ever."""
    kinds: set[str] = set()
    for word in words:
        kind = kind_of(word)
        if kind is None:
            raise InvalidArgument("kind", f"{word[:40]!r} is no kind of event; there are {', '.join(KINDS)}")
        kinds.add(kind)
    return frozenset(kinds)


async def _may_go_on(call: Call) -> bool:
    """Whether whoever reads would still be let in."""
    try:
        await call.house.admission.admit(call.request, "read")
    except (Problem, SoftbounceError):
        return False
    return True


def _made(event: Event) -> bytes:
    return frame(event.kind, event.cursor, _encode(event_as_json(event)))


def frame(kind: str, cursor: str, data: bytes) -> bytes:
    """One event of a stream; JSON has no line end in it, nor has a cursor, and a kind is a word of ours."""
    word = kind if kind.isidentifier() else "event"
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (cursor.encode(), word.encode(), data)
