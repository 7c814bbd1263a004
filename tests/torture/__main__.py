"""``python -m torture``: what ``script/torture`` runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from torture.house import NotReady
from torture.report import print_tables
from torture.run import Options, State, torture
from torture.schedule import Kind
from torture.ways import FIRST

__all__ = ["main"]

PROMISE_BROKEN, NOT_STARTED, INTERRUPTED = 1, 70, 130
LINE_EVERY = 20


def main() -> int:
    """Run it; the exit code: 0 all promises kept, 1 one was broken, 70 it could not be started."""
    options, as_json = _read()
    for name in [name for name in os.environ if name.startswith("SOFTBOUNCE__")]:
        del os.environ[name]  # settings of the caller's own service must not reach this one
    console = Console(stderr=as_json)
    screen = _Screen(console, options)
    try:
        with screen.shown():
            found = asyncio.run(_until_told(options, screen))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted")
        return INTERRUPTED
    except NotReady as error:
        console.print(f"not started: {error}; {', '.join(error.__notes__)}")
        return NOT_STARTED
    print_tables(console, found)
    for mishap, number in found["mishaps_by_kind"].items():
        console.print(f"{number} times: {mishap}", markup=False, highlight=False)
    for skipped in found["skipped"]:
        console.print(f"skipped: {skipped}")
    if found["evidence"]:
        console.print(f"the evidence is in {found['evidence']}")
    if as_json:
        print(json.dumps(found))
    return 0 if found["is_kept"] else PROMISE_BROKEN


async def _until_told(options: Options, screen: _Screen) -> dict[str, Any]:
    """Run, and end in good order on SIGTERM as on Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await torture(options, screen.show)


class _Screen:
    """A progress bar at a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, options: Options) -> None:
        self._console = console
        self._seconds = options.minutes * 60
        self._turn = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=self._seconds, counts="")

    def shown(self) -> AbstractContextManager[object]:
        """While it is on the screen."""
        return self._progress if self._console.is_terminal else nullcontext()

    def show(self, state: State) -> None:
        """Show how far it is."""
        number = sum(state.faults.values())
        counts = f"{number} faults, {state.accepted:,} accepted, {state.delivered:,} delivered"
        if state.phase in {"settling", "reckoning"}:
            counts += f", {state.waiting:,} {'to settle' if state.phase == 'settling' else 'looked at'}"
        elif state.last_fault:
            counts += f"; {state.last_fault}"
        if self._console.is_terminal:
            done = {"starting": 0.0, "faults": min(self._seconds, state.elapsed)}.get(state.phase, self._seconds)
            self._progress.update(self._task, description=state.phase, completed=done, counts=counts)
        elif self._turn % LINE_EVERY == 0:
            self._console.print(f"{state.phase} {state.elapsed:.0f} s: {counts}", markup=False, highlight=False)
        self._turn += 1


def _read() -> tuple[Options, bool]:
    parser = argparse.ArgumentParser(
        prog="script/torture", description="Tortures the real service, then compares what all sides say."
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults go on (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="decides the letters and the faults")
    parser.add_argument("--envelopes", type=int, default=0, help="about so many in all, instead of by the rate")
    parser.add_argument("--rate", type=float, default=120.0, help="envelopes a second (default 120)")
    parser.add_argument("--faults", type=float, default=12.0, metavar="N", help="a minute (default 12)")
    parser.add_argument("--settle", type=float, default=300.0, metavar="S", help="seconds at most (default 300)")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="only faults whose name has these")
    parser.add_argument("--way", action="append", choices=FIRST, help="only these ways in (default all)")
    parser.add_argument("--watched", action="store_true", help="a store of three servers that sentinels watch")
    parser.add_argument("--keep", action="store_true", help="keep the evidence in any case")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    given = parser.parse_args()
    kinds = tuple(kind for kind in Kind if any(words in kind for words in given.only))
    if given.only and not kinds:
        parser.error(f"no such fault; there are: {', '.join(Kind)}")
    if given.minutes <= 0 or given.rate <= 0 or given.faults <= 0:
        parser.error("minutes, rate and faults are above 0")
    options = Options(
        minutes=given.minutes,
        seed=given.seed,
        envelopes=given.envelopes,
        rate=given.rate,
        faults_per_minute=given.faults,
        settle=given.settle,
        kinds=kinds,
        ways=tuple(given.way or FIRST),
        is_watched=given.watched,
        keep=given.keep,
    )
    return options, given.json


if __name__ == "__main__":
    sys.exit(main())
