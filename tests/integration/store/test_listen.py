"""listen: wake-ups are heard, and a lost connection shows as one more look."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from conftest import StartStore
from proxy import Proxy
from servers import Valkey

from softbounce.store import keys
from softbounce.store.call import Call
from softbounce.store.shards import AsyncShards
from softbounce.store.wake_ups import listen

CHANNELS = (keys.key(0, "wake"), keys.key(0, "news"))


async def heard_through(url: str, proxy: Proxy | None = None) -> list[tuple[bytes, bytes]]:
    """Listen, hear one word, lose the connection where there is a proxy, and hear another."""
    store, speaker = AsyncShards(url), AsyncShards(url)
    heard: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
    task = asyncio.create_task(listen(store, CHANNELS, lambda channel, text: heard.put_nowait((channel, text))))
    words = [await heard.get() for _ in CHANNELS]
    try:
        async with asyncio.timeout(10):
            await publish(store, CHANNELS[0], b"123")
            words.append(await heard.get())
            if proxy is not None:
                proxy.cut_all()
                words += [await heard.get() for _ in CHANNELS]
            await publish(speaker, CHANNELS[1], b"settings")
            words.append(await heard.get())
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()
        await speaker.close()
    return words


async def publish(store: AsyncShards, channel: bytes, text: bytes) -> None:
    """Say something on a channel."""
    await store.call([Call.read(0, b"SPUBLISH", channel, text)])


def test_what_is_said_is_heard(store_url: str) -> None:
    """On a single server and on a cluster, after one look at each channel to begin with."""
    assert asyncio.run(heard_through(store_url)) == [
        (CHANNELS[0], b""),
        (CHANNELS[1], b""),
        (CHANNELS[0], b"123"),
        (CHANNELS[1], b"settings"),
    ]


def test_a_lost_connection_is_one_more_look(store_server: Valkey) -> None:
    """Something may have been said meanwhile: each channel is looked at again."""
    with Proxy(store_server.socket_path) as proxy:
        assert asyncio.run(heard_through(proxy.url, proxy)) == [
            (CHANNELS[0], b""),
            (CHANNELS[1], b""),
            (CHANNELS[0], b"123"),
            (CHANNELS[0], b""),
            (CHANNELS[1], b""),
            (CHANNELS[1], b"settings"),
        ]


def test_the_channels_of_several_shards_are_heard(store_url: str) -> None:
    """One word on each shard's channel is heard at once, though a cluster keeps them in different slots."""

    async def listen_to_shards() -> set[tuple[bytes, bytes]]:
        store = AsyncShards(store_url)
        channels = [keys.key(shard, "wake") for shard in range(5)]
        heard: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        task = asyncio.create_task(listen(store, channels, lambda channel, text: heard.put_nowait((channel, text))))
        try:
            async with asyncio.timeout(10):
                for _ in channels:
                    await heard.get()
                for shard, channel in enumerate(channels):
                    await store.call([Call.read(shard, b"SPUBLISH", channel, b"now")])
                return {await heard.get() for _ in channels}
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await store.close()

    assert asyncio.run(listen_to_shards()) == {(keys.key(shard, "wake"), b"now") for shard in range(5)}


def test_issue10_another_server_in_the_store_s_place_is_listened_to(start_store: StartStore) -> None:
    """The subscription to the one before stands, and would stay silent: nobody speaks there any more."""

    async def listen_across(way: Proxy, new: Valkey) -> None:
        store = AsyncShards(way.url)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        task = asyncio.create_task(listen(store, CHANNELS[:1], lambda _, text: heard.put_nowait(text)))
        try:
            async with asyncio.timeout(20):
                await publish(store, CHANNELS[0], b"before")
                while await heard.get() != b"before":
                    await publish(store, CHANNELS[0], b"before")
                way.upstream = new.socket_path
                await store.close()  # as after a loss, or a read-only answer
                while heard.qsize() < 1 or heard.get_nowait() != b"behind":
                    await publish(store, CHANNELS[0], b"behind")
                    await asyncio.sleep(0.1)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await store.close()

    with Proxy(start_store().socket_path) as way:
        asyncio.run(listen_across(way, start_store()))
