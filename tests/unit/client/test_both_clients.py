"""The client for threads is made of that for asyncio, and each is whole to its reader: nothing may tell them apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from softbounce import AsyncClient, Client

OFFERED = sorted(name for name in vars(Client) if not name.startswith("_"))


def parameters(method: Callable[..., object]) -> list[tuple[str, object, object, object]]:
    """What a caller may pass, and how."""
    return [(one.name, one.kind, one.default, one.annotation) for one in inspect.signature(method).parameters.values()]


def test_both_offer_the_same() -> None:
    """What one can do the other can."""
    assert [name for name in vars(AsyncClient) if not name.startswith("_")] == [
        name for name in vars(Client) if not name.startswith("_")
    ]


@pytest.mark.parametrize("name", ["__init__", *OFFERED])
def test_both_take_and_say_the_same(name: str) -> None:
    """The same parameters, with the same defaults, and the same promise in words."""
    blocking, awaiting = vars(Client)[name], vars(AsyncClient)[name]
    assert parameters(awaiting) == parameters(blocking)
    assert awaiting.__doc__ == blocking.__doc__


@pytest.mark.parametrize("name", OFFERED)
def test_both_answer_the_same(name: str) -> None:
    """What one returns the other returns when it is awaited; a stream of events is read with ``async for``."""
    blocking, awaiting = vars(Client)[name], vars(AsyncClient)[name]
    answers = blocking.__annotations__["return"].replace("Iterator", "AsyncIterator")
    assert awaiting.__annotations__["return"] == answers
    assert inspect.iscoroutinefunction(awaiting) or inspect.isasyncgenfunction(awaiting)
