"""SIGHUP from the first moment of a command: for ``up`` it asks for a reload, which one that is starting does later.

Of itself the signal ends a process. So it is only noted until it is known which command this is: ``up`` asks then
whether it came, any other one gives the signal back what it was to do.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

__all__ = ["HangUp", "has_terminal"]


class HangUp:
    """What became of the signal until now.

    :ivar came: it did, and nobody has done anything about it.
    :ivar had_terminal: the command was started from one.
    """

    def __init__(self) -> None:
        self.came = False
        self.had_terminal = False
        self._before: Any = None

    def begin(self) -> None:
        """From now on note it; in the main thread, where alone it can be."""
        self.had_terminal = has_terminal()
        self._before = signal.signal(signal.SIGHUP, self._note)

    def give_back(self) -> None:
        """It is to do what it was, also where it came meanwhile."""
        if self._before is not None and signal.getsignal(signal.SIGHUP) == self._note:
            signal.signal(signal.SIGHUP, self._before)
            if self.came:
                os.kill(os.getpid(), signal.SIGHUP)
        self.came = False

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


def has_terminal() -> bool:
    """Whether there is one, and it is still there."""
    try:
        return sys.stdin is not None and os.isatty(0) and os.tcgetpgrp(0) >= 0
    except OSError:
        return False


EARLY = HangUp()
"""This process's."""
