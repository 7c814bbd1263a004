"""Processes whose clocks a test can set while they run: a few lines of C, built here, stand before their libc."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

from servers import Valkey

__all__ = ["CompilerMissing", "SteppedClock", "build_shim"]

SOURCE = Path(__file__).with_name("stepped_clock.c")


class CompilerMissing(Exception):
    """There is no C compiler here, so that no clock can be set."""


def build_shim(folder: Path) -> Path:
    """Build what is preloaded. Raises :class:`CompilerMissing`."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise CompilerMissing("a step of the store's clock needs a C compiler (cc, gcc or clang), and there is none")
    library = folder / "stepped_clock.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, "-o", library, SOURCE], check=True)  # noqa: S603 - our own source
    return library


class SteppedClock:
    """The clocks of one process, or of some.

    :ivar environ: what it is to be started with.
    """

    def __init__(self, shim: Path, file: Path) -> None:
        self._file = file
        self._file.write_bytes(bytes(16))
        self.environ = {"LD_PRELOAD": str(shim), "STEPPED_CLOCK": str(file)}

    def set(self, seconds: float) -> None:
        """Set the wall clock so many seconds ahead of this machine's; 0 is right."""
        self._write(0, seconds)

    def set_steady(self, seconds: float) -> None:
        """Set the steady clock ahead, as if so much time had passed; or back, as if the machine had been paused."""
        self._write(8, seconds)

    def _write(self, offset: int, seconds: float) -> None:
        with self._file.open("r+b") as file:
            file.seek(offset)
            file.write(struct.pack("=q", round(seconds * 1_000_000)))

    @staticmethod
    def seconds_ahead(server: Valkey) -> float:
        """How far a server's clock is ahead of this machine's."""
        with server.client() as raw:
            raw.ping()
            seconds, microseconds = raw.time()
            return seconds + microseconds / 1e6 - time.time()
