"""Who may hand over mail: tokens, as the store has them."""

from __future__ import annotations

from softbounce.store.shards import AsyncShards
from softbounce_gateway.submission.dialogue import Login
from softbounce_gateway.submission.sasl import Credentials

__all__ = ["Logins"]


class Logins:
    """The tokens.

    :ivar are_there: whether there is any, as of the last look.
    """

    def __init__(self, store: AsyncShards) -> None:
        self._store = store
        self.are_there = False

    async def look(self) -> None:
        """Look whether there is a token."""

    async def check(self, credentials: Credentials) -> Login | None:
        """Who has these credentials; ``None``: nobody."""
        del credentials
        return None
