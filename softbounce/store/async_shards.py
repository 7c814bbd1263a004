"""Carries calls to the store's shards on asyncio; see :mod:`softbounce.store.shards` for what is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from softbounce.store.address import Node, StoreAddress, for_redis
from softbounce.store.call import Call, Operation, StoreAnswer
from softbounce.store.call_progress import CallProgress, NodeBatch
from softbounce.store.connections import (
    ASK_CONNECT_TIMEOUT,
    ASK_TIMEOUT,
    CONNECT_TIMEOUT,
    LOST,
    PATIENCE,
    SOCKET_TIMEOUT,
    Link,
    Packed,
    is_hopeless,
    pack,
    pause,
    pool_arguments,
    reply_in,
    unreachable,
)
from softbounce.store.topology import Topology

__all__ = ["AsyncShards"]

T = TypeVar("T")


class AsyncShards:
    """The store, for one asyncio event loop.

    :ivar server: the run ids of the primaries in use, as their newest connections met them: others after a restart or
        a failover.
    """

    def __init__(self, url: str, *, timeout: float = SOCKET_TIMEOUT, patience: float = PATIENCE) -> None:
        self.url = url
        self.patience = patience
        self.server = b""
        self._address = StoreAddress.parse(url)
        self._timeout = timeout
        self._topology = Topology(self._address)
        self._links: dict[Node, Link] = {}
        self._looking = asyncio.Lock()
        for node in self._topology.sources()[:1]:
            _pool(self._topology.source_url(node)).make_connection()  # a URL that cannot be used is told now

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation and read its answers."""
        return operation.read(await self.call(operation.calls))

    async def call(self, calls: Sequence[Call]) -> list[StoreAnswer]:
        """One answer, or one :class:`StoreError`, for each call, in order."""
        progress = CallProgress(calls, self._topology)
        deadline = time.monotonic() + self.patience
        turn = 0
        while progress.pending:
            if self._topology.is_doubted:
                await self._look()
            batches = [(batch, pack(batch)) for batch in progress.batches()]
            if len(batches) == 1:
                await self._carry(*batches[0])
            else:
                await asyncio.gather(*(self._carry(*one) for one in batches))
            if progress.refused is None:
                continue
            if time.monotonic() >= deadline:
                progress.give_up(progress.refused)
                break
            await asyncio.sleep(pause(turn))
            turn += 1
        return progress.answers

    async def close(self) -> None:
        """Close the idle connections."""
        links, self._links = list(self._links.values()), {}
        await _close(links)

    def abandon(self) -> None:
        """Let go of the connections of a loop that was closed before it could close them."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            while link.free:
                _abandon(link.free.pop())

    async def pubsubs(self, channels: Sequence[bytes]) -> list[tuple[Any, list[bytes]]]:
        """Subscriptions of their own connections (redis-py's ``PubSub``), one a node, with the channels heard there.

        They hold while the shards stay where they are; whoever loses one asks for all of them again.

        :raises StoreUnavailable: nobody knows where a channel is.
        """
        if self._topology.is_doubted:
            await self._look()
        by_node: dict[Node, list[bytes]] = {}
        for channel in channels:
            node = self._topology.node_of_channel(channel)
            if node is None:
                self._topology.doubt()
                raise unreachable(self.url, self._topology.trouble or f"no node has {channel!r}")
            by_node.setdefault(node, []).append(channel)
        return [
            (
                redis.asyncio.Redis(connection_pool=_pool(self._address.url_of(node))).pubsub(),
                some,
            )
            for node, some in by_node.items()
        ]

    def doubt(self) -> None:
        """Ask anew where the shards are, before the next use."""
        self._topology.doubt()

    # -- calls ------------------------------------------------------------------------------------------------------

    async def _carry(self, batch: NodeBatch, packed: Packed) -> None:
        try:
            link, connection = await self._connect(batch.node)
        except (*LOST, RedisError) as error:
            batch.refuse(unreachable(self.url, error), is_final=is_hopeless(error))
            return
        packed = packed.with_guard(batch, link, self._topology)
        answers: list[StoreAnswer] = []
        try:
            async with asyncio.timeout(self._timeout):
                await connection.send_packed_command(packed.octets, check_health=False)
                for _ in range(packed.number):
                    answers.append(await _answer(connection))  # noqa: PERF401 - those before a loss count
        except LOST as error:
            await connection.disconnect(nowait=True)
            batch.lose(answers, error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        else:
            if not batch.take(answers):
                link.ask_soon()
                self._topology.doubt()
            if batch.is_elsewhere:  # what is idle leads to the same server
                for one in (connection, *link.forget()):
                    await one.disconnect(nowait=True)
            elif self._links.get(link.node) is link:
                link.free.append(connection)
            else:  # its node lost its shards meanwhile
                await connection.disconnect()

    async def _connect(self, node: Node) -> tuple[Link, Any]:
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = Link(node, _pool(self._address.url_of(node)))
        while link.free:
            connection = link.free.pop()
            try:
                if not await connection.can_read():
                    if link.is_due(now := time.monotonic(), self._topology):
                        await self._meet(link, connection, now, is_new=False)
                    return link, connection
            except LOST:
                pass
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            await connection.disconnect(nowait=True)
        connection = link.pool.make_connection()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection.connect()
                await self._meet(link, connection, time.monotonic(), is_new=True)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return link, connection

    async def _meet(self, link: Link, connection: Any, now: float, *, is_new: bool) -> None:  # noqa: ANN401
        """Learn which life of the server this is, and how many replicas it has."""
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.send_command("INFO", check_health=False)
            link.learn(await _answer(connection), now, self._topology, is_new=is_new)
        lives = [self._links[node].run_id if node in self._links else b"" for node in self._topology.nodes()]
        if all(lives):
            self.server = b",".join(lives)

    # -- the topology -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Find out where the shards are, unless another task just did."""
        async with self._looking:
            topology = self._topology
            if not topology.is_doubted:
                return
            for source in topology.sources():
                try:
                    answers = await self._ask(topology.source_url(source), topology.questions())
                except (*LOST, RedisError) as error:
                    topology.trouble = f"{source}: {error}"
                    continue
                if topology.learn(source, answers):
                    break
            gone = [self._links.pop(node) for node in list(self._links) if not topology.knows(node)]
        await _close(gone)

    async def _ask(self, url: str, questions: Sequence[tuple[bytes | str, ...]]) -> list[Any]:
        connection = _pool(url).make_connection()
        try:
            async with asyncio.timeout(ASK_CONNECT_TIMEOUT):
                await connection.connect()
            async with asyncio.timeout(ASK_TIMEOUT):
                answers = []
                for question in questions:
                    await connection.send_command(*question, check_health=False)
                    answers.append(await _answer(connection))
                return answers
        finally:
            await connection.disconnect(nowait=True)


def _pool(url: str) -> redis.asyncio.ConnectionPool:
    arguments = {**pool_arguments(), "retry": Retry(NoBackoff(), 0), "socket_timeout": None}
    return redis.asyncio.ConnectionPool.from_url(for_redis(url), **arguments)


async def _answer(connection: Any) -> StoreAnswer:  # noqa: ANN401
    """One answer; an error reply is a value."""
    try:
        return await connection.read_response(disconnect_on_error=False)
    except RedisError as error:
        return reply_in(error)


async def _close(links: Sequence[Link]) -> None:
    for link in links:
        while link.free:
            await link.free.pop().disconnect()


def _abandon(connection: Any) -> None:  # noqa: ANN401
    """Close a connection's socket without its loop, which takes no more calls: its transport would wait for one."""
    writer, connection._reader, connection._writer = connection._writer, None, None  # noqa: SLF001 - else it warns
    for close in ("abort", "_call_connection_lost"):
        with contextlib.suppress(Exception):
            getattr(writer.transport, close)(*(() if close == "abort" else (None,)))
