"""*Search*: the envelopes that fit, some at a time, and what may be done to all of them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlencode

import msgspec
from litestar import Response

from softbounce.client.queue import Page, read_page
from softbounce.client.selection import Selection, select
from softbounce.client.shown import Shown
from softbounce.errors import NotFound
from softbounce.ids import format_id, parse_id
from softbounce_gateway.http.filters import filters_of
from softbounce_gateway.http.models import QueueQuery
from softbounce_gateway.http.screen import filtering
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["find", "page"]

ROWS = 50
SECONDS = 0.15
"""How long one page looks through what is kept; the next one goes on from there."""
STEPS = 4
LONGEST = 320
MAILTO = "mailto:"


class SearchQuery(QueueQuery, kw_only=True, forbid_unknown_fields=True):
    """Which envelopes, and from where on."""

    after: str | None = None


class FindQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody typed."""

    q: str = ""


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/search``."""
    asked = visit.query(SearchQuery)
    given = filtering.given(asked)
    selection = select(**filters_of(asked))
    async with visit.house.walks:
        found = await _look(visit, selection, asked.after)
    rows = sorted(found.envelopes, key=lambda one: one.created_at, reverse=True)
    return visit.page(
        "search.html",
        title="Search",
        command=("softbounce", "queue", "--list", *filtering.options(asked)),
        asked=asked,
        given=given,
        fields=filtering.FIELDS,
        states=filtering.STATES,
        held_for=filtering.HELD_FOR,
        rows=rows,
        unreadable=len(found.unreadable),
        next=found.next and filtering.query(asked, after=found.next),
    )


async def _look(visit: Visit, selection: Selection, after: str | None) -> Page:
    """What is found within the time of a page."""
    until = time.monotonic() + SECONDS
    envelopes: list[Shown] = []
    unreadable: list[str] = []
    while True:
        step = await visit.house.run(
            read_page(visit.house.knowledge, selection, after, ROWS - len(envelopes), steps=STEPS)
        )
        envelopes += step.envelopes
        unreadable += step.unreadable
        after = step.next
        if after is None or len(envelopes) >= ROWS or time.monotonic() > until:
            return Page(envelopes=tuple(envelopes), next=after, unreadable=tuple(unreadable))


async def find(visit: Visit) -> Response[Any]:
    """``GET /ui/find``: an envelope's id leads to it; an address, a domain or a glob (``*``) to all mail for it."""
    text = _meant(visit.query(FindQuery).q)
    with suppress(NotFound):
        return visit.to(f"/ui/message/{format_id(parse_id(text))}")
    if not text:
        return visit.to("/ui/search")
    name = "recipient" if "@" in text else "domain"
    return visit.to(f"/ui/search?{urlencode({name: text if '*' in text else filtering.exactly(text)})}")


def _meant(text: str) -> str:
    """What was typed, or copied out of a header or a link: ``Ann <ann@example.net>``, ``mailto:ann@example.net``."""
    text = text.strip()[:LONGEST]
    if text.lower().startswith(MAILTO):
        text = unquote(text[len(MAILTO) :].partition("?")[0])
    if text.endswith(">"):
        text = text[text.rfind("<") + 1 : -1]
    return text.strip()
