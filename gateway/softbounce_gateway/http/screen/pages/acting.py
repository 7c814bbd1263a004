"""Acts by filter: what one would do, its progress, and the way back; and who did what, to one thing or to many."""

from __future__ import annotations

from typing import Any

from litestar import Response

from softbounce.client.matching import ACTS
from softbounce.client.terms import KNOWN_TERMS
from softbounce.errors import InvalidArgument
from softbounce.store.actions import MOST_LOGGED
from softbounce_gateway.http import actions
from softbounce_gateway.http.models import NewAction, Nothing, QueueQuery
from softbounce_gateway.http.screen import filtering
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["ask", "begin", "listing", "names_of", "progress", "undo"]

LISTED = 200
MOST_NAMED = 500
OPTIONS = {
    "cancel": (("grace", "Held first for (5s)"),),
    "bounce": (("grace", "Held first for (5s)"), ("reason", "Why, in words")),
    "resend": (("spread", "Over how long they begin (at once)"),),
    "change": (
        ("policy", "Policy"),
        ("window", "Window, from when each was accepted (2h; - none by hand)"),
        ("grace", "What ends is held first for (5s)"),
    ),
    "redirect": (("route", "Route"),),
}
"""What an act may be told, with what that is called."""


class ActQuery(QueueQuery, kw_only=True, forbid_unknown_fields=True):
    """Which act on which envelopes."""

    action: str = ""
    grace: str | None = None
    reason: str | None = None
    spread: str | None = None
    policy: str | None = None
    window: str | None = None
    route: str | None = None


async def ask(visit: Visit) -> Response[Any]:
    """``GET /ui/act``: what it would do to how many, before it does."""
    asked = visit.query(ActQuery)
    given = filtering.given(asked)
    if asked.action not in ACTS:
        raise InvalidArgument("action", f"{asked.action[:40]!r} is none: {', '.join(ACTS)}")
    if not given:
        raise InvalidArgument("filter", "say which envelopes: without any filter it would be all of them")
    names = [name for name, _ in OPTIONS.get(asked.action, ())]
    told = {name: value for name in names if (value := getattr(asked, name)) is not None}
    terms = KNOWN_TERMS.get(asked.action, ())
    preview = None
    if not terms or told.keys() & set(terms):
        new = NewAction(action=asked.action, filter=_filter(asked), arguments={**told})  # type: ignore[arg-type]
        preview = await actions.preview(visit.house, new, by=visit.by)
    spoken = [word for name, value in told.items() for word in (f"--{name}", value)]
    return visit.page(
        "act.html",
        title=f"{asked.action.capitalize()} all that fit?",
        command=("softbounce", asked.action, *filtering.options(asked), *spoken, "--background"),
        act=asked.action,
        given=given,
        back=filtering.query(asked),
        options=OPTIONS.get(asked.action, ()),
        told=told,
        names=await names_of(visit) if terms else {},
        preview=preview,
    )


async def names_of(visit: Visit) -> dict[str, list[str]]:
    """The policies and routes that somebody can choose by their names."""
    settings = await visit.house.client.settings()
    routes = [rule.name for rule in settings.route if rule.name]
    return {"policy": list(settings.policies)[:MOST_NAMED], "route": routes[:MOST_NAMED]}


async def begin(visit: Visit) -> Response[Any]:
    """``POST /ui/act``."""
    fields = await visit.form()
    identity = await actions.begin_previewed(visit.house, fields.get("token", ""), by=visit.by)
    return visit.to(f"/ui/actions/{identity}")


async def listing(visit: Visit) -> Response[Any]:
    """``GET /ui/actions``."""
    visit.query(Nothing)
    found = await visit.house.client.actions(limit=LISTED + 1)
    most = ("--limit", str(MOST_LOGGED)) if len(found) > LISTED else ()
    command = ("softbounce", "actions", *most)
    return visit.page("actions.html", title="Acts", command=command, found=found, listed=LISTED)


async def progress(visit: Visit) -> Response[Any]:
    """``GET /ui/actions/{id}``."""
    visit.query(Nothing)
    one = await visit.house.client.action(visit.path("id"))
    is_by_filter = one.action in ACTS and "id" not in one.filter
    title = f"{one.action.capitalize()} by filter" if is_by_filter else one.action.capitalize()
    return visit.page("action.html", title=title, command=("softbounce", "actions", one.id), one=one)


async def undo(visit: Visit) -> Response[Any]:
    """``POST /ui/actions/{id}/undo``."""
    await visit.form()
    undone = await visit.house.client.undo_action(visit.path("id"))
    visit.house.has_actions.set()
    return visit.to(f"/ui/actions/{undone.id}")


def _filter(asked: ActQuery) -> QueueQuery:
    names = (name for name in QueueQuery.__struct_fields__)
    return QueueQuery(**{name: getattr(asked, name) for name in names})
