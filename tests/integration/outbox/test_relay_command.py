"""``softbounce relay``: what it says, how it ends, and that no password is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from outboxes import app_engine, column, letter, taken, waiting
from servers import Valkey
from service import ready_line, run_cli, until
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from softbounce import outbox


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of the app's."""
    return f"sqlite:///{tmp_path / 'app.db'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Its engine."""
    with app_engine(url) as engine:
        yield engine


def add(engine: Engine, *numbers: int) -> None:
    """Letters, in one transaction; those of odd numbers have all the same key."""
    with Session(engine) as session, session.begin():
        for number in numbers:
            outbox.add(session, **letter(number), key="odd" if number % 2 else f"order-{number}")


def test_issue14_relay_hands_over_and_shows_what_it_set_aside(
    engine: Engine, url: str, store_server: Valkey, tmp_path: Path
) -> None:
    """Once, for a person and for a program; and what a person can do about it."""
    environ = {"SOFTBOUNCE_URL": store_server.url, "SOFTBOUNCE_DATABASE": url}

    def relay(*arguments: str, code: int = 0) -> str:
        done = run_cli("relay", *arguments, folder=tmp_path, environ=environ)
        assert done.returncode == code, done.stderr
        return done.stdout.decode()

    add(engine, 1, 2, 3, 4)
    assert json.loads(relay("--once", "--json")) == {"sent": 3}
    assert taken(store_server.url) == {1: 1, 2: 1, 4: 1}
    shown = relay("--aside")
    assert shown.startswith("0 waiting, 0 sent and still kept, 1 set aside\n")
    assert "was used before" in shown
    found = json.loads(relay("--aside", "--json"))
    assert [(row["id"], row["state"], row["key"]) for row in found["rows"]] == [(3, "aside", "odd")]
    assert relay("--again", "all") == "1 waiting again\n"
    relay("--once")
    assert relay("--drop", "3") == "1 dropped\n"
    assert column(engine, "SELECT COUNT(*) FROM softbounce_outbox") == [0]
    relay("--again", "three", code=2)
    relay("--once", "--poll", "soon", code=2)


def test_issue14_relay_finishes_its_batch_when_it_is_told_to_end(
    engine: Engine, url: str, store_server: Valkey, tmp_path: Path
) -> None:
    """Exit code 0, and no row is left claimed: what was not begun waits for the next relay."""
    add(engine, *range(0, 3000, 2))
    relay = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "softbounce", "relay", "--database", url, "--batch", "5"],
        cwd=tmp_path,
        env={"SOFTBOUNCE_URL": store_server.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    ready_line(relay)
    until(lambda: waiting(engine) < 1500, 20, "it has begun", pause=0.005)
    relay.send_signal(signal.SIGTERM)
    relay.communicate(timeout=30)
    assert relay.returncode == 0
    left = column(engine, "SELECT claim FROM softbounce_outbox")
    assert left
    assert set(left) == {""}
    assert sum(taken(store_server.url).values()) == 1500 - len(left)


@pytest.mark.parametrize(
    ("database", "code", "says"),
    [
        ("nonsense", 2, "no URL such as"),
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/x", 1, "refused"),
        ("postgresql+nothing://u:s3cret@h/x", 2, "no URL such as"),
        ("mssql+pyodbc://u:s3cret@h/x", 2, "softbounce: the outbox's database"),
        ("sqlite:///empty.db", 1, "Is the table there?"),
    ],
)
def test_issue14_relay_says_what_is_wrong_with_a_database(database: str, code: int, says: str, tmp_path: Path) -> None:
    """In a line or two, without the password, and without a statement that has mail in it."""
    done = run_cli("relay", "--database", database, "--aside", folder=tmp_path)
    assert done.returncode == code
    said = done.stderr.decode()
    assert says in said
    assert "s3cret" not in said
    assert "Traceback" not in said
    assert "SELECT" not in said


def test_issue14_relay_prints_the_table_for_a_migration_by_hand() -> None:
    """In the words of the database, which is not asked."""
    done = run_cli("relay", "--database", "postgresql://nobody@nowhere/x", "--ddl")
    assert done.returncode == 0
    assert b"id BIGSERIAL NOT NULL" in done.stdout
    assert done.stdout.count(b"CREATE INDEX") == 2
