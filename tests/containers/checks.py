"""What was checked, and how it went: one line a check, and a last line with the numbers."""

from __future__ import annotations

import time

__all__ = ["Checks"]


class Checks:
    """A list of checks, printed as they are made.

    :ivar failed: how many did not hold.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._began = time.monotonic()

    def check(self, what: str, *, holds: bool, found: object = "") -> None:
        """Write down whether something holds.

        :param what: the rule, in words.
        :param found: what was measured; shown in either case.
        """
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        self._say("ok     " if holds else "FAILED ", f"{what}{f': {found}' if found != '' else ''}")

    def note(self, what: str) -> None:
        """Say what is going on."""
        self._say("       ", what)

    def close(self) -> int:
        """Print the numbers. Returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")  # noqa: T201 - a program that prints
        return 1 if self.failed else 0

    def _say(self, mark: str, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {mark}{what}", flush=True)  # noqa: T201 - the same
