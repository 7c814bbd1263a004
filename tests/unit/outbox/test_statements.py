"""The SQL of the relay, where databases differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from softbounce.outbox.relay.database import Execute
from softbounce.outbox.relay.statements import Statements
from softbounce.outbox.sqlalchemy.database import _isolation

SEVERAL = [7, 8, 9]


@pytest.mark.parametrize(
    ("dialect", "lists"), [("mysql", ["7", "8", "9"]), ("mariadb", ["7", "8", "9"]), ("postgresql", ["7, 8, 9"])]
)
def test_issue14_what_changes_rows_of_innodb_names_one(dialect: str, lists: list[str]) -> None:
    """By several it may read a small table from its beginning, and wait for what an open transaction has added."""
    changes: list[Callable[[Statements, Execute], object]] = [
        lambda one, execute: one.claim(execute, SEVERAL, "token", 1000),
        lambda one, execute: one.delete(execute, SEVERAL, "token"),
        lambda one, execute: one.give_back(execute, SEVERAL, "token", is_uncertain=False),
    ]
    for change in changes:
        said: list[str] = []

        def execute(
            statement: str, values: Mapping[str, object] | None = None, said: list[str] = said
        ) -> list[tuple[Any, ...]]:
            del values
            said.append(statement)
            return []

        change(Statements(dialect), execute)
        written = [one for one in said if not one.startswith("SELECT")]
        assert [one.partition(" IN (")[2].partition(")")[0] for one in written] == lists


def test_issue14_innodb_locks_nothing_between_rows() -> None:
    """Else two relays wait for each other, and one old transaction of an app keeps all of them from all rows."""
    assert _isolation("mysql") == _isolation("mariadb") == {"isolation_level": "READ COMMITTED"}
    assert _isolation("postgresql") == _isolation("sqlite") == {}
