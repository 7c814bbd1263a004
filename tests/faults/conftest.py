"""The small internet that the mail of these tests goes to, and services to send it by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from service import PlaygroundProcess, Service


class StartService(Protocol):
    """Starts services that end with the test."""

    def __call__(self, config: str, *roles: str) -> Service:
        """One that takes work; without roles it has all of them."""
        ...


@pytest.fixture
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundProcess]:
    """The small internet that the mail goes to."""
    running = PlaygroundProcess(tmp_path_factory.mktemp("playground"))
    yield running
    running.end()


@pytest.fixture
def start(playground: PlaygroundProcess, store_binary: object) -> Iterator[StartService]:
    """Start services whose mail goes to the playground."""
    del store_binary
    with ExitStack() as stack:

        def start(config: str, *roles: str) -> Service:
            service = Service(config, playground)
            stack.callback(service.clean)
            service.start(*(("--roles", ",".join(roles)) if roles else ()))
            return service

        yield start
