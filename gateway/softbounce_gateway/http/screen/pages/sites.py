"""*Sites*: where mail goes, which of it is closed and why, and one of them with what was said there last."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response

from softbounce.client.explain import find_situation, paragraphs
from softbounce.client.now.sites import SiteDetail
from softbounce.errors import SoftbounceError
from softbounce_gateway.http.house import NAMELESS
from softbounce_gateway.http.models import Nothing
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["page", "probe", "site"]

MOST = 200
"""Rows: those in trouble stand first, then those with most mail."""
SAID = {
    "unheard": "Its worker does not listen just now. Try again in a moment.",
    "noted": "No worker has it now. Whoever takes it asks at once.",
    "asked": "It is being asked: one envelope goes ahead, and its outcome decides. This page shows it in a moment.",
    "open": "Nothing is closed there any more.",
}
"""What came of an order to ask now, the worst first."""


class ProbedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What an order came to."""

    answer: str | None = None


async def page(visit: Visit) -> Response[Any]:
    """``GET /ui/sites``."""
    visit.query(Nothing)
    views, more = await visit.house.client.sites(limit=MOST)
    return visit.page("sites.html", title="Sites", command=("softbounce", "lanes"), views=views, more=more)


async def site(visit: Visit) -> Response[Any]:
    """``GET /ui/sites/{site}``."""
    asked = visit.query(ProbedQuery)
    name = visit.path("site")
    detail = await visit.house.client.site(name)
    return visit.page(
        "site.html",
        title=detail.name.removeprefix("?"),
        command=("softbounce", "top", detail.name),
        detail=detail,
        explained=await _explained(visit, detail),
        said=SAID.get(asked.answer or "", ""),
    )


async def probe(visit: Visit) -> Response[Any]:
    """``POST /ui/sites/{site}``: have it asked now."""
    await visit.form()
    name = visit.path("site")
    answers = {str(one.answer) for one in await visit.house.client.probe(name, by=visit.by or NAMELESS)}
    answer = next((word for word in SAID if word in answers), "open")
    return visit.to(f"/ui/sites/{quote(name, safe='')}?answer={answer}")


async def _explained(visit: Visit, detail: SiteDetail) -> list[tuple[str, str]]:
    """Why the one that waits longest of those that were seen does; empty: none does any more."""
    if not detail.waiting:
        return []
    try:
        situation = await visit.house.run(find_situation(visit.house.knowledge, detail.waiting[0]))
    except SoftbounceError:  # it went meanwhile
        return []
    envelope = situation.record.envelope
    return [("Mail", f"to {envelope.recipient} from {envelope.sender or '<>'}"), *paragraphs(situation)]
