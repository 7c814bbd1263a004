"""How the screen answers: templates that escape all that they are given, and headers that let nothing else run.

Whatever is shown may come from a stranger: a reply, a subject, a name. The templates escape it, each value is cut, and
signs that cannot be seen, or turn the line round, are shown as what they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from unicodedata import category

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response

from softbounce.duration import in_words
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.screen.filtering import exactly

__all__ = [
    "HEADERS",
    "answer_asset",
    "answer_error",
    "answer_fragment",
    "answer_page",
    "fragment",
    "plain",
    "see_other",
]

HERE = "softbounce_gateway.http.screen"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
SEE_OTHER = 303
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that nobody sees, whatever Unicode calls them."""
MARKS = frozenset({"Mn", "Me"})
MOST_MARKS = 4
"""On one letter, as much as any script has: more are piled up over other lines."""
LONGEST = 4_000
"""Characters of one value; what should be shorter says so in its template."""
NAV = (
    ("/ui", "Now"),
    ("/ui/sites", "Sites"),
    ("/ui/search", "Search"),
    ("/ui/events", "Events"),
    ("/ui/bounces", "Bounces"),
    ("/ui/suppressed", "Suppressed"),
    ("/ui/policies", "Policies"),
    ("/ui/actions", "Acts"),
    ("/ui/holds", "Holds"),
    ("/ui/health", "Health"),
)
"""The pages that each page leads to, by path and name, in their order."""


def plain(value: object, longest: int = LONGEST) -> str:
    """A text as it may be shown: cut, and with what cannot be seen written out."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_seen(one) or one in "\n\t" else _written_out(one) for one in _unpiled(text))


def _unpiled(text: str) -> Iterator[str]:
    marks = 0
    for one in text:
        marks = marks + 1 if category(one) in MARKS else 0
        if marks <= MOST_MARKS:
            yield one
        elif marks == MOST_MARKS + 1:
            yield "…"


def _is_seen(one: str) -> bool:
    return one.isprintable() and one not in BLANK


def _written_out(one: str) -> str:
    return f"\\u{ord(one):04x}"


def answer_page(template: str, values: Mapping[str, Any], *, status: int = 200) -> Response[bytes]:
    """A page as the answer."""
    return Response(
        fragment(template, values).encode(errors="replace"),
        status_code=status,
        media_type="text/html",
        headers=HEADERS,
    )


def answer_error(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    """An error as a page. What was not read of a form is no next request."""
    details = problem.details
    values = {"problem": details, "title": details.title, "is_inbox": request.url.path.startswith("/dev")}
    page = answer_page("error.html", values, status=problem.status)
    is_act = request.method not in {"GET", "HEAD"}
    page.headers.update({**problem.headers, **({"Connection": "close"} if is_act else {})})
    return page


def fragment(template: str, values: Mapping[str, Any]) -> str:
    """What a template makes of these values now."""
    return _templates().get_template(template).render({"now": datetime.now(UTC), **values})


def answer_fragment(template: str, values: Mapping[str, Any]) -> bytes:
    """A part of a page, in one line, as an event of a stream bears it."""
    return " ".join(fragment(template, values).split()).encode(errors="replace")


def answer_asset(name: str) -> Response[bytes]:
    """A file that pages load. It has its digest in its address, so that it may be kept for good."""
    headers = {**HEADERS, "Cache-Control": "max-age=31536000, immutable"}
    return Response(_asset(name), media_type=KINDS[name.rpartition(".")[2]], headers=headers)


def see_other(path: str, *, cookie: str | None = None) -> Response[bytes]:
    """Go on to another page."""
    headers = {**HEADERS, "Location": path, **({} if cookie is None else {"Set-Cookie": cookie})}
    return Response(b"", status_code=SEE_OTHER, headers=headers)


@cache
def _asset(name: str) -> bytes:
    return files(HERE).joinpath("templates", name).read_bytes()


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    made.globals["nav"] = NAV
    made.globals["asset"] = lambda name: f"/ui/{name}?v={sha256(_asset(name)).hexdigest()[:12]}"
    made.filters["cut"] = plain
    made.filters["exactly"] = exactly
    made.filters["exact"] = made.filters["e"]  # a form sends back what it was given; what is read is written out
    made.filters["moment"] = lambda at: at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    made.filters["clock"] = lambda at: at.astimezone(UTC).strftime("%H:%M:%S")
    made.filters["iso"] = lambda at: at.astimezone(UTC).isoformat(timespec="seconds")
    made.filters["from_now"] = _from_now
    made.filters["long"] = in_words
    made.filters["age"] = lambda seconds: in_words(timedelta(seconds=seconds))
    made.filters["number"] = lambda number: f"{number:,}"
    made.filters["shell"] = _shell
    return made


def _shell(words: Sequence[str]) -> str:
    return shlex.join(str(word) for word in words)


def _from_now(at: datetime, now: datetime) -> str:
    """``in 5 min``, ``5 min ago``."""
    if abs(at - now) < timedelta(seconds=1):
        return "now"
    return f"in {in_words(at - now)}" if at > now else f"{in_words(now - at)} ago"
