"""The lock of a data folder: one store on its files, ever.

Measured: a second server on the same append-only file starts silently, and acknowledged mail is lost. So the lock is
held by ``up`` and inherited by its store, and is free only when both are gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from softbounce.private_files import make_private_folder, open_private
from softbounce_gateway.errors import StartFailed

__all__ = ["FolderLock", "make_folder"]

PATIENCE = 10.0
POLL_SECONDS = 0.1


def make_folder(folder: Path) -> None:
    """Make a folder that only we can look into, where it is missing.

    :raises StartFailed: it cannot be made or written to.
    """
    try:
        make_private_folder(folder)
    except OSError as error:
        raise StartFailed(f"the data folder {folder} cannot be made: {error.strerror or error}", exit_code=2) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartFailed(
            f"the data folder {folder} cannot be written to by this user; give it to it, or name another as "
            "[store] data_dir",
            exit_code=2,
        )


class FolderLock:
    """The lock, held from :meth:`take` on until every process that inherited the descriptor has ended.

    :ivar descriptor: to be inherited by the store.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._lines: dict[str, int | str] = {"up": os.getpid()}
        self._write()

    @classmethod
    async def take(cls, folder: Path, waits: Callable[[str], None], patience: float = PATIENCE) -> Self:
        """Wait for the lock.

        :param waits: told once, when it is not free at once.
        :raises StartFailed: another has it and keeps it; names the process. Or there are no locks on that file system.
        """
        path = folder / "lock"
        try:
            descriptor = open_private(path, os.O_RDWR)
        except OSError as error:
            raise StartFailed(f"{path} cannot be opened: {error.strerror or error}", exit_code=2) from error
        try:
            await _wait(descriptor, folder, waits, patience)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def name_store(self, pid: int) -> None:
        """Write down who inherited it."""
        self._lines["store"] = pid
        self._write()

    def note(self, words: Mapping[str, str]) -> None:
        """Write down what others shall know of us, each a word by its name."""
        self._lines.update(words)
        self._write()

    def release(self) -> None:
        """Let go of it, after the store has ended."""
        with suppress(OSError):
            os.close(self.descriptor)

    def _write(self) -> None:
        text = "".join(f"{name} {word}\n" for name, word in self._lines.items()).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text, 0)


async def _wait(descriptor: int, folder: Path, waits: Callable[[str], None], patience: float) -> None:
    now = asyncio.get_running_loop().time
    give_up_at = now() + patience
    told = False
    while not _try(descriptor, folder):
        if now() >= give_up_at:
            raise StartFailed(
                f"the data folder {folder} is in use by {_holder(folder / 'lock')}; end that one first "
                "(or use another [store] data_dir)",
                exit_code=1,
            )
        if not told:
            waits(f"waiting for {_holder(folder / 'lock')} to leave {folder}")
            told = True
        await asyncio.sleep(POLL_SECONDS)


def _try(descriptor: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StartFailed(
            f"the data folder {folder} cannot be locked: {error.strerror or error}. Its file system has no locks (some "
            "network file systems are mounted without), and two stores on the same files lose mail; name a folder on "
            "a local disk as [store] data_dir",
            exit_code=2,
        ) from error
    return True


def _holder(path: Path) -> str:
    """Who wrote itself into the lock file and still lives."""
    try:
        words = path.read_text(errors="replace").split()
    except OSError:
        words = []
    for name, pid in zip(words[::2], words[1::2], strict=False):
        if pid.isdecimal() and _lives(int(pid)):
            return f"process {pid} (softbounce up)" if name == "up" else f"process {pid} (the store of an earlier up)"
    return "another process"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
