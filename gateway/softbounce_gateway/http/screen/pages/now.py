"""*Now*: does mail flow."""

from __future__ import annotations

from typing import Any

from litestar import Response

from softbounce_gateway.http.health import look_now
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page"]


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui``."""
    visit.query(Nothing)
    ready = await look_now(visit.house.store)
    return visit.page("now.html", title="Now", command=("softbounce", "queue"), ready=ready)
