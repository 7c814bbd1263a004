"""A mail host in threads of its own that stalls before it reads a body, and is gone as soon as it has the final dot.

Plain blocking sockets: between its last read and its end the client's loop has no turn. The scripted host of
:mod:`mx` shares that loop, and so always lets it write what it still has.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Self

__all__ = ["Stalling"]

ANSWERS = {b"EHLO": b"250-mx.test\r\n250 PIPELINING", b"DATA": b"354 go on", b"QUIT": b"221 bye"}
END = b"\r\n.\r\n"


class Stalling:
    """Within ``with``: it listens.

    :param seconds: how long it stalls behind each 354.
    :param receive_octets: the size of its receive buffer, by which the client's system sizes its own.
    :param keeps: of how many messages one is answered; the others are cut off.
    :ivar bodies: what arrived up to a final dot, in any order.
    """

    def __init__(self, address: str, port: int, *, seconds: float, keeps: int, receive_octets: int) -> None:
        self.bodies: list[bytes] = []
        self._seconds = seconds
        self._keeps = keeps
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        self._listener.bind((address, port))
        self._listener.listen(100)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"220 mx.test\r\n")
            buffer = b""
            while True:
                while b"\n" not in buffer:
                    octets = connection.recv(65536)
                    if not octets:
                        return
                    buffer += octets
                line, _, buffer = buffer.partition(b"\n")
                verb = line[:4].upper()
                connection.sendall(ANSWERS.get(verb, b"250 ok") + b"\r\n")
                if verb == b"DATA":
                    time.sleep(self._seconds)
                    while END not in buffer:
                        octets = connection.recv(1 << 20)
                        if not octets:
                            return
                        buffer += octets
                    body, _, buffer = buffer.partition(END)
                    if len(self.bodies) % self._keeps:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        connection.close()
                    self.bodies.append(body)
                    connection.sendall(b"250 2.0.0 taken\r\n")
