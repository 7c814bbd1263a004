"""What tests of the client share: one for the store that a test has chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mailbag import Mailbag

from softbounce import Client


@pytest.fixture
def mail(bag: Mailbag) -> Iterator[Client]:
    """A client of it."""
    with Client(bag.store.url) as mail:
        yield mail
