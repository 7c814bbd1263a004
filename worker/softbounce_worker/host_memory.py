"""What a process remembers of mail hosts for a while: which gave no session, and which got out of step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

__all__ = ["HostMemory"]

HOST_DOWN = 30.0
OUT_OF_STEP = 900.0
MOST_HOSTS = 10_000


class HostMemory:
    """Memory of hosts by name. Politeness and speed only: forgetting it is harmless."""

    def __init__(self) -> None:
        self._down: dict[str, float] = {}
        self._out_of_step: dict[str, float] = {}

    def failed(self, host: str) -> None:
        """No session could be had there: it is tried last for a while, so that mail does not wait for it again."""
        self._note(self._down, host, HOST_DOWN)

    def worked(self, host: str) -> None:
        """A session was had there."""
        self._down.pop(host, None)

    def lost_step(self, host: str) -> None:
        """Its replies did not fit the commands: it gets one command at a time for a while (RFC 2920 §3.1)."""
        self._note(self._out_of_step, host, OUT_OF_STEP)

    def is_out_of_step(self, host: str) -> bool:
        """Whether commands must not be sent in groups."""
        return self._out_of_step.get(host, 0.0) > asyncio.get_running_loop().time()

    def sort(self, hosts: Sequence[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
        """The hosts in their order, those that failed lately behind the others."""
        now = asyncio.get_running_loop().time()
        return sorted(hosts, key=lambda host: self._down.get(host[0], 0.0) > now)

    @staticmethod
    def _note(memory: dict[str, float], host: str, seconds: float) -> None:
        if len(memory) >= MOST_HOSTS:
            memory.clear()
        memory[host] = asyncio.get_running_loop().time() + seconds
