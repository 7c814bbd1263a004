"""An app: sends letters all the time, and writes down what it was told. ``python -m torture.app --help``.

Its own journal, a line a letter: ``asked N`` before the call, then ``taken N ID...`` or ``refused N``. Killed at any
moment, it goes on where its journal ends: letters that were asked and not answered are sent again with their key. There
is one for each way in (:mod:`torture.ways`), with numbers of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from torture.letters import letter
from torture.ways import FIRST, Way, opened

__all__ = ["Log", "main"]

LARGEST_BATCH = 40
PAUSE = 0.1
PAUSE_AFTER_TROUBLE = 0.3
TORN = "torn"
"""Ends a line that was cut short when the app was killed."""


class Log:
    """The app's journal.

    :ivar taken: the ids of each letter that was taken, by number.
    :ivar refused: letters of which nothing was taken.
    :ivar open: letters that were asked and have no answer.
    :ivar next: the number of the next new letter.

    :param first: the number of the very first.
    """

    def __init__(self, path: Path, first: int = 0) -> None:
        self.taken: dict[int, tuple[str, ...]] = {}
        self.refused: set[int] = set()
        self.open: dict[int, None] = {}
        self.next = first
        octets = path.read_bytes() if path.exists() else b""
        for line in octets.split(b"\n")[:-1]:  # a torn last line was never acted on
            self._read(line.decode().split(" "))
        self._torn = bool(octets) and not octets.endswith(b"\n")

    def _read(self, words: list[str]) -> None:
        if words[-1] == TORN:
            return
        number = int(words[1])
        match words[0]:
            case "asked":
                self.open[number] = None
                self.next = max(self.next, number + 1)
            case "taken":
                self.open.pop(number, None)
                self.taken[number] = tuple(words[2:])
            case "refused":
                self.open.pop(number, None)
                self.refused.add(number)
            case word:
                raise ValueError(f"the app's journal has no lines that begin with {word!r}")

    def attach(self, path: Path) -> None:
        """Begin to write."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self._torn:
            os.write(self._file, f" {TORN}\n".encode())

    def write(self, lines: Sequence[str]) -> None:
        """Write lines down, and take them in."""
        if lines:
            os.write(self._file, "".join(f"{line}\n" for line in lines).encode())
        for line in lines:
            self._read(line.split(" "))


class App:
    """Sends until told to end."""

    def __init__(self, way: Way, log: Log, seed: int) -> None:
        self._way = way
        self._log = log
        self._seed = seed
        self.is_ending = False

    def run(self, rate: float, end: int) -> None:
        """Send new letters at a rate, up to number *end*, and those without an answer first of all."""
        allowed, last = 0.0, time.monotonic()
        while not (self.is_ending and not self._log.open):
            now = time.monotonic()
            allowed, last = min(2 * LARGEST_BATCH, allowed + (now - last) * rate), now
            numbers = list(self._log.open)[:LARGEST_BATCH]
            if not numbers and not self.is_ending:
                number = min(int(allowed), LARGEST_BATCH, end - self._log.next)
                numbers = list(range(self._log.next, self._log.next + number))
                allowed -= number
                self._log.write([f"asked {one}" for one in numbers])
                time.sleep(PAUSE if self._send(numbers, are_new=True) else PAUSE_AFTER_TROUBLE)
            elif not self._send(numbers, are_new=False):
                time.sleep(PAUSE_AFTER_TROUBLE)

    def _send(self, numbers: Sequence[int], *, are_new: bool) -> bool:
        """Send these letters; whether all of them were taken."""
        if not numbers:
            return True
        letters = [letter(self._seed, number) for number in numbers]
        told = self._way.hand_over(letters, are_new=are_new)
        self._log.write([f"refused {numbers[index]}" for index in told.refused])
        self._log.write([f"taken {numbers[index]} {' '.join(ids)}" for index, ids in told.taken.items()])
        return len(told.taken) == len(numbers)


def main() -> int:
    """Run it until SIGTERM; then until every letter has its answer."""
    parser = argparse.ArgumentParser(prog="python -m torture.app", description=__doc__)
    parser.add_argument("--way", choices=FIRST, default="client")
    parser.add_argument("--url", required=True, help="of the store, the listener, or the app's database")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="new letters a second")
    parser.add_argument("--limit", type=int, required=True, help="letters in all")
    options = parser.parse_args()
    log = Log(options.log, FIRST[options.way])
    log.attach(options.log)
    with opened(options.way, options.url) as way:
        app = App(way, log, options.seed)

        def end(*_: object) -> None:
            app.is_ending = True

        signal.signal(signal.SIGTERM, end)
        app.run(options.rate, FIRST[options.way] + options.limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
