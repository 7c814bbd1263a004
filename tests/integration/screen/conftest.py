"""Screens, each for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from screens import Screen, full_screen, quiet_screen


@pytest.fixture(scope="module")
def screen(store_binary: object) -> Iterator[Screen]:
    """A store and a gateway, without mail."""
    del store_binary
    with quiet_screen() as screen:
        yield screen


@pytest.fixture(scope="package")
def full(store_binary: object) -> Iterator[Screen]:
    """A whole service with mail of every kind."""
    del store_binary
    with full_screen() as screen:
        yield screen


@pytest.fixture
def http(screen: Screen) -> httpx.Client:
    """A browser that nobody has logged in with."""
    screen.http.cookies.clear()
    return screen.http
