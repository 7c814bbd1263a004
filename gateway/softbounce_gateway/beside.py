"""A service for who tries things: ``softbounce up --playground`` as a real child process, in a folder of its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from softbounce_config.parent import PARENT_FD
from softbounce_config.urls import SOCKET

from softbounce.errors import SoftbounceError
from softbounce.store.address import StoreAddress

__all__ = ["Service", "ServiceFailed"]

READY_WITHIN = 30.0
ENDS_WITHIN = 20.0


class ServiceFailed(SoftbounceError):
    """It did not start."""


class Service:
    """The running service.

    :param folder: where its store and its log are.
    :param options: of ``up``, besides ``--playground``.
    :param environ: variables of its own; the data folder is one.
    :ivar exit_code: once it has ended.
    """

    def __init__(self, folder: Path, options: Sequence[str], environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._options = options
        self._environ = {**environ, "SOFTBOUNCE__STORE__DATA_DIR": str(folder / "var")}
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = -1
        self.exit_code: int | None = None

    @property
    def url(self) -> str:
        """Where its store is."""
        return StoreAddress.of_socket(str(self._folder / "var" / SOCKET)).url

    @property
    def ledger(self) -> Path:
        """What the playground's hosts took."""
        return self._folder / "var" / "playground" / "ledger.jsonl"

    @property
    def log(self) -> Path:
        """What it and its children wrote to stderr."""
        return self._folder / "up.log"

    def start(self) -> str:
        """Start it; the line that says that it is ready.

        :raises ServiceFailed: it did not become ready.
        """
        pipe, self._kept = os.pipe()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", "softbounce", "up", "--playground", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**self._environ, PARENT_FD: str(pipe)},
                pass_fds=[pipe],
                process_group=0,  # Ctrl-C is for us
            )
        os.close(pipe)
        return self._wait_ready(self._process)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None  # noqa: S101 - it was opened above
        give_up_at = time.monotonic() + READY_WITHIN
        said = b""
        while time.monotonic() < give_up_at:
            if not select.select([process.stdout], [], [], 0.2)[0]:
                continue
            octets = os.read(process.stdout.fileno(), 65536)
            if not octets:
                raise ServiceFailed(
                    f"the service ended with {process.wait()} before it was ready:\n{self.last_words()}"
                )
            said += octets
            for line in said.decode(errors="replace").splitlines(keepends=True):
                if line.startswith("ready") and line.endswith("\n"):
                    return line.rstrip()
        raise ServiceFailed(f"the service was not ready within {READY_WITHIN:g} s:\n{self.last_words()}")

    @property
    def runs(self) -> bool:
        """Whether it is there still."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> int:
        """End it by SIGTERM; its exit code. Nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return self.exit_code or 0
        process.terminate()
        try:
            process.communicate(timeout=ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        os.close(self._kept)
        self.exit_code = code = int(process.returncode)
        return code

    def last_words(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
