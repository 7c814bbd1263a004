"""An app and relays of its outbox, killed at each line and at moments of chance: what was committed is sent, once."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from outbox_programs import app, relay
from outboxes import MARIADB_WHEN_THOROUGH, app_engine, column, lapse, taken, waiting
from servers import Valkey
from sqlalchemy import Engine

PROGRAM = Path(__file__).parents[1] / "outbox_programs.py"
APPS = RELAYS = 2
LONGEST = 500.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["outbox_programs", "softbounce_gateway.cli", "softbounce.outbox.sqlalchemy.database"])


@pytest.fixture
def engine(app_database: str) -> Iterator[Engine]:
    """The app's database with its tables."""
    with app_engine(app_database, pool_pre_ping=True) as engine:
        yield engine


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have them found by the process that imports them before it forks."""
    monkeypatch.setenv("PYTHONPATH", str(PROGRAM.parent))


@pytest.mark.long
@MARIADB_WHEN_THOROUGH
@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.thorough)])
def test_issue14_a_relay_that_is_killed_at_any_line_loses_and_doubles_nothing(
    app_database: str, engine: Engine, store_server: Valkey, step: int
) -> None:
    """Some three hundred lines, from the first look at the table to the last commit; here each eighth of them."""
    del engine
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, PROGRAM, app_database, store_server.url, str(step)],
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines, orders = map(int, done.stdout.split())
    assert lines > 200
    with app_engine(app_database) as engine:
        committed = column(engine, "SELECT number FROM orders")
    assert len(committed) == orders * 2 // 3
    assert taken(store_server.url) == dict.fromkeys(committed, 1)


@pytest.mark.long
@pytest.mark.parametrize("transactions", [400, pytest.param(10_000, marks=pytest.mark.thorough)])
def test_issue14_app_and_relays_killed_at_random_send_what_was_committed_once(
    app_database: str,
    engine: Engine,
    store_server: Valkey,
    tmp_path: Path,
    transactions: int,
) -> None:
    """Two apps, a third of whose transactions roll back, and two relays: all are killed again and again."""
    chance = random.Random(14)  # noqa: S311 - moments of chance
    killing = Killing(app_database, store_server.url, tmp_path, transactions)
    try:
        kills = killing.go_on(chance)
    finally:
        killing.end()
    committed = column(engine, "SELECT number FROM orders")
    assert kills >= 3
    assert transactions * 0.6 < len(committed) < transactions * 0.7
    lapse(engine)
    last = killing.relay("--once")
    last.join(200)
    assert last.exitcode == 0
    print(f"{transactions} transactions, {len(committed)} committed, {kills} kills")  # noqa: T201 - the figures
    assert waiting(engine) == 0
    assert not column(engine, "SELECT told FROM softbounce_outbox")
    assert taken(store_server.url) == dict.fromkeys(committed, 1)


class Killing:
    """The processes, which are started again when they were killed."""

    def __init__(self, url: str, store: str, folder: Path, transactions: int) -> None:
        self._url, self._store, self._folder = url, store, folder
        self._each = transactions // APPS
        self._running: dict[str, multiprocessing.process.BaseProcess] = {}

    def go_on(self, chance: random.Random) -> int:
        """Until the apps have made all of their transactions; returns how often something was killed."""
        names = [*(f"app{number}" for number in range(APPS)), *(f"relay{number}" for number in range(RELAYS))]
        for name in names:
            self._start(name)
        kills = 0
        began = time.monotonic()
        while any(self._running[f"app{number}"].exitcode != 0 for number in range(APPS)):
            assert time.monotonic() - began < LONGEST
            time.sleep(chance.uniform(0.1, 1.0))
            name = chance.choice(names)
            if self._running[name].is_alive():
                self._running[name].kill()
                kills += 1
            self._running[name].join(30)
            if self._running[name].exitcode != 0:
                assert self._running[name].exitcode == -signal.SIGKILL, (self._folder / "log").read_text()[-3000:]
                self._start(name)
        return kills

    def _start(self, name: str) -> None:
        kind, number = name[:-1], int(name[-1])
        if kind == "relay":
            self._running[name] = self.relay()
            return
        bounds = (number * self._each, (number + 1) * self._each)
        self._running[name] = FORKS.Process(target=app, args=(self._url, self._folder / name, *bounds))
        self._running[name].start()

    def relay(self, *more: str) -> multiprocessing.process.BaseProcess:
        """Start a relay."""
        process = FORKS.Process(target=relay, args=(self._url, self._store, self._folder / "log", *more))
        process.start()
        return process

    def end(self) -> None:
        """End those that still run."""
        for one in self._running.values():
            one.kill()
            one.join(10)
