"""The processes of one run, found by a mark in their environment, so that none is missed and none other is touched."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARK", "Living", "living", "send_signal"]

MARK = "TORTURE_MARK"
WORDS = {
    "softbounce_worker": "worker",
    "softbounce_scheduler": "scheduler",
    "softbounce_playground": "playground",
    "valkey-server": "store",
    "torture.app": "app",
    "softbounce up": "up",
}


@dataclass(frozen=True, slots=True)
class Living:
    """A process that lives.

    :ivar part: the part of the house that it belongs to.
    :ivar role: ``worker``, ``scheduler``, ``playground``, ``store``, ``app``, ``up``, or ``other`` while it begins.
    """

    pid: int
    part: str
    role: str


def living(run: str) -> list[Living]:
    """The processes that carry the mark of this run, in the order of their pids."""
    return sorted(_living(f"{MARK}={run}/".encode()), key=lambda one: one.pid)


def _living(mark: bytes) -> Iterator[Living]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            environment = (entry / "environ").read_bytes()
            found = next((line for line in environment.split(b"\0") if line.startswith(mark)), None)
            if found is None:
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            role = next((role for word, role in WORDS.items() if word in command), "other")
            yield Living(int(entry.name), found.removeprefix(mark).decode(), role)


def send_signal(one: Living, run: str, number: signal.Signals) -> bool:
    """Signal a process, and never another that got its number meanwhile. Whether it was there."""
    try:
        handle = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return False
    try:
        environment = Path(f"/proc/{one.pid}/environ").read_bytes()
        if f"{MARK}={run}/{one.part}".encode() not in environment.split(b"\0"):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
