"""A resolver between the service and its name server that a test can make lie, be slow, and be right again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal

import dns.message
import dns.rcode
import dns.rrset

__all__ = ["Resolver"]

Mood = Literal["honest", "nothing exists", "slow"]
SLOW_SECONDS = 5.0


class Resolver:
    """Passes questions on over UDP, as its mood is.

    :ivar mood: "nothing exists": NXDOMAIN for all, to be kept for an hour; "slow": the truth, five seconds late.
    """

    def __init__(self, nameserver: str) -> None:
        host, _, port = nameserver.rpartition(":")
        self._upstream = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._is_ending = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=64)
        self.mood: Mood = "honest"

    @property
    def nameserver(self) -> str:
        """As a config names it."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer within ``with``."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield
        finally:
            self._is_ending.set()
            thread.join()
            self._pool.shutdown(cancel_futures=True)
            self._socket.close()

    def _serve(self) -> None:
        while not self._is_ending.is_set():
            try:
                octets, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            if self.mood == "nothing exists":
                self._socket.sendto(_denial(octets), peer)
            else:
                self._pool.submit(self._pass_on, octets, peer, SLOW_SECONDS if self.mood == "slow" else 0.0)

    def _pass_on(self, octets: bytes, peer: object, seconds: float) -> None:
        time.sleep(seconds)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.settimeout(2)
            upstream.sendto(octets, self._upstream)
            self._socket.sendto(upstream.recv(4096), peer)  # type: ignore[arg-type]


def _denial(octets: bytes) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(octets), recursion_available=True)
    reply.set_rcode(dns.rcode.NXDOMAIN)
    soa = "ns.test. hostmaster.test. 1 3600 600 86400 3600"
    reply.authority.append(dns.rrset.from_text("test.", 3600, "IN", "SOA", soa))
    return reply.to_wire()
