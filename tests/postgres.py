"""A real PostgreSQL server for tests, of Debian's package, in a folder of its own on a unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg

__all__ = ["Postgres", "PostgresMissing", "postgres_folder"]

START_WITHIN = 30.0
ROOT = "/"
NOBODY = "postgres"
"""The server does not run as root; its package has made this user."""


class PostgresMissing(Exception):
    """There is no server on this machine: ``script/databases`` installs it."""


def postgres_folder() -> Path:
    """Where its programs are. Raises :class:`PostgresMissing`."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.get_exec_path())]
    for place in sorted(places, key=lambda path: path.parent.name, reverse=True):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return (place / "postgres").resolve().parent
    raise PostgresMissing("no PostgreSQL server: script/databases installs it")


class Postgres:
    """One server process and its folder. A context manager."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(NOBODY)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="sb-pg-", dir="/tmp"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        subprocess.run(  # noqa: S603 - the server's own program
            [
                self._programs / "initdb",
                "-D",
                self.folder / "data",
                "-U",
                NOBODY,
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
            ],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            **self._as,
        )
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ["-h", "", "-k", str(self.folder), "-c", "fsync=off", "-c", "max_connections=50"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [self._programs / "postgres", "-D", self.folder / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                **self._as,
            )
        end = time.monotonic() + START_WITHIN
        while True:
            try:
                psycopg.connect(self.address("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)
            else:
                return

    def restart(self) -> None:
        """End all connections at once, and start again."""
        self._end(signal.SIGINT)
        self.start()

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGQUIT)

    def new_database(self) -> str:
        """An empty database; its URL."""
        self._databases += 1
        name = f"app{self._databases}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{NOBODY}@/{name}?host={self.folder}"

    def address(self, database: str) -> str:
        """As libpq takes it."""
        return f"host={self.folder} user={NOBODY} dbname={database}"

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(20)
