"""A terminal that a program draws on: its keys, its size, and what stands on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

__all__ = ["Terminal"]

HOME = "\x1b[H"
CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])")


class Terminal:
    """A program on a terminal of its own, within ``with``."""

    def __init__(self, command: Sequence[str], *, width: int, height: int, environ: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        own = {**os.environ, **environ, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            own.pop(name, None)
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=own, start_new_session=True
        )
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def attributes(self) -> list[object]:
        """How it is set: by them one tells whether keys are seen as they are pressed."""
        return termios.tcgetattr(self._theirs)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def screen(self) -> list[str]:
        """The lines of what was drawn last, without colours."""
        self._read(0.05)
        last = self._said.rpartition(HOME)[2]
        return [line.rstrip() for line in CONTROL.sub("", last).replace("\r", "").split("\n")]

    def until(self, holds: Callable[[str], bool], seconds: float = 30.0) -> list[str]:
        """Wait until what stands on it is so; fail when it does not come."""
        end = time.monotonic() + seconds
        while True:
            lines = self.screen()
            if holds("\n".join(lines)):
                return lines
            assert time.monotonic() < end, "\n".join(lines) or self._said[-2000:]
            self._read(0.2)

    def end(self) -> int:
        """Wait for its end; its exit code."""
        end = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < end, "it goes on"
            self._read(0.1)
        return self.process.returncode

    def _read(self, seconds: float) -> None:
        while select.select([self._ours], [], [], seconds)[0]:
            try:
                octets = os.read(self._ours, 65536)
            except OSError:  # it ended
                return
            self._said = (self._said + octets.decode(errors="replace"))[-200_000:]
            seconds = 0.0
