"""A receiver of webhooks of a test's own, which answers as it is told and remembers what it got."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ports import free_ports

__all__ = ["SECRET", "Got", "Hooks", "hooks"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The example of Standard Webhooks."""
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One request.

    :ivar status: what was answered; 0: something of the test's own.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def id(self) -> str:
        """The event's."""
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:  # noqa: ANN401 - what was sent
        """The body."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        """What it says it is."""
        return str(self.json["type"])

    @property
    def envelope(self) -> str:
        """Whose it is."""
        return str(self.json["data"]["id"])


Raw = Callable[[BaseHTTPRequestHandler], None]
"""Answers by itself, whatever that is."""
Answer = Callable[[Got], int | tuple[int, Mapping[str, str]] | Raw]


@dataclass
class Hooks:
    """The receiver: what it got, in order; ``answer`` says what it answers to the next.

    :ivar open: connections that are open now, and ``most_open`` at one time.
    """

    answer: Answer = lambda _got: OK
    tls: ssl.SSLContext | None = None
    port: int = 0
    host: str = "127.0.0.1"
    got: list[Got] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}/hook"

    @property
    def taken(self) -> list[Got]:
        """What it took, each event once, in the order in which it took it first."""
        with self.lock:
            return list({one.id: one for one in reversed(self.got) if one.status == OK}.values())[::-1]

    def start(self) -> None:
        """Listen; again at the same port."""
        server = (_Server6 if ":" in self.host else _Server)((self.host, self.port), _handler(self))
        server.daemon_threads = True
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more; connections that are open end too."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:  # a client that hangs up
        pass


class _Server6(_Server):
    address_family = socket.AF_INET6


def _handler(hooks: Hooks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True

        def setup(self) -> None:
            with hooks.lock:
                hooks.open += 1
                hooks.connections += 1
                hooks.most_open = max(hooks.most_open, hooks.open)
            if hooks.tls is not None:
                self.request.settimeout(5)
                self.request = hooks.tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
            if hooks.tls is not None:
                self.request.close()
            with hooks.lock:
                hooks.open -= 1

        def do_POST(self) -> None:
            if hooks._server is None:  # it is away
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Got(path=self.path, headers=headers, body=body, status=0)
            answer = hooks.answer(asked)
            status, more = answer if isinstance(answer, tuple) else (answer if isinstance(answer, int) else 0, {})
            with hooks.lock:
                hooks.got.append(Got(path=self.path, headers=headers, body=body, status=status))
            if not isinstance(answer, int | tuple):
                answer(self)
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def hooks(
    answer: Answer = lambda _got: OK, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Hooks]:
    """A receiver that listens."""
    made = Hooks(answer=answer, tls=tls, host=host, port=free_ports(1)[0])  # one that nobody gets while it is away
    made.start()
    try:
        yield made
    finally:
        made.stop()
