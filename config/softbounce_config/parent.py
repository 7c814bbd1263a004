"""The parent's end: a pipe that closes with it tells its children to end too. Imports nothing heavy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

__all__ = ["PARENT_FD", "watch_parent"]

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
