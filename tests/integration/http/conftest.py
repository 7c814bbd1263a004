"""A gateway on a port of its own, before a store that nobody delivers from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from calling import calling
from ports import free_ports
from service import Service

if TYPE_CHECKING:
    from conftest import StartService


@pytest.fixture
def port() -> int:
    """Where it listens."""
    return free_ports(1)[0]


@pytest.fixture
def service(start: StartService, port: int) -> Service:
    """Store and gateway; no scheduler and no worker, so that what was taken stays as it is."""
    return start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")


@pytest.fixture
def http(service: Service, port: int) -> Iterator[httpx.Client]:
    """A client of it, which has no token."""
    del service
    with calling(port) as client:
        yield client
