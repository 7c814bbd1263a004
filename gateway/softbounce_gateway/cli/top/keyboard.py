"""Keys of a terminal, as words; the terminal is as it was when that is over, however it ends."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keys_of", "read_keys", "single_keys"]

SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1bOC": "right",
    b"\x1bOD": "left",
    b"\x1b[5~": "pageup",
    b"\x1b[6~": "pagedown",
    b"\r": "enter",
    b"\n": "enter",
    b" ": "space",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x03": "q",
    b"\x04": "q",
}
MOST_OCTETS = 256


@contextmanager
def single_keys() -> Iterator[None]:
    """Get keys one by one and unseen from stdin."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def read_keys(seconds: float) -> list[str]:
    """Those that come within so many seconds, as soon as one does; ``q``: the terminal is gone."""
    fd = sys.stdin.fileno()
    readable, _, _ = select.select([fd], [], [], seconds)
    if not readable:
        return []
    octets = os.read(fd, MOST_OCTETS)
    return keys_of(octets) if octets else ["q"]


def keys_of(octets: bytes) -> list[str]:
    """What was pressed."""
    found: list[str] = []
    while octets:
        name = next((one for one in SEQUENCES if octets.startswith(one)), None)
        if name is not None:
            found.append(SEQUENCES[name])
            octets = octets[len(name) :]
        elif octets == b"\x1b":
            return [*found, "esc"]
        elif octets.startswith(b"\x1b"):  # of a key that we do not know
            return found
        else:
            found.append(chr(octets[0]))
            octets = octets[1:]
    return found
