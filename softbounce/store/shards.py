"""Carries calls to the store's shards: one non-transactional pipeline a node, never sent twice unless it did not run.

The libraries' own resending ran a script up to four times when one reply was cut; so connections here have no
retries at all. A call is sent again only when the server said that it did not run it (not loaded yet, read-only,
moved ...) or when no connection could be had, for at least :data:`PATIENCE` seconds. Everything else is
``StoreUncertain``, and the caller repeats by id and token.

Now for one server: standalone, or a cluster of one. Does not know what the calls mean.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError as RedisConnectionError, RedisError, ResponseError
from redis.retry import Retry

from softbounce.errors import StoreError, StoreUnavailable, StoreUncertain
from softbounce.store.call import Answer, Call, Operation, Refusal, judge_refusal
from softbounce.store.scripts import Script

__all__ = ["PATIENCE", "AsyncShards", "Shards"]

T = TypeVar("T")
PATIENCE = 6.0
"""Seconds for which a call that certainly did not run is sent again: a failover takes about three."""
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
SOCKET_TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
_LOST = (RedisConnectionError, OSError, EOFError, asyncio.TimeoutError, redis.exceptions.TimeoutError)


def _pool_arguments() -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "health_check_interval": 0,
        "driver_info": None,
        "decode_responses": False,
    }


def _pause(turn: int) -> float:
    return PAUSES[min(turn, len(PAUSES) - 1)]


def _unreachable(url: str, error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"the store at {redact(url)} cannot be reached, nothing was taken: {error}")


def redact(url: str) -> str:
    """The URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}:***@{tail}"


