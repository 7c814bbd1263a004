"""Runs a program that ends when its parent does: the way for programs that cannot watch a pipe themselves.

    python -I -S end_with_parent.py PARENT PROGRAM [ARGUMENT ...]

Becomes the program (exec), so that whoever started it holds the program's own process id. Started by path, with
nothing but the standard library. On Linux the kernel sends SIGTERM when the parent is gone, however it went; elsewhere
a watcher process does.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

__all__ = ["main"]

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns, unless the program cannot be run."""
    parent, program = int(arguments[0]), arguments[1:]
    os.umask(0o077)  # what it writes is mail
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    else:
        _fork_watcher(parent)
    if os.getppid() != parent:  # it ended before we asked to be told
        return
    os.execv(program[0], program)  # noqa: S606 - its whole purpose


def _fork_watcher(parent: int) -> None:
    """Fork twice, so that the watcher is no child that the program would have to wait for."""
    program = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        os.closerange(3, 1024)  # the lock of the data folder among them
        with suppress(OSError):
            _watch(parent, program)
    os._exit(0)


def _watch(parent: int, program: int) -> None:
    if sys.platform != "linux":
        queue = select.kqueue()
        for pid in (parent, program):
            queue.control([select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)], 0)
        if queue.control(None, 1)[0].ident == parent:
            os.kill(program, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
