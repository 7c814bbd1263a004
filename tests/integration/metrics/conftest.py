"""A whole service with a gateway on a port of its own."""

from __future__ import annotations

import pytest
from ports import free_ports


@pytest.fixture
def port() -> int:
    """Where it listens."""
    return free_ports(1)[0]
