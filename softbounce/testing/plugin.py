"""The pytest plugin: the fixture ``softbounce_service``, found by pytest in whatever environment has softbounce.

One service is started for a run (and one for each other speed that a marker asks for), when the first test asks for it,
within seconds. Each test sees its own mail only. Under xdist each of its processes has services of its own.
Imports nothing of ours before a test asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from softbounce.testing.service import TestService

__all__ = ["pytest_addoption", "pytest_configure", "softbounce_service"]

SPEED = "softbounce_speed"
CONFIG = "softbounce_config"
MARKER = "softbounce"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``pyproject.toml`` may say."""
    parser.addini(SPEED, "how many times as fast as they say policies pass (default: 60000, a minute is 1 ms)")
    parser.addini(CONFIG, "a softbounce.toml whose policies and rules count, from the root folder on")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", f"{MARKER}(speed=N): the service of the test has this speed (docs/testing.md)")


class Services:
    """Those of a run, by speed."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self._by_speed: dict[float, TestService] = {}

    def at(self, speed: float) -> TestService:
        """The one with this speed, begun anew."""
        found = self._by_speed.get(speed)
        if found is not None and not found.runs:
            found.end()
            found = None
        if found is None:
            from softbounce.testing.service import TestService  # noqa: PLC0415 - only who asks pays for it

            found = TestService(speed=speed, config=self._config)
            found.start()
            self._by_speed[speed] = found
        found.begin()
        return found

    def end(self) -> None:
        """End them all."""
        for one in self._by_speed.values():
            one.end()
        self._by_speed.clear()


@pytest.fixture(scope="session")
def _softbounce_services(pytestconfig: pytest.Config) -> Iterator[Services]:
    named = str(pytestconfig.getini(CONFIG) or "")
    services = Services(pytestconfig.rootpath / named if named else None)
    yield services
    services.end()


@pytest.fixture
def softbounce_service(request: pytest.FixtureRequest, _softbounce_services: Services) -> Iterator[TestService]:
    """A running softbounce that mails a playground: it has ``url``, ``smtp``, ``http``, ``client`` and ``outbox``."""
    service = _softbounce_services.at(_speed(request))
    yield service
    if service.runs:
        service.begin()


def _speed(request: pytest.FixtureRequest) -> float:
    marker = request.node.get_closest_marker(MARKER)
    asked = None if marker is None else marker.kwargs.get("speed")
    if asked is None:
        asked = request.config.getini(SPEED) or 60_000
    try:
        speed = float(asked)
    except (TypeError, ValueError):
        speed = 0.0
    if not 1 <= speed <= 1_000_000:  # noqa: PLR2004 - as `--policy-speed`
        raise pytest.UsageError(f"{SPEED}: {asked!r} is no number from 1 to 1000000")
    return speed
