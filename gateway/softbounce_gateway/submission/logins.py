"""Who may hand over mail: the tokens of the store, as they were read last."""

from __future__ import annotations

import asyncio

from softbounce.store.shards import AsyncShards
from softbounce.store.tokens import TokenBook, read_tokens
from softbounce_gateway.submission.house import Login
from softbounce_gateway.submission.sasl import Credentials

__all__ = ["Logins"]

SCOPE = "send"
READ_AGAIN_AFTER = 1.0
"""Seconds: a login that fails has the tokens read anew, for it may be a new one; not more often, however many fail."""


class Logins:
    """The tokens.

    :param store: where they are.
    """

    def __init__(self, store: AsyncShards) -> None:
        self._store = store
        self._book = TokenBook()
        self._read_at = -READ_AGAIN_AFTER

    @property
    def are_there(self) -> bool:
        """Whether there is any token, as of the last look."""
        return len(self._book) > 0

    async def look(self) -> None:
        """Read the tokens.

        :raises StoreError: they could not be read; those from before count.
        """
        self._book = await self._store.run(read_tokens())
        self._read_at = asyncio.get_running_loop().time()

    async def check(self, credentials: Credentials) -> Login | None:
        """Who has these credentials; ``None``: nobody.

        :raises StoreError: the tokens could not be read.
        """
        login = self._find(credentials)
        if login is None and asyncio.get_running_loop().time() - self._read_at >= READ_AGAIN_AFTER:
            await self.look()
            login = self._find(credentials)
        return login

    def is_valid(self, login: Login) -> bool:
        """Whether the token of somebody who was let in is still there."""
        token = self._book.by_name.get(login.name)
        return token is not None and token.digest == login.digest and token.may(SCOPE)

    def _find(self, credentials: Credentials) -> Login | None:
        token = self._book.log_in(credentials.name, credentials.token)
        if token is None:
            return None
        return Login(
            name=token.name,
            digest=token.digest,
            may_send=token.may(SCOPE),
            senders=token.senders,
            any_author=token.any_author,
        )
