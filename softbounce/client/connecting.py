"""How both clients reach their store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from softbounce.errors import ConfigError
from softbounce.store.connections import SOCKET_TIMEOUT
from softbounce.store.masking import redact

__all__ = ["FOLLOW_SECONDS", "TIMEOUT", "reachable"]

TIMEOUT = SOCKET_TIMEOUT
FOLLOW_SECONDS = 0.2
"""How long to wait before the end of the event log is looked at again."""


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what is wrong with a URL into an error of ours, which tells no part of a password, nor does its cause."""
    try:
        if not isinstance(url, str):
            raise TypeError(f"it is not text but {type(url).__name__}")  # noqa: TRY301 - as what redis-py raises
        yield
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"store url {redact(str(url))!r}: cannot be used: {error}") from None
