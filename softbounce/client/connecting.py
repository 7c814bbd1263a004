"""How both clients reach their store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from softbounce.errors import ConfigError
from softbounce.store.shards import redact

__all__ = ["FOLLOW_SECONDS", "TIMEOUT", "reachable"]

TIMEOUT = 15.0
FOLLOW_SECONDS = 0.2
"""How long to wait before the end of the event log is looked at again."""


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what redis-py raises about a URL into our own words."""
    try:
        yield
    except (ValueError, AttributeError, TypeError) as error:
        kinds = "redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
        shown = redact(str(url))
        raise ConfigError(f"store url {shown!r}: cannot be used ({error}); it should begin with {kinds}") from error
