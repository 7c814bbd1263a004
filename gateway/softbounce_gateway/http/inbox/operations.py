"""The calls of the inbox. They are in no OpenAPI document: what a playground shows is no part of the interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from softbounce_gateway.http.house import Call, Operation
from softbounce_gateway.http.inbox import pages

__all__ = ["INBOX"]


def _call(method: str, path: str, answer_with: Callable[[Call], Awaitable[Any]], scope: str = "read") -> Operation:
    return Operation(
        method=method,
        path=path,
        name=f"inbox_{answer_with.__name__}",
        summary="",
        scope=scope,
        answer_with=answer_with,
        answers={},
    )


INBOX: tuple[Operation, ...] = (
    _call("GET", "/dev", pages.page),
    _call("GET", "/dev/style.css", pages.style),
    _call("GET", "/dev/view/{id}", pages.message),
    _call("POST", "/dev/forget", pages.forget_and_show, "operate"),
    _call("GET", "/dev/messages", pages.listing),
    _call("DELETE", "/dev/messages", pages.forget, "operate"),
    _call("GET", "/dev/messages/{id}", pages.read),
    _call("GET", "/dev/messages/{id}/html", pages.html),
    _call("GET", "/dev/messages/{id}/source", pages.source),
    _call("GET", "/dev/messages/{id}/attachments/{number}", pages.attachment),
)
