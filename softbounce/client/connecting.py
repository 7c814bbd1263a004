"""How both clients reach their store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from softbounce.errors import ConfigError
from softbounce.store.shards import PATIENCE, redact

__all__ = ["FOLLOW_SECONDS", "TIMEOUT", "patience_of", "reachable"]

TIMEOUT = 15.0
FOLLOW_SECONDS = 0.2
"""How long to wait before the end of the event log is looked at again."""


def patience_of(timeout: float) -> float:
    """For how many seconds a store that cannot be reached is tried."""
    return min(PATIENCE, timeout)


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what redis-py raises about a URL into our own words."""
    try:
        yield
    except (ValueError, AttributeError, TypeError) as error:
        kinds = "redis://, rediss://, unix:// or redis+cluster://"
        shown = redact(str(url))
        raise ConfigError(f"store url {shown!r}: cannot be used ({error}); it should begin with {kinds}") from error
