"""A store and a gateway for all tests of a module; neither scheduler nor worker, so that all stays as it was taken."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from calling import calling
from ports import free_ports
from screens import Screen
from service import Service


@pytest.fixture(scope="module")
def screen(store_binary: object) -> Iterator[Screen]:
    """It runs."""
    del store_binary
    (port,) = free_ports(1)
    service = Service(f'[gateway]\nhttp = "127.0.0.1:{port}"\n')
    try:
        service.start("--roles", "store,gateway")
        with calling(port) as http:
            yield Screen(service, port, http)
        service.stop()
    finally:
        service.clean()


@pytest.fixture
def http(screen: Screen) -> httpx.Client:
    """A browser that nobody has logged in with."""
    screen.http.cookies.clear()
    return screen.http
