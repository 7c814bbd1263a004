"""*Suppressed*: who gets no mail and why; one more, one less."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from softbounce_config import parse_duration

from softbounce.client import NewSuppression
from softbounce.client.suppressions.changing import check
from softbounce.errors import InvalidArgument, InvalidMessage
from softbounce.suppression import Source
from softbounce_gateway.http.screen.visit import Visit
from softbounce_gateway.http.suppressions import suppress, unsuppress

__all__ = ["add", "page", "remove"]

ROWS = 100
NO_STREAM = "(none)"
"""Mail of no stream, in a form, whose empty fields ask nothing. No name of a stream has a parenthesis."""
SOURCES = tuple(str(one) for one in Source)


class SuppressedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which; and what an act came to."""

    address: str | None = None
    domain: str | None = None
    stream: str | None = None
    source: str | None = None
    after: str | None = None
    done: str | None = None


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/suppressed``."""
    asked = visit.query(SuppressedQuery)
    which = {"address": asked.address, "domain": asked.domain, "stream": asked.stream, "source": asked.source}
    async with visit.house.walks:
        found = await visit.house.client.suppression_page(**which, after=asked.after, limit=ROWS)
    given = {name: value for name, value in which.items() if value is not None}
    options = [word for name, value in given.items() for word in (f"--{name}", value)]
    address = [options.pop(1), options.pop(0)][:1] if asked.address is not None else []
    return visit.page(
        "suppressed.html",
        title="Suppressed",
        command=("softbounce", "suppress", "list", *address, *options),
        asked=asked,
        sources=SOURCES,
        found=found.suppressions,
        next=found.next and urlencode({**given, "after": found.next}),
        said={"added": "It gets no more mail.", "removed": "It gets mail again."}.get(asked.done or "", ""),
    )


async def add(visit: Visit) -> Response[Any]:
    """``POST /ui/suppressed``."""
    fields = await visit.form()
    new = NewSuppression(
        address=fields.get("address", ""),
        stream=fields.get("stream"),
        reason=fields.get("reason", ""),
        expires=_duration(fields["expires"]) if "expires" in fields else None,
    )
    try:
        check(new)
        await suppress(visit.house, [new], by=visit.by)
    except InvalidMessage as error:
        raise InvalidArgument(error.field, error.reason) from None
    return visit.to(f"/ui/suppressed?{urlencode({'address': new.address, 'done': 'added'})}")


async def remove(visit: Visit) -> Response[Any]:
    """``POST /ui/suppressed/remove``. What is said of all streams is taken off with what is said of one."""
    fields = await visit.form()
    address, stream, tenant = fields.get("address", ""), fields.get("stream"), fields.get("tenant")
    stream = "" if stream == NO_STREAM else stream
    await unsuppress(visit.house, [address], by=visit.by, stream=stream, tenant=tenant)
    return visit.to("/ui/suppressed?done=removed")


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidArgument("expires", f"{text[:64]!r}: {error}") from None
