"""What both kinds of store share on their way to a node: its connections' settings, its facts, and octets to send.

No connection has retries of the library's own: those ran a script up to four times when one reply was cut.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from softbounce.errors import StoreUnavailable
from softbounce.store.address import Node, redact
from softbounce.store.call_progress import NodeBatch
from softbounce.store.topology import Topology, read_facts

__all__ = [
    "ASK_CONNECT_TIMEOUT",
    "ASK_TIMEOUT",
    "CONNECT_TIMEOUT",
    "LOST",
    "PATIENCE",
    "SOCKET_TIMEOUT",
    "Link",
    "NotThePrimary",
    "Packed",
    "is_hopeless",
    "pack",
    "pause",
    "pool_arguments",
    "reply_in",
    "unreachable",
]

PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
PATIENCE = 6.0
"""Seconds for which a call that certainly did not run is sent again: a failover takes about three."""
SOCKET_TIMEOUT = 15.0
"""Seconds for one answer."""
CONNECT_TIMEOUT = 5.0
LOOK_EVERY = 5.0
"""Seconds after which a node is asked again how many replicas follow it."""
LOOK_EVERY_CHANGING = 0.3
"""The same, just after a switch and while a replica is missing: once back, it may be promoted within seconds."""
NO_LIMIT = 2**31
"""The libraries' pools only make connections for us; they count all they ever made, and refuse the hundredth."""
LOST = (RedisConnectionError, OSError, EOFError, asyncio.TimeoutError, RedisTimeoutError)
ASK_TIMEOUT = 2.0
ASK_CONNECT_TIMEOUT = 1.0
"""Seconds for a question where the shards are: another may know."""


class NotThePrimary(RedisConnectionError):
    """The node that was the primary is a replica now."""


def pool_arguments() -> dict[str, Any]:
    """How connections are made, retries and timeouts of reads aside."""
    return {
        "protocol": 2,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "health_check_interval": 0,
        "driver_info": None,
        "decode_responses": False,
        "max_connections": NO_LIMIT,
    }


def pause(turn: int) -> float:
    """Seconds to wait before what was refused is sent once more."""
    return PAUSES[min(turn, len(PAUSES) - 1)]


def is_hopeless(error: BaseException) -> bool:
    """Whether no later connection will be had either: the password is wrong. The asyncio client wraps that."""
    return isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError)


def unreachable(url: str, error: object) -> StoreUnavailable:
    """What to raise when there is no connection."""
    return StoreUnavailable(f"the store at {redact(url)} cannot be reached, nothing was taken: {error}")


def reply_in(error: RedisError) -> RedisError:
    """The error reply that the library made an exception of; any other exception is raised.

    It makes connection errors of some replies (``LOADING``, ``NOAUTH``): those tell their code, as all replies do
    that it knows. A reply is an answer: the call did not run. Only a connection that ended leaves that open.
    """
    if isinstance(error, ResponseError) or error.status_code is not None:
        return error
    raise error


class Packed(NamedTuple):
    """Commands as they go over the wire, and how many answers they have."""

    octets: list[bytes]
    number: int

    def with_guard(self, batch: NodeBatch, link: Link, topology: Topology) -> Packed:
        """The same, ending with the wait for the node's replicas where it has any.

        For each one that others see well, since any of them may be promoted while this node still takes writes and the
        others still follow it. Where nobody else tells, for one of those that the node itself tells of.
        """
        needed = max(topology.replicas(link.node), min(1, link.replicas))
        guard = batch.guard(needed) if needed else []
        return Packed([*self.octets, *map(pack_command, guard)], self.number + len(guard)) if guard else self


def pack(batch: NodeBatch) -> Packed:
    """Before a connection is taken: what cannot be packed must not cost one."""
    commands = batch.commands()
    return Packed([b"".join(map(pack_command, commands))], len(commands))


class Link:
    """The way to one node: its idle connections, and what it said of itself.

    :ivar pool: redis-py's, which only makes connections here.
    """

    __slots__ = ("asked_at", "free", "node", "pool", "replicas", "run_id")

    def __init__(self, node: Node, pool: Any) -> None:  # noqa: ANN401 - there are two kinds, without a common type
        self.node = node
        self.pool = pool
        self.free: list[Any] = []
        self.run_id = b""
        self.replicas = 0
        self.asked_at = -LOOK_EVERY

    def is_due(self, now: float, topology: Topology) -> bool:
        """Whether to ask how many replicas it has."""
        return now - self.asked_at >= (LOOK_EVERY_CHANGING if topology.may_change else LOOK_EVERY)

    def ask_soon(self) -> None:
        """Its replicas are not what they were."""
        self.asked_at = -LOOK_EVERY

    def forget(self) -> list[Any]:
        """Its idle connections, for whoever closes them: another server may have its place now, with other replicas."""
        idle, self.free = self.free, []
        self.ask_soon()
        return idle

    def learn(self, info: object, now: float, topology: Topology, *, is_new: bool = True) -> None:
        """Take in what it says of itself.

        Where it tells of other replicas than are known, or those may not last, the topology is doubted.

        :param is_new: the connection was made just now. Where one server has everything a new one may lead to a
            replica, if there is nothing else; one that stands may do so because another has the store's name by now.
        :raises NotThePrimary: it is a replica.
        """
        facts = read_facts(info)
        if facts.is_replica and not (topology.is_single and is_new):
            raise NotThePrimary(f"{self.node} is a replica")
        self.run_id = facts.run_id
        self.replicas = facts.replicas
        self.asked_at = now
        if topology.may_change or facts.replicas != topology.replicas(self.node):
            topology.doubt()
