"""*Events*: what happened last, page by page; with a script, as it happens."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import Meta

from softbounce.client.event_log import LatestEvents, end_of_log, read_cursor, read_latest, write_cursor
from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.events import Event
from softbounce.webhooks import KINDS
from softbounce_gateway.http.events import Leap, answer_stream, frame
from softbounce_gateway.http.screen.answer import answer_fragment
from softbounce_gateway.http.screen.session import read_session
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page", "stream"]

ROWS = 100
MOST_BEHIND = 300
"""Entries of the log, each some events."""
BEAT = b"event: beat\ndata: -\n\n"
SECONDS = 0.15
"""How long one page looks back for events of its kind."""


class LatestQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which kind, and between which instants, ms."""

    kind: str | None = None
    since: Annotated[int, Meta(ge=0, le=10**15)] | None = None
    before: Annotated[int, Meta(ge=0, le=10**15)] | None = None


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which kind, and from where on."""

    kind: str | None = None
    after: str | None = None


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/events``."""
    asked = visit.query(LatestQuery)
    end = await visit.house.run(end_of_log(visit.house.knowledge))
    found = await _look(visit, asked)
    return visit.page(
        "events.html",
        title="Events",
        command=("softbounce", "events", "--follow"),
        found=found,
        asked=asked,
        since_at=from_epoch_ms(asked.since or 0),
        kinds=KINDS,
        after=write_cursor(end),
    )


async def _look(visit: Visit, asked: LatestQuery) -> LatestEvents:
    """What is found within the time of a page, from there backwards."""
    until = time.monotonic() + SECONDS
    events: list[Event] = []
    before, since = asked.before, asked.since or 0
    while True:
        step = await visit.house.run(read_latest(visit.house.knowledge, before, entries=ROWS))
        late = [one for one in step.events if to_epoch_ms(one.at) >= since]
        events += [one for one in late if asked.kind is None or one.kind == asked.kind]
        before = step.before_ms if len(late) == len(step.events) else None
        if before is None or len(events) >= ROWS or time.monotonic() > until:
            return LatestEvents(events, before)


async def stream(visit: Visit) -> Response[Any]:
    """``GET /ui/events/stream``: rows of the table, made here."""
    asked = visit.query(StreamQuery)
    after = visit.call.request.headers.get("last-event-id") or asked.after
    answer: Response[Any] = answer_stream(
        visit.house,
        after,
        frozenset([asked.kind] if asked.kind else []),
        made=_row,
        may_go_on=_may_go_on(visit),
        beat=BEAT,
        leap=_leap(visit, asked.kind),
    )
    return answer


def _leap(visit: Visit, kind: str | None) -> Leap:
    """A row in place of all that a page missed which fell behind, as a laptop does that slept: it leads there.

    More is missed than a page shows, and to make all the rows costs who is here.
    """

    async def leap(after: str | None) -> tuple[bytes, str] | None:
        end = await visit.house.run(end_of_log(visit.house.knowledge))
        if sum(place.number for place in end) - sum(place.number for place in read_cursor(after)) <= MOST_BEHIND:
            return None
        last_ms = max(place.ms for place in end)
        row = answer_fragment("gap.html", {"kind": kind, "until": from_epoch_ms(last_ms), "before_ms": last_ms + 1})
        return frame("row", write_cursor(end), row), write_cursor(end)

    return leap


def _row(event: Event) -> bytes:
    return frame("row", event.cursor, answer_fragment("event.html", {"one": event}))


def _may_go_on(visit: Visit) -> Any:  # noqa: ANN401 - a function
    async def ask() -> bool:
        admission = visit.house.admission
        return await read_session(visit.call.request, admission, time.time()) is not None

    return ask
