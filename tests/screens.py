"""The screen of a gateway, as tests ask it."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
from service import Service

from softbounce.store.shards import Shards
from softbounce.store.tokens import add_token, new_token, revoke_token

__all__ = ["Screen"]


class Screen:
    """The running service, and who asks it.

    :ivar port: where its gateway listens.
    :ivar http: a client without a token.
    """

    def __init__(self, service: Service, port: int, http: httpx.Client) -> None:
        self.service = service
        self.port = port
        self.http = http

    def add_token(self, name: str, *scopes: str) -> str:
        """A new token of this name."""
        text, token = new_token(name, scopes, (), datetime.now(UTC))
        store = Shards(self.service.url)
        try:
            store.run(add_token(token))
        finally:
            store.close()
        return text

    def revoke(self, name: str) -> None:
        """End a token."""
        store = Shards(self.service.url)
        try:
            assert store.run(revoke_token(name))
        finally:
            store.close()
