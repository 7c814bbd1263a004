"""The processes of one run, found by a mark in their environment, so that none is missed and none other is touched.

What gives itself a title writes it over its environment: the store's server, whose title names its socket, and all that
``softbounce up`` starts, whose titles name their configuration. Both lie in the run's folder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARK", "Living", "living", "send_signal"]

MARK = "TORTURE_MARK"
WORDS = {
    "softbounce_worker": "worker",
    "softbounce_scheduler": "scheduler",
    "softbounce_playground": "playground",
    "valkey-server": "store",
    "softbounce_gateway.": "gateway",
    "torture.app": "app",
    "torture.receiver": "receiver",
    "softbounce relay": "relay",
    "softbounce up": "up",
}


@dataclass(frozen=True, slots=True)
class Living:
    """A process that lives.

    :ivar part: the part of the house that it belongs to.
    :ivar role: ``worker``, ``scheduler``, ``playground``, ``store``, ``gateway``, ``app``,
        ``receiver``, ``relay``, ``up``, or ``other`` while it begins.
    """

    pid: int
    part: str
    role: str


def living(run: str) -> list[Living]:
    """The processes of a run, in the order of their pids.

    :param run: its folder.
    """
    return sorted(_living(run), key=lambda one: one.pid)


def _living(run: str) -> Iterator[Living]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (found := _look(int(entry.name), run)) is not None:
            yield found


def _look(pid: int, run: str) -> Living | None:
    """The process, if it is one of this run and lives."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    mark = f"{MARK}={run}/".encode()
    found = next((line for line in environment.split(b"\0") if line.startswith(mark)), None)
    part = found.removeprefix(mark).decode() if found is not None else _configured(command, run)
    if part is not None:
        return Living(pid, part, next((role for word, role in WORDS.items() if word in command), "other"))
    if "valkey-server" in command and f"{run}/store/" in command:
        return Living(pid, "store", "store")
    return None


def _configured(command: str, run: str) -> str | None:
    """The part whose configuration a command line names."""
    _, is_named, rest = command.partition(f" --config {run}/")
    return rest.split()[0].removesuffix(".toml") if is_named else None


def send_signal(one: Living, run: str, number: signal.Signals) -> bool:
    """Signal a process, and never another that got its number meanwhile. Whether it was there."""
    try:
        handle = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return False
    try:
        found = _look(one.pid, run)
        if found is None or found.part != one.part:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
