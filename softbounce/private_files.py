"""Files and folders that nobody else may look into, whatever the umask: they tell who got mail from whom."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["make_private_folder", "open_private"]

FILE, FOLDER = 0o600, 0o700


def make_private_folder(folder: Path) -> None:
    """Make the folder, and those above it that are missing. One that is there belongs to whoever made it.

    :raises OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    try:
        folder.mkdir(mode=FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return  # pragma: no cover - another process was faster
    folder.chmod(FOLDER)


def open_private(path: Path, flags: int) -> int:
    """Open a file of ours, made where it is missing; one that others could read before they can no more.

    :raises OSError: it cannot be opened.
    """
    file = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE)
    if stat.S_IMODE(os.fstat(file).st_mode) != FILE:
        with suppress(OSError):  # another user's, or on a file system without such modes
            os.fchmod(file, FILE)
    return file
