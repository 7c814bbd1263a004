"""Login and logout: a token opens a session."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
from litestar import Response

from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.house import Call
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.screen.answer import answer_page, see_other
from softbounce_gateway.http.screen.session import cookie_of, no_cookie, open_session, read_session
from softbounce_gateway.http.screen.visit import read_form

__all__ = ["ask", "log_in", "log_out"]

OWN = re.compile(r"/ui(?:[/?][!-~]{0,2000})?")
START = "/ui"


class LoginQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where to go on after it."""

    to: str = START


async def ask(call: Call) -> Response[Any]:
    """``GET /ui/login``."""
    return await _form(call, _own(read_query(call.request, LoginQuery).to))


async def log_in(call: Call) -> Response[Any]:
    """``POST /ui/login``. No page of another site may log anybody in: as whom, they would not notice."""
    if call.request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Problem(403, "Foreign", "a page of another site asks", title="Not from there")
    fields = await read_form(call)
    to = _own(fields.get("to", START))
    token = (await call.house.admission.tokens.current()).find(fields.get("token", "").strip())
    if token is None:
        return await _form(
            call, to, wrong="There is no such token. It may have been revoked, or not be whole.", status=401
        )
    if not token.may("read"):
        words = f"The token {token.name} is not for reading, so it opens no screen: softbounce token new --scope read"
        return await _form(call, to, wrong=words, status=403)
    came_by_https = call.request.headers.get("origin", "").startswith("https://")
    return see_other(to, cookie=cookie_of(open_session(token, time.time()), secure=came_by_https))


async def log_out(call: Call) -> Response[Any]:
    """``POST /ui/logout``."""
    fields = await read_form(call)
    session = await read_session(call.request, call.house.admission, time.time())
    if session is not None:
        session.check(fields.get("word", ""))
    return see_other("/ui/login", cookie=no_cookie())


async def _form(call: Call, to: str, *, wrong: str = "", status: int = 200) -> Response[Any]:
    is_open = not len(await call.house.admission.tokens.current())
    values = {"title": "Log in", "to": to, "wrong": wrong, "is_open": is_open}
    return answer_page("login.html", values, status=status)


def _own(path: str) -> str:
    """A page of the screen; the start where it is none."""
    return path if OWN.fullmatch(path) else START
