"""A fault of ours, as people and programs are told of it."""

from __future__ import annotations

from typing import NoReturn, cast

from litestar.testing import TestClient
from softbounce_gateway.http.application import application
from softbounce_gateway.http.house import Call, House, Operation


async def broken(call: Call) -> NoReturn:
    """What nobody thought of."""
    raise RuntimeError(call.request.url.path)


def at(path: str) -> Operation:
    """It stands at a path, and asks nothing of the house."""
    return Operation(method="GET", path=path, name=path, summary="", scope="", answer_with=broken, answers={})


def test_issue15_1_a_fault_of_ours_is_told_on_a_page_to_who_looks() -> None:
    """And to programs as problem details; neither is told what it was, which the log tells."""
    served = application(cast("House", None), [at("/ui/broken"), at("/api/v1/broken")])
    with TestClient(served, raise_server_exceptions=False) as http:
        page, told = http.get("/ui/broken"), http.get("/api/v1/broken")
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert '<a href="/ui">Now</a>' in page.text
    assert (told.status_code, told.headers["content-type"]) == (500, "application/problem+json")
    assert "RuntimeError" not in page.text + told.text
