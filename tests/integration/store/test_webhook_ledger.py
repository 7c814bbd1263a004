"""What a receiver of webhooks was told is noted in the server that has it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from softbounce_gateway.webhooks.ledger import Ledger, StoreMoved

from softbounce.store.shards import AsyncShards, Shards
from softbounce.store.webhooks import Receiver, read_receivers

if TYPE_CHECKING:
    from conftest import StartStore


def test_issue14_7_what_was_read_of_another_server_is_read_again(start_store: StartStore) -> None:
    """A primary is replaced while both take writes: no event of that moment lies behind what is noted in the new one.

    Each life of a server is another one to whoever uses it.
    """
    server = start_store()

    def noted() -> str:
        with closing(Shards(server.url)) as store:
            return store.run(read_receivers())["app"][1].cursor

    async def play() -> None:
        store = AsyncShards(server.url)
        try:
            ledger = Ledger(store, "app", b"ledger-a", lambda: 1000)
            assert await ledger.take() is None
            ledger.receiver = Receiver(cursor="what both have")
            await ledger.note()
            ledger.receiver.cursor = "read of the old one"
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            with pytest.raises(StoreMoved):
                await ledger.note()
            assert noted() == "what both have"
            begun = Ledger(store, "app", b"ledger-a", lambda: 1000)
            taken = await begun.take()
            assert taken is not None
            taken.cursor = "told of the new one"
            begun.receiver = taken
            await begun.note()
            begun.check_server()
            assert noted() == "told of the new one"
        finally:
            await store.close()

    asyncio.run(play())
