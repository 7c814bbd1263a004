"""Free ports for servers that are told theirs: from below those that the system gives to connections.

One of the latter may have been given away by the time the server binds it, where many tests connect at the same time.
Each process of a test run has a part of its own, of which it gives none twice in a row: a server that is away for a
while would find another test's at its port, and its clients had found it already.
"""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack, suppress

__all__ = ["free_ports"]

PORTS = range(12_000, 32_000)
TRIES = 100
_given: set[int] = set()


def free_ports(number: int) -> list[int]:
    """So many that nobody has, at any of this machine's addresses: all are held until all are found."""
    own = _own_ports()
    if len(_given) > len(own) // 2:
        _given.clear()
    with ExitStack() as held:
        ports: list[int] = []
        for port in random.SystemRandom().sample([port for port in own if port not in _given], TRIES):
            with suppress(OSError):
                held.enter_context(socket.socket()).bind(("0.0.0.0", port))  # noqa: S104 - nobody has it; no listener
                ports.append(port)
            if len(ports) == number:
                _given.update(ports)
                return ports
    raise AssertionError(f"no {number} ports are free")


def _own_ports() -> range:
    """Those of this process of a test run (pytest-xdist); all where it is the only one."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return PORTS[number::processes]
