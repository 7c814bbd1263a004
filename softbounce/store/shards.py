"""Carries calls to the store's shards: one non-transactional pipeline a node, never sent twice unless it did not run.

A call is sent again only when a server said that it did not run it (not loaded yet, read-only, moved ...) or when no
connection could be had, for at least :data:`PATIENCE` seconds; where a cluster or sentinels know better, they are
asked first. Everything else is ``StoreUncertain``, and the caller repeats by id and token.

Here for threads; :mod:`softbounce.store.async_shards` is the same for asyncio. Does not know what the calls mean.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from softbounce.store.address import Node, StoreAddress, for_redis, redact
from softbounce.store.async_shards import AsyncShards
from softbounce.store.call import Call, Operation, StoreAnswer
from softbounce.store.call_progress import CallProgress, NodeBatch
from softbounce.store.connections import (
    ASK_CONNECT_TIMEOUT,
    ASK_TIMEOUT,
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

__all__ = ["PATIENCE", "AsyncShards", "Shards", "redact"]

T = TypeVar("T")


class Shards:
    """The store, for threads. Thread-safe; a fork gets connections of its own."""

    def __init__(self, url: str, *, timeout: float = SOCKET_TIMEOUT, patience: float = PATIENCE) -> None:
        self.url = url
        self.patience = patience
        self._address = StoreAddress.parse(url)
        self._timeout = timeout
        self._topology = Topology(self._address)
        self._links: dict[Node, Link] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._pid = os.getpid()
        for node in self._topology.sources()[:1]:
            # A URL that cannot be used, or has an option that the library does not know, is told now.
            self._pool(self._topology.source_url(node), timeout).make_connection()

    def run(self, operation: Operation[T]) -> T:
        """Carry out an operation and read its answers."""
        return operation.read(self.call(operation.calls))

    def call(self, calls: Sequence[Call]) -> list[StoreAnswer]:
        """One answer, or one :class:`StoreError`, for each call, in order."""
        if self._pid != os.getpid():  # in a child: its parent's connections and locks that may be held are not its own
            self._links, self._lock, self._looking = {}, threading.Lock(), threading.Lock()
            self._pid = os.getpid()
        progress = CallProgress(calls, self._topology)
        deadline = time.monotonic() + self.patience
        turn = 0
        while progress.pending:
            if self._topology.is_doubted:
                self._look()
            self._carry(progress.batches())
            if progress.refused is None:
                continue
            if time.monotonic() >= deadline:
                progress.give_up(progress.refused)
                break
            time.sleep(pause(turn))
            turn += 1
        return progress.answers

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            links, self._links = list(self._links.values()), {}
        _close(links)

    # -- calls ------------------------------------------------------------------------------------------------------

    def _carry(self, batches: list[NodeBatch]) -> None:
        """Send to all nodes, then read from all of them."""
        sent: list[_Sent] = []
        packed = [pack(batch) for batch in batches]
        try:
            for batch, octets in zip(batches, packed, strict=True):
                try:
                    link, connection = self._connect(batch.node)
                except (*LOST, RedisError) as error:
                    batch.refuse(unreachable(self.url, error), is_final=is_hopeless(error))
                    continue
                one = _Sent(batch, link, connection, octets.with_guard(batch, link, self._topology))
                sent.append(one)
                one.send()
            for one in sent:
                one.receive(self._topology)
        finally:
            for one in sent:
                self._keep(one)

    def _keep(self, sent: _Sent) -> None:
        """Use a connection again, unless it was lost, or its node lost its shards meanwhile.

        Where the server is not the one any more that takes writes no idle connection of the link is used again either.
        """
        gone = [sent.connection]
        with self._lock:
            if sent.batch.is_elsewhere:
                gone += sent.link.forget()
            elif sent.is_whole and self._links.get(sent.link.node) is sent.link:
                sent.link.free.append(sent.connection)
                return
        for connection in gone:
            connection.disconnect()

    def _connect(self, node: Node) -> tuple[Link, Any]:
        link = self._link(node)
        while True:
            with self._lock:
                connection: Any = link.free.pop() if link.free else None
            is_new = connection is None
            connection = connection or link.pool.make_connection()
            try:
                if is_new:
                    connection.connect()
                elif connection.can_read(0):
                    connection.disconnect()
                    continue
                if link.is_due(now := time.monotonic(), self._topology):
                    connection.send_command("INFO", check_health=False)
                    link.learn(_answer(connection), now, self._topology, is_new=is_new)
            except LOST:
                connection.disconnect()
                if is_new:
                    raise
            except BaseException:
                connection.disconnect()
                raise
            else:
                return link, connection

    def _link(self, node: Node) -> Link:
        with self._lock:
            link = self._links.get(node)
            if link is None:
                pool = self._pool(self._address.url_of(node), self._timeout)
                link = self._links[node] = Link(node, pool)
            return link

    def _pool(self, url: str, timeout: float, **others: float) -> redis.ConnectionPool:
        arguments = {**pool_arguments(), **others}
        retry = Retry(NoBackoff(), 0)
        return redis.ConnectionPool.from_url(for_redis(url), retry=retry, socket_timeout=timeout, **arguments)

    # -- the topology -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find out where the shards are, unless another thread just did."""
        with self._looking:
            topology = self._topology
            if not topology.is_doubted:
                return
            for source in topology.sources():
                try:
                    answers = self._ask(topology.source_url(source), topology.questions())
                except (*LOST, RedisError) as error:
                    topology.trouble = f"{source}: {error}"
                    continue
                if topology.learn(source, answers):
                    break
            with self._lock:
                gone = [self._links.pop(node) for node in list(self._links) if not topology.knows(node)]
        _close(gone)

    def _ask(self, url: str, questions: Sequence[tuple[bytes | str, ...]]) -> list[Any]:
        connection = self._pool(url, ASK_TIMEOUT, socket_connect_timeout=ASK_CONNECT_TIMEOUT).make_connection()
        try:
            connection.connect()
            answers = []
            for question in questions:
                connection.send_command(*question, check_health=False)
                answers.append(_answer(connection))
            return answers
        finally:
            connection.disconnect()


class _Sent:
    """One batch on its way."""

    __slots__ = ("batch", "connection", "is_lost", "is_whole", "link", "packed")

    def __init__(self, batch: NodeBatch, link: Link, connection: Any, packed: Packed) -> None:  # noqa: ANN401
        self.batch = batch
        self.link = link
        self.connection = connection
        self.packed = packed
        self.is_lost = False
        self.is_whole = False

    def send(self) -> None:
        """Send its octets."""
        try:
            self.connection.send_packed_command(self.packed.octets, check_health=False)
        except LOST as error:
            self.is_lost = True
            self.batch.lose([], error)

    def receive(self, topology: Topology) -> None:
        """Read its answers."""
        if self.is_lost:
            return
        answers: list[StoreAnswer] = []
        try:
            for _ in range(self.packed.number):
                answers.append(_answer(self.connection))  # noqa: PERF401 - those before a loss count
        except LOST as error:
            self.batch.lose(answers, error)
        else:
            self.is_whole = True
            if not self.batch.take(answers):
                self.link.ask_soon()
                topology.doubt()


def _answer(connection: Any) -> StoreAnswer:  # noqa: ANN401
    """One answer; an error reply is a value."""
    try:
        return connection.read_response(disconnect_on_error=False)
    except RedisError as error:
        return reply_in(error)


def _close(links: Sequence[Link]) -> None:
    for link in links:
        while link.free:
            link.free.pop().disconnect()
