"""The paths of the screen. They are in no OpenAPI document: what programs may ask is the interface beside it.

A page is a function from a visit to an answer, in a module of ``pages``, with a template of the same name, and a line
of the table here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from litestar import Response

from softbounce_gateway.http.house import Call, Operation
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.screen.answer import answer_asset, answer_page, see_other
from softbounce_gateway.http.screen.pages import (
    acting,
    bounces,
    events,
    health,
    holds,
    login,
    message,
    now,
    policies,
    search,
    sites,
    suppressed,
)
from softbounce_gateway.http.screen.session import read_session
from softbounce_gateway.http.screen.visit import Visit

__all__ = ["SCREEN"]

Answers = Callable[[Visit], Awaitable[Response[Any]]]


def _page(path: str, answer_with: Answers) -> Operation:
    """What everybody may see who may read."""
    return _operation("GET", path, "read", answer_with)


def _act(path: str, answer_with: Answers) -> Operation:
    """What somebody does who may operate: a form."""
    return _operation("POST", path, "operate", answer_with)


def _stream(path: str, answer_with: Answers) -> Operation:
    """What comes as it happens, and has no end: whoever asks for its head alone is told so."""
    return replace(_page(path, answer_with), media_type="text/event-stream")


def _operation(method: str, path: str, scope: str, answer_with: Answers) -> Operation:
    async def let_in(call: Call) -> Response[Any]:
        if method == "GET" and _is_link_from_elsewhere(call.request.headers):
            return answer_page("again.html", {"title": "One moment"})
        session = await read_session(call.request, call.house.admission, time.time())
        if session is None:
            return _to_login(call)
        if session.token is not None and not session.token.may(scope):
            raise Problem(
                403, "Forbidden",
                f"the token {session.token.name!r} is not for {scope!r} but for {', '.join(session.token.scopes)}",
                title="The token is not for this",
            )  # fmt: skip
        return await answer_with(Visit(call=call, session=session))

    return _open(method, path, let_in)


def _open(method: str, path: str, answer_with: Callable[[Call], Awaitable[Response[Any]]]) -> Operation:
    """What needs no login."""
    return Operation(
        method=method,
        path=path,
        name=f"screen {method} {path}",
        summary="",
        scope="",
        answer_with=answer_with,
        answers={},
    )


def _is_link_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether somebody followed a link of another site, in a mail or a chat, to a page.

    The browser keeps our cookie back from what another site began, and without tokens no other site is answered. So the
    answer is a page that knows nothing, and goes to the same place by itself.
    """
    asks = (headers.get("sec-fetch-site"), headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return asks == ("cross-site", "navigate", "document")


def _to_login(call: Call) -> Response[Any]:
    if call.request.method not in {"GET", "HEAD"}:
        raise Problem(401, "Unauthorized", "the session is over; log in and try again", title="Log in first")
    url = call.request.url
    asked = f"{url.path}?{url.query}" if url.query else url.path
    return see_other(f"/ui/login?{urlencode({'to': asked[:2000]})}")


async def _start(call: Call) -> Response[Any]:
    """``GET /``: who opens the address in a browser wants the screen; of a playground, the inbox."""
    return see_other("/dev" if call.house.has_inbox else "/ui")


async def _asset(name: str, call: Call) -> Response[Any]:
    del call
    return answer_asset(name)


SCREEN: tuple[Operation, ...] = (
    _open("GET", "/", _start),
    *(_open("GET", f"/ui/{name}", partial(_asset, name)) for name in ("style.css", "script.js", "icon.svg")),
    _open("GET", "/ui/login", login.ask),
    _open("POST", "/ui/login", login.log_in),
    _open("POST", "/ui/logout", login.log_out),
    _page("/ui", now.page),
    _page("/ui/sites", sites.page),
    _page("/ui/sites/{site}", sites.site),
    _act("/ui/sites/{site}", sites.probe),
    _page("/ui/find", search.find),
    _page("/ui/search", search.page),
    _page("/ui/message/{id}", message.page),
    _page("/ui/message/{id}/{act}", message.confirm),
    _act("/ui/message/{id}/{act}", message.act),
    _page("/ui/act", acting.ask),
    _act("/ui/act", acting.begin),
    _page("/ui/actions", acting.listing),
    _page("/ui/actions/{id}", acting.progress),
    _act("/ui/actions/{id}/undo", acting.undo),
    _page("/ui/events", events.page),
    _stream("/ui/events/stream", events.stream),
    _page("/ui/bounces", bounces.page),
    _page("/ui/suppressed", suppressed.page),
    _act("/ui/suppressed", suppressed.add),
    _act("/ui/suppressed/remove", suppressed.remove),
    _page("/ui/holds", holds.page),
    _act("/ui/holds", holds.add),
    _act("/ui/holds/end", holds.end),
    _page("/ui/policies", policies.page),
    _page("/ui/health", health.page),
    _act("/ui/health", health.again),
)
