"""What tests of the ways in by SMTP share: a service that listens, and a client that says what it is told to."""

from __future__ import annotations

import socket
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from typing import Self

__all__ = ["RawClient", "letter", "listening"]

WITHIN = 20.0


def listening(port: int, key: str = "submission", more: str = "") -> str:
    """A configuration that takes mail in there."""
    return f'[gateway]\n{key} = "127.0.0.1:{port}"\n{more}\n[worker]\nprocesses = 1\n'


def letter(subject: str = "hello", **fields: str) -> bytes:
    """A message as a client sends it; underscores in the names of fields are hyphens."""
    message = EmailMessage(policy=WIRE)
    message["From"] = "app@shop.test"
    message["To"] = "someone@b.test"
    message["Subject"] = subject
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello.\n.a dot\n")
    return message.as_bytes()


class RawClient:
    """A connection on which octets are sent as they are, and replies read."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=WITHIN)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, octets: bytes) -> None:
        """Send these."""
        self._socket.sendall(octets)

    def end_sending(self) -> None:
        """Say that no more comes."""
        self._socket.shutdown(socket.SHUT_WR)

    def reply(self) -> str:
        """The next reply, its last line; empty: the connection is closed."""
        while True:
            line, found, rest = self._rest.partition(b"\r\n")
            if found:
                self._rest = rest
                if line[3:4] != b"-":
                    return line.decode()
                continue
            try:
                octets = self._socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                return ""
            self._rest += octets

    def ask(self, line: str) -> str:
        """Send a command; its reply."""
        self.send(line.encode() + b"\r\n")
        return self.reply()
