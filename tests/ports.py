"""Free ports for servers that are told theirs: from below those that the system gives to connections.

One of the latter may have been given away by the time the server binds it, where many tests connect at the same time.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

__all__ = ["free_ports"]

PORTS = range(12_000, 32_000)
TRIES = 1000


def free_ports(number: int) -> list[int]:
    """So many that nobody has, at any of this machine's addresses: all are held until all are found."""
    chance = random.SystemRandom()
    with ExitStack() as held:
        ports: list[int] = []
        for _ in range(TRIES):
            with suppress(OSError):
                bound = held.enter_context(socket.socket())
                bound.bind(("0.0.0.0", chance.choice(PORTS)))  # noqa: S104 - nobody has it at any address; no listener
                ports.append(bound.getsockname()[1])
            if len(ports) == number:
                return ports
    raise AssertionError(f"no {number} ports are free")
