"""A real MariaDB server for tests, of Debian's package, in a folder of its own on a unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import pymysql

__all__ = ["MariaDB", "MariaDBMissing", "mariadb_programs"]

START_WITHIN = 30.0
ROOT = "/"
NOBODY = "mysql"
"""The server does not run as root; its package has made this user."""
ADMIN = "root"


class MariaDBMissing(Exception):
    """There is no server on this machine: ``script/databases`` installs it."""


def mariadb_programs() -> tuple[str, str]:
    """The server, and what makes its folder. Raises :class:`MariaDBMissing`."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    server, maker = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    if server is None or maker is None:
        raise MariaDBMissing("no MariaDB server: script/databases installs it")
    return server, maker


class MariaDB:
    """One server process and its folder. A context manager."""

    def __init__(self, server: str, maker: str) -> None:
        self._server, self._maker = server, maker
        self._as: dict[str, Any] = {}
        self._databases = 0
        if os.geteuid() == 0:
            user = pwd.getpwnam(NOBODY)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="sb-my-", dir="/tmp"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        subprocess.run(  # noqa: S603 - the server's own program
            [
                self._maker,
                "--no-defaults",
                f"--datadir={self.folder}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            check=True,
            capture_output=True,
            cwd=ROOT,
            **self._as,
        )
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """An empty database; its URL."""
        self._databases += 1
        name = f"app{self._databases}"
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"mariadb+pymysql://{ADMIN}@/{name}?unix_socket={self._socket}&charset=utf8mb4"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    def _start(self) -> None:
        options = [
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self._socket}",
            f"--pid-file={self.folder}/pid",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [self._server, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, **self._as
            )
        end = time.monotonic() + START_WITHIN
        while "ready for connections" not in (log := (self.folder / "log").read_text()):
            assert time.monotonic() < end, log[-2000:]
            time.sleep(0.02)

    def _connect(self) -> pymysql.Connection:
        return pymysql.connect(unix_socket=str(self._socket), user=ADMIN)
