"""Worker processes that end with SIGKILL at an exact line, or that are given some other peculiarity; and plain ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from service import Service, ready_line

__all__ = ["LAST_LINES", "WorkerProcess", "running_worker"]

BEGIN = """
import asyncio, os, signal, sys
import softbounce_worker.__main__ as worker
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
def put(owner, name, instead):
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, instead)
"""
END = """
sys.exit(worker.main(sys.argv[1:]))
"""
LAST_LINES: Mapping[str, str] = {
    "before the connection": """
import softbounce_worker.session.dialling as dialling
put(dialling.Dialling, "open", die)
""",
    "after MAIL": """
from softbounce_worker.session.asking import Asking
put(Asking, "_answer_mail", die)
""",
    "after RCPT": """
from softbounce_worker.session.asking import Asking
put(Asking, "_answer_rcpt", die)
""",
    "after 354": """
from softbounce_worker.session.sending import Sending
put(Sending, "send", die)
""",
    "in the middle of the body": """
from softbounce_worker.session.connection import Connection
async def write_half(self, octets, seconds):
    self.write(octets[: len(octets) // 2])
    await asyncio.sleep(0.1)
    die()
put(Connection, "write_large", write_half)
""",
    "after the marker": """
from softbounce_worker.session.sending import Sending
put(Sending, "_send_dot", die)
""",
    "after the 250": """
from softbounce_worker.results.flusher import Flusher
whole = Flusher._write_down
def write_down(self, move):
    if move.record.state.word == "delivered":
        die()
    whole(self, move)
put(Flusher, "_write_down", write_down)
""",
    "after the journal": """
from softbounce_worker.results.flusher import Flusher
whole = Flusher._fly
async def fly(self):
    if any(move.record.state.word == "delivered" for move in self._moves):
        die()
    await whole(self)
put(Flusher, "_fly", fly)
""",
}
"""Where a worker may end, and what makes it end there."""


class WorkerProcess:
    """A worker beside a service that has none, with some lines run before it begins.

    :ivar pid: its process.
    """

    def __init__(self, service: Service, lines: str = "", *, config: Path | None = None) -> None:
        command = [sys.executable, "-c", BEGIN + lines + END, "--config", str(config or service.config)]
        with (service.folder / "stderr").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, cwd=service.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.pid = self._process.pid

    def wait_ready(self) -> str:
        """Wait until it takes work; the name under which it claims."""
        return ready_line(self._process).split()[-1]

    def wait(self, seconds: float) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait(seconds)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def end(self) -> None:
        """End it, however it stands."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def running_worker(service: Service, lines: str = "", *, config: Path | None = None) -> Iterator[WorkerProcess]:
    """A worker, ended when left."""
    worker = WorkerProcess(service, lines, config=config)
    try:
        yield worker
    finally:
        worker.end()
