"""The service that the demo tries: ``softbounce up --playground`` as a real child process in a folder of its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from softbounce_config.parent import PARENT_FD
from softbounce_config.urls import SOCKET

from softbounce.errors import SoftbounceError
from softbounce.store.address import StoreAddress

__all__ = ["DemoFailed", "Service"]

READY_WITHIN = 30.0
ENDS_WITHIN = 20.0


class DemoFailed(SoftbounceError):
    """The demo could not be carried out."""


class Service:
    """The running service. A context manager: entered it is ready, left it has ended.

    :ivar exit_code: once it has ended.
    """

    def __init__(self, folder: Path, config: str) -> None:
        self._folder = folder
        self._config = folder / "softbounce.toml"
        self._config.write_text(config, encoding="utf-8")
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

        :raises DemoFailed: it did not become ready.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SOFTBOUNCE__")}
        pipe, self._kept = os.pipe()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", "softbounce", "up", "--playground", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                env={**environment, PARENT_FD: str(pipe)},
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
                raise DemoFailed(f"the service ended with {process.wait()} before it was ready:\n{self.last_words()}")
            said += octets
            for line in said.decode(errors="replace").splitlines(keepends=True):
                if line.startswith("ready") and line.endswith("\n"):
                    return line.rstrip()
        raise DemoFailed(f"the service was not ready within {READY_WITHIN:g} s:\n{self.last_words()}")

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
