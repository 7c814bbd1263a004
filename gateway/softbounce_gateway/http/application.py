"""The application: every operation behind the same door, every error told: to people a page, to programs details."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from softbounce.errors import SoftbounceError
from softbounce_gateway.http.house import HEADERS, Call, House, Operation, answer_problem
from softbounce_gateway.http.problems import Problem, problem_of
from softbounce_gateway.http.screen.answer import answer_error

__all__ = ["application"]

AnyRequest = Request[Any, Any, Any]
IN_PATH = re.compile(r"\{(\w+)\}")
UNREAD = frozenset({401, 403, 404, 405, 415})
log = structlog.get_logger("softbounce.http")


def application(house: House, operations: Sequence[Operation]) -> Litestar:
    """The ASGI application."""
    return Litestar(
        [*_options(operations), *(_route(house, one) for one in operations)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: _answer_error},
        request_max_body_size=None,
    )


def _route(house: House, operation: Operation) -> HTTPRouteHandler:
    async def answer(request: AnyRequest) -> Response[Any]:
        token = await house.admission.admit(request, operation.scope) if operation.scope else None
        return await operation.answer_with(Call(house=house, request=request, token=token))

    return HTTPRouteHandler(
        _path(operation),
        http_method=_methods(operation),  # type: ignore[arg-type]
        name=operation.name,
        status_code=200,  # each answer says its own; of DELETE the framework would bear no body else
    )(answer)


def _methods(operation: Operation) -> list[str]:
    """What can be read can be asked for its head too (RFC 9110 §9.1), whose body the server leaves out."""
    is_read = operation.method == "GET" and operation.media_type != "text/event-stream"
    return ["GET", "HEAD"] if is_read else [operation.method]


def _options(operations: Sequence[Operation]) -> Iterator[HTTPRouteHandler]:
    """What can be done with each path: litestar's own answer names the methods of one of its routes only."""
    methods: dict[str, list[str]] = {}
    for one in operations:
        methods.setdefault(_path(one), []).extend(_methods(one))
    return (_options_of(path, of_path) for path, of_path in methods.items())


def _options_of(path: str, methods: Sequence[str]) -> HTTPRouteHandler:
    headers = {**HEADERS, "Allow": ", ".join(sorted({*methods, "OPTIONS"}))}

    async def answer() -> Response[bytes]:
        return Response(b"", status_code=204, headers=headers)

    return HTTPRouteHandler(path, http_method=["OPTIONS"], name=f"options {path}")(answer)


def _path(operation: Operation) -> str:
    return IN_PATH.sub(r"{\1:str}", operation.path)


def _closing(request: AnyRequest, problem: Problem) -> Problem:
    """What refuses a request before its body was read ends the connection: what comes of the body is no next one."""
    if problem.status in UNREAD and request.method == "POST":
        problem.headers.setdefault("Connection", "close")
    return problem


def _is_of_a_person(request: AnyRequest) -> bool:
    """Whether somebody reads the answer in a browser, and no program does."""
    path = request.url.path
    if path == "/ui" or path.startswith("/ui/"):
        return True
    return not path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _answer_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    is_of_a_person = _is_of_a_person(request)
    match error:
        case Problem():
            problem = error
        case SoftbounceError():
            problem = problem_of(error)
        case HTTPException() if error.status_code < 500:  # noqa: PLR2004 - litestar's own: no such path or method
            problem = _not_there(request, error, "page" if is_of_a_person else "call")
        case _:
            log.error("request_failed", path=request.url.path[:200], exc_info=error)
            words = "a fault of ours; the log of the service tells more"
            problem = Problem(500, "Fault", words, title="A fault of ours")
    return answer_error(request, problem) if is_of_a_person else answer_problem(_closing(request, problem))


def _not_there(request: AnyRequest, error: HTTPException, what: str) -> Problem:
    """No such path or method, or a path that cannot be read."""
    path = request.url.path[:200]
    is_other_method = error.status_code == 405  # noqa: PLR2004 - HTTP's
    detail = f"{path} takes no {request.method}" if is_other_method else f"{request.method} {path}: {error.detail}"
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return Problem(error.status_code, "NotThere", detail, title=f"There is no such {what}", headers=headers)
