"""A proxy before a store that loses connections on purpose, and a server whose replies are written down.

The proxy sits on a unix socket of its own and passes octets on; it knows requests and replies by their direction, and a
script by its hash: what is lost before the request arrived certainly did not run, what is lost after it may have.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Self

__all__ = ["Canned", "Fault", "Proxy"]

PIECE = 65536
INTRODUCTION = b"*1\r\n$4\r\nINFO\r\n"
"""What each new connection asks first; no fault is planned for it."""


class Fault(Enum):
    """What goes wrong with a connection."""

    NONE = "none"
    CUT_REQUEST = "cut_request"  # the connection ends, the server never sees the request
    CUT_REPLY = "cut_reply"  # the server carries it out, the connection ends before the reply passes
    HALF_REPLY = "half_reply"  # the connection ends in the middle of the reply
    SWALLOW_REPLY = "swallow_reply"  # the server carries it out, and nothing ever comes back


class Proxy:
    """A context manager; entered, it takes connections at :attr:`url` for the store at *upstream*.

    :ivar upstream: the store's socket.
    :ivar connections: how many it has taken.
    :ivar late_replies: seconds by which every reply is late.
    :ivar swallows: nothing passes in either direction, and nothing is said about it.
    :ivar aimed: the replies to so many more requests with :attr:`word` in them are lost.
    :ivar aim: how they are lost.
    :ivar elsewhere: a server that takes the store's place when a reply is cut.
    """

    def __init__(self, upstream: Path) -> None:
        self.upstream = upstream
        self._folder = tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp")
        self.path = Path(self._folder.name) / "proxy.sock"
        self.connections = 0
        self.late_replies = 0.0
        self.swallows = False
        self.word = b""
        self.aimed = 0
        self.aim = Fault.CUT_REPLY
        self.elsewhere: Path | None = None
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        """The store's URL by way of this proxy."""
        return f"unix://{self.path}"

    def __enter__(self) -> Self:
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.cut_all()
        for thread in self._threads:
            thread.join(timeout=5)
        self._folder.cleanup()

    def plan(self, *faults: Fault) -> None:
        """Do these to the next requests, one each; what follows passes."""
        with self._lock:
            self._faults = list(faults)

    @property
    def planned(self) -> list[Fault]:
        """What has not happened yet."""
        with self._lock:
            return list(self._faults)

    def accept(self) -> None:
        """Take connections."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._start(self._serve, self._listener)

    def refuse(self) -> None:
        """Take no further connections; those that stand carry on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self.path.unlink()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def cut_all(self) -> None:
        """End every connection."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _end(end)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The store cannot be reached meanwhile."""
        self.refuse()
        self.cut_all()
        try:
            yield
        finally:
            self.accept()

    # -- threads ----------------------------------------------------------------------------------------------------

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self.upstream))
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self.connections += 1
                self._open |= {near, far}
            self._start(self._carry, near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        fault: list[Fault] = [Fault.NONE]
        back = threading.Thread(target=self._bring_back, args=(near, far, fault), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while octets := near.recv(PIECE):
                if fault[0] is Fault.NONE and not octets.startswith(INTRODUCTION):
                    fault[0] = self._fault_of(octets)
                if fault[0] is Fault.CUT_REQUEST:
                    break
                if not self.swallows:
                    far.sendall(octets)
        _end(near)
        _end(far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _fault_of(self, octets: bytes) -> Fault:
        """What is planned for a request."""
        with self._lock:
            if self.aimed and self.word in octets:
                self.aimed -= 1
                return self.aim
            return self._faults.pop(0) if self._faults else Fault.NONE

    def _go_elsewhere(self) -> None:
        if self.elsewhere is not None:
            self.upstream, self.elsewhere = self.elsewhere, None
            self.cut_all()

    def _bring_back(self, near: socket.socket, far: socket.socket, fault: list[Fault]) -> None:
        with contextlib.suppress(OSError):
            while octets := far.recv(PIECE):
                if self.late_replies:
                    time.sleep(self.late_replies)
                if self.swallows:
                    continue
                match fault[0]:
                    case Fault.CUT_REPLY:
                        self._go_elsewhere()
                        break
                    case Fault.HALF_REPLY:
                        near.sendall(octets[: max(1, len(octets) // 2)])
                        break
                    case Fault.SWALLOW_REPLY:
                        continue
                    case _:
                        near.sendall(octets)
        _end(near)
        _end(far)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


class Canned:
    """A server that answers each command with its next reply, the last one repeating; empty ends the connection.

    A context manager. What a real server hardly ever says at a test's wish (``LOADING``, ``TRYAGAIN``) is said here.

    :ivar replies: replies without their final line break.
    :ivar requests: the names of the commands that came; ``INFO server`` is answered beside all this.
    """

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.requests: list[bytes] = []
        self.info = b"# Server\r\nrun_id:0123456789abcdef\r\n"
        self._folder = tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp")
        self._path = Path(self._folder.name) / "canned.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Its URL as a store."""
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._listener.bind(str(self._path))
        self._listener.listen(8)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self._thread.join(timeout=5)
        self._listener.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while head := stream.readline():
                parts = []
                for _ in range(int(head[1:])):
                    length = int(stream.readline()[1:])
                    parts.append(stream.read(length + 2)[:-2])
                if parts == [b"INFO"]:  # asked by each new connection
                    connection.sendall(b"$%d\r\n%s\r\n" % (len(self.info), self.info))
                    continue
                self.requests.append(parts[0])
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if not reply:
                    return
                connection.sendall(reply + b"\r\n")
