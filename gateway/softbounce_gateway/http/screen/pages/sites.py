"""*Sites*: where mail goes, which of it is closed and why, and one of them with what was said there last."""

from __future__ import annotations

from typing import Any

from litestar import Response

from softbounce.client.now.sites import SiteDetail
from softbounce.errors import SoftbounceError
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page", "site"]

MOST = 500


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/sites``."""
    visit.query(Nothing)
    views, more = await visit.house.client.sites(limit=MOST)
    return visit.page("sites.html", title="Sites", command=("softbounce", "lanes"), views=views, more=more)


async def site(visit: Visit) -> Response[Any]:
    """``GET /ui/sites/{site}``."""
    visit.query(Nothing)
    name = visit.path("site")
    detail = await visit.house.client.site(name)
    return visit.page(
        "site.html",
        title=detail.name,
        command=("softbounce", "top", detail.name),
        detail=detail,
        explained=await _explained(visit, detail),
    )


async def _explained(visit: Visit, detail: SiteDetail) -> str:
    """Why the one that waits longest of those that were seen does; empty: none does any more."""
    if not detail.waiting:
        return ""
    try:
        return await visit.house.client.explain(detail.waiting[0])
    except SoftbounceError:  # it went meanwhile
        return ""
