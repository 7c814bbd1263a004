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
import re
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import redis
import redis.asyncio
from hiredis import pack_command
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from softbounce.errors import StoreUnavailable
from softbounce.store.call import Answer, Call, Operation
from softbounce.store.sending import Sending

__all__ = ["PATIENCE", "AsyncShards", "Shards"]

T = TypeVar("T")
PATIENCE = 6.0
"""Seconds for which a call that certainly did not run is sent again: a failover takes about three."""
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
SOCKET_TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
RUN_ID = re.compile(rb"run_id:([0-9a-f]+)")
NO_LIMIT = 2**31
"""The libraries' pools only make connections for us; they count all they ever made, and refuse the hundredth."""
_LOST = (RedisConnectionError, OSError, EOFError, asyncio.TimeoutError, RedisTimeoutError)


def _pool_arguments() -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "health_check_interval": 0,
        "driver_info": None,
        "decode_responses": False,
        "max_connections": NO_LIMIT,
    }


def _pause(turn: int) -> float:
    return PAUSES[min(turn, len(PAUSES) - 1)]


def _is_hopeless(error: BaseException) -> bool:
    """Whether no later connection will be had either: the password is wrong. The asyncio client wraps that."""
    return isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError)


def _unreachable(url: str, error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"the store at {redact(url)} cannot be reached, nothing was taken: {error}")


def redact(url: str) -> str:
    """The URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, user = head.partition("://")
    return f"{scheme}://{user.partition(':')[0]}:***@{tail}"


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
        sending = Sending(calls)
        deadline = time.monotonic() + self.patience
        turn = 0
        while sending.pending:
            packed = _pack(sending)
            try:
                connection = self._connect()
            except (*_LOST, RedisError) as error:
                if _is_hopeless(error) or time.monotonic() >= deadline:
                    sending.give_up(_unreachable(self.url, error))
                    break
            else:
                self._send(connection, sending, packed)
                if sending.refused is None:
                    continue
                if time.monotonic() >= deadline:
                    sending.give_up(sending.refused)
                    break
            time.sleep(_pause(turn))
            turn += 1
        return sending.answers

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            free, self._free = self._free, []
        for connection in free:
            connection.disconnect()

    def _connect(self) -> Any:  # noqa: ANN401 - redis-py has no public name for a connection
        if self._pid != os.getpid():  # in a child: its parent's connections and a lock that may be held are not its own
            self._free, self._lock, self._pid = [], threading.Lock(), os.getpid()
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

    def _send(self, connection: Any, sending: Sending, packed: Packed) -> None:  # noqa: ANN401
        answers: list[Answer] = []
        try:
            connection.send_packed_command(packed.octets, check_health=False)
            for _ in range(packed.number):
                try:
                    answers.append(connection.read_response(disconnect_on_error=False))
                except RedisError as error:
                    answers.append(_reply_in(error))
        except _LOST as error:
            connection.disconnect()
            sending.lose(answers, error)
        except BaseException:
            connection.disconnect()
            raise
        else:
            with self._lock:
                self._free.append(connection)
            sending.take(answers)


class AsyncShards:
    """The store, for one asyncio event loop.

    :ivar server: the run id of the server that the newest connection met: another one after a restart or a failover.
    """

    def __init__(self, url: str, *, timeout: float = SOCKET_TIMEOUT, patience: float = PATIENCE) -> None:
        self.url = url
        self.patience = patience
        self.server = b""
        self._timeout = timeout
        self._pool = redis.asyncio.ConnectionPool.from_url(
            _plain_url(url), retry=AsyncRetry(NoBackoff(), 0), socket_timeout=None, **_pool_arguments()
        )
        self._free: list[Any] = []

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation and read its answers."""
        return operation.read(await self.call(operation.calls))

    async def call(self, calls: Sequence[Call]) -> list[Answer]:
        """One answer, or one :class:`StoreError`, for each call, in order."""
        sending = Sending(calls)
        deadline = time.monotonic() + self.patience
        turn = 0
        while sending.pending:
            packed = _pack(sending)
            try:
                connection = await self._connect()
            except (*_LOST, RedisError) as error:
                if _is_hopeless(error) or time.monotonic() >= deadline:
                    sending.give_up(_unreachable(self.url, error))
                    break
            else:
                await self._send(connection, sending, packed)
                if sending.refused is None:
                    continue
                if time.monotonic() >= deadline:
                    sending.give_up(sending.refused)
                    break
            await asyncio.sleep(_pause(turn))
            turn += 1
        return sending.answers

    async def close(self) -> None:
        """Close the idle connections."""
        free, self._free = self._free, []
        for connection in free:
            await connection.disconnect()

    def pubsub(self) -> Any:  # noqa: ANN401
        """A subscription of its own connection (redis-py's ``PubSub``)."""
        client = redis.asyncio.Redis.from_url(
            _plain_url(self.url), retry=AsyncRetry(NoBackoff(), 0), **_pool_arguments()
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
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection.connect()
                self.server = await _run_id(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _send(self, connection: Any, sending: Sending, packed: Packed) -> None:  # noqa: ANN401
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(self._timeout):
                await connection.send_packed_command(packed.octets, check_health=False)
                for _ in range(packed.number):
                    try:
                        answers.append(await connection.read_response(disconnect_on_error=False))
                    except RedisError as error:
                        answers.append(_reply_in(error))
        except _LOST as error:
            await connection.disconnect(nowait=True)
            sending.lose(answers, error)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        else:
            self._free.append(connection)
            sending.take(answers)


async def _run_id(connection: Any) -> bytes:  # noqa: ANN401
    """Which server this is; nothing where that may not be asked."""
    await connection.send_command("INFO", "server", check_health=False)
    try:
        answer: bytes = await connection.read_response(disconnect_on_error=False)
    except ResponseError:
        return b""
    found = RUN_ID.search(answer)
    return found[1] if found else b""


class Packed(NamedTuple):
    """Commands as they go over the wire, and how many answers they have."""

    octets: list[bytes]
    number: int


def _pack(sending: Sending) -> Packed:
    """Before a connection is taken: what cannot be packed must not cost one."""
    commands = sending.commands()
    return Packed([b"".join(map(pack_command, commands))], len(commands))


def _reply_in(error: RedisError) -> RedisError:
    """The error reply that the library made an exception of; any other exception is raised.

    It makes connection errors of some replies (``LOADING``, ``NOAUTH``): those tell their code, as all replies do
    that it knows. A reply is an answer: the call did not run. Only a connection that ended leaves that open.
    """
    if isinstance(error, ResponseError) or error.status_code is not None:
        return error
    raise error


def _plain_url(url: str) -> str:
    """The URL as redis-py reads it: ``redis+cluster://`` names one node of a cluster."""
    return url.replace("redis+cluster://", "redis://", 1).replace("rediss+cluster://", "rediss://", 1)