class _Batch:
    """The state of one ``call``: what was answered, and what still has to be sent. Knows no I/O."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.answers: list[Answer] = [None] * len(calls)
        self.pending: list[int] = list(range(len(calls)))
        self.missing: dict[bytes, Script] = {}
        self.refused: StoreError | None = None

    def commands(self) -> list[tuple[Any, ...]]:
        """What to send now: loads of missing scripts first."""
        loads: list[tuple[Any, ...]] = [(b"SCRIPT", b"LOAD", one.text) for one in self.missing.values()]
        return loads + [self.calls[index].command() for index in self.pending]

    def take(self, answers: list[Answer]) -> None:
        """Take in the answers to the last :meth:`commands`."""
        answers = answers[len(self.missing) :]
        self.missing = {}
        again: list[int] = []
        self.refused = None
        for index, answer in zip(self.pending, answers, strict=True):
            if isinstance(answer, ResponseError):
                refusal, error = judge_refusal(answer)
                script = self.calls[index].script
                if refusal is Refusal.UNKNOWN_SCRIPT and script is not None:
                    self.missing[script.sha] = script
                    again.append(index)
                elif refusal is Refusal.NOT_NOW:
                    self.refused = error
                    again.append(index)
                else:
                    self.answers[index] = error
            else:
                self.answers[index] = answer
        self.pending = again

    def lose(self, answers: list[Answer], error: BaseException) -> None:
        """The connection ended after the commands had left: what has no answer is uncertain."""
        known = len(answers)
        loads = len(self.missing)
        sent, self.pending = self.pending, []
        if known > loads:
            self.pending = sent[: known - loads]
            self.take(answers)
            for index in self.pending:  # refused, so certainly not run
                self.answers[index] = StoreUnavailable(f"the store refused, then the connection was lost: {error}")
        for index in sent[max(0, known - loads) :]:
            self.answers[index] = StoreUncertain(f"the connection to the store was lost before it answered: {error}")
        self.pending = []

    def give_up(self, error: StoreError) -> None:
        """No connection, or refusals for too long: nothing of what is pending has run."""
        for index in self.pending:
            self.answers[index] = error
        self.pending = []


class Shards:
    """The store, for threads. Thread-safe; a fork gets connections of its own."""

    def __init__(self, url: str, *, timeout: float = SOCKET_TIMEOUT, patience: float = PATIENCE) -> None:
        self.url = url
        self.patience = patience
        self._pool = redis.ConnectionPool.from_url(
            _plain_url(url), retry=Retry(NoBackoff(), 0), socket_timeout=timeout, **_pool_arguments()
        )
        self._free: list[Any] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def run(self, operation: Operation[T]) -> T:
        """Carry out an operation and read its answers."""
        return operation.read(self.call(operation.calls))

    def call(self, calls: Sequence[Call]) -> list[Answer]:
        """One answer, or one :class:`StoreError`, for each call, in order."""
        batch = _Batch(calls)
        deadline = time.monotonic() + self.patience
        turn = 0
        while batch.pending:
            try:
                connection = self._connect()
            except AuthenticationError as error:
                batch.give_up(_unreachable(self.url, error))
                break
            except (*_LOST, RedisError) as error:
                if time.monotonic() >= deadline:
                    batch.give_up(_unreachable(self.url, error))
                    break
            else:
                self._send(connection, batch)
                if batch.refused is not None and time.monotonic() >= deadline:
                    batch.give_up(batch.refused)
                if batch.missing and batch.refused is None:
                    continue
            if batch.pending:
                time.sleep(_pause(turn))
                turn += 1
        return batch.answers

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.disconnect()

    def _connect(self) -> Any:  # noqa: ANN401 - redis-py has no public name for a connection
        if self._pid != os.getpid():
            self._free, self._pid = [], os.getpid()
        while True:
            with self._lock:
                connection = self._free.pop() if self._free else None
            if connection is None:
                connection = self._pool.make_connection()
                connection.connect()
                return connection
            try:
                if not connection.can_read(0):
                    return connection
            except _LOST:
                pass
            connection.disconnect()

    def _send(self, connection: Any, batch: _Batch) -> None:  # noqa: ANN401
        answers: list[Answer] = []
        commands = batch.commands()
        packed = connection.pack_commands(commands)
        try:
            connection.send_packed_command(packed, check_health=False)
            for _ in commands:
                try:
                    answers.append(connection.read_response())
                except ResponseError as error:
                    answers.append(error)
        except _LOST as error:
            connection.disconnect()
            batch.lose(answers, error)
        except BaseException:
            connection.disconnect()
            raise
        else:
            with self._lock:
                self._free.append(connection)
            batch.take(answers)


class AsyncShards:
    """The store, for one asyncio event loop."""

    def __init__(self, url: str, *, timeout: float = SOCKET_TIMEOUT, patience: float = PATIENCE) -> None:
        self.url = url
        self.patience = patience
        self._timeout = timeout
        self._pool = redis.asyncio.ConnectionPool.from_url(
            _plain_url(url), retry=redis.asyncio.retry.Retry(NoBackoff(), 0), socket_timeout=None, **_pool_arguments()
        )
        self._free: list[Any] = []

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation and read its answers."""
        return operation.read(await self.call(operation.calls))

    async def call(self, calls: Sequence[Call]) -> list[Answer]:
        """One answer, or one :class:`StoreError`, for each call, in order."""
        batch = _Batch(calls)
        deadline = time.monotonic() + self.patience
        turn = 0
        while batch.pending:
            try:
                connection = await self._connect()
            except AuthenticationError as error:
                batch.give_up(_unreachable(self.url, error))
                break
            except (*_LOST, RedisError) as error:
                if time.monotonic() >= deadline:
                    batch.give_up(_unreachable(self.url, error))
                    break
            else:
                await self._send(connection, batch)
                if batch.refused is not None and time.monotonic() >= deadline:
                    batch.give_up(batch.refused)
                if batch.missing and batch.refused is None:
                    continue
            if batch.pending:
                await asyncio.sleep(_pause(turn))
                turn += 1
        return batch.answers

    async def close(self) -> None:
        """Close the idle connections."""
        free, self._free = self._free, []
        for connection in free:
            await connection.disconnect()

    def pubsub(self) -> Any:  # noqa: ANN401
        """A subscription of its own connection (redis-py's ``PubSub``)."""
        client = redis.asyncio.Redis.from_url(
            _plain_url(self.url), retry=redis.asyncio.retry.Retry(NoBackoff(), 0), **_pool_arguments()
        )
        return client.pubsub(ignore_subscribe_messages=True)

    async def _connect(self) -> Any:  # noqa: ANN401
        while self._free:
            connection = self._free.pop()
            try:
                if not await connection.can_read():
                    return connection
            except _LOST:
                pass
            await connection.disconnect(nowait=True)
        connection = self._pool.make_connection()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.connect()
        return connection

    async def _send(self, connection: Any, batch: _Batch) -> None:  # noqa: ANN401
        answers: list[Answer] = []
        commands = batch.commands()
        packed = connection.pack_commands(commands)
        try:
            async with asyncio.timeout(self._timeout):
                await connection.send_packed_command(packed, check_health=False)
                for _ in commands:
                    try:
                        answers.append(await connection.read_response())
                    except ResponseError as error:
                        answers.append(error)
        except _LOST as error:
            await connection.disconnect(nowait=True)
            batch.lose(answers, error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        else:
            self._free.append(connection)
            batch.take(answers)


def _plain_url(url: str) -> str:
    """The URL as redis-py reads it: ``redis+cluster://`` names one node of a cluster."""
    return url.replace("redis+cluster://", "redis://", 1).replace("rediss+cluster://", "rediss://", 1)
