"""The inbox in a browser: a list, a message, what is in it. No script, nothing from elsewhere.

The HTML of a message is a document of its own in a sandboxed frame, whose policy lets nothing run and nothing load;
images that came along stand in it themselves. See the attacks in ``tests/integration/http/test_inbox.py``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from softbounce.errors import NotFound
from softbounce.store.copies import forget_copies
from softbounce_gateway.http.body import read_query
from softbounce_gateway.http.house import Call, answer_json
from softbounce_gateway.http.inbox.messages import InboxQuery, find, find_message, parsed
from softbounce_gateway.http.models import Nothing

__all__ = [
    "attachment",
    "forget",
    "forget_and_show",
    "html",
    "listing",
    "message",
    "page",
    "read",
    "source",
    "style",
]

HERE = "softbounce_gateway.http.inbox"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none a browser sends `Origin: null` with our own forms, which is refused
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
MAIL_POLICY = (
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'; sandbox"
)
NO_POLICY = "default-src 'none'; sandbox"
"""Of what is only saved, or read as text."""
SEE_OTHER = 303
KIB_FROM = 10_000


async def page(call: Call) -> Any:  # noqa: ANN401 - litestar's response
    """``GET /dev``."""
    asked = read_query(call.request, InboxQuery)
    async with call.house.walks:
        found = await find(call.house, asked)
    return _page("list.html", found=found, asked=asked)


async def message(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/view/{id}``."""
    read_query(call.request, Nothing)
    async with call.house.walks:
        shown = await find_message(call.house, call.path("id"))
    return _page("message.html", message=shown)


async def style(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/style.css``."""
    del call
    return _answer(files(HERE).joinpath("templates", "style.css").read_bytes(), "text/css", NO_POLICY)


async def html(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/messages/{id}/html``: for the frame."""
    async with call.house.walks:
        shown = (await parsed(call.house, call.path("id"))).html_with_images
    return _answer(shown.encode(errors="replace"), "text/html", MAIL_POLICY)


async def source(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/messages/{id}/source``: the octets, as text."""
    async with call.house.walks:
        octets = (await parsed(call.house, call.path("id"))).source
    return _answer(octets, "text/plain", NO_POLICY)


async def attachment(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/messages/{id}/attachments/{number}``: to be saved, never shown."""
    async with call.house.walks:
        attachments = (await parsed(call.house, call.path("id"))).attachments
    number = call.path("number")
    if not number.isdecimal() or int(number[:9]) >= len(attachments):
        raise NotFound(f"there is no attachment {number[:20]!r}; they are numbered from 0")
    one = attachments[int(number)]
    name = one.filename.replace("/", "_").replace("\\", "_").lstrip(".") or f"attachment-{number}"
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return _answer(one.content, "application/octet-stream", NO_POLICY, {"Content-Disposition": disposition})


async def listing(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/messages``: the list as JSON."""
    asked = read_query(call.request, InboxQuery)
    async with call.house.walks:
        return answer_json(await find(call.house, asked))


async def read(call: Call) -> Any:  # noqa: ANN401
    """``GET /dev/messages/{id}``: a message as JSON."""
    read_query(call.request, Nothing)
    async with call.house.walks:
        return answer_json(await find_message(call.house, call.path("id")))


async def forget(call: Call) -> Any:  # noqa: ANN401
    """``DELETE /dev/messages``: forget all copies. What is on its way goes on."""
    await call.house.store.run(forget_copies())
    return Response(b"", status_code=204, headers=HEADERS)


async def forget_and_show(call: Call) -> Any:  # noqa: ANN401
    """``POST /dev/forget``: the same for a browser without script."""
    await call.house.store.run(forget_copies())
    return _to_inbox()


def _to_inbox() -> Response[bytes]:
    return Response(b"", status_code=SEE_OTHER, headers={**HEADERS, "Location": "/dev"})


def _page(name: str, **values: object) -> Response[bytes]:
    text = _templates().get_template(name).render(**values)
    return _answer(text.encode(errors="replace"), "text/html", PAGE_POLICY)


def _answer(octets: bytes, kind: str, policy: str, more: dict[str, str] | None = None) -> Response[bytes]:
    headers = {**HEADERS, "Content-Security-Policy": policy, **(more or {})}
    return Response(octets, media_type=kind, headers=headers)


@cache
def _templates() -> Environment:
    made = Environment(loader=PackageLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters["moment"] = lambda text: text[:19].replace("T", " ")
    made.filters["clock"] = lambda text: text[11:23]
    made.filters["octets"] = _octets
    return made


def _octets(number: int) -> str:
    return f"{number} B" if number < KIB_FROM else f"{number / 1024:.0f} KiB"
