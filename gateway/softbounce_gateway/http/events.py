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
from softbounce.errors import EventsLost, SoftbounceError, StoreError
from softbounce.events import Event
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.house import HEADERS, Call, House, answer_json
from softbounce_gateway.http.models import EventsQuery, StreamQuery
from softbounce_gateway.http.problems import Problem

__all__ = ["answer_stream", "frame", "page", "stream"]

MOST_SCANNED = 10_000
"""Events that one page looks through for those of its kinds."""
MOST_STREAMS = 50
LOOK_EVERY = 0.5
KEEP_ALIVE = 15.0
AWAY_FOR = 60.0
Made = Callable[[Event], bytes]
_encode = msgspec.json.Encoder().encode


async def page(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /api/v1/events``."""
    asked = read_query(call.request, EventsQuery)
    events: list[dict[str, Any]] = []
    after, scanned = asked.after, 0
    async with aclosing(_log(call.house, asked.after)) as log:
        async for event in log:
            after = event.cursor
            scanned += 1
            if not asked.kind or event.kind in asked.kind:
                events.append(event_as_json(event))
            if len(events) >= asked.limit or scanned >= MOST_SCANNED:
                break
    return answer_json({"events": events, "next": after})


async def stream(call: Call) -> Any:  # noqa: ANN401
    """``GET /api/v1/events/stream``."""
    asked = read_query(call.request, StreamQuery)
    after = call.request.headers.get("last-event-id") or asked.after
    return answer_stream(call.house, after, frozenset(asked.kind), made=_made, may_go_on=partial(_may_go_on, call))


def answer_stream(
    house: House, after: str | None, kinds: frozenset[str], *, made: Made, may_go_on: Callable[[], Awaitable[bool]]
) -> Any:  # noqa: ANN401
    """Events as they come, each as it is made.

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
        _frames(house, after, kinds, made, may_go_on),
        media_type="text/event-stream",
        headers={**HEADERS, "X-Accel-Buffering": "no"},
    )


async def _frames(
    house: House, after: str | None, kinds: frozenset[str], made: Made, may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    house.streams += 1
    try:
        yield b": events\nretry: 2000\n\n"
        spoke = heard = time.monotonic()
        while not house.ending.is_set():
            try:
                async with aclosing(_log(house, after)) as log:
                    async for event in log:
                        after = event.cursor
                        if not kinds or event.kind in kinds:
                            yield made(event)
                            spoke = time.monotonic()
                heard = time.monotonic()
            except EventsLost as error:
                after = error.resume_after
                yield frame("events_lost", after, _encode({"resume_after": after}))
            except StoreError:
                if time.monotonic() - heard > AWAY_FOR:
                    return
            if time.monotonic() - spoke > KEEP_ALIVE:
                spoke = time.monotonic()
                if not await may_go_on():
                    return
                yield b": still here\n\n"
            with suppress(TimeoutError):
                await asyncio.wait_for(house.ending.wait(), LOOK_EVERY)
    finally:
        house.streams -= 1


async def _may_go_on(call: Call) -> bool:
    """Whether whoever reads would still be let in."""
    try:
        await call.house.admission.admit(call.request, "read")
    except (Problem, SoftbounceError):
        return False
    return True


async def _log(house: House, after: str | None) -> AsyncGenerator[Event, None]:
    async for event in house.client.events(after=after):
        yield event


def _made(event: Event) -> bytes:
    return frame(event.kind, event.cursor, _encode(event_as_json(event)))


def frame(kind: str, cursor: str, data: bytes) -> bytes:
    """One event of a stream; JSON has no line end in it, nor has a cursor, and a kind is a word of ours."""
    word = kind if kind.isidentifier() else "event"
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (cursor.encode(), word.encode(), data)
