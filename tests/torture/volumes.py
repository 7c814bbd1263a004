"""Small file systems of our own, which can be filled without hurting anyone. Only root can mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["Volume"]

LEFT_FREE = 0.35
"""A volume is only mounted where so much of the free memory stays free when it is full."""


class Volume:
    """A folder, which is a file system of its own once it is mounted."""

    def __init__(self, folder: Path, megaoctets: int) -> None:
        self.folder = folder
        self.is_mounted = False
        self._megaoctets = megaoctets
        self._ballast = folder / "ballast"

    def mount(self) -> bool:
        """Mount it, where that is possible. Whether it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0 or self._megaoctets > _free_megaoctets() * LEFT_FREE:
            return False
        options = f"size={self._megaoctets}m,mode=700"
        self.is_mounted = _run("mount", "-t", "tmpfs", "-o", options, "softbounce-torture", str(self.folder))
        return self.is_mounted

    def fill(self) -> None:
        """Leave no room. Blocks for a moment."""
        if not self.is_mounted:
            return
        with self._ballast.open("wb") as file:
            while (free := os.statvfs(self.folder)).f_bavail:
                size = file.seek(0, os.SEEK_END)
                try:
                    os.posix_fallocate(file.fileno(), size, free.f_bavail * free.f_frsize)
                except OSError:  # someone else got some of it
                    continue

    def empty(self) -> None:
        """Take the ballast out."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take the file system away, with all that is on it."""
        if self.is_mounted:
            _run("umount", "-l", str(self.folder))
            self.is_mounted = False


def _run(program: str, *arguments: str) -> bool:
    path = shutil.which(program)
    return path is not None and subprocess.run([path, *arguments], capture_output=True, check=False).returncode == 0  # noqa: S603


def _free_megaoctets() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
