"""What the benchmarks share: a service in a folder of its own, a DNS for its mail, what things take."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from softbounce_playground import Playground, Zone

__all__ = ["Names", "Service", "beside", "cpu_seconds", "megabytes", "most_megabytes", "percentiles"]

TICKS = os.sysconf("SC_CLK_TCK")


class Names:
    """A DNS that sends chosen domains' mail to chosen addresses; runs in a thread of its own."""

    def __init__(self, zones: dict[str, Zone]) -> None:
        self._zones = zones
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.nameserver = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with Playground() as playground:
            playground.zone.update(self._zones)
            self.nameserver = playground.nameserver
            self._ready.set()
            await self._stop.wait()


class Service:
    """``softbounce up`` runs in one folder, with one config; several may share the store of the first.

    A context manager: the folder goes with it.

    :param path: where the code is imported from before all else; empty: the code that is installed.
    """

    def __init__(self, config: str, path: str = "") -> None:
        self._path = path
        self._folder = tempfile.TemporaryDirectory(prefix="sb-")
        self.folder = Path(self._folder.name)
        self.config = self.folder / "softbounce.toml"
        self.config.write_text('[identity]\nhostname = "benchmark.test"\n' + config)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def socket(self) -> Path:
        """The store's socket."""
        return self.folder / "var" / "store.sock"

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"unix://{self.socket}"

    @contextmanager
    def up(self, *options: str, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Run it until the block ends."""
        code = {"PYTHONPATH": self._path} if self._path else {}
        with (self.folder / "stderr").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "softbounce", "up", "--config", str(self.config), *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.folder,
                env={**os.environ, **code, **(environ or {})},
            )
        assert process.stdout is not None  # noqa: S101 - it was opened above
        try:
            if not any(line.startswith("ready") for line in process.stdout):
                raise SystemExit(f"the service did not start:\n{(self.folder / 'stderr').read_text()}")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()


@contextmanager
def beside(name: str, *arguments: str | int | Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A program of this folder, as a process of its own until the block ends; what it said when it was ready."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None  # noqa: S101 - it was opened above
    try:
        yield process, process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def percentiles(values: list[float]) -> dict[str, float]:
    """p50 and p99, ms."""
    ordered = sorted(values)
    return {
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
    }


def cpu_seconds(pid: int) -> dict[str, float]:
    """CPU seconds so far of a process and those below it, by what they are."""
    sums: dict[str, float] = {}
    for name, entry in _family(pid):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        sums[name] = sums.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / TICKS
    return sums


def most_megabytes(pid: int) -> dict[str, float]:
    """The most memory that one of these processes had so far, by what they are."""
    return _megabytes(pid, "VmHWM")


def megabytes(pid: int) -> dict[str, float]:
    """The most memory that one of these processes has now, by what they are."""
    return _megabytes(pid, "VmRSS")


def _megabytes(pid: int, figure: str) -> dict[str, float]:
    most: dict[str, float] = {}
    for name, entry in _family(pid):
        try:
            lines = (entry / "status").read_text().splitlines()
        except OSError:
            continue
        taken = next((int(line.split()[1]) for line in lines if line.startswith(figure)), 0)
        most[name] = max(most.get(name, 0.0), round(taken / 1024, 1))
    return most


def _family(pid: int) -> Iterator[tuple[str, Path]]:
    """A process and those below it: what each is, and its folder in /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        waiting += children.get(one, [])
        entry = Path("/proc") / str(one)
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        words = {"softbounce_worker": "worker", "softbounce_scheduler": "scheduler", "valkey-server": "store"}
        yield next((short for word, short in words.items() if word in command), "supervisor"), entry
