"""A child and its parent: what the child says, and the parent's end, which is its own too. Imports nothing heavy."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

__all__ = ["PARENT_FD", "tell_parent", "watch_parent"]

PARENT_FD = "SOFTBOUNCE_PARENT_FD"
"""Names the read end of a pipe that closes when the parent is gone."""


def watch_parent(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Call *end* when the parent's pipe closes, where there is one; what is written to it means nothing."""
    text = os.environ.get(PARENT_FD, "")
    if not text.isdecimal():
        return
    pipe = int(text)

    def look() -> None:
        # It is readable now, so this does not block.
        if not os.read(pipe, 4096):
            loop.remove_reader(pipe)
            end()

    loop.add_reader(pipe, look)


def tell_parent(line: str, end: Callable[[], None]) -> None:
    """Say a line on stdout; where nobody is left to hear it, call *end*."""
    try:
        print(line, flush=True)  # noqa: T201 - the parent waits for it
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is unsaid goes there at the exit
        end()
