"""*Now*: does mail flow."""

from __future__ import annotations

from typing import Any

from litestar import Response

from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.now import look_at
from softbounce_gateway.http.screen.filtering import act_of
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page"]


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui``."""
    visit.query(Nothing)
    view = await look_at(visit.house)
    most = max((one.count for one in view.ages), default=0)
    acts = [act_of(one.command) if visit.may_operate else ("", "") for one in view.findings]
    return visit.page("now.html", title="Now", command=("softbounce", "top"), view=view, acts=acts, most=most)
