"""Clients that are slow, large or many: each is stopped, and nobody else notices."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from calling import MESSAGES, calling, part
from service import IDENTITY

if TYPE_CHECKING:
    from conftest import StartService
    from service import Service

HEAD = f"POST {MESSAGES} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()


def connect(port: int) -> socket.socket:
    """A connection that waits for answers as long as a test may."""
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def answer_of(client: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    got = b""
    try:
        while chunk := client.recv(65_536):
            got += chunk
    except ConnectionResetError:
        pass
    return got


def test_A13_a_body_that_is_too_large_is_refused_before_it_comes(start: StartService, port: int) -> None:
    """By its length at once; where that is not told, as soon as it is more than may be."""
    start(f'max_message = "1MiB"\n{IDENTITY}[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    with connect(port) as client:
        client.sendall(HEAD + b"Content-Length: 100000000\r\n\r\n")
        assert answer_of(client).startswith(b"HTTP/1.1 413 ")
    with connect(port) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 2000:
                client.sendall(b"10000\r\n" + b"[" * 0x10000 + b"\r\n")
                sent += 1
        except OSError:
            pass
        assert sent < 2000
    with calling(port) as http:
        assert http.post(MESSAGES, json=part()).status_code == 202
        large = part(text="x" * 60 + "\n")
        large["text"] *= 20_000
        assert http.post(MESSAGES, json=large).status_code == 413
        assert http.post(MESSAGES, json=part(to=[f"a{n}@example.net" for n in range(1001)])).status_code == 422


def test_A13_a_header_has_an_end(service: Service, port: int) -> None:
    """One that is too large, or has too many fields, is answered 431 or hung up on."""
    del service
    for head in (b"X-A: " + b"a" * 40_000 + b"\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(200))):
        with connect(port) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert answer_of(client).startswith(b"HTTP/1.1 431 ")
    with connect(port) as client:
        try:
            for _ in range(10_000):
                client.sendall(b"GET /" + b"a" * 1000)
        except OSError:
            return
        raise AssertionError("a request line of ten million octets was taken")


def test_issue14_slow_clients_harm_nobody(start: StartService, port: int) -> None:
    """Hundreds that say nothing, or a word at a time, are hung up on; others are served all the while."""
    start(
        f'[gateway]\nhttp = "127.0.0.1:{port}"\nconnections = 120\nconnections_per_client = 110\n', "store", "gateway"
    )
    began = time.monotonic()
    slow = [connect(port) for _ in range(100)]
    for number, client in enumerate(slow):
        client.sendall(b"" if number % 2 else b"POST /api/v1/mess")
    with calling(port) as http, connect(port) as unread:
        unread.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n")
        assert unread.recv(1000).startswith(b"HTTP/1.1 200 ")
        unread.sendall(b"x")  # of a body that nobody reads
        assert http.post(MESSAGES, json=part()).status_code == 202
        more = [connect(port) for _ in range(15)]
        refused = [client for client in more if b" 503 " in answer_of_now(client)]
        assert refused
        for client in more:
            client.close()
        for client in slow:
            assert answer_of(client) == b""
            client.close()
        answer_of(unread)
        assert 5 < time.monotonic() - began < 25
        assert http.post(MESSAGES, json=part()).status_code == 202


def answer_of_now(client: socket.socket) -> bytes:
    """What comes within a moment."""
    client.settimeout(0.5)
    try:
        return client.recv(1000)
    except TimeoutError:
        return b""
