"""*Holds*: the standing holds, which meet mail that comes later, too; one more, one less."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response

from softbounce.standing import OF
from softbounce_gateway.http.holds import add_hold, end_hold, length_of
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["add", "end", "page"]


class HoldsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What a new one is to be of, as another page offers it; and what an act came to."""

    of: str | None = None
    value: str | None = None
    done: str | None = None


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/holds``."""
    asked = visit.query(HoldsQuery)
    found = await visit.house.client.holds()
    return visit.page(
        "holds.html",
        title="Holds",
        command=("softbounce", "holds", "list"),
        found=found,
        kinds=OF,
        asked=asked,
        said={
            "added": "It is held from now on: what waits, when its turn comes.",
            "ended": "It is held no more; what it held is released within moments.",
        }.get(asked.done or "", ""),
    )


async def add(visit: Visit) -> Response[Any]:
    """``POST /ui/holds``."""
    fields = await visit.form()
    until = length_of(fields["for"]) if "for" in fields else None
    of, value, reason = fields.get("of", ""), fields.get("value", ""), fields.get("reason", "")
    await add_hold(visit.house, of, value, reason=reason, until=until, by=visit.by)
    return visit.to(f"/ui/holds?{urlencode({'done': 'added'})}")


async def end(visit: Visit) -> Response[Any]:
    """``POST /ui/holds/end``."""
    fields = await visit.form()
    await end_hold(visit.house, fields.get("hold", ""), by=visit.by)
    return visit.to("/ui/holds?done=ended")
