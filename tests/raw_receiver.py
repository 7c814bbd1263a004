"""A receiver of webhooks that answers octet by octet, as no HTTP server would."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["OK", "Asked", "RawReceiver", "receiving"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SILENT_AFTER = 20.0
HEAD = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9])")
IDENTITY = re.compile(rb"webhook-id: *([^\r\n]+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: whose event it tells, on which connection it came, and whether its answer was that it is taken."""

    id: str
    connection: int
    is_taken: bool


Talk = Callable[[socket.socket], None]
"""Says whatever it wants; the connection is closed behind it."""


@dataclass
class RawReceiver:
    """It answers the first request with the first of its answers, and so on; then with OK.

    :ivar asked: the requests, in order.
    """

    answers: Sequence[bytes | Talk]
    host: str = "127.0.0.1"
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._connections = 0
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family, backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/hook"

    @property
    def taken(self) -> set[str]:
        """The events that it took."""
        with self._lock:
            return {one.id for one in self.asked if one.is_taken}

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections += 1
                threading.Thread(target=self._serve, args=(connection, self._connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(SILENT_AFTER)
        with suppress(OSError), connection:
            came = b""
            while True:
                head, end, behind = came.partition(b"\r\n\r\n")
                length = HEAD.search(head)
                if end and length is not None and len(behind) >= int(length[1]):
                    came = behind[int(length[1]) :]
                    if not self._answer(connection, number, head):
                        return
                    continue
                octets = connection.recv(65536)
                if not octets:
                    return
                came += octets

    def _answer(self, connection: socket.socket, number: int, head: bytes) -> bool:
        found = IDENTITY.search(head)
        assert found is not None
        with self._lock:
            turn = len(self.asked)
            answer = self.answers[turn] if turn < len(self.answers) else OK
            is_taken = isinstance(answer, bytes) and STATUS.findall(answer)[-1:] == [b"2"]
            self.asked.append(Asked(id=found[1].decode(), connection=number, is_taken=is_taken))
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return b"Content-Length" in answer
        answer(connection)
        return False


@contextmanager
def receiving(answers: Sequence[bytes | Talk], host: str = "127.0.0.1") -> Iterator[RawReceiver]:
    """One that listens."""
    made = RawReceiver(answers, host)
    try:
        yield made
    finally:
        made.close()
