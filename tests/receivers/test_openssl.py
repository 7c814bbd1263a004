"""What a host says by TLS alone, once it is on: ``openssl s_server`` of Debian does it by a letter.

Without that program these tests are skipped. ``script/test receivers`` runs them.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from certificates import Authority
from softbounce_worker.posture import OPPORTUNISTIC
from softbounce_worker.session.tls import TlsChannel, make_context

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
ASKS_FOR_NEW_KEYS, HAS_NEW_KEYS, RENEGOTIATES = "K", "k", "r"
SECONDS = 10


class Host:
    """One of one connection, with our side of it.

    :param options: of ``s_server``.
    """

    def __init__(self, certificate: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            place = free.getsockname()
        command = [OPENSSL or "", "s_server", "-accept", f"{place[0]}:{place[1]}", "-cert", str(certificate)]
        command += ["-key", str(certificate), "-naccept", "1", *options]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603
        self._socket = _connected(place)
        self.channel = TlsChannel(make_context(OPPORTUNISTIC), "mx.test")
        self._read = b""

    def says(self, line: str) -> None:
        """A letter that it takes for an order, or text that we shall get."""
        assert self._server.stdin is not None
        self._server.stdin.write(f"{line}\n".encode())
        self._server.stdin.flush()

    def exchange(self, *, until: bytes = b"") -> bool:
        """Both sides say what they have to, until the handshake is done, or this was read. False: TLS broke before."""
        end = time.monotonic() + SECONDS
        self._read += self.channel.receive(b"")
        while True:
            self._socket.sendall(self.channel.take())
            if self.channel.is_on and until in self._read:
                return True
            assert time.monotonic() < end, self._read
            octets = self._socket.recv(65536)
            self._read += self.channel.receive(octets)
            if self.channel.failure or not octets:
                return False

    def take_in(self) -> None:
        """Whatever comes next."""
        self._read += self.channel.receive(self._socket.recv(65536))

    def close(self) -> None:
        """End both sides."""
        self._socket.close()
        self._server.kill()
        self._server.communicate()


def _connected(place: tuple[str, int]) -> socket.socket:
    end = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(place, SECONDS)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


@contextmanager
def host(folder: Path, *options: str) -> Iterator[Host]:
    """One, past its handshake."""
    one = Host(Authority(folder).sign("mx.test"), *options)
    try:
        assert one.exchange()
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("order", [ASKS_FOR_NEW_KEYS, HAS_NEW_KEYS])
def test_issue12_a_host_may_have_new_keys_at_any_time(tmp_path: Path, order: str) -> None:
    """Also while nothing is said: both sides read each other as before (RFC 8446 §4.6.3)."""
    with host(tmp_path, "-tls1_3", "-num_tickets", "0") as one:
        for number in range(3):
            one.says(order)
            one.take_in()  # an order that is not alone is text
            one.channel.protect(b"NOOP\r\n")
            one.says(f"250 {number}")
            assert one.exchange(until=b"250 %d\n" % number)
        assert not one.channel.failure


def test_F25_a_host_that_renegotiates_is_refused(tmp_path: Path) -> None:
    """No more work for us than a word (RFC 5746 §4.2): it may go on or not, and nothing hangs."""
    with host(tmp_path, "-tls1_2") as one:
        one.says(RENEGOTIATES)
        assert one.exchange(until=b"never") is False
        assert "handshake failure" in one.channel.failure
