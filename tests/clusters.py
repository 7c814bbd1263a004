"""Stores of several servers for tests: a cluster with replicas, and a primary with replicas that sentinels watch.

All on loopback, each server in a folder of its own, syncing every write, quick to find a peer dead. They are ended by
SIGKILL: nothing is to be kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import redis
from ports import free_ports
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from softbounce.store.keys import key

__all__ = ["SHARDS", "Cluster", "Pair", "Server", "Watched"]

SHARDS = 16
SLOTS = 16384
READY_WITHIN = 20.0
NODE_TIMEOUT_MS = 1000


def until(condition: Callable[[], Any], what: str, seconds: float = READY_WITHIN) -> Any:  # noqa: ANN401
    """Wait until a condition holds; what it answered."""
    end = time.monotonic() + seconds
    while True:
        with suppress(redis.RedisError, OSError):
            if answer := condition():
                return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


class Server:
    """One server process on a port of its own."""

    def __init__(self, binary: Path, port: int, folder: Path, *options: str) -> None:
        self.port = port
        self.folder = folder
        self.environ: Mapping[str, str] = {}
        self._command = [str(binary), *options]
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def start(self) -> None:
        """Start it; it may take a moment to answer."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(  # noqa: S603
            self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environ}
        )
        log.close()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        """Stop it for a while, or let it go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def ask(self, *command: Any) -> Any:  # noqa: ANN401
        """Its answer to a command, over a connection of its own."""
        with redis.Redis(
            port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=5, single_connection_client=True
        ) as client:
            return client.execute_command(*command)

    def info(self) -> dict[str, Any]:
        """What it says of its replication."""
        answer: dict[str, Any] = self.ask("INFO", "replication")
        return answer


def store_options(port: int, folder: Path) -> list[str]:
    """The command line of a server that keeps mail."""
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"]
    return [*options, "--repl-ping-replica-period", "1", "--repl-timeout", "5"]


class _House:
    """Servers with one folder. A context manager.

    :param environ: what a server's environment has besides ours, by its number.
    """

    url: str
    servers: list[Server]

    def __init__(self, binary: Path, environ: Mapping[int, Mapping[str, str]] | None = None) -> None:
        self._binary = binary
        self._environ = environ or {}
        self._folder = tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp")
        self.folder = Path(self._folder.name)
        self.servers = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()
        self._folder.cleanup()

    def _start(self) -> None:
        raise NotImplementedError

    def _server(self, port: int, *options: str) -> Server:
        folder = self.folder / str(port)
        server = Server(self._binary, port, folder, *store_options(port, folder), *options)
        server.environ = self._environ.get(len(self.servers), {})
        self.servers.append(server)
        server.start()
        return server


class Cluster(_House):
    """Three primaries, each with one replica."""

    def _start(self) -> None:
        ports = free_ports(12)
        for port, bus in zip(ports[:6], ports[6:], strict=True):
            self._server(
                port,
                *("--cluster-enabled", "yes", "--cluster-port", str(bus)),
                *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-require-full-coverage", "no"),
                *("--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"),
            )
        for server in self.servers:
            until(lambda server=server: server.ask("PING"), "a node answers")  # type: ignore[misc]
        primaries, replicas = self.servers[:3], self.servers[3:]
        for number, server in enumerate(primaries):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(ports[1:6], ports[7:], strict=True):
            primaries[0].ask("CLUSTER", "MEET", "127.0.0.1", port, bus)
        until(lambda: all(self._knows(server, 6) for server in self.servers), "the nodes know each other")
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", self.id_of(primary))
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports[:6])
        self.settle()

    def settle(self) -> None:
        """Wait until every slot has a primary with a replica in step, as all nodes see it."""

        def is_settled() -> bool:
            slots = [server.ask("CLUSTER", "SLOTS") for server in self.servers]
            whole = all(sum(one[1] - one[0] + 1 for one in seen) == SLOTS for seen in slots)
            agreed = len({str(sorted((one[0], one[1], one[2][1]) for one in seen)) for seen in slots}) == 1
            return whole and agreed and all(self._has_replica(one[2][1]) for one in slots[0])

        until(is_settled, "every primary has its replica")

    def _has_replica(self, port: int) -> bool:
        info = next(server for server in self.servers if server.port == port).info()
        return "online" in str(info.get("slave0", ""))

    def _knows(self, server: Server, number: int) -> bool:
        return _text(server.ask("CLUSTER", "NODES")).count("\n") == number

    @staticmethod
    def id_of(server: Server) -> str:
        """A node's id."""
        answer = server.ask("CLUSTER", "MYID")
        return answer.decode() if isinstance(answer, bytes) else str(answer)

    def primary_of(self, shard: int) -> Server:
        """The server that has a shard now."""

        def find() -> Server | None:
            slot = self.slot(shard)
            for asked in self.servers:
                if asked.process is None:
                    continue
                for first, last, primary, *_ in asked.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next((one for one in self.servers if one.port == primary[1] and one.process), None)
            return None

        found: Server = until(find, f"shard {shard} has a primary")
        return found

    @staticmethod
    def slot(shard: int) -> int:
        """The slot of a shard's keys."""
        return key_slot(key(shard, "e"))

    def move(self, shard: int, target: Server) -> None:
        """Move a shard to another primary at once, which servers before Valkey 9 cannot; return when it is there."""
        source, slot = self.primary_of(shard), self.slot(shard)
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", self.id_of(target))
        until(lambda: self.primary_of(shard) is target, f"shard {shard} moved")

    def move_key_by_key(self, shard: int, target: Server) -> None:
        """Move a shard to another primary as all servers can; meanwhile its keys are in two places."""
        source, slot = self.primary_of(shard), self.slot(shard)
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))
        while names := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)
        for server in (target, source):
            server.ask("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))
        until(lambda: self.primary_of(shard) is target, f"shard {shard} moved")

    def primaries(self) -> list[Server]:
        """The servers that have slots now."""
        ports = {one[2][1] for one in self.primary_of(0).ask("CLUSTER", "SLOTS")}
        return [server for server in self.servers if server.port in ports]

    def raw(self) -> Any:  # noqa: ANN401
        """A client for looking at all keys."""
        return _Raw(host="127.0.0.1", port=next(one for one in self.servers if one.process).port)

    def flush(self) -> None:
        """Forget all data."""
        with self.raw() as client:
            client.flushall(target_nodes="primaries")


class _Raw(redis.RedisCluster):
    """Keys by pattern from all primaries."""

    def keys(self, pattern: Any = b"*", **_: Any) -> list[bytes | str]:  # noqa: ANN401
        """The keys that fit."""
        return super().keys(pattern, target_nodes="primaries")


class Pair(_House):
    """A primary and its replica, whom nobody watches."""

    def _start(self) -> None:
        ports = free_ports(2)
        primary = self._server(ports[0])
        self.replica = self._server(ports[1], "--replicaof", "127.0.0.1", str(ports[0]))
        until(lambda: "online" in str(primary.info().get("slave0", "")), "a replica")
        until(lambda: primary.ask("WAIT", 1, 100) == 1, "the replica answers")
        self.url = f"redis://127.0.0.1:{ports[0]}"


class Watched(_House):
    """A primary, two replicas, and three sentinels.

    :param down_after_ms: as the sentinels have it. On a machine with much to do less than some seconds means that they
        call well servers down, two in a row too, and promote one that is only just back.
    """

    SERVICE = "mail"
    sentinels: list[Server]

    def __init__(self, binary: Path, down_after_ms: int = 800) -> None:
        super().__init__(binary)
        self._down_after_ms = down_after_ms

    def _start(self) -> None:
        ports = free_ports(6)
        primary = self._server(ports[0])
        for port in ports[1:3]:
            self._server(port, "--replicaof", "127.0.0.1", str(ports[0]))
        until(lambda: primary.info().get("connected_slaves") in {2, "2"}, "two replicas")
        self.sentinels = []
        for port in ports[3:]:
            folder = self.folder / str(port)
            config = self.folder / f"{port}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {self.SERVICE} 127.0.0.1 {ports[0]} 2\n"
                f"sentinel down-after-milliseconds {self.SERVICE} {self._down_after_ms}\n"
                f"sentinel failover-timeout {self.SERVICE} 4000\n"
                f"sentinel parallel-syncs {self.SERVICE} 2\n"
            )
            sentinel = Server(self._binary, port, folder, str(config), "--sentinel")
            self.sentinels.append(sentinel)
            sentinel.start()
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in ports[3:]) + f"/{self.SERVICE}"
        self.settle()

    def __exit__(self, *_: object) -> None:
        for sentinel in getattr(self, "sentinels", []):
            sentinel.kill()
        super().__exit__()

    def settle(self) -> None:
        """Wait until all sentinels know each other, and a primary with two replicas."""

        def is_settled() -> bool:
            states = [self._state(sentinel) for sentinel in self.sentinels]
            agreed = len({state["port"] for state in states}) == 1
            whole = all(int(state["num-other-sentinels"]) == 2 for state in states)
            return whole and agreed and int(self.primary().info()["connected_slaves"]) == 2

        until(is_settled, "the sentinels agree, and the primary has two replicas")
        until(lambda: all(self._replicas_are_well(one) for one in self.sentinels), "the replicas are well")

    def _replicas_are_well(self, sentinel: Server) -> bool:
        rows = [_pairs(row) for row in sentinel.ask("SENTINEL", "REPLICAS", self.SERVICE)]
        return sum(1 for row in rows if row["flags"] == "slave" and row["master-link-status"] == "ok") == 2

    def _state(self, sentinel: Server) -> dict[str, str]:
        return _pairs(sentinel.ask("SENTINEL", "MASTER", self.SERVICE))

    def primary(self) -> Server:
        """The server that the sentinels call the primary."""
        port = int(self._state(self.sentinels[0])["port"])
        return next(server for server in self.servers if server.port == port)


def _pairs(answer: Any) -> dict[str, str]:  # noqa: ANN401 - parsed or not, by the library's version
    if isinstance(answer, dict):
        return {_text(name): _text(value) for name, value in answer.items()}
    flat: Iterator[Any] = iter(answer)
    return {_text(name): _text(value) for name, value in zip(flat, flat, strict=True)}


def _text(value: Any) -> str:  # noqa: ANN401
    return value.decode() if isinstance(value, bytes) else str(value)
