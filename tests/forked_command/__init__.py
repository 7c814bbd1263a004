"""Our commands in processes that are forked from one which has imported what it needs.

A whole run of the tests starts some hundreds of services and as many commands: each that is run by its name imports for
half a second of CPU first. A process that is forked is one of its own all the same, with its own files, environment,
group and exit code. What a start by name is like, the tests of the command line and of the docs' lines see.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from subprocess import TimeoutExpired
from typing import IO, Any

__all__ = ["Forked", "fork"]

SERVER = """
import socket, sys
from softbounce_gateway.supervise.forking import serve
serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
"""
PRELOADED = (
    "softbounce_worker",
    "softbounce_scheduler",
    "softbounce_gateway.http",
    "softbounce_gateway.submission",
    "softbounce_gateway.returns",
    "softbounce_gateway.webhooks",
    "softbounce_gateway.alerts",
    "softbounce_playground",
    "forked_command",
)


AT_START = ("LD_", "PYTHON", "MALLOC_")
"""What a program heeds when it begins, and a fork does not."""


class Forked:
    """A process, with what tests use of :class:`subprocess.Popen`."""

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = None
        self.returncode: int | None = None
        self._handle = handle
        self._ended = threading.Event()

    def has_ended(self, code: int) -> None:
        """It was heard of."""
        self.returncode = code
        os.close(self._handle)
        self._ended.set()

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code.

        :raises TimeoutExpired: it runs still.
        """
        if not self._ended.wait(timeout):
            raise TimeoutExpired(f"process {self.pid}", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError, OSError):
                signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that forks, and the thread that hears of ends."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        self._environ = {**os.environ, "PYTHONPATH": path}
        self._orders = ours
        self._turn = threading.Lock()
        self._began: queue.Queue[tuple[dict[str, Any], list[int], threading.Event]] = queue.Queue()
        self._running: dict[int, Forked] = {}
        self._process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-P", "-c", SERVER, str(theirs.fileno()), *PRELOADED],
            env=self._environ,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        threading.Thread(target=self._hear, daemon=True).start()

    def fork(self, options: Sequence[str], environ: Mapping[str, str], files: Sequence[int]) -> Forked:
        """One that has these as stdin, stdout and stderr."""
        order = {
            "module": "forked_command",
            "options": list(options),
            "title": " ".join([sys.executable, "-m", *options[1:]]),
            "set": {name: value for name, value in environ.items() if self._environ.get(name) != value},
            "unset": [name for name in self._environ if name not in environ],
            "descriptors": [0, 2],
        }
        stdin, stdout, stderr = files
        with self._turn:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [stdout, stdin, stderr])
            answer, handles, is_known = self._began.get(timeout=30)
            try:
                if "error" in answer:
                    raise OSError(*answer["error"])
                child = self._running[answer["pid"]] = Forked(answer["pid"], handles[0])
            finally:
                is_known.set()
        return child

    def _hear(self) -> None:
        while True:
            octets, handles, _, _ = socket.recv_fds(self._orders, 65_536, 1)
            if not octets:
                return
            answer = json.loads(octets)
            if "ended" in answer:
                self._running.pop(answer["ended"]).has_ended(answer["code"])
                continue
            is_known = threading.Event()
            self._began.put((answer, list(handles), is_known))
            is_known.wait(30)  # its end may be the next that is heard


@cache
def _server_of(_pid: int) -> _Server:
    return _Server()


def _run(options: Sequence[str], environ: Mapping[str, str], files: Sequence[int]) -> subprocess.Popen[str]:
    folder, *arguments = options
    stdin, stdout, stderr = files
    return subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-m", *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        cwd=folder,
        env=environ,
        start_new_session=True,
    )


def fork(
    arguments: Sequence[str],
    *,
    folder: Path | None,
    environ: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int,
    reads: IO[str] | None = None,
    package: str = "softbounce",
) -> Forked | subprocess.Popen[str]:
    """Run a package with arguments: by its name where the environment has something that only a new program heeds.

    :param reads: our end of its stdout.
    """
    options = [str(folder or Path.cwd()), package, *arguments]
    files = (stdin, stdout, stderr)
    names = {name for name in (*environ, *os.environ) if name.startswith(AT_START)}
    child: Forked | subprocess.Popen[str]
    if any(environ.get(name) != os.environ.get(name) for name in names):
        child = _run(options, environ, files)
    else:
        child = _server_of(os.getpid()).fork(options, environ, files)
    child.stdout = reads
    return child
