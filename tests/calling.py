"""Calls of the HTTP interface, as a program makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

__all__ = ["MESSAGES", "calling", "part"]

MESSAGES = "/api/v1/messages"


@contextmanager
def calling(port: int, token: str | None = None) -> Iterator[httpx.Client]:
    """A client of the interface on this machine."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False) as client:
        yield client


def part(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can hold
    """A small message in parts."""
    return {"from": "app@shop.test", "to": ["a@example.net"], "subject": "Hi", "text": "hello", **more}
